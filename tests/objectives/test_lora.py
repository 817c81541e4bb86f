"""LoRA around any objective: frozen, merged, saved alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm import optim, step, tree
from medfm.models.bert import Bert
from medfm.models.resnet import ResNet
from medfm.objectives.classify import multiclass
from medfm.objectives.lora import LR_RULES, SCOPE, Merge, lora, trained
from medfm.types import UserError
from medfm.weights import adapters
from tests import infos
from tests.objectives import toy

_BERT = functools.partial(Bert, width=8, heads=2, depth=2, dropout=0.0)


@functools.cache
def _case(scan_layers=False):
  info, batch = toy.text_classes()
  batch = {key: jnp.asarray(array) for key, array in batch.items()}
  model = functools.partial(_BERT, scan_layers=scan_layers)
  inner = functools.partial(multiclass, model=model)
  objective = lora(info, objective=inner, rank=2)
  objective = objective._replace(
    init=jax.jit(objective.init),
    loss=jax.jit(objective.loss),
    predict=jax.jit(objective.predict),
  )
  return objective, inner(info), batch, objective.init(jax.random.key(0), batch)


def _moved(variables):
  """Variables whose adapters are no longer zero."""
  params = dict(variables["params"])
  params[SCOPE] = jax.tree.map(lambda leaf: leaf + 0.1, params[SCOPE])
  return {**variables, "params": params}


@pytest.mark.parametrize("scan_layers", [False, True])
def test_the_start_is_the_frozen_model_exactly(scan_layers):
  objective, inner, batch, variables = _case(scan_layers)
  rest = {k: v for k, v in variables["params"].items() if k != SCOPE}
  found = objective.predict(variables, batch)
  expected = jax.jit(inner.predict)({"params": rest}, batch)
  np.testing.assert_array_equal(found["probs"], expected["probs"])


@pytest.mark.parametrize("scan_layers", [False, True])
def test_merged_weights_predict_what_the_adapted_model_does(scan_layers):
  objective, inner, batch, variables = _case(scan_layers)
  variables = _moved(variables)
  found = objective.predict(variables, batch)
  whole = {"params": Merge(alpha=16.0)(variables["params"])}
  expected = jax.jit(inner.predict)(whole, batch)
  np.testing.assert_allclose(found["probs"], expected["probs"], atol=1e-6)
  start = objective.predict(_case(scan_layers)[3], batch)
  assert np.abs(found["embedding"] - start["embedding"]).max() > 1e-3


def test_only_adapters_and_head_change_in_training():
  objective, _, batch, variables = _case()
  params = variables["params"]
  optimizer, _ = optim.optimizer(
    params, 3, lr=0.01, weight_decay=0.1, lr_rules=LR_RULES
  )
  state = step.TrainState(
    jnp.int32(0),
    params,
    {"skipped": jnp.int32(0), "skipped_in_row": jnp.int32(0)},
    optimizer.init(params),
  )
  run = jax.jit(step.train_step(objective, optimizer, seed=0))
  for _ in range(2):
    state, _ = run(state, batch)
  old = tree.paths(params)
  changed = {
    path
    for path, leaf in tree.paths(state.params).items()
    if (leaf != old[path]).any()
  }
  assert changed == set(trained(params))


def test_adapters_are_saved_alone_and_find_their_places(tmp_path):
  objective, _, batch, variables = _case()
  moved = _moved(variables)
  leaves = trained(moved["params"])
  adapters.write(tmp_path, leaves, alpha=16.0)
  params, alpha = adapters.read(tmp_path, variables["params"])
  assert alpha == 16
  found = objective.predict({"params": params}, batch)["probs"]
  expected = objective.predict(moved, batch)["probs"]
  np.testing.assert_array_equal(found, expected)
  assert tree.count(leaves) < 0.3 * tree.count(moved["params"]["model"])


def test_adapters_of_another_model_are_refused(tmp_path):
  _, _, _, variables = _case()
  adapters.write(tmp_path, {"lora/x/a": np.zeros((2, 2), "float32")}, alpha=1)
  with pytest.raises(UserError, match=r"lora/x/a .* has no place"):
    adapters.read(tmp_path, variables["params"])


def test_a_target_that_matches_nothing_is_refused():
  info, batch = toy.text_classes()
  inner = functools.partial(multiclass, model=_BERT)
  objective = lora(info, objective=inner, targets=("querry",))
  with pytest.raises(UserError, match="'querry' matches no kernel"):
    jax.eval_shape(objective.init, jax.random.key(0), batch)


def test_convolutions_of_an_image_model_are_adapted():
  info = infos.info("toy", "multiclass", ("p", "q"))
  model = functools.partial(ResNet, depth=10, width=4)
  objective = lora(
    info,
    objective=functools.partial(multiclass, model=model),
    targets=(r"conv\d/kernel$",),
    rank=2,
  )
  image = np.zeros((2, 8, 8, 1), "uint8")
  batch = {"image": image, "weight": np.ones(2), "id": np.arange(2)}
  shapes = jax.eval_shape(objective.init, jax.random.key(0), batch)
  found = shapes["params"][SCOPE]["model"]["layer1_0"]["conv1"]["kernel"]
  assert found["a"].shape == (36, 2)
  assert found["b"].shape == (2, 4)
