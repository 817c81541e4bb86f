"""Residual networks (He et al. 2016)."""

import jax
from flax import linen as nn

from medfm.nn.conv import Conv
from medfm.nn.norm import BatchNorm, GroupNorm
from medfm.nn.pool import global_average, max_pool
from medfm.types import Batch, UserError

_BLOCKS = {
  10: (1, 1, 1, 1),
  14: (1, 1, 1, 1),
  18: (2, 2, 2, 2),
  34: (3, 4, 6, 3),
  50: (3, 4, 6, 3),
}
_BOTTLENECK = (14, 50)
_NORMS = {"batch": BatchNorm, "group": GroupNorm}

# Uniform within +-1/sqrt(fan-in), torch's default for a linear layer.
_torch_linear = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class ResNet(nn.Module):
  """ResNet-18/34/50: image [B,H,W,C] -> logits [B,K].

  Version 1 (activation after the sum), with torchvision's details: explicit
  padding, the bottleneck's stride in its 3x3 convolution ("1.5"), He
  initialisation by fan-out. Parameter paths are torchvision's names with
  `norm` for `bn`: `conv1`, `norm1`, `layer1_0/conv1`, `layer1_0/norm1`,
  `layer2_0/downsample_conv`, `layer2_0/downsample_norm`, `head` for `fc`.

  Reads `image` (float, scaled) and `weight` for the batch statistics.
  `embedding` is the globally averaged last layer, [B,8*width] (50: 32*width).

  outputs: K; 0 gives no logits.
  depth: 18, 34 or 50 (and for trials one block a stage: 10 basic ones, or 14
    with bottlenecks).
  norm: "batch", or "group", which is the same for every batch size.
  stem: "cifar" is one 3x3 convolution, for images below about 64 pixels
    (MedMNIST's ResNet-18 at 28 x 28); "imagenet" is 7x7 stride 2 and a 3x3
    stride 2 max pool.
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
    _check("depth", self.depth, _BLOCKS)
    _check("norm", self.norm, _NORMS)
    _check("stem", self.stem, ("cifar", "imagenet"))
    weight = batch.get("weight")
    large = self.stem == "imagenet"
    size, stride = (7, 2) if large else (3, 1)
    x = conv(self.width, size, stride, self.dtype, "conv1")(batch["image"])
    x = _NORMS[self.norm](name="norm1")(x, weight, train=train)
    x = nn.relu(x)
    if large:
      x = max_pool(x, window=(3, 3), padding=((1, 1), (1, 1)))
    for stage, blocks in enumerate(_BLOCKS[self.depth]):
      for index in range(blocks):
        x = Block(
          self.width * 2**stage,
          stride=2 if stage and not index else 1,
          bottleneck=self.depth in _BOTTLENECK,
          norm=self.norm,
          zero_init_residual=self.zero_init_residual,
          dtype=self.dtype,
          name=f"layer{stage + 1}_{index}",
        )(x, weight, train=train)
    x = global_average(x)
    result = {"embedding": x}
    if self.outputs:
      head = nn.Dense(self.outputs, kernel_init=_torch_linear, name="head")
      result["logits"] = head(x)
    return result


class Block(nn.Module):
  """Two 3x3 convolutions, or 1x1, 3x3, 1x1, around a shortcut.

  width: features inside; a bottleneck puts out four times as many.
  """

  width: int
  stride: int
  bottleneck: bool
  norm: str
  zero_init_residual: bool
  dtype: str

  @nn.compact
  def __call__(
    self, x: jax.Array, weight: jax.Array | None, *, train: bool
  ) -> jax.Array:
    # Features, kernel size and stride of each convolution.
    layers = [(self.width, 3, self.stride), (self.width, 3, 1)]
    if self.bottleneck:
      layers = [
        (self.width, 1, 1),
        (self.width, 3, self.stride),
        (4 * self.width, 1, 1),
      ]
    y = x
    for index, layer in enumerate(layers, 1):
      y = nn.relu(y) if index > 1 else y
      y = conv(*layer, self.dtype, f"conv{index}")(y)
      zero = self.zero_init_residual and index == len(layers)
      y = _NORMS[self.norm](
        scale_init=nn.initializers.zeros if zero else nn.initializers.ones,
        name=f"norm{index}",
      )(y, weight, train=train)
    if x.shape != y.shape:
      x = conv(y.shape[-1], 1, self.stride, self.dtype, "downsample_conv")(x)
      x = _NORMS[self.norm](name="downsample_norm")(x, weight, train=train)
    return nn.relu(x + y)


def conv(features: int, size: int, stride: int, dtype: str, name: str) -> Conv:
  """A square convolution without bias, padded as torch's `size // 2`."""
  edge = (size // 2, size // 2)
  return Conv(
    features,
    (size, size),
    (stride, stride),
    (edge, edge),
    use_bias=False,
    dtype=dtype,
    name=name,
  )


def _check(setting, value, allowed):
  if value not in allowed:
    choices = ", ".join(map(str, allowed))
    raise UserError(f"model.{setting}={value!r}: choose one of {choices}")
