"""What every objective owes the step; each one is in CASES."""

import functools
import importlib
import inspect
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import medfm.objectives
from medfm import tree
from medfm.models.bert import Bert
from medfm.models.gpt import GPT
from medfm.models.mlp import MLP
from medfm.models.resnet import ResNet
from medfm.models.rnn import RNN
from medfm.models.tabular_transformer import TabularTransformer
from medfm.models.two_towers import TwoTowers
from medfm.models.unet import UNet
from medfm.objectives import segment
from medfm.objectives.classify import multiclass, multilabel
from medfm.objectives.contrastive import simclr
from medfm.objectives.image_text import clip, siglip
from medfm.objectives.language import causal_lm, masked_lm, token_labels
from medfm.objectives.lora import lora
from medfm.objectives.masked_features import masked_features
from medfm.objectives.masked_image import masked_image
from medfm.objectives.ordered import continuation_ratio
from medfm.objectives.prompted import prompted
from medfm.objectives.regress import regression
from medfm.objectives.self_distillation import dino
from medfm.objectives.survival import cox, discrete_hazards
from medfm.types import Objective
from tests import infos
from tests.objectives import marked, pictures, toy

_MLP = functools.partial(MLP, widths=(16,), dropout=0.1)
_TRANSFORMER = functools.partial(
  TabularTransformer, width=16, heads=2, depth=1, dropout=0.1
)
_TOWERS = functools.partial(TwoTowers, **pictures.TOWERS)
_TEXT = {"width": 16, "depth": 1, "dropout": 0.1}


def _image():
  generator = np.random.default_rng(0)
  batch = {
    "image": generator.integers(0, 256, (8, 8, 8, 1)).astype("uint8"),
    "label": np.arange(8, dtype="int32") % 2,
    "weight": np.ones(8, "float32"),
    "id": np.arange(8, dtype="int32"),
  }
  return infos.info("toy", "multiclass", ("p", "q")), batch


# Factory, model, data, and whether examples are independent in training.
CASES = {
  "multiclass": (multiclass, _MLP, toy.multiclass, True),
  "multiclass balanced transformer": (
    functools.partial(multiclass, class_weights="balanced"),
    _TRANSFORMER,
    toy.multiclass,
    True,
  ),
  "multiclass images": (
    multiclass,
    functools.partial(ResNet, depth=10, width=4),
    _image,
    False,
  ),
  "multilabel": (multilabel, _MLP, toy.multilabel, True),
  "regression": (regression, _MLP, toy.regression, True),
  "continuation_ratio": (continuation_ratio, _MLP, toy.ordered, True),
  "cox": (cox, _MLP, toy.survival, False),
  "discrete_hazards": (
    discrete_hazards,
    _MLP,
    functools.partial(toy.survival, causes=2),
    True,
  ),
  "masked_features": (masked_features, _TRANSFORMER, toy.unlabelled, True),
  "masked_lm": (
    masked_lm,
    functools.partial(Bert, heads=2, **_TEXT),
    toy.text,
    True,
  ),
  "masked_lm whole words": (
    functools.partial(masked_lm, whole_word=True, mask_rate=0.4),
    functools.partial(Bert, heads=2, **_TEXT),
    toy.text,
    True,
  ),
  "masked_lm next sentence": (
    functools.partial(masked_lm, next_sentence=True),
    functools.partial(Bert, heads=2, **_TEXT),
    toy.text_pairs,
    True,
  ),
  "causal_lm": (
    causal_lm,
    functools.partial(GPT, heads=2, **_TEXT),
    toy.text,
    True,
  ),
  "prompted": (
    prompted,
    functools.partial(GPT, heads=2, **_TEXT),
    toy.prompted,
    True,
  ),
  "token_labels": (
    token_labels,
    functools.partial(RNN, **_TEXT),
    toy.token_labels,
    True,
  ),
  "masked_image": (
    functools.partial(masked_image, width=32, depth=1, heads=2, mask_rate=0.5),
    pictures.VIT,
    pictures.images,
    True,
  ),
  "simclr": (
    functools.partial(simclr, changes=pictures.CHANGES, hidden=32, width=16),
    pictures.RESNET,
    functools.partial(pictures.images, noisy=True),  # Told apart sooner.
    False,
  ),
  "clip": (clip, _TOWERS, pictures.pairs, False),
  "siglip": (
    functools.partial(siglip, temperature=0.02, bias=-20.0),
    _TOWERS,
    pictures.pairs,
    False,
  ),
  "dino": (
    functools.partial(
      dino,
      changes=pictures.CHANGES,
      prototypes=12,
      hidden=16,
      width=8,
      momentum=0.999,  # By heart only what stands still.
      centre_momentum=0.999,
    ),
    pictures.VIT,
    pictures.images,
    False,
  ),
  "segment": (segment.regions, functools.partial(UNet), marked.volumes, True),
  "multiclass text": (
    multiclass,
    functools.partial(Bert, heads=2, **_TEXT),
    toy.text_classes,
    True,
  ),
}


RATES = {"masked_image": 0.01, "simclr": 0.001, "dino": 0.01}
"""By which a case is learnt by heart, where others than 0.03."""


def adapted(info, *, model):
  """LoRA around classification, as a factory like the others."""
  inner = functools.partial(multiclass, model=model)
  return lora(info, objective=inner, targets=("kernel$",), rank=4)


# Factory, model, data, and whether examples are independent in training.
CASES["lora"] = (adapted, _MLP, toy.multiclass, True)


@functools.cache
def _objective(name, dtype="float32"):
  """The objective of a case, jitted."""
  factory, model, data, _ = CASES[name]
  plain = factory(data()[0], model=functools.partial(model, dtype=dtype))
  return plain._replace(
    init=jax.jit(plain.init),
    loss=jax.jit(plain.loss),
    predict=jax.jit(plain.predict),
  )


@functools.cache
def _case(name):
  """The objective with its batch and fresh variables."""
  objective, (_, batch) = _objective(name), CASES[name][2]()
  return objective, batch, objective.init(jax.random.key(0), batch)


# The tests of a case share its programs, so they stay in one process.
_PARAMS = {
  name: pytest.param(name, marks=pytest.mark.xdist_group(f"objective {name}"))
  for name in CASES
}


@pytest.fixture(params=_PARAMS.values())
def name(request):
  return request.param


@pytest.fixture(
  params=[_PARAMS[name] for name, case in CASES.items() if case[3]]
)
def independent(request):
  return request.param


def test_the_net_is_the_module_that_is_trained(name):
  objective, _, variables = _case(name)
  assert isinstance(objective.net, nn.Module)
  plain, params = objective.innermost(variables["params"])
  assert plain.net is objective.net and plain.inner is None
  assert (plain is objective) == (objective.inner is None)
  assert "model" in params and "lora" not in params


def _total(objective, variables, batch, key):
  """What a step sums: (weight * loss, weight)."""
  terms, updates = objective.loss(variables, batch, key)
  weight = batch["weight"] * terms.get("weight", 1)
  return (weight * terms["loss"]).sum(), (weight.sum(), updates)


@functools.cache
def _slope(name):
  objective = _case(name)[0]

  @jax.jit
  def slope(variables, batch, key):
    def total(params):
      return _total(objective, {**variables, "params": params}, batch, key)

    return jax.value_and_grad(total, has_aux=True)(variables["params"])

  return slope


def test_every_objective_has_a_case():
  covered = {getattr(case[0], "func", case[0]) for case in CASES.values()}
  covered.add(lora)  # Through `adapted`.
  for module in pkgutil.iter_modules(medfm.objectives.__path__):
    if module.name == "backbone":
      continue  # What the objectives share.
    found = importlib.import_module(f"medfm.objectives.{module.name}")
    for item in vars(found).values():
      if inspect.isfunction(item) and item.__module__ == found.__name__:
        result = inspect.signature(item).return_annotation
        public = not item.__name__.startswith("_")
        if public and result is Objective:
          assert item in covered, item


def test_every_term_is_finite_and_per_example(name):
  objective, batch, variables = _case(name)
  terms, _ = objective.loss(variables, batch, jax.random.key(1))
  for key, term in terms.items():
    assert term.shape == (8,), key
    assert np.isfinite(term).all(), key


def test_predictions_are_finite_per_example_and_repeatable(name):
  objective, batch, variables = _case(name)
  first = objective.predict(variables, batch)
  for key, array in first.items():
    assert array.shape[0] == 8, key
    assert np.isfinite(array).all(), key
  second = objective.predict(variables, batch)
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_updates_replace_the_collections_that_are_not_trained(name):
  objective, batch, variables = _case(name)
  _, updates = objective.loss(variables, batch, jax.random.key(1))
  rest = {key: value for key, value in variables.items() if key != "params"}
  assert jax.tree.structure(updates) == jax.tree.structure(rest)


def test_the_backbone_is_under_model(name):
  paths = tree.paths(_case(name)[2]["params"])
  scopes = {path.split("/")[0] for path in paths}
  assert scopes - {"decoder", "lora"} == {"model"}


def test_sums_over_micro_batches_equal_the_full_batch(independent):
  _, batch, variables = _case(independent)
  slope, key = _slope(independent), jax.random.key(1)
  (whole, (weight, _)), gradient = slope(variables, batch, key)
  parts = [
    slope(variables, {k: v[i : i + 4] for k, v in batch.items()}, key)
    for i in (0, 4)
  ]
  sums = jax.tree.map(lambda a, b: a + b, *parts)
  np.testing.assert_allclose(sums[0][0], whole, rtol=1e-5)
  np.testing.assert_allclose(sums[0][1][0], weight, rtol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4),
    sums[1],
    gradient,
  )


def test_padding_changes_neither_loss_nor_gradient(name):
  _, batch, variables = _case(name)
  weight = np.array([1, 1, 1, 1, 1, 0, 1, 0], "float32")
  batch = {**batch, "weight": weight}
  other = {key: np.array(array) for key, array in batch.items()}
  for key in set(batch) - {"weight"}:
    other[key][[5, 7]] = other[key][0]
  slope, key = _slope(name), jax.random.key(1)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    slope(variables, batch, key),
    slope(variables, other, key),
  )


def test_one_batch_can_be_learnt_by_heart(name):
  _, batch, variables = _case(name)
  optimizer = optax.adam(RATES.get(name, 0.03))
  slope, key = _slope(name), jax.random.key(1)

  @jax.jit
  def updated(params, state, gradient, weight):
    gradient = jax.tree.map(lambda leaf: leaf / weight, gradient)
    change, state = optimizer.update(gradient, state)
    return optax.apply_updates(params, change), state

  state, losses = jax.jit(optimizer.init)(variables["params"]), []
  for _ in range(40):
    (loss, (weight, rest)), gradient = slope(variables, batch, key)
    params, state = updated(variables["params"], state, gradient, weight)
    variables = {"params": params, **rest}
    losses.append(float(loss / weight))
  assert losses[-1] < 0.2 * losses[0], losses[::10]


def test_bfloat16_gives_float32_terms_near_those_of_float32(name):
  _, batch, variables = _case(name)
  terms, _ = _objective(name, "bfloat16").loss(
    variables, batch, jax.random.key(1)
  )
  expected, _ = _objective(name).loss(variables, batch, jax.random.key(1))
  assert terms["loss"].dtype == jnp.float32
  np.testing.assert_allclose(
    terms["loss"].mean(), expected["loss"].mean(), rtol=0.1
  )
