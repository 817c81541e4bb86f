"""Bags: the tiles of slides, embedded once and kept by content.

Each slide has a small cache of its own, so that a killed run and a cohort that
grows embed no slide twice.
"""

import collections
import hashlib
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import decoded, disk
from medfm.data.slides import reader, tiles
from medfm.data.slides.encoders import Encoder
from medfm.data.slides.tiles import Grid
from medfm.types import Ragged, Split, UserError

_VERSION = 1
_PEN = 0.001  # The share of a slide from which on pen marks are told.
_WHOLE = "slide"

STATED = "slides that state no resolution, taken to have slide_mpp"
MAGNIFIED = "slides coarser than the tiles, magnified"
PEN = "slides with marks of a pen, which were left out"


class Cut(NamedTuple):
  """How slides become bags.

  slide_mpp: of slides that state no resolution; 0 refuses them.
  cache: the folder of all prepared files.
  """

  grid: Grid
  slide_mpp: float
  encoder: Encoder
  cache: pathlib.Path


class Bagged(NamedTuple):
  """A slide's bag: embeddings [T,E] and places [T,2], memory-mapped.

  facts: those of `STATED`, `MAGNIFIED`, `PEN` that hold.
  """

  bag: np.ndarray
  places: np.ndarray
  facts: tuple[str, ...]


class Bags:
  """The examples of a split on their way into `decoded.cached`.

  examples: of each slide its id, strings and arrays, without the bag.
  """

  ragged = {"bag": 1, "places": 1}

  def __init__(self, examples: Sequence[Mapping[str, Any]], bags: Iterable):
    self._examples, self._bags = examples, bags

  def __len__(self) -> int:
    return len(self._examples)

  def __iter__(self) -> Iterator[dict[str, Any]]:
    for example, bagged in zip(self._examples, self._bags, strict=True):
      yield {**example, "bag": bagged.bag, "places": bagged.places}


def key(path: pathlib.Path, cut: Cut) -> str:
  """The hash of all that a slide's bag depends on."""
  content = {
    "slide": _content(path),
    "grid": list(cut.grid),
    "slide_mpp": cut.slide_mpp,
    "encoder": cut.encoder.key,
    "version": _VERSION,
  }
  return hashed(content)


def hashed(content: Any) -> str:
  """sha256 of anything JSON-able."""
  return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def require_readable(
  path: pathlib.Path, name: str, cut: Cut, *, whole: bool = False
) -> None:
  """Raises the UserError that `bagged` would, without embedding a tile.

  whole: every tile is read; else the thumbnail alone.
  """
  if (_place(path, cut) / "manifest.json").exists():
    return
  with reader.opened(path, name=name, slide_mpp=cut.slide_mpp) as slide:
    tiling = tiles.tiling(slide, cut.grid)
    if whole:
      for _ in tiles.pixels(slide, cut.grid, tiling.places, 1):
        pass


def bagged(path: pathlib.Path, name: str, cut: Cut) -> Bagged:
  """A slide's bag, from its cache or made.

  Raises: UserError for a slide that cannot be read or has no tissue.
  """

  def made() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    bag, places, facts = _embedded(path, name, cut)
    bags = Bags([{"id": "slide"}], [Bagged(bag, places, facts)])
    return {_WHOLE: bags}, [{"what": fact, "count": 1} for fact in facts]

  splits, changes = decoded.cached(_place(path, cut), made)
  arrays = splits[_WHOLE].arrays
  facts = tuple(change["what"] for change in changes)
  return Bagged(arrays["bag"][0], arrays["places"][0], facts)


def unkept(
  named: Sequence[tuple[str, pathlib.Path]], cut: Cut
) -> tuple[Split, dict[str, int]]:
  """A split of new slides with their names, and how many each fact holds of.

  Their bags lie in a file that is gone with the process.
  """
  ends, places = [], np.empty(len(named), object)
  facts: collections.Counter[str] = collections.Counter()
  with tempfile.TemporaryFile() as file:
    width = 1
    for row, (name, path) in enumerate(named):
      bag, places[row], held = _embedded(path, name, cut)
      facts.update(held)
      file.write(bag.tobytes())
      width = bag.shape[1]
      ends.append(len(bag))
    file.flush()
    total = np.cumsum(ends)
    values = np.memmap(file, np.float32, "r", shape=(int(total[-1]), width))
  source = {"places": places}
  source |= _sources([path for _, path in named], cut)
  ids = np.array([name for name, _ in named])
  return Split({"bag": Ragged(values, total)}, ids, source=source), dict(facts)


def _sources(paths: Sequence[pathlib.Path], cut: Cut) -> dict[str, np.ndarray]:
  """Of each slide its file, and the resolution that was given for it."""
  return {
    "slide": np.array([*map(str, paths)], object),
    "slide_mpp": np.array([cut.slide_mpp] * len(paths), object),
  }


def shown(split: Split, paths: Iterable[pathlib.Path], cut: Cut) -> Split:
  """The split with places, and the slides' files, as what models do not see."""
  places = split.arrays["places"]
  arrays = {k: v for k, v in split.arrays.items() if k != "places"}
  source = {"places": np.empty(len(split), object)}
  source |= _sources([*paths], cut)
  for row in range(len(split)):
    source["places"][row] = places[row]
  return Split(arrays, split.ids, split.patients, split.groups, source=source)


def _place(path: pathlib.Path, cut: Cut) -> pathlib.Path:
  return cut.cache / "bags" / key(path, cut)


def _content(path: pathlib.Path) -> str:
  """The hash of a slide; of .mrxs and .vms, with the files beside it."""
  folder = path.with_suffix("")
  parts = [disk.digest(path)]
  if folder != path and folder.is_dir():
    parts.append(disk.digest(folder))
  return "-".join(parts)


def _embedded(
  path: pathlib.Path, name: str, cut: Cut
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
  grid, encoder = cut.grid, cut.encoder
  with reader.opened(path, name=name, slide_mpp=cut.slide_mpp) as slide:
    tiling = tiles.tiling(slide, grid)
    batches = tiles.pixels(slide, grid, tiling.places, encoder.batch_size)
    bag = np.concatenate([_checked(encoder, each, name) for each in batches])
    facts = {
      STATED: not slide.stated,
      MAGNIFIED: tiling.magnified,
      PEN: tiling.pen > _PEN,
    }
  return bag, tiling.places, tuple(k for k, holds in facts.items() if holds)


def _checked(encoder: Encoder, batch: np.ndarray, name: str) -> np.ndarray:
  numbers = np.asarray(encoder.of(batch), np.float32)
  if numbers.ndim != 2 or len(numbers) != len(batch):
    raise UserError(
      f"{encoder.words}: gives an array {numbers.shape} for {len(batch)} tiles"
    )
  if not np.isfinite(numbers).all():
    raise UserError(
      f"{name}: {encoder.words} gives numbers that are not finite"
    )
  return numbers


Encoding = Callable[[], Encoder]
"""What a config binds: it is called once a cohort is read."""
