"""Augmentations of `image` [H,W,C] on the host, any dtype.

Each is `(example, info, generator, *, configuration) -> example`, gives an
image of the same shape and dtype, and leaves its input as it was.
"""

import numpy as np

from medfm.types import Example, Info


def flip_horizontal(
  example: Example,
  info: Info,
  generator: np.random.Generator,
  *,
  probability: float = 0.5,
) -> Example:
  """Mirrors left and right. Not for images in which left and right matter."""
  if generator.random() >= probability:
    return example
  return {**example, "image": example["image"][:, ::-1].copy()}


def shift(
  example: Example,
  info: Info,
  generator: np.random.Generator,
  *,
  max_pixels: int = 2,
) -> Example:
  """Moves by up to max_pixels each way; the border's pixels are repeated."""
  moved, *_ = _moved(example["image"], generator, max_pixels)
  return {**example, "image": moved}


def random_crop(
  example: Example,
  info: Info,
  generator: np.random.Generator,
  *,
  padding: int = 2,
) -> Example:
  """A crop of the image's own size after zero padding (He et al. 2016)."""
  moved, rows, columns = _moved(example["image"], generator, padding)
  moved[(rows < 0) | (rows >= len(rows))] = 0
  moved[:, (columns < 0) | (columns >= len(columns))] = 0
  return {**example, "image": moved}


def _moved(
  image: np.ndarray, generator: np.random.Generator, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """A moved image, and where its rows [H] and columns [W] come from."""
  moves = generator.integers(-most, most, size=2, endpoint=True).tolist()
  rows, columns = (
    np.arange(n) - move for n, move in zip(image.shape[:2], moves, strict=True)
  )
  # `np.clip` and `np.pad` take longer than the whole of this.
  inner_rows = np.minimum(np.maximum(rows, 0), len(rows) - 1)
  inner_columns = np.minimum(np.maximum(columns, 0), len(columns) - 1)
  return image[inner_rows[:, None], inner_columns], rows, columns
