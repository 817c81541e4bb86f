"""Asking a causal model equals reading every prompt and answer by itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.models.bert import Bert
from medfm.models.gpt import GPT
from medfm.objectives.prompted import calibration, prompted
from medfm.types import UserError
from tests.objectives import toy

_GPT = functools.partial(GPT, width=16, depth=2, heads=2, length=32)


@functools.cache
def _asked(rotary=False, **settings):
  """(info, batch, variables, predictions) of a model with large weights."""
  info, batch = toy.prompted()
  model = functools.partial(_GPT, rotary=rotary)
  objective = prompted(info, model=model, **settings)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  variables = jax.tree.map(lambda leaf: leaf * 4, variables)
  found = jax.jit(objective.predict)(variables, batch)
  return info, batch, variables, jax.tree.map(np.asarray, found)


@functools.cache
def _read(vocabulary, rotary):
  """The plain model, on rows of one length."""
  return jax.jit(_GPT(outputs=0, vocabulary=vocabulary, rotary=rotary).apply)


def _naive(info, variables, text, prompt, rotary, per_token=False):
  """log-likelihood [K]: one row a candidate, without padding, read plainly."""
  read = _read(info.only.vocabulary, rotary)
  params = variables["params"]["model"]
  found = []
  for answer in info.only.prompts["answers"]:
    before = [*info.only.prompts["shots"][prompt], *text]
    row = np.zeros((1, 32), "int32")  # A causal model does not look ahead.
    row[0, : len(before) + len(answer)] = *before, *answer
    batch = {"tokens": row, "id": jnp.arange(1)}
    states = read({"params": params}, batch)["tokens"][0]
    logits = states @ params["embed_tokens"]["embedding"].T
    log_probs = np.asarray(jax.nn.log_softmax(logits))
    own = [
      log_probs[len(before) + place - 1, token]
      for place, token in enumerate(answer)
    ]
    found.append(np.mean(own) if per_token else np.sum(own))
  return np.array(found)


def _shares(log_likelihood):
  parts = np.exp(log_likelihood - log_likelihood.max(-1, keepdims=True))
  return parts / parts.sum(-1, keepdims=True)


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("per_token", [False, True])
def test_probabilities_are_those_of_each_candidate_read_alone(
  rotary, per_token
):
  info, batch, variables, found = _asked(rotary, per_token=per_token)
  for row in (0, 1, 4):
    text = batch["tokens"][row][batch["segment"][row] > 0]
    expected = [
      _shares(_naive(info, variables, text, prompt, rotary, per_token))
      for prompt in range(2)
    ]
    np.testing.assert_allclose(found["prompt_probs"][row], expected, atol=1e-5)


def test_calibration_is_the_formula_of_the_paper():
  info, _, variables, found = _asked()
  free = np.array(
    [
      [
        _shares(_naive(info, variables, text, prompt, False))
        for prompt in range(2)
      ]
      for text in info.only.prompts["content_free"]
    ]
  ).mean(0)
  for prompt in range(2):
    inverse = np.linalg.inv(np.diag(free[prompt]))  # Zhao et al., section 4.
    for plain, calibrated in zip(
      found["prompt_probs"][:, prompt],
      found["calibrated_probs"][:, prompt],
      strict=True,
    ):
      score = inverse @ plain
      np.testing.assert_allclose(calibrated, score / score.sum(), atol=1e-5)


def test_what_nothing_gets_is_calibrated_to_be_uniform():
  probs = np.array([[0.7, 0.2, 0.1]])
  found = np.exp(calibration(np.log(probs), probs))
  np.testing.assert_allclose(found, 1 / 3, rtol=1e-6)


def test_the_prediction_is_the_mean_over_prompts_of_the_chosen_way():
  *_, found = _asked()
  mean = found["calibrated_probs"].mean(1)
  np.testing.assert_allclose(found["probs"], mean, rtol=1e-6)
  *_, plain = _asked(calibrated=False)
  mean = plain["prompt_probs"].mean(1)
  np.testing.assert_allclose(plain["probs"], mean, rtol=1e-6)
  assert np.abs(plain["probs"] - found["probs"]).max() > 0.01


def test_the_loss_is_the_mean_over_prompts_of_the_labels():
  info, batch, variables, found = _asked()
  terms, _ = prompted(info, model=functools.partial(_GPT, dropout=0.0)).loss(
    variables, batch, jax.random.key(1)
  )
  label = batch["label"]
  own = found["prompt_probs"][np.arange(8), :, np.maximum(label, 0)]
  expected = np.where(label >= 0, -np.log(own).mean(1), 0)
  np.testing.assert_allclose(terms["loss"], expected, atol=1e-4)


def test_a_model_that_looks_ahead_is_refused():
  info, _ = toy.prompted()
  with pytest.raises(UserError, match="Bert does not read from left to right"):
    prompted(info, model=functools.partial(Bert, width=16, depth=1, heads=2))


def test_data_without_prompts_are_refused():
  info, _ = toy.text_classes()
  with pytest.raises(UserError, match="toy has no prompts"):
    prompted(info, model=_GPT)


def test_calibration_without_content_free_texts_is_refused():
  info, _ = toy.prompted()
  none = {**toy.PROMPTS, "content_free": []}
  info = toy.asked(info, none)
  with pytest.raises(UserError, match=r"needs data\.content_free"):
    prompted(info, model=_GPT)


def test_prompts_longer_than_the_model_are_refused():
  info, batch = toy.prompted()
  objective = prompted(info, model=functools.partial(_GPT, length=16))
  with pytest.raises(UserError, match="has 16 positions"):
    jax.eval_shape(objective.init, jax.random.key(0), batch)
