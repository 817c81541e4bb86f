"""Where on a slide a model of bags looks: attention over the thumbnail.

Shown are the surest right answers, the surest wrong ones and the least sure.
"""

import base64
import io
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from medfm.data.slides import reader, tiles
from medfm.data.slides.input import Bag
from medfm.data.slides.tiles import Grid
from medfm.evals import scores
from medfm.evals.context import Context, Findings, keeps
from medfm.explain import examples
from medfm.types import Arrays, Split, UserError

HOW = (
  "Left: the slide. Right: the same in grey, with the attention of each tile "
  "in orange, darkest where it is largest; tiles without tissue stay grey. "
  "Below: the tiles with most attention, in descending order. Attention shows "
  "how much each tile weighed in this model's answer, not why the answer would "
  "be true."
)
_EDGE, _TILE, _GAP = 420, 96, 12
_OPAQUE = 0.85
_ORANGE = np.array([217, 95, 2], np.float32)


@keeps("attention")
def heatmaps(
  context: Context,
  *,
  show: bool | None = None,
  most: int = 2,
  tile_count: int = 8,
) -> Findings:
  """Heat maps of a few test slides, if the run may show any.

  show: None shows slides of published sets only. If False no picture is made.
  most: slides of each kind of answer. tile_count: tiles beside a slide.
  """
  hidden = context.data.private if show is None else not show
  split = context.splits.get("test")
  described = [v for v in context.info.inputs.values() if isinstance(v, Bag)]
  if hidden or split is None or not context.first or len(described) != 1:
    return Findings()
  predicted = context.predicted["test"]
  if "attention" not in predicted or "slide" not in split.source:
    return Findings()
  rows = _chosen(context, split, predicted, most)
  pictures = [
    _picture(context, split, described[0], predicted, row, kind, tile_count)
    for kind, row in rows
  ]
  block = {"kind": "pictures", "title": "Attention over slides", "how": HOW}
  return Findings(shown={"test": [block | {"pictures": pictures}]})


def _chosen(
  context: Context, split: Split, predicted: Arrays, most: int
) -> list[tuple[str, int]]:
  """(kind of answer, row); the first rows where a task has no answers."""
  target = scores.target_of(context.asked, split.arrays)
  answers = context.asked.answers(context.info, target, predicted)
  if answers is None:
    return [("", row) for row in range(min(3 * most, len(split)))]
  return [
    (kind, int(answers.example[index]))
    for kind, index in examples.choice(answers, most)
  ]


def _picture(
  context: Context,
  split: Split,
  bag: Bag,
  predicted: Arrays,
  row: int,
  kind: str,
  count: int,
) -> dict[str, Any]:
  """A block's picture of one slide, JSON-able."""
  places = np.asarray(split.source["places"][row])
  attention = np.asarray(predicted["attention"][row][: len(places)], float)
  one = {name: array[row : row + 1] for name, array in predicted.items()}
  target = scores.target_of(context.asked, split.arrays)
  target = {name: np.asarray(a)[row : row + 1] for name, a in target.items()}
  cells = context.asked.columns(context.info, target, one)
  said = ", ".join(f"{key} {cell}" for key, (cell,) in cells.items())
  name = str(split.ids[row])
  share = np.sort(attention)[::-1][: max(len(places) // 10, 1)].sum()
  words = f"{name}: {said}; {len(places):,} tiles; the 10 % with most "
  words += f"attention hold {100 * share:.0f} % of it"
  words = f"{words} ({kind})" if kind else words
  drawn = drawing(split, bag, row, places, attention, count)
  if drawn is None:
    words += "; the slide's file cannot be read any more"
    drawn = np.full((_TILE, _TILE, 3), 255, np.uint8)
  return {"words": words, "alt": f"Attention over {name}", "png": _png(drawn)}


def drawing(
  split: Split,
  bag: Bag,
  row: int,
  places: np.ndarray,
  attention: np.ndarray,
  count: int,
) -> np.ndarray | None:
  """The slide, its heat map, and the tiles of most attention: uint8 [H,W,3].

  None if its file is gone or changed.
  """
  grid = Grid(bag.tile_px, bag.mpp, bag.tissue_share)
  path = pathlib.Path(split.source["slide"][row])
  order = np.argsort(-attention, kind="stable")[:count]
  try:
    given = float(split.source["slide_mpp"][row])
    with reader.opened(path, slide_mpp=given) as slide:
      shape = tiles.shaped(slide, grid)
      if (places.max(0) >= shape).any():
        return None
      cell = max(_EDGE // max(shape), tiles.CELL)
      small = tiles.thumbnail(slide, grid, cell)
      strongest = [*tiles.pixels(slide, grid, places[order], 1)]
  except (OSError, UserError):
    return None
  sheet = [_sized(small), _sized(overlaid(small, places, attention, cell))]
  rows = [_beside(sheet), _beside([_tile(each[0]) for each in strongest])]
  return _stacked(rows)


def overlaid(
  small: np.ndarray, places: np.ndarray, attention: np.ndarray, cell: int
) -> np.ndarray:
  """A thumbnail [H,W,3], `cell` pixels a tile, with its attention [T]."""
  grey = np.repeat(small.mean(-1, keepdims=True), 3, -1)
  heat = np.zeros(tuple(n // cell for n in small.shape[:2]), np.float32)
  heat[tuple(places.T)] = 0.1 + 0.9 * attention / max(attention.max(), 1e-12)
  alpha = np.repeat(np.repeat(heat, cell, 0), cell, 1)[..., None]
  alpha = _OPAQUE * alpha
  return (grey * (1 - alpha) + _ORANGE * alpha).astype(np.uint8)


def _sized(picture: np.ndarray) -> np.ndarray:
  scale = _EDGE / max(picture.shape[:2])
  high, wide = (max(round(n * scale), 1) for n in picture.shape[:2])
  how = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
  return np.asarray(Image.fromarray(picture).resize((wide, high), how))


def _tile(pixels: np.ndarray) -> np.ndarray:
  return np.asarray(Image.fromarray(pixels).resize((_TILE, _TILE)))


def _beside(pictures: list[np.ndarray]) -> np.ndarray:
  high = max(each.shape[0] for each in pictures)
  parts = [_padded(each, high, each.shape[1] + _GAP) for each in pictures]
  return np.concatenate(parts, 1)


def _stacked(pictures: list[np.ndarray]) -> np.ndarray:
  wide = max(each.shape[1] for each in pictures)
  parts = [_padded(each, each.shape[0] + _GAP, wide) for each in pictures]
  return np.concatenate(parts, 0)


def _padded(picture: np.ndarray, high: int, wide: int) -> np.ndarray:
  out = np.full((high, wide, 3), 255, np.uint8)
  out[: picture.shape[0], : picture.shape[1]] = picture
  return out


def _png(picture: np.ndarray) -> str:
  file = io.BytesIO()
  Image.fromarray(picture).save(file, "PNG", optimize=True)
  return base64.b64encode(file.getvalue()).decode("ascii")
