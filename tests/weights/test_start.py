"""Public weights as the start of a run: `start.weights` names them."""

import functools

import jax
import numpy as np
import pytest

from medfm import settings, study, tree
from medfm.models.bert import Bert
from medfm.objectives.classify import multiclass
from medfm.objectives.lora import lora
from medfm.types import UserError
from medfm.weights import public
from medfm.weights.transfer import transferred
from tests import infos
from tests.weights import reference

_CLASSES = str(reference.GOLDEN / "bert_classes")
_MASKED = str(reference.GOLDEN / "bert_masked_lm")


def _started(source, tmp_path, *, vocabulary=13, adapted=False, **shape):
  """A run's start parameters and their account, as training makes them."""
  shape = {**public.settings(reference.GOLDEN / "bert_classes"), **shape}
  model = functools.partial(Bert, **shape)
  objective = functools.partial(multiclass, model=model)
  if adapted:
    objective = functools.partial(lora, objective=objective)
  run = settings.Run(
    data=None,
    objective=objective,
    start=settings.Start(weights=source),
  )
  info = infos.info("toy", "multiclass", ("p", "q", "r"), vocabulary=vocabulary)
  weights = study._start_weights(tmp_path, run, {}, info)()
  batch = {"tokens": reference.TOKENS, "id": np.arange(2)}
  fresh = jax.jit(objective(info).init)(jax.random.key(0), batch)
  return transferred(
    fresh["params"],
    weights["params"],
    may_be_fresh=run.start.fresh,
    may_be_unused=run.start.unused,
  )


def test_a_classifier_starts_from_every_leaf_of_a_classifier(tmp_path):
  _, account = _started(_CLASSES, tmp_path)
  assert account.fresh == account.unused == ()


def test_a_classifier_starts_from_a_language_model(tmp_path):
  _, account = _started(_MASKED, tmp_path, pooling="mean")
  assert all("/head/" in path for path in account.fresh)
  assert all(path.startswith("decoder/") for path in account.unused)


def test_a_file_may_be_named_instead_of_its_folder(tmp_path):
  _, account = _started(f"{_CLASSES}/model.safetensors", tmp_path)
  assert account.fresh == ()


def test_stacked_blocks_start_from_separate_ones(tmp_path):
  params, _ = _started(_CLASSES, tmp_path, scan_layers=True)
  apart = public.read(reference.GOLDEN / "bert_classes")["params"]["model"]
  stack = tree.paths(params["model"]["blocks"])
  for path, leaf in tree.paths(apart["block1"]).items():
    np.testing.assert_array_equal(stack[path][1], leaf)


def test_adapters_stay_fresh_on_public_weights(tmp_path):
  _, account = _started(_CLASSES, tmp_path, adapted=True)
  assert account.fresh
  assert all(path.startswith("lora/") for path in account.fresh)


def test_a_tokenizer_of_another_size_is_refused(tmp_path):
  with pytest.raises(UserError, match=r"embed_tokens/embedding \(20, 8\)"):
    _started(_CLASSES, tmp_path, vocabulary=20)


def test_a_model_of_another_epsilon_is_refused(tmp_path):
  with pytest.raises(UserError, match=r"set model\.epsilon"):
    _started(_CLASSES, tmp_path, epsilon=1e-5, adapted=True)


def test_a_folder_of_neither_kind_is_refused(tmp_path):
  run = settings.Run(
    data=None,
    objective=multiclass,
    start=settings.Start(weights=str(tmp_path)),
  )
  with pytest.raises(UserError, match="no finished checkpoint"):
    study._start_weights(tmp_path, run, {}, infos.info("toy", "none"))()
