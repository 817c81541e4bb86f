"""3-D convolution of volumes [B,X,Y,Z,C] as 2-D convolutions of planes.

XLA's own 3-D convolution on a CPU takes five to ten times as long as its
arithmetic. A plane of the result is a 2-D convolution of the few planes around
it, whose channels are laid side by side, and those run at full speed. With
windows of three planes, two planes of the result together need four products
instead of six (Winograd's F(2,3); Lavin and Gray 2016, arXiv:1509.09308).
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from medfm.nn import backend
from medfm.nn import conv as flat
from medfm.nn.conv import Pair, he

Triple = tuple[int, int, int]


class Conv(nn.Module):
  """Convolution of pictures of two or three axes: [B,*S,C] -> [B,*S',features].

  Parameters `kernel` [*window,C,features] and `bias` are `nn.Conv`'s. Padding
  is half the window on either side, as torch's `window // 2`.
  """

  features: int
  kernel_size: tuple[int, ...] = (3, 3, 3)
  strides: tuple[int, ...] = (1, 1, 1)
  use_bias: bool = True
  dtype: str = "float32"
  kernel_init: Callable = he

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    shape = (*self.kernel_size, x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape)
    x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
    padding = [(size // 2, size // 2) for size in self.kernel_size]
    function = flat.conv if len(self.kernel_size) == 2 else conv
    y = function(x, kernel, strides=self.strides, padding=padding)
    if self.use_bias:
      bias = self.param("bias", nn.initializers.zeros, (self.features,))
      y = y + bias.astype(self.dtype).reshape(*(1,) * (y.ndim - 1), -1)
    return y


class Enlarge(nn.Module):
  """Transposed convolution whose windows tile the result: [B,*S,C] -> larger.

  Parameters `kernel` [*factors,C,features] and `bias`, as torch's
  ConvTranspose with a kernel as large as its stride.
  """

  features: int
  factors: tuple[int, ...]
  dtype: str = "float32"

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    shape = (*self.factors, x.shape[-1], self.features)
    kernel = self.param("kernel", he, shape)
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    x, kernel, bias = (a.astype(self.dtype) for a in (x, kernel, bias))
    axes = len(self.factors)
    y = jnp.tensordot(x, kernel, ([x.ndim - 1], [axes]))
    # [B,*S,*factors,features]: every factor beside its own axis of space.
    order = [axis for s in range(axes) for axis in (1 + s, 1 + axes + s)]
    y = y.transpose(0, *order, 1 + 2 * axes)
    sizes = zip(x.shape[1:-1], self.factors, strict=True)
    y = y.reshape(x.shape[0], *(n * f for n, f in sizes), -1)
    return y + bias.reshape(*(1,) * (y.ndim - 1), -1)


def conv(
  x: jax.Array, kernel: jax.Array, *, strides: Triple, padding: Sequence[Pair]
) -> jax.Array:
  """`lax.conv_general_dilated` of [B,X,Y,Z,C] and [x,y,z,C,F]."""
  if not backend.on_cpu():
    layout = ("NXYZC", "XYZIO", "NXYZC")
    return lax.conv_general_dilated(
      x, kernel, strides, padding, dimension_numbers=layout
    )
  # What is made of the planes is made again for the gradient, not kept.
  pairs = backend.planes_by_pairs(len(kernel), strides[0], x.shape[-1])
  form = _by_pairs if pairs and x.dtype == jnp.float32 else _by_planes
  return jax.checkpoint(form, static_argnums=(2, 3))(
    x, kernel, tuple(strides), tuple(map(tuple, padding))
  )


def _by_pairs(x, kernel, strides, padding):
  """F(2,3) along the first axis: planes 2i and 2i + 1 of the result together.

  They are m0 + m1 + m2 and m1 - m2 - m3 of the four products m below, made of
  the planes d, 2i to 2i + 3 of the padded x, and of the kernel's three. Float32
  is rounded about as in the plain sum; 16 bits would lose digits.
  """
  (low, high), *around = padding
  count = x.shape[1] + low + high - 2
  x = jnp.pad(x, ((0, 0), (low, high + count % 2), *((0, 0),) * 3))
  reach = x.shape[1] - 2
  d = [x[:, tap : tap + reach : 2] for tap in range(4)]
  before, middle, after = kernel
  parts = (
    (d[0] - d[2], before),
    (d[1] + d[2], (before + middle + after) / 2),
    (d[2] - d[1], (before - middle + after) / 2),
    (d[1] - d[3], after),
  )
  m = [
    flat.conv(
      planes.reshape(-1, *x.shape[2:]),
      taps,
      strides=strides[1:],
      padding=around,
    )
    for planes, taps in parts
  ]
  y = jnp.stack([m[0] + m[1] + m[2], m[1] - m[2] - m[3]], 1)
  # [B * pairs, 2, ...] to planes in their order.
  y = y.reshape(x.shape[0], reach, *y.shape[2:])
  return y[:, :count]


def _by_planes(x, kernel, strides, padding):
  window, *_, channels, features = kernel.shape
  (low, high), *around = padding
  x = jnp.pad(x, ((0, 0), (low, high), *((0, 0),) * 3))
  count = (x.shape[1] - window) // strides[0] + 1
  reach = (count - 1) * strides[0] + 1
  planes = [x[:, tap : tap + reach : strides[0]] for tap in range(window)]
  beside = jnp.concatenate(planes, -1) if window > 1 else planes[0]
  beside = beside.reshape(-1, *x.shape[2:4], window * channels)
  kernel = jnp.moveaxis(kernel, 0, 2)
  kernel = kernel.reshape(*kernel.shape[:2], window * channels, features)
  y = flat.conv(beside, kernel, strides=strides[1:], padding=around)
  return y.reshape(x.shape[0], count, *y.shape[1:])
