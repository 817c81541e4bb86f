"""Augmentations of `image` [H,W,C] on the host, any dtype.

Each is `(example, generator, *, configuration) -> example`, gives an image of
the same shape and dtype, and leaves its input as it was.
"""

import numpy as np

from medfm.types import Example


def flip_horizontal(
  example: Example, generator: np.random.Generator, *, probability: float = 0.5
) -> Example:
  """Mirrors left and right. Not for images whose sides mean something."""
  if generator.random() >= probability:
    return example
  return {**example, "image": example["image"][:, ::-1].copy()}


def shift(
  example: Example, generator: np.random.Generator, *, max_pixels: int = 2
) -> Example:
  """Moves by up to max_pixels each way; the border's pixels are repeated."""
  image = example["image"]
  down, right = _move(generator, max_pixels)
  height, width = image.shape[:2]
  # `np.clip` and `np.pad` take longer than the whole of this.
  rows = np.minimum(np.maximum(np.arange(height) - down, 0), height - 1)
  columns = np.minimum(np.maximum(np.arange(width) - right, 0), width - 1)
  return {**example, "image": image[rows[:, None], columns]}


def random_crop(
  example: Example, generator: np.random.Generator, *, padding: int = 2
) -> Example:
  """A crop of the image's own size after zero padding (He et al. 2016)."""
  image = example["image"]
  down, right = _move(generator, padding)
  moved = np.zeros_like(image)
  to_rows, from_rows = _overlap(image.shape[0], down)
  to_columns, from_columns = _overlap(image.shape[1], right)
  moved[to_rows, to_columns] = image[from_rows, from_columns]
  return {**example, "image": moved}


def _move(generator: np.random.Generator, most: int) -> list[int]:
  return generator.integers(-most, most, size=2, endpoint=True).tolist()


def _overlap(size: int, move: int) -> tuple[slice, slice]:
  """(where to, where from) along an axis, for a move of whole pixels."""
  return (
    slice(max(move, 0), max(size + min(move, 0), 0)),
    slice(max(-move, 0), max(size - max(move, 0), 0)),
  )
