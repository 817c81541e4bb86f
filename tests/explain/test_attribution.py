"""Attributions add up to what they explain, whatever the model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.explain import attribution
from medfm.models.bert import Bert
from medfm.models.gpt import GPT
from medfm.models.mlp import MLP
from medfm.models.rnn import RNN
from medfm.objectives import classify, language, lora
from medfm.tasks.tags import Tags
from medfm.types import UserError
from tests.objectives import toy

_SMALL = {"width": 16, "depth": 1, "dropout": 0.1}
MODELS = {
  "bert": functools.partial(Bert, heads=2, **_SMALL),
  "gpt": functools.partial(
    GPT, heads=2, rotary=True, norm="rms", scan_layers=True, **_SMALL
  ),
  "lstm": functools.partial(RNN, pooling="mean", **_SMALL),
}


def adapted(info, *, model):
  inner = functools.partial(classify.multiclass, model=model)
  return lora.lora(info, objective=inner, targets=("out/kernel$",))


OBJECTIVES = {
  "classes": (classify.multiclass, toy.text_classes),
  "words": (language.token_labels, toy.token_labels),
}
CASES = [(m, o) for m in MODELS for o in OBJECTIVES]


def case(model, factory, data):
  """Objective, batch, info and variables that are far from their zeros."""
  info, batch = data()
  objective = factory(info, model=model)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  leaves, tree = jax.tree.flatten(variables)
  keys = jax.random.split(jax.random.key(1), len(leaves))
  drawn = [
    leaf + 0.3 * jax.random.normal(key, leaf.shape)
    for leaf, key in zip(leaves, keys, strict=True)
  ]
  places = jnp.argmax(batch["tokens"] >= 4, 1)
  words = places if isinstance(info.target, Tags) else None
  target = jnp.arange(8) % 3, words
  return objective, info, batch, jax.tree.unflatten(tree, drawn), target


def explained(objective, info, batch, variables, target, **settings):
  @jax.jit
  def run(variables, batch, target):
    return attribution.integrated_gradients(
      objective, variables, batch, info, *target, **settings
    )

  return run(variables, batch, target)


@pytest.mark.parametrize("model, kind", CASES)
def test_integrated_gradients_add_up(model, kind):
  setting = case(MODELS[model], *OBJECTIVES[kind])
  found = explained(*setting, points=64)
  way = found.score - found.baseline
  assert np.abs(way).max() > 0.1
  np.testing.assert_allclose(found.values.sum(1), way, atol=1e-3)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_score_is_the_logit_of_the_prediction(kind):
  objective, info, batch, variables, (_, places) = case(
    MODELS["bert"], *OBJECTIVES[kind]
  )
  probs = np.asarray(jax.jit(objective.predict)(variables, batch)["probs"])
  if places is not None:
    probs = probs[np.arange(8), np.asarray(places)]
  first, second = (
    explained(
      *(objective, info, batch, variables),
      (jnp.full(8, k), places),
      points=1,
    ).score
    for k in (0, 1)
  )
  # Probabilities give logits up to what all classes share.
  np.testing.assert_allclose(
    second - first, np.log(probs[:, 1] / probs[:, 0]), atol=1e-4
  )


def test_adapters_are_explained_as_part_of_their_model():
  setting = case(MODELS["bert"], adapted, toy.text_classes)
  found = explained(*setting, points=64)
  way = found.score - found.baseline
  np.testing.assert_allclose(found.values.sum(1), way, atol=1e-3)
  objective, info, batch, variables, target = setting
  params = variables["params"]
  nothing = jax.tree.map(jnp.zeros_like, params["lora"])
  plain = {"params": {**params, "lora": nothing}}
  setting = objective, info, batch, plain, target
  other = explained(*setting, points=64)
  assert np.abs(other.values - found.values).max() > 1e-3


def test_a_linear_model_has_the_values_of_its_kernel_at_a_single_point():
  model = functools.partial(RNN, width=8, depth=0, pooling="mean", dropout=0.0)
  setting = case(model, classify.multiclass, toy.text_classes)
  found = explained(*setting, points=1)
  way = found.score - found.baseline
  np.testing.assert_allclose(found.values.sum(1), way, atol=1e-5)
  # By hand: each token's share of the mean, times the head's column.
  _, _, batch, variables, (classes, _) = setting
  table = variables["params"]["model"]["embed_tokens"]["embedding"]
  kernel = variables["params"]["model"]["head"]["kernel"]
  table = np.asarray(table)
  pulls = (table[batch["tokens"]] - table.mean(0)) @ np.asarray(kernel)
  own = np.take_along_axis(
    np.asarray(pulls), np.asarray(classes)[:, None, None], 2
  )[:, :, 0]
  real = batch["segment"] > 0
  ordinary = real & (batch["tokens"] >= 4)
  expected = np.where(ordinary, own / real.sum(1, keepdims=True), 0)
  np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_padding_and_special_tokens_have_no_value():
  setting = case(MODELS["bert"], *OBJECTIVES["classes"])
  found = explained(*setting)
  batch = setting[2]
  # Where two texts share a row, its class is asked of the first.
  idle = (batch["segment"] != 1) | (batch["tokens"] < 4)
  assert (np.asarray(found.values)[idle] == 0).all()
  assert (np.asarray(found.values)[~idle] != 0).all()


def test_another_text_in_the_row_has_no_value_for_a_word():
  setting = case(MODELS["bert"], *OBJECTIVES["words"])
  found = explained(*setting)
  batch, places = setting[2], np.asarray(setting[4][1])
  own = batch["segment"][np.arange(8), places]
  other = batch["segment"] != own[:, None]
  assert other.any()
  assert (np.asarray(found.values)[other] == 0).all()


def test_a_causal_model_has_no_value_for_later_words():
  setting = case(MODELS["gpt"], *OBJECTIVES["words"])
  found = explained(*setting)
  later = np.arange(9)[None] > np.asarray(setting[4][1])[:, None]
  assert (np.asarray(found.values)[later] == 0).all()


def test_models_without_tokens_or_classes_are_refused():
  info, batch = toy.multiclass()
  model = functools.partial(MLP, widths=(4,))
  objective = classify.multiclass(info, model=model)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  classes = jnp.zeros(8, int)
  setting = objective, variables, batch, info, classes
  with pytest.raises(UserError, match="no layer embed_tokens"):
    attribution.integrated_gradients(*setting)
  info, batch = toy.text()
  objective = language.causal_lm(info, model=MODELS["gpt"])
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  setting = objective, variables, batch, info, classes
  with pytest.raises(UserError, match="no layer head"):
    attribution.integrated_gradients(*setting)
