"""What a model must know of images."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Image:
  """Pictures of one size: `image` [B,H,W,C].

  size: H and W. channels: 1 (grey) or 3 (colour). dtype: uint8, uint16, or
  float32 in [0, 1].
  """

  size: tuple[int, int] = (0, 0)
  channels: int = 1
  dtype: str = "uint8"

  @property
  def arrays(self) -> tuple[str, ...]:
    """Names of its arrays in a split."""
    return ("image",)

  def settings(self) -> dict[str, Any]:
    """A model of images reads their shape from a batch."""
    return {}


def of(split: Any) -> Image:
  """The description of a split's `image` [N,H,W,C]."""
  array = split.arrays["image"]
  height, width, channels = array.shape[1:]
  return Image((height, width), channels, str(array.dtype))
