"""Pooling over images: flax's values and gradients, quick on CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from medfm.nn import backend, windows
from medfm.nn.windows import Pair


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


def average_pool(
  x: jax.Array, *, window: Pair = (2, 2), strides: Pair = (2, 2)
) -> jax.Array:
  """[B,H,W,C] -> [B,H',W',C]: the mean under each unpadded window."""
  return nn.avg_pool(x, window, strides)


def global_average(x: jax.Array) -> jax.Array:
  """[B,H,W,C] -> [B,C] float32: the mean over all places."""
  return x.astype(jnp.float32).mean((1, 2))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _pool(x, window, strides):
  return functools.reduce(jnp.maximum, windows.taps(x, window, strides))


def _forward(x, window, strides):
  y = _pool(x, window, strides)
  winner = jnp.full(y.shape, window[0] * window[1] - 1, jnp.uint8)
  taps = list(windows.taps(x, window, strides))
  for index in reversed(range(len(taps) - 1)):
    winner = jnp.where(taps[index] == y, jnp.uint8(index), winner)
  # Without the barrier XLA computes both anew in each fusion that reads them,
  # the gradients' too, from an input four times their size.
  y, winner = lax.optimization_barrier((y, winner))
  # The shape travels as an empty array: residuals must be arrays.
  return y, (winner, jnp.zeros((0, *x.shape[1:]), jnp.bool_))


def _backward(window, strides, residuals, dy):
  winner, empty = residuals
  shape = (dy.shape[0], *empty.shape[1:])
  if window == strides:
    return (_scatter_apart(winner, dy, shape, window),)
  return (_scatter_overlapping(winner, dy, shape, window, strides),)


def _scatter_apart(winner, dy, shape, window):
  """Windows that tile the image: every input has one window."""
  batch, rows, columns, channels = dy.shape
  taps = np.arange(window[0] * window[1], dtype=np.uint8)
  taps = taps.reshape(1, 1, window[0], 1, window[1], 1)
  here = winner[:, :, None, :, None] == taps
  dx = jnp.where(here, dy[:, :, None, :, None], jnp.zeros((), dy.dtype))
  dx = dx.reshape(batch, rows * window[0], columns * window[1], channels)
  rest = [(0, full - part) for full, part in zip(shape, dx.shape, strict=True)]
  return jnp.pad(dx, rest)


def _scatter_overlapping(winner, dy, shape, window, strides):
  """Windows that overlap: the sum over taps of what each passes back."""
  zero = jnp.zeros((), dy.dtype)
  parts = (
    lax.pad(
      jnp.where(winner == index, dy, zero),
      zero,
      windows.spread(index, shape[1:3], dy.shape[1:3], window, strides),
    )
    for index in range(window[0] * window[1])
  )
  return functools.reduce(jnp.add, parts)


_pool.defvjp(_forward, _backward)
