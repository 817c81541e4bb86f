"""Generation with a cache equals reading the whole text anew each time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.models.gpt import GPT
from medfm.nn import generation as generations
from medfm.nn import text
from medfm.nn.generation import sampled
from medfm.types import UserError

PROMPTS = np.array([[3, 5, 7, 2], [4, 1, 0, 0]], "int32")
SEGMENT = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], "int32")
NEW = 5


@functools.cache
def _model(rotary=False, scan_layers=False):
  model = GPT(
    outputs=0,
    vocabulary=13,
    width=8,
    depth=2,
    heads=2,
    length=12,
    rotary=rotary,
    scan_layers=scan_layers,
  )
  batch = {"tokens": jnp.asarray(PROMPTS), "id": jnp.arange(2)}
  variables = jax.jit(model.init)(jax.random.key(3), batch)
  # Larger weights, so that the likeliest token is no near tie.
  return model, jax.tree.map(lambda leaf: leaf * 8, variables)


def generation(model, new, end=-1):
  """A generator with settings for all that a test does not name."""
  settings = {"ids": jnp.arange(2), "key": jax.random.key(0)}
  settings |= {"temperature": 0.0, "top_k": 0, "top_p": 1.0}
  return functools.partial(
    generations.generation(model, new=new, end=end), **settings
  )


def _anew(model, variables, prompt):
  """Greedy continuation of one prompt by full passes over the whole row.

  What stands behind the last token has no say: a causal model's tests.
  """
  row = np.zeros((1, len(prompt) + NEW), "int32")
  row[0, : len(prompt)] = prompt

  @jax.jit
  def logits(row):
    states = model.apply(variables, {"tokens": row, "id": jnp.arange(1)})
    table = variables["params"]["embed_tokens"]["embedding"]
    return text.vocabulary_logits(states["tokens"][0], table)

  for place in range(len(prompt), row.shape[1]):
    row[0, place] = logits(row)[place - 1].argmax()
  return row[0, len(prompt) :]


@pytest.mark.parametrize(
  ("rotary", "scan_layers"), [(False, False), (True, False), (False, True)]
)
def test_greedy_generation_equals_full_passes(rotary, scan_layers):
  model, variables = _model(rotary, scan_layers)
  found = generation(model, new=NEW)(variables, PROMPTS, SEGMENT)
  expected = [
    _anew(model, variables, prompt[on > 0])
    for prompt, on in zip(PROMPTS, SEGMENT, strict=True)
  ]
  np.testing.assert_array_equal(found.tokens, expected)


def test_other_settings_compile_nothing_new():
  model, variables = _model()
  generate = generation(model, new=2)
  for settings in ({}, {"temperature": 0.7}, {"top_k": 3, "top_p": 0.5}):
    generate(variables, PROMPTS, SEGMENT, **settings)
  assert generate.func._cache_size() == 1


def test_a_row_is_sampled_alike_alone_and_in_company():
  model, variables = _model()
  generate = generation(model, new=NEW)
  both = generate(variables, PROMPTS, SEGMENT, temperature=1.0)
  alone = generate(
    variables, PROMPTS[1:], SEGMENT[1:], temperature=1.0, ids=jnp.array([1])
  )
  np.testing.assert_array_equal(both.tokens[1], alone.tokens[0])


def test_nothing_follows_the_end():
  model, variables = _model()
  free = generation(model, new=NEW)(variables, PROMPTS, SEGMENT).tokens
  end = int(free[0, 2])
  found = generation(model, new=NEW, end=end)(variables, PROMPTS, SEGMENT)
  first = int(np.argmax(np.asarray(free[0]) == end))
  assert int(found.lengths[0]) == first
  assert np.all(np.asarray(found.tokens[0, first:]) == end)


def test_a_text_beyond_the_positions_is_refused():
  model, variables = _model()
  with pytest.raises(UserError, match="need 13 positions"):
    generation(model, new=9)(variables, PROMPTS, SEGMENT)


def _draws(temperature=1.0, top_k=0, top_p=1.0):
  logits = jnp.log(jnp.array([[0.5, 0.3, 0.15, 0.05]]))
  keys = jax.random.split(jax.random.key(0), 500)
  logits = jnp.broadcast_to(logits, (500, 4))
  settings = (jnp.float32(temperature), jnp.int32(top_k), jnp.float32(top_p))
  return np.asarray(jax.jit(sampled)(logits, keys, *settings))


def test_temperature_zero_takes_the_likeliest():
  assert set(_draws(temperature=0)) == {0}


def test_plain_sampling_follows_the_probabilities():
  shares = np.bincount(_draws(), minlength=4) / 500
  np.testing.assert_allclose(shares, [0.5, 0.3, 0.15, 0.05], atol=0.07)


def test_top_k_keeps_the_k_likeliest():
  assert set(_draws(top_k=2)) == {0, 1}


def test_top_p_keeps_the_likeliest_that_reach_p():
  assert set(_draws(top_p=0.6)) == {0, 1}


def test_top_p_keeps_one_token_at_least():
  assert set(_draws(top_p=0.01)) == {0}
