"""Residual U-Net for images and volumes, in the shape nnU-Net plans it."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.norm import InstanceNorm
from medfm.nn.planes import Conv, Enlarge
from medfm.types import Batch

_SLOPE = 0.01  # Of the leaky rectifier, below 0.


class UNet(nn.Module):
  """image [B,*S,C] -> logits [B,*S,K] (Ronneberger et al. 2015).

  The residual encoder and one convolution per stage of the decoder are as in
  nnU-Net ResEnc (Isensee et al. 2024), but with one block in each stage by
  default, where ResEnc has 1, 3, 4 and then 6; instance normalisation and leaky
  rectifiers. Every extent of S must be a multiple of the product of its
  strides. `embedding` [B,E] is the mean of the deepest stage.

  `coarse` are the logits of the decoder's smaller stages, the largest first,
  if `train`; `objectives.segment` learns from them too (deep supervision).

  outputs: K; 0 gives no decoder, and an encoder to pre-train or classify with.
  strides: of each stage, the first of ones; one entry for each axis of space.
  kernels: window of each stage, likewise.
  width: features of the first stage; each next has twice as many, at most
    `most`.
  blocks: residual blocks of each stage.
  """

  outputs: int
  strides: tuple[tuple[int, ...], ...]
  kernels: tuple[tuple[int, ...], ...]
  width: int
  most: int = 320
  blocks: int = 1
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    x, kept = batch["image"], []
    widths = [min(self.width * 2**s, self.most) for s in range(self.stages)]
    for stage, width in enumerate(widths):
      for index in range(self.blocks):
        stride = self.strides[stage] if not index else (1,) * (x.ndim - 2)
        name = f"encoder{stage}_{index}"
        x = Block(
          width, self.kernels[stage], stride, dtype=self.dtype, name=name
        )(x)
      kept.append(x)
    places = tuple(range(1, x.ndim - 1))
    result = {"embedding": x.astype(jnp.float32).mean(places)}
    if not self.outputs:
      return result
    coarse = []
    for stage in reversed(range(self.stages - 1)):
      factors, window = self.strides[stage + 1], self.kernels[stage]
      x = Enlarge(
        widths[stage], factors, dtype=self.dtype, name=f"enlarge{stage}"
      )(x)
      x = jnp.concatenate([x, kept[stage]], -1)
      x = convolved(x, widths[stage], window, f"decoder{stage}", self.dtype)
      if stage == 0 or train or self.is_initializing():
        window = (1,) * (x.ndim - 2)
        head = Conv(
          self.outputs,
          window,
          window,
          dtype=self.dtype,
          kernel_init=nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform"
          ),
          name=f"head{stage}",
        )
        coarse.append(head(x).astype(jnp.float32))
    result["logits"] = coarse.pop()
    return result | ({"coarse": coarse[::-1]} if train else {})

  @property
  def stages(self) -> int:
    return len(self.strides)


class Block(nn.Module):
  """Two convolutions with instance normalisation around a shortcut.

  A shortcut to a smaller size averages (ResNet-D, He et al. 2019).
  """

  features: int
  window: tuple[int, ...]
  strides: tuple[int, ...]
  dtype: str

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    ones = (1,) * len(self.window)
    given = self.features, self.window
    y = convolved(x, *given, "1", self.dtype, strides=self.strides)
    y = convolved(y, *given, "2", self.dtype, active=False)
    if max(self.strides) > 1:
      x = nn.avg_pool(x, self.strides, self.strides)
    if x.shape[-1] != self.features:
      x = convolved(x, self.features, ones, "0", self.dtype, active=False)
    return nn.leaky_relu(x + y, _SLOPE)


def convolved(
  x: jax.Array,
  features: int,
  window: tuple[int, ...],
  name: str,
  dtype: str,
  *,
  strides: tuple[int, ...] | None = None,
  active: bool = True,
) -> jax.Array:
  """Convolution, instance normalisation and perhaps the rectifier.

  Without a bias, which the normalisation would take off again.
  """
  strides = strides or (1,) * len(window)
  x = Conv(features, window, strides, False, dtype, name=f"conv{name}")(x)
  x = InstanceNorm(name=f"norm{name}")(x)
  return nn.leaky_relu(x, _SLOPE) if active else x
