"""Probes of frozen features."""

import numpy as np
import pytest

from medfm.evals import probes
from medfm.tasks import multiclass, multilabel, pretext
from medfm.types import Split, UserError
from tests import infos
from tests.evals import contexts

_INFO = infos.info("toy", "multiclass", ("p", "q"), counts=(20, 20))


def _split(label):
  return Split({"label": label}, np.arange(len(label)).astype(str))


def _case(noise=0.1):
  """Two classes whose features point apart."""
  generator = np.random.default_rng(0)
  label = np.arange(40, dtype="int32") % 2
  centre = np.where(label[:, None] == 1, [[1, 0, 0]], [[0, 1, 0]])
  features = centre + noise * generator.standard_normal((40, 3))
  splits = {"test": _split(label[:10])}
  embeddings = {"train": features, "test": features[:10] * 3}
  return _split(label), embeddings, splits, label[:10]


def probed(probe, task, train, embeddings, others, info, **settings):
  """What a probe predicts for the other splits from these embeddings."""
  outputs = {name: {"embedding": array} for name, array in embeddings.items()}
  held = {
    name: probes.embedded(task, name, split, outputs.get(name, {}))
    for name, split in {"train": train, **others}.items()
  }
  return probe(task, held.pop("train"), held, info, 0, **settings)


@pytest.mark.parametrize("probe", [probes.linear, probes.nearest])
def test_features_that_separate_classes_are_read(probe):
  train, embeddings, others, label = _case()
  told = probed(probe, multiclass, train, embeddings, others, _INFO)
  probs = told["test"]["probs"]
  np.testing.assert_array_equal(probs.argmax(1), label)
  np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


def test_the_nearest_vote_is_the_weighted_share_of_the_neighbours():
  train = _split(np.array([0, 1, 1, -1], "int32"))
  keys = np.array([[1.0, 0], [0, 1], [-1, 0], [1, 1]])
  embeddings = {"train": keys, "test": np.array([[2.0, 1]])}
  others = {"test": _split(np.array([0], "int32"))}
  found = probed(
    probes.nearest,
    multiclass,
    train,
    embeddings,
    others,
    _INFO,
    neighbours=2,
    temperature=0.5,
  )
  one, two = np.exp(np.array([2, 1]) / np.sqrt(5) / 0.5)
  np.testing.assert_allclose(
    found["test"]["probs"], [[one / (one + two), two / (one + two)]], rtol=1e-5
  )


def test_missing_labels_have_no_vote():
  info = infos.info("toy", "multilabel", ("a", "b"))
  label = np.array([[1, np.nan], [np.nan, np.nan]], "float32")
  embeddings = {"train": np.eye(2), "test": np.ones((1, 2))}
  others = {"test": _split(np.zeros((1, 2), "float32"))}
  train = _split(label)
  found = probed(probes.nearest, multilabel, train, embeddings, others, info)
  np.testing.assert_allclose(found["test"]["probs"], [[1, 0.5]])


def test_a_split_without_its_features_is_refused():
  train, embeddings, others, _ = _case()
  del embeddings["test"]
  with pytest.raises(UserError, match="probes need an embedding"):
    probed(probes.linear, multiclass, train, embeddings, others, _INFO)


def _context(train, embeddings, others, task=multiclass):
  """Of a model whose frozen embedding is given."""
  splits = {"train": train, **others}
  return contexts.of(
    _INFO,
    splits,
    {name: {"embedding": embeddings[name]} for name in others},
    task=task,
    predict=lambda split: {"embedding": embeddings["train"]},
  )


def test_probes_go_by_name_and_an_unknown_one_is_refused():
  train, embeddings, others, label = _case()
  context = _context(train, embeddings, others)
  rivals = probes.probes(context).rivals
  assert list(rivals) == ["probe_linear", "probe_nearest"]
  for by_split in rivals.values():
    probs = by_split["test"]["probs"]
    np.testing.assert_array_equal(probs.argmax(1), label)
  with pytest.raises(UserError, match="choose from linear, nearest"):
    probes.probes(context, names=("knn",))


def test_a_pre_trained_model_is_probed_for_the_target_of_its_data():
  train, embeddings, others, label = _case()
  context = _context(train, embeddings, others, pretext)
  probs = probes.probes(context).rivals["probe_linear"]["test"]["probs"]
  np.testing.assert_array_equal(probs.argmax(1), label)
