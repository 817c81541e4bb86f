"""Pooling over images: flax's values and gradients, quick on CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from medfm.nn import backend
from medfm.nn.conv import Pair, summed, taps


def max_pool(
  x: jax.Array,
  *,
  window: Pair = (2, 2),
  strides: Pair = (2, 2),
  padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
) -> jax.Array:
  """[B,H,W,C] -> [B,H',W',C]: the largest value under each window.

  The gradient goes to the first of equal maxima in row-major order, as in
  lax and torch. Padding never wins. On CPU the winners' positions are kept
  (one byte each) so that the gradient reads neither input nor output again.
  """
  if not backend.pool_by_index() or window[0] * window[1] > 255:
    return nn.max_pool(x, window, strides, padding)
  if any(low or high for low, high in padding):
    edges = ((0, 0, 0), *((*pair, 0) for pair in padding), (0, 0, 0))
    x = lax.pad(x, jnp.array(-jnp.inf, x.dtype), edges)
  return _pool(x, tuple(window), tuple(strides))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _pool(x, window, strides):
  return functools.reduce(jnp.maximum, taps(x, window, strides))


def _forward(x, window, strides):
  y = _pool(x, window, strides)
  winner = jnp.full(y.shape, window[0] * window[1] - 1, jnp.uint8)
  parts = list(taps(x, window, strides))
  for index in reversed(range(len(parts) - 1)):
    winner = jnp.where(parts[index] == y, jnp.uint8(index), winner)
  # Without the barrier XLA computes both anew in each fusion that reads them,
  # the gradients' too, from an input four times their size.
  y, winner = lax.optimization_barrier((y, winner))
  # The shape travels as an empty array: residuals must be arrays.
  return y, (winner, jnp.zeros((0, *x.shape[1:]), jnp.bool_))


def _backward(window, strides, residuals, dy):
  winner, empty = residuals
  size, zero = empty.shape[1:3], jnp.zeros((), dy.dtype)
  taps = np.arange(window[0] * window[1], dtype=np.uint8)
  if window != strides:
    parts = (jnp.where(winner == tap, dy, zero) for tap in taps)
    return (summed(parts, size, window, strides),)
  # Windows that tile the image: every input has one.
  taps = taps.reshape(1, 1, window[0], 1, window[1], 1)
  here = winner[:, :, None, :, None] == taps
  dx = jnp.where(here, dy[:, :, None, :, None], zero)
  covered = [dy.shape[1] * window[0], dy.shape[2] * window[1]]
  dx = dx.reshape(dy.shape[0], *covered, dy.shape[3])
  rest = [(0, size[axis] - covered[axis]) for axis in (0, 1)]
  return (jnp.pad(dx, [(0, 0), *rest, (0, 0)]),)


_pool.defvjp(_forward, _backward)
