"""What a model must know of images."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.data.images import design, near
from medfm.types import Batch, Design, Near, Split


@dataclasses.dataclass(frozen=True)
class Image:
  """Pictures of one size: `image` [B,H,W,C].

  size: H and W. channels: 1 (grey) or 3 (colour). dtype: uint8, uint16, or
  float32 in [0, 1].
  """

  size: tuple[int, int] = (0, 0)
  channels: int = 1
  dtype: str = "uint8"

  suits = ("linear",)

  @property
  def arrays(self) -> tuple[str, ...]:
    """Names of its arrays in a split."""
    return ("image",)

  @property
  def near(self) -> Near:
    """Pictures that look alike."""
    return Near(near.RULE, near.search)

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A model of images reads their shape from a batch."""
    del chosen
    return {}

  def scale(
    self,
    batch: Batch,
    *,
    mean: float | tuple[float, ...] = 0.5,
    std: float | tuple[float, ...] = 0.5,
  ) -> Batch:
    """Scales `image` to float32 (x - mean) / std.

    uint8 and uint16 are first divided by 255 and 65535; float images are
    taken to be in [0, 1] already.

    mean, std: one number, or one per channel.
    """
    image = batch.get("image")
    if image is None:
      return batch
    integer = np.issubdtype(image.dtype, np.integer)
    top = np.iinfo(image.dtype).max if integer else 1
    scaled = image.astype("float32") / top
    scaled = (scaled - _per_channel(mean)) / _per_channel(std)
    return {**batch, "image": scaled}

  def blank(
    self, count: int, like: Mapping[str, np.ndarray] = {}
  ) -> dict[str, np.ndarray]:
    """Black pictures."""
    del like
    shape = (count, *self.size, self.channels)
    return {"image": np.zeros(shape, self.dtype)}

  def design(self, train: Split, seed: int) -> Design:
    """Pixels, or their principal components; see `design.pixels`."""
    return design.pixels(train, seed)

  native = design

  def recoded(
    self, arrays: Mapping[str, np.ndarray], trained: "Image"
  ) -> dict[str, np.ndarray]:
    """Pictures as they are."""
    del trained
    return dict(arrays)

  def describe(self) -> str:
    """Colour and size, in words."""
    colour = "grey" if self.channels == 1 else "colour"
    height, width = self.size
    return f"{colour} images of {height} x {width}"


def of(split: Split) -> Image:
  """The description of a split's `image` [N,H,W,C]."""
  array = split.arrays["image"]
  height, width, channels = array.shape[1:]
  return Image((height, width), channels, str(array.dtype))


def _per_channel(value: float | tuple[float, ...]) -> np.ndarray:
  return np.asarray(value, np.float32).reshape(1, 1, 1, -1)
