"""Pooling against flax, ties included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from medfm.nn.conv import max_pool

# Size, window, stride, padding.
SHAPES = [
  ((6, 8), (2, 2), (2, 2), (0, 0)),
  ((7, 5), (2, 2), (2, 2), (0, 0)),
  ((8, 7), (3, 3), (2, 2), (1, 1)),
  ((9, 9), (3, 3), (3, 3), (0, 0)),
  ((5, 6), (2, 3), (1, 2), (1, 0)),
]


def _value_and_gradient(f, x, window, strides, pad):
  padding = ((pad[0], pad[0]), (pad[1], pad[1]))

  @jax.jit
  def run(x):
    y, pull = jax.vjp(lambda x: f(x, window, strides, padding), x)
    slope = jnp.arange(1, y.size + 1, dtype=x.dtype).reshape(y.shape)
    return y, *pull(slope)

  return run(x)


def _ours(x, window, strides, padding):
  return max_pool(x, window=window, strides=strides, padding=padding)


@pytest.mark.parametrize("levels", [3, 10**6])
@pytest.mark.parametrize(("size", "window", "strides", "pad"), SHAPES)
def test_max_pool_and_its_gradient_are_those_of_flax_even_with_ties(
  size, window, strides, pad, levels
):
  generator = np.random.default_rng(0)
  x = generator.integers(-levels, 2, (2, *size, 3)).astype("float32")
  ours = _value_and_gradient(_ours, x, window, strides, pad)
  theirs = _value_and_gradient(nn.max_pool, x, window, strides, pad)
  for got, expected in zip(ours, theirs, strict=True):
    np.testing.assert_array_equal(got, expected)


def test_a_constant_image_passes_each_gradient_to_the_first_place():
  gradient = jax.jit(jax.grad(lambda x: max_pool(x).sum()))
  expected = np.zeros((1, 4, 4, 1), "float32")
  expected[:, ::2, ::2] = 1
  got = gradient(jnp.ones((1, 4, 4, 1)))
  np.testing.assert_array_equal(got, expected)


def test_max_pool_keeps_bfloat16():
  x = jnp.ones((1, 4, 4, 1), jnp.bfloat16)
  value, gradient = jax.jit(
    jax.value_and_grad(lambda x: max_pool(x).astype("float32").sum())
  )(x)
  assert value == 4 and gradient.dtype == jnp.bfloat16
