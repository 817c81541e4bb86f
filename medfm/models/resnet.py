"""Residual networks (He et al. 2016)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import planes
from medfm.nn.conv import Conv, max_pool
from medfm.nn.forward import with_logits
from medfm.nn.norm import BatchNorm, GroupNorm
from medfm.spec import chosen
from medfm.types import Batch

STAGES = {
  10: ("basic", (1, 1, 1, 1)),
  14: ("bottleneck", (1, 1, 1, 1)),
  18: ("basic", (2, 2, 2, 2)),
  34: ("basic", (3, 4, 6, 3)),
  50: ("bottleneck", (3, 4, 6, 3)),
}
"""For each depth, the kind of its blocks and how many each stage has."""

_NORMS = {"batch": BatchNorm, "group": GroupNorm}
_STEMS = {"cifar": (3, 1), "imagenet": (7, 2)}  # Window and stride.

# Uniform within +-1/sqrt(fan-in), torch's default for a linear layer.
_torch_linear = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class ResNet(nn.Module):
  """ResNet-18/34/50: image [B,H,W,C], or [B,X,Y,Z,C] -> logits [B,K].

  Of volumes, every window and stride has a third axis (Hara et al. 2018).

  Version 1 (activation after the sum), with torchvision's details: explicit
  padding, the bottleneck's stride in its 3x3 convolution ("1.5"), He
  initialisation by fan-out. Parameter paths are torchvision's names with
  `norm` for `bn`, `downsample_conv` and `downsample_norm`, and `head` for `fc`.

  Reads `image` (float, scaled) and `weight` for the batch statistics.
  `embedding` is the globally averaged last layer, [B,8*width] (50: 32*width).

  depth: 18, 34 or 50 (and for trials with one block per stage: 10 with basic
    blocks, 14 with bottlenecks).
  norm: "batch", or "group", which does not depend on the batch size.
  stem: "cifar" is one 3x3 convolution, for images below about 64 pixels;
    "imagenet" is 7x7 stride 2 and a 3x3 stride 2 max pool.
  width: features of the first stage.
  zero_init_residual: every block starts as the identity (Goyal et al. 2017).
  """

  outputs: int
  depth: int = 18
  norm: str = "batch"
  stem: str = "cifar"
  width: int = 64
  zero_init_residual: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    kind, stages = chosen("model.depth", self.depth, STAGES)
    norm = chosen("model.norm", self.norm, _NORMS)
    size, stride = chosen("model.stem", self.stem, _STEMS)
    weight = batch.get("weight")
    x = conv(self.width, size, stride, self.dtype, "conv1", batch["image"])
    x = nn.relu(norm(name="norm1")(x, weight, train=train))
    if self.stem == "imagenet":
      x = _pooled(x)
    for stage, blocks in enumerate(stages):
      for index in range(blocks):
        x = Block(
          self.width * 2**stage,
          stride=2 if stage and not index else 1,
          bottleneck=kind == "bottleneck",
          norm=norm,
          zero_init_residual=self.zero_init_residual,
          dtype=self.dtype,
          name=f"layer{stage + 1}_{index}",
        )(x, weight, train=train)
    x = x.astype(jnp.float32).mean(tuple(range(1, x.ndim - 1)))
    return with_logits(
      {"embedding": x}, self.outputs, x, kernel_init=_torch_linear
    )


class Block(nn.Module):
  """Two 3x3 convolutions, or 1x1, 3x3, 1x1, around a shortcut.

  width: features inside; a bottleneck puts out four times as many.
  """

  width: int
  stride: int
  bottleneck: bool
  norm: type[nn.Module]
  zero_init_residual: bool
  dtype: str

  @nn.compact
  def __call__(
    self, x: jax.Array, weight: jax.Array | None, *, train: bool
  ) -> jax.Array:
    # Features, kernel size and stride of each convolution.
    layers, y = [(self.width, 3, self.stride), (self.width, 3, 1)], x
    if self.bottleneck:
      layers = [(self.width, 1, 1), layers[0], (4 * self.width, 1, 1)]
    for index, layer in enumerate(layers, 1):
      y = nn.relu(y) if index > 1 else y
      y = conv(*layer, self.dtype, f"conv{index}", y)
      zero = self.zero_init_residual and index == len(layers)
      scale = nn.initializers.zeros if zero else nn.initializers.ones
      norm = self.norm(scale_init=scale, name=f"norm{index}")
      y = norm(y, weight, train=train)
    if x.shape != y.shape:
      name = "downsample_conv"
      x = conv(y.shape[-1], 1, self.stride, self.dtype, name, x)
      x = self.norm(name="downsample_norm")(x, weight, train=train)
    return nn.relu(x + y)


def conv(
  features: int, size: int, stride: int, dtype: str, name: str, x: jax.Array
) -> jax.Array:
  """A convolution with equal sides and no bias, padded as torch's `size // 2`.

  x: [B,H,W,C] or [B,X,Y,Z,C]. Called within a compact method.
  """
  if x.ndim == 5:
    sides, strides = (size,) * 3, (stride,) * 3
    return planes.Conv(features, sides, strides, False, dtype, name=name)(x)
  window, strides, edge = (size, size), (stride, stride), (size // 2, size // 2)
  layer = Conv(features, window, strides, (edge, edge), False, dtype, name=name)
  return layer(x)


def _pooled(x: jax.Array) -> jax.Array:
  """The largest of every window of 3, two apart."""
  if x.ndim == 5:
    return nn.max_pool(x, (3,) * 3, (2,) * 3, ((1, 1),) * 3)
  return max_pool(x, window=(3, 3), padding=((1, 1), (1, 1)))
