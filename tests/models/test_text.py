"""BERT, GPT and recurrent networks on packed and padded rows."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.models.bert import Bert
from medfm.models.gpt import GPT
from medfm.models.rnn import RNN
from medfm.types import UserError

_SIZE = {"outputs": 0, "vocabulary": 13, "width": 8, "depth": 2}
MODELS = {
  "bert": functools.partial(Bert, heads=2, length=8, **_SIZE),
  "gpt": functools.partial(GPT, heads=2, length=8, **_SIZE),
  "gpt rotary": functools.partial(GPT, heads=2, rotary=True, **_SIZE),
  "lstm": functools.partial(RNN, **_SIZE),
  "gru": functools.partial(RNN, cell="gru", **_SIZE),
}
TOKENS = np.array([[3, 5, 7, 2, 9, 4, 8]], "int32")


@functools.cache
def _programs(name):
  model = MODELS[name]()
  variables = jax.jit(model.init)(jax.random.key(0), _batch(TOKENS))
  return model, variables, jax.jit(model.apply)


def _batch(tokens, segment=None, positions=None):
  batch = {"tokens": jnp.asarray(tokens), "id": jnp.arange(len(tokens))}
  if segment is not None:
    batch["segment"] = jnp.asarray(segment)
  if positions is not None:
    batch["positions"] = jnp.asarray(positions)
  return batch


@pytest.fixture(params=MODELS)
def name(request):
  return request.param


def _influence(name, batch):
  """[L,L]: the size of d state / d embedding, by (state, token)."""
  model, variables, _ = _programs(name)
  tokens = np.array(batch["tokens"])

  # Each place gets a row of the table to itself.
  own = {**batch, "tokens": jnp.arange(tokens.shape[1])[None]}

  @jax.jit
  def jacobian(table):
    def states(rows):
      params = dict(variables["params"])
      params["embed_tokens"] = {"embedding": rows}
      return model.apply({"params": params}, own)["tokens"][0]

    return jax.jacobian(states)(table)

  table = variables["params"]["embed_tokens"]["embedding"]
  full = jacobian(table.at[: tokens.shape[1]].set(table[tokens[0]]))
  return jnp.abs(full).sum((1, 3))[:, : tokens.shape[1]]


@pytest.mark.parametrize("name", ["gpt", "gpt rotary"])
def test_no_gradient_at_all_comes_from_a_later_token(name):
  influence = np.asarray(_influence(name, _batch(TOKENS)))
  assert np.all(np.triu(influence, 1) == 0)
  assert np.all(influence[np.tril_indices(7)] > 0)


def test_bert_and_recurrent_networks_look_both_ways(name):
  if not name.startswith("gpt"):
    assert np.all(np.asarray(_influence(name, _batch(TOKENS))) > 0)


def test_no_gradient_at_all_crosses_segments(name):
  segment = np.array([[1, 1, 1, 2, 2, 0, 0]])
  batch = _batch(TOKENS, segment, [[0, 1, 2, 0, 1, 0, 1]])
  influence = np.asarray(_influence(name, batch))
  assert np.all(influence[segment[0][:, None] != segment] == 0)


def test_a_padded_text_has_the_states_of_the_text_alone(name):
  _, variables, run = _programs(name)
  alone = run(variables, _batch(TOKENS[:, :4]))
  padded = run(variables, _batch(TOKENS, [[1] * 4 + [0] * 3]))
  np.testing.assert_allclose(
    padded["tokens"][:, :4], alone["tokens"], atol=1e-5
  )
  np.testing.assert_allclose(padded["embedding"], alone["embedding"], atol=1e-5)


def test_packed_texts_have_the_states_of_the_texts_alone(name):
  _, variables, run = _programs(name)
  packed = run(
    variables,
    _batch(TOKENS, [[1] * 4 + [2] * 3], [[0, 1, 2, 3, 0, 1, 2]]),
  )["tokens"]
  for cut in (slice(0, 4), slice(4, 7)):
    alone = run(variables, _batch(TOKENS[:, cut]))["tokens"]
    np.testing.assert_allclose(packed[:, cut], alone, atol=1e-5)


def test_rotary_positions_count_distances_only():
  _, variables, run = _programs("gpt rotary")
  near = run(variables, _batch(TOKENS))["tokens"]
  places = np.arange(7)[None] + 100
  far = run(variables, _batch(TOKENS, positions=places))["tokens"]
  np.testing.assert_allclose(near, far, atol=1e-4)


@pytest.mark.parametrize("kind", [Bert, GPT])
def test_scanned_layers_compute_what_separate_ones_do(kind):
  settings = {**_SIZE, "heads": 2, "dropout": 0.0}
  plain, scanned = kind(**settings), kind(scan_layers=True, **settings)
  batch = _batch(TOKENS)
  variables = jax.jit(plain.init)(jax.random.key(0), batch)
  params = dict(variables["params"])
  blocks = [params.pop(f"block{index}") for index in range(2)]
  params["blocks"] = jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)
  np.testing.assert_allclose(
    jax.jit(scanned.apply)({"params": params}, batch)["tokens"],
    jax.jit(plain.apply)(variables, batch)["tokens"],
    atol=1e-5,
  )


@pytest.mark.parametrize("scan_layers", [False, True])
def test_rematerialised_blocks_have_the_same_gradient(scan_layers):
  settings = {**_SIZE, "heads": 2, "scan_layers": scan_layers}
  batch, key = _batch(TOKENS), jax.random.key(1)

  def gradient(remat):
    model = GPT(remat=remat, **settings)
    variables = jax.jit(model.init)(jax.random.key(0), batch)

    @jax.jit
    def slope(params):
      def loss(params):
        result = model.apply(
          {"params": params}, batch, train=True, rngs={"dropout": key}
        )
        return jnp.square(result["tokens"]).sum()

      return jax.grad(loss)(params)

    return slope(variables["params"])

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3, rtol=1e-3),
    gradient(True),
    gradient(False),
  )


def test_a_row_longer_than_the_positions_is_refused():
  model = MODELS["bert"]()
  with pytest.raises(UserError, match=r"9 tokens, .* 8 positions"):
    model.init(jax.random.key(0), _batch(np.ones((1, 9), "int32")))


def test_a_model_without_a_vocabulary_says_where_to_set_it():
  with pytest.raises(UserError, match=r"model\.vocabulary"):
    Bert(outputs=0).init(jax.random.key(0), _batch(TOKENS))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_an_empty_row_gives_finite_numbers(cell):
  model = RNN(outputs=2, vocabulary=13, width=4, cell=cell)
  batch = _batch(TOKENS, np.zeros_like(TOKENS))
  result, _ = jax.jit(model.init_with_output)(jax.random.key(0), batch)
  assert np.isfinite(result["logits"]).all()
