"""Convolution and pooling of images [B,H,W,C]: flax's values, fast on CPU."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from medfm.nn import backend

Pair = tuple[int, int]
Padding = str | Sequence[Pair]

he = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
"""He et al. 2015 by fan-out, as torchvision initialises its ResNets."""

glorot = nn.initializers.glorot_uniform()
"""Glorot and Bengio 2010, as Keras initialises convolution and dense."""


class Conv(nn.Module):
  """2-D convolution: [B,H,W,C] -> [B,H',W',features].

  Parameters `kernel` [h,w,C,features] and `bias` [features] are `nn.Conv`'s.

  padding: "SAME", "VALID", or pairs (low, high) for height and width. A strided
    "SAME" pads differently from torch's `padding=1`.
  dtype: of the arithmetic and the result; parameters stay float32.
  """

  features: int
  kernel_size: Pair = (3, 3)
  strides: Pair = (1, 1)
  padding: Padding = "SAME"
  use_bias: bool = True
  dtype: str = "float32"
  kernel_init: Callable = he

  @nn.compact
  def __call__(
    self, x: jax.Array, *, before_bias: Callable | None = None
  ) -> jax.Array:
    """before_bias: applied before the bias, such as `max_pool`, after which
    the bias is added to a quarter of the places."""
    shape = (*self.kernel_size, x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape)
    x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
    y = conv(x, kernel, strides=self.strides, padding=self.padding)
    if before_bias is not None:
      y = before_bias(y)
    if self.use_bias:
      bias = self.param("bias", nn.initializers.zeros, (self.features,))
      y = y + bias.astype(self.dtype).reshape(1, 1, 1, -1)
    return y


def conv(
  x: jax.Array,
  kernel: jax.Array,
  *,
  strides: Pair = (1, 1),
  padding: Padding = "SAME",
) -> jax.Array:
  """`lax.conv_general_dilated` of [B,H,W,C] and [h,w,C,F], NHWC.

  Reverse-mode derivatives of any order exist on every backend; forward-mode
  derivatives do not if the convolution runs as a dot.
  """
  size, window = x.shape[1:3], kernel.shape[:2]
  if isinstance(padding, str):
    padding = lax.padtype_to_pads(size, window, strides, padding)
  axes = map(_live_taps, size, window, strides, padding)
  (top, bottom, rows, pad_rows), (left, right, columns, pad_columns) = axes
  inputs = window[0] * window[1] * x.shape[-1]
  if rows * columns == 0 or not backend.conv_as_dot(rows * columns, inputs):
    padding = tuple(map(tuple, padding))
    if backend.product_for_input(rows * columns):
      return _dot_gradient_conv(x, kernel, tuple(strides), padding)
    return _xla_conv(x, kernel, strides, padding)
  edges = ((0, 0, 0), (*pad_rows, 0), (*pad_columns, 0), (0, 0, 0))
  x = lax.pad(x, jnp.zeros((), x.dtype), edges)
  return _dot_conv(x, kernel[top:bottom, left:right], tuple(strides))


def _xla_conv(x, kernel, strides, padding):
  return lax.conv_general_dilated(
    x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
  )


def _live_taps(size, window, stride, padding):
  """The taps of one axis that ever meet the image and not only padding.

  The first, the last + 1, the number of output places, and the padding
  (negative: cropping) that gives as many places with those taps.
  """
  low, high = padding
  places = max((size + low + high - window) // stride + 1, 0)
  live = [
    tap
    for tap in range(window)
    if any(0 <= place * stride + tap - low < size for place in range(places))
  ] or list(range(window))
  first, last = live[0], live[-1] + 1
  low = low - first
  high = (places - 1) * stride + (last - first) - size - low
  return first, last, places, (low, high)


def _patches(x, window, strides):
  """[B*rows*columns, taps*C]: the inputs of each output place.

  The barrier keeps XLA from fusing the concatenation into the dot that reads
  it, which is much slower than doing one after the other.
  """
  patches = jnp.concatenate(list(taps(x, window, strides)), -1)
  patches = lax.optimization_barrier(patches)
  return patches.reshape(-1, patches.shape[-1])


def places(size: Pair, window: Pair, strides: Pair) -> Pair:
  """How many windows fit into a size, rows and columns."""
  return tuple(
    (length - width) // stride + 1
    for length, width, stride in zip(size, window, strides, strict=True)
  )


def taps(x: jax.Array, window: Pair, strides: Pair) -> Iterator[jax.Array]:
  """[B,rows,columns,C]: the inputs under each tap, in row-major order."""
  rows, columns = places(x.shape[1:3], window, strides)
  bottom, right = (rows - 1) * strides[0] + 1, (columns - 1) * strides[1] + 1
  for i, j in itertools.product(*map(range, window)):
    yield x[:, i : i + bottom : strides[0], j : j + right : strides[1]]


def summed(
  parts: Iterable[jax.Array], size: Pair, window: Pair, strides: Pair
) -> jax.Array:
  """[B,H,W,C] of a size: the sum of what each tap gives back to the image.

  parts: [B,rows,columns,C] of each tap, in row-major order.
  """

  def spread(index, part):
    edges = [(0, 0, 0)]
    for axis, tap in enumerate(divmod(index, window[1])):
      reach = (part.shape[axis + 1] - 1) * strides[axis] + 1
      edges.append((tap, size[axis] - tap - reach, strides[axis] - 1))
    return lax.pad(part, jnp.zeros((), part.dtype), [*edges, (0, 0, 0)])

  return functools.reduce(jnp.add, map(spread, itertools.count(), parts))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _dot_conv(x, kernel, strides):
  """An unpadded convolution as one matrix product over patches."""
  y = _patches(x, kernel.shape[:2], strides)
  y = y @ kernel.reshape(-1, kernel.shape[-1])
  size = places(x.shape[1:3], kernel.shape[:2], strides)
  return y.reshape(x.shape[0], *size, kernel.shape[-1])


def _forward(x, kernel, strides):
  return _dot_conv(x, kernel, strides), (x, kernel)


def _backward(strides, residuals, dy):
  x, kernel = residuals
  d_kernel = _patches(x, kernel.shape[:2], strides).T
  d_kernel = d_kernel @ dy.reshape(-1, dy.shape[-1])
  dx = _input_gradient(kernel, dy, x.shape[1:3], strides)
  return dx, d_kernel.reshape(kernel.shape)


_dot_conv.defvjp(_forward, _backward)


def _input_gradient(kernel, dy, size, strides):
  """[B,H,W,C] of a size without padding: one product, then a sum over taps."""
  *window, channels, features = kernel.shape
  d_patches = dy.reshape(-1, features) @ kernel.reshape(-1, features).T
  d_patches = lax.optimization_barrier(d_patches)
  d_patches = d_patches.reshape(*dy.shape[:3], -1, channels)
  parts = (d_patches[:, :, :, index] for index in range(d_patches.shape[3]))
  return summed(parts, size, window, strides)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _dot_gradient_conv(x, kernel, strides, padding):
  """XLA's convolution, with another gradient for its input."""
  return _xla_conv(x, kernel, strides, padding)


def _forward_of_xla(x, kernel, strides, padding):
  return _xla_conv(x, kernel, strides, padding), (x, kernel)


def _backward_of_xla(strides, padding, residuals, dy):
  x, kernel = residuals
  _, pull = jax.vjp(lambda k: _xla_conv(x, k, strides, padding), kernel)
  (d_kernel,) = pull(dy)
  pairs = zip(x.shape[1:3], padding, strict=True)
  size = tuple(length + low + high for length, (low, high) in pairs)
  dx = _input_gradient(kernel, dy, size, strides)
  edges = [(-low, -high, 0) for low, high in padding]
  dx = lax.pad(dx, jnp.zeros((), dx.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
  return dx, d_kernel


_dot_gradient_conv.defvjp(_forward_of_xla, _backward_of_xla)


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


def _pool_forward(x, window, strides):
  y = _pool(x, window, strides)
  winner = jnp.full(y.shape, window[0] * window[1] - 1, jnp.uint8)
  parts = list(taps(x, window, strides))
  for index in reversed(range(len(parts) - 1)):
    winner = jnp.where(parts[index] == y, jnp.uint8(index), winner)
  # Without the barrier XLA computes both again in each fusion that reads them,
  # also in the gradients, from an input four times their size.
  y, winner = lax.optimization_barrier((y, winner))
  # The shape travels as an empty array: residuals must be arrays.
  return y, (winner, jnp.zeros((0, *x.shape[1:]), jnp.bool_))


def _pool_backward(window, strides, residuals, dy):
  winner, empty = residuals
  size, zero = empty.shape[1:3], jnp.zeros((), dy.dtype)
  numbers = np.arange(window[0] * window[1], dtype=np.uint8)
  if window != strides:
    parts = (jnp.where(winner == tap, dy, zero) for tap in numbers)
    return (summed(parts, size, window, strides),)
  # If windows tile the image, every input is in exactly one.
  numbers = numbers.reshape(1, 1, window[0], 1, window[1], 1)
  here = winner[:, :, None, :, None] == numbers
  dx = jnp.where(here, dy[:, :, None, :, None], zero)
  covered = [dy.shape[1] * window[0], dy.shape[2] * window[1]]
  dx = dx.reshape(dy.shape[0], *covered, dy.shape[3])
  rest = [(0, size[axis] - covered[axis]) for axis in (0, 1)]
  return (jnp.pad(dx, [(0, 0), *rest, (0, 0)]),)


_pool.defvjp(_pool_forward, _pool_backward)
