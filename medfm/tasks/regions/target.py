"""What is marked in images, and how predictions become it."""

import dataclasses
from typing import Any

from medfm.types import Info


@dataclasses.dataclass(frozen=True)
class Regions:
  """`regions` [B,*S]: 0 for the background, from 1 on the structures.

  names: of the structures.
  instances: whether the numbers are those of single objects, all of one kind.
  tolerance: of the surface Dice, in the unit of distances.
  pixels: whether distances are in pixels, for pictures without a spacing; else
    they are in mm, and unknown for images whose spacing is not known.
  largest: whether only each structure's largest component is kept of a
    prediction. least: objects of fewer pixels of the file are dropped.
  waist: a predicted object with two centres more than so many pixels apart is
    split where it is narrow; pixels of the image after resizing, unlike
    `least`. 0 never splits.
  axes: of the images, 2 or 3.
  """

  names: tuple[str, ...]
  instances: bool = False
  tolerance: float = 1.0
  pixels: bool = False
  largest: bool = False
  least: int = 0
  waist: int = 0
  axes: int = 3

  @property
  def units(self) -> tuple[str, str]:
    """Of distances and of sizes."""
    if self.pixels:
      return "px", "px"
    return "mm", "ml" if self.axes == 3 else "mm²"


def of(info: Info) -> Regions:
  target: Any = info.target
  return target


def images(info: Info) -> Any:
  """The `data.volumes.input.Volume`, which stands below."""
  return info.only


def classes(target: Regions) -> int:
  """K: the structures and the background; outside, inside and border."""
  return 3 if target.instances else len(target.names) + 1
