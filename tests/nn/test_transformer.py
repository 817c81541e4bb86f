"""Transformer blocks: attention, masks, dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.nn.transformer import Attention, Block


def _tokens(length=5, width=8):
  x = np.random.default_rng(0).standard_normal((2, length, width))
  return jnp.asarray(x, jnp.float32)


def _block(**settings):
  return Block(2, 16, **settings)


def _attention(heads):
  return Attention("float32", 0.0, 0.0, heads, causal=False, rotary=False)


def _output(block, x, mask=None, key=None, ids=None):
  ids = jnp.arange(2) if ids is None else ids

  @jax.jit
  def run(x):
    variables = block.init(jax.random.key(0), x, ids, mask)
    rngs = None if key is None else {"dropout": key}
    return block.apply(
      variables, x, ids, mask, train=key is not None, rngs=rngs
    )

  return run(x)


def test_attention_is_softmax_of_scaled_products():
  x = _tokens()
  module = _attention(2)
  variables = jax.jit(module.init)(jax.random.key(0), x)
  p = variables["params"]
  q, k, v = jnp.einsum("ble,ethd->tblhd", x, p["qkv"]["kernel"])
  scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / 2
  mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
  expected = jnp.einsum("bqhd,hde->bqe", mixed, p["out"]["kernel"])
  got = jax.jit(module.apply)(variables, x)
  np.testing.assert_allclose(got, expected, atol=1e-5)


def test_masked_positions_change_nothing_for_the_others():
  x = _tokens()
  mask = jnp.array([[True] * 3 + [False] * 2] * 2)
  changed = _output(_block(), x.at[:, 3:].set(9), mask)
  np.testing.assert_allclose(
    changed[:, :3], _output(_block(), x, mask)[:, :3], atol=1e-5
  )


def test_a_masked_sequence_equals_the_shorter_one():
  x = _tokens()
  mask = jnp.array([[True] * 3 + [False] * 2] * 2)
  np.testing.assert_allclose(
    _output(_block(), x, mask)[:, :3], _output(_block(), x[:, :3]), atol=1e-5
  )


def test_causal_attention_never_looks_ahead():
  x = _tokens()
  block = _block(causal=True)
  changed = _output(block, x.at[:, 3:].add(1))
  np.testing.assert_allclose(
    changed[:, :3], _output(block, x)[:, :3], atol=1e-5
  )


def test_dropout_follows_the_example():
  x, key = _tokens(), jax.random.key(1)
  block = _block(dropout=0.5)
  y = _output(block, x, key=key)
  swapped = _output(block, x[::-1], key=key, ids=jnp.array([1, 0]))
  np.testing.assert_allclose(swapped[::-1], y, atol=1e-5)
  assert (_output(block, x) != y).any()


def test_a_gated_block_computes_in_bfloat16_with_float32_parameters():
  block = _block(gated=True, activation="relu", dtype="bfloat16")
  x = _tokens().astype("bfloat16")
  y, variables = jax.jit(
    lambda x: block.init_with_output(jax.random.key(0), x, jnp.arange(2))
  )(x)
  assert y.dtype == jnp.bfloat16
  kinds = {leaf.dtype for leaf in jax.tree.leaves(variables)}
  assert kinds == {jnp.dtype("float32")}


def test_the_width_must_divide_among_the_heads():
  with pytest.raises(ValueError, match="3 heads"):
    _attention(3).init(jax.random.key(0), _tokens())
