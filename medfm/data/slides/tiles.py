"""The tiles of a slide with tissue: a grid at a stated resolution."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from medfm.data.slides import tissue as tissues
from medfm.data.slides.reader import Slide
from medfm.types import UserError

CELL = 8
"""Pixels of the thumbnail along a tile's edge."""

MAX_TILES = 4_000_000  # Of a grid, tissue or not.
_MAGNIFIED = 1.05  # A slide this much coarser than asked is told.
_TOO_COARSE = 2.0
_STRIDE = 32  # Tiles of the grid along a block that is read for the thumbnail.


class Grid(NamedTuple):
  """How slides are cut.

  tile_px: pixels along an edge of a tile. mpp: their micrometres each.
  tissue_share: of a tile's area, at least, that must be tissue.
  """

  tile_px: int
  mpp: float
  tissue_share: float

  @property
  def tile_um(self) -> float:
    return self.tile_px * self.mpp


class Tiling(NamedTuple):
  """The tiles of a slide with tissue.

  places: int32 [T,2], row and column in the grid, row by row.
  shape: rows and columns of the grid.
  pen: the share of the slide that is marked by a pen.
  magnified: whether the slide is coarser than the tiles.
  """

  places: np.ndarray
  shape: tuple[int, int]
  pen: float
  magnified: bool


def tiling(slide: Slide, grid: Grid) -> Tiling:
  """The tiles of a slide; the last row and column may reach beyond it.

  Raises: UserError for a slide without tissue, much coarser than the tiles, or
    with more tiles than a slide has.
  """
  if slide.mpp > _TOO_COARSE * grid.mpp:
    raise UserError(
      f"{slide.name}: was scanned at {slide.mpp:.3g} micrometres per pixel, "
      f"too coarse for mpp={grid.mpp:g}: raise mpp or leave the slide out"
    )
  shape = shaped(slide, grid)
  if math.prod(shape) > MAX_TILES:
    raise UserError(
      f"{slide.name}: {math.prod(shape):,} tiles of {grid.tile_um:.4g} "
      "micrometres: no slide is as large; is its resolution right?"
    )
  mask, pen = tissues.tissue(thumbnail(slide, grid), least=CELL * CELL // 4)
  cells = mask.reshape(shape[0], CELL, shape[1], CELL)
  share = cells.mean((1, 3), dtype=np.float64)
  places = np.argwhere(share >= max(grid.tissue_share, 1e-9)).astype(np.int32)
  if not len(places):
    raise UserError(
      f"{slide.name}: no tile has {100 * grid.tissue_share:g} % of tissue "
      f"(the most is {100 * share.max():.0f} %)"
    )
  magnified = slide.mpp > _MAGNIFIED * grid.mpp
  return Tiling(places, shape, float(pen.mean()), magnified)


def shaped(slide: Slide, grid: Grid) -> tuple[int, int]:
  """Rows and columns of the grid over a slide."""
  rows, columns = (math.ceil(um / grid.tile_um - 1e-6) for um in slide.size_um)
  return max(rows, 1), max(columns, 1)


def thumbnail(slide: Slide, grid: Grid, cell: int = CELL) -> np.ndarray:
  """uint8 [rows * cell, columns * cell, 3], read in blocks, never whole.

  cell: pixels along a tile's edge.
  """
  rows, columns = shaped(slide, grid)
  out = np.empty((rows * cell, columns * cell, 3), np.uint8)
  level = slide.level(grid.tile_um / cell)
  for row in range(rows):
    for start in range(0, columns, _STRIDE):
      count = min(_STRIDE, columns - start)
      block = read(slide, grid, level, (row, start), count, cell)
      part = out[row * cell : (row + 1) * cell]
      part[:, start * cell : (start + count) * cell] = block
  return out


def pixels(
  slide: Slide, grid: Grid, places: np.ndarray, size: int
) -> Iterator[np.ndarray]:
  """The tiles at places [T,2] in batches uint8 [B,tile_px,tile_px,3].

  size: the most tiles of a batch. A tile is read from the nearest finer level
  and averaged down to its resolution.
  """
  level = slide.level(grid.mpp)
  for start in range(0, len(places), size):
    yield np.stack(
      [
        read(slide, grid, level, (int(row), int(column)), 1, grid.tile_px)
        for row, column in places[start : start + size]
      ]
    )


def read(
  slide: Slide,
  grid: Grid,
  level: int,
  place: tuple[int, int],
  count: int,
  edge: int,
) -> np.ndarray:
  """`count` tiles of a row side by side, uint8 [edge, count * edge, 3]."""
  step = grid.tile_um / slide.levels[level].mpp
  top, bottom = round(place[0] * step), round((place[0] + 1) * step)
  left, right = round(place[1] * step), round((place[1] + count) * step)
  found = slide.region(
    level, top, left, max(bottom - top, 1), max(right - left, 1)
  )
  if found.shape[:2] == (edge, edge * count):
    return found
  shrinks = found.shape[0] >= edge
  how = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
  resized = Image.fromarray(found).resize((edge * count, edge), how)
  return np.asarray(resized)
