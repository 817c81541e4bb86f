"""Parts of pictures as examples: cells or lesions within boxes."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data.images import decode, own
from medfm.data.images import files as image_files
from medfm.types import UserError

_KEPT = 32  # Pictures that are not decoded again for their next box.


class Crops(own.OwnImages, skip_registration=True):
  """As `OwnImages`, of the part of its file that each example's box holds.

  boxes: name -> (left, top, right, bottom) in pixels from 0 on, right and
    bottom excluded, within the picture.
  """

  def __init__(self, *, boxes: Mapping[str, Sequence[int]], **kwargs: Any):
    self._boxes = boxes
    super().__init__(**kwargs)
    self._whole = functools.lru_cache(_KEPT)(self._picture)

  def _picture(self, path: pathlib.Path) -> decode.Picture:
    return image_files.decoded(path, path.name, self._shape)

  def _decoded(self, row: int) -> image_files.Read | UserError:
    name, path = self._paths[row]
    try:
      pixels, changes = self._whole(path)
      part = inside(pixels, self._boxes[name], name)
      return image_files.brought(
        decode.Picture(part, changes), self._shape, name
      )
    except UserError as error:
      return error


def inside(pixels: np.ndarray, box: Sequence[int], name: str) -> np.ndarray:
  """The part of a picture [H,W,C] in a box; UserError if it is not within."""
  left, top, right, bottom = box
  height, width = pixels.shape[:2]
  if not (0 <= left < right <= width and 0 <= top < bottom <= height):
    raise UserError(
      f"{name}: the box {tuple(box)} is not within the picture of "
      f"{width} x {height}: its size in the annotation may be wrong"
    )
  return pixels[top:bottom, left:right]
