"""A user's own slides: a folder of classes, or a CSV file that names them."""

import collections
import functools
import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medfm import tasks
from medfm.data import cards, decoded, files, hashes, records
from medfm.data.images import files as image_files
from medfm.data.images import listing as listings
from medfm.data.slides import bags, encoders, reader
from medfm.data.slides import input as bag_input
from medfm.data.slides.bags import Bagged, Cut
from medfm.data.slides.input import Bag
from medfm.data.slides.tiles import Grid
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Policy, adopted, names
from medfm.spec import forwards
from medfm.types import Dataset, Folders, Info, Reading, Split, UserError

SLIDES = image_files.Kind("slide", reader.SUFFIXES, reader.offered)


@forwards(listings.listed)
def own_slides(
  folders: Folders,
  *,
  path: str,
  mpp: float = 0.5,
  tile_px: int = 224,
  tissue_share: float = 0.5,
  slide_mpp: float = 0.0,
  embed: Callable[..., encoders.Encoder] = encoders.colour_and_texture,
  task: str = "multiclass",
  label: str | tuple[str, ...] = "",
  classes: tuple[str, ...] = (),
  missing_label: Policy = "error",
  bad: str = "error",
  max_bad_fraction: float = 0.0,
  name: str = "own_slides",
  **listing: Any,
) -> Dataset:
  """Slides as bags: `bag` [T,E] of each, the embeddings of its tissue.

  path: a folder with a folder per class, perhaps below train, validation (or
    val) and test; or a CSV file. Relative paths start at the folder of raw
    data.
  mpp, tile_px: micrometres per pixel of the tiles, and pixels along an edge.
  tissue_share: of a tile, at least, that must be tissue.
  slide_mpp: micrometres per pixel of slides that do not state it; 0 refuses
    them.
  embed: () -> what turns tiles into numbers (`encoders.Encoder`).
  label, classes, missing_label, image, patient, groups, split_column, exclude,
    root, delimiter: as for `own_images`.
  bad: "error", or "skip" up to `max_bad_fraction` of the slides: those that
    cannot be read, state no resolution or show no tissue.

  Without a patient column each slide counts as a separate patient. Raises:
  UserError for missing or damaged files or columns.
  """
  _require(bad, max_bad_fraction, mpp, tile_px, tissue_share, slide_mpp)
  place = _place(folders, path)
  keys = ("image", "root", "patient", "groups", "split_column")
  column = next(filter(None, [label, *map(listing.get, keys)]), None)
  if place.is_dir() and column:
    raise UserError(f"{path} is a folder: {column!r} needs a CSV file")
  labels = tasks.columns_of(
    task,
    {"separator": ";", "none_if_empty": True, "missing_label": missing_label},
    label=names(listings.FOLDER if place.is_dir() else label),
    classes=tuple(classes),
  )
  reading = folders.reading
  labels = adopted(labels, reading)
  found = listings.listed(place, labels, bool(reading), "", SLIDES, **listing)
  grid = Grid(int(tile_px), float(mpp), float(tissue_share))
  overruled = []
  if reading:
    grid, embed, overruled = _of_training(reading, place.name, grid, embed)
  cut = Cut(grid, slide_mpp, embed(), _cache(folders))
  kept, skipped = _readable(found, cut, bad, max_bad_fraction)
  groups = tuple(listing.get("groups", ()))
  parts, changes = _prepared(found, kept, groups, cut)
  train = next(iter(parts.values()))
  described = Bag(*grid, embedded=cut.encoder.words)
  described = bag_input.fitted(described, train)
  if reading:
    described = reading.only(Bag, place.name)
  truth = {key: np.asarray(train.arrays[key]) for key in found.truth}
  info = Info(name, {"slide": described}, labels.target(found.names, truth))
  tiles = sum(int(part.arrays["bag"].extents.sum()) for part in parts.values())
  return Dataset(
    splits=parts,
    info=info,
    card={
      "source": {"file": place.name, "url": None, "official": None},
      "licence": "the user's own data",
      "citation": "",
      "notes": [
        *found.notes,
        "if the tiles were embedded by a trained model, it is not known "
        "whether that model was trained on some of these patients",
      ],
      cards.READ: f"slides: {len(kept):,}, {tiles:,} tiles with at least "
      f"{100 * grid.tissue_share:g} % of tissue, read as "
      f"{described.describe()}",
      "changes": [*found.changes, *overruled, *skipped, *changes],
      **cards.warned(cards.doubts(found.names)),
      "split": found.split,
      "fingerprint": _fingerprint(parts),
    },
    encode=functools.partial(
      encoded,
      info=info,
      embed=embed,
      slide_mpp=slide_mpp,
      image=listing.get("image", ""),
      exclude=tuple(listing.get("exclude", ())),
      delimiter=listing.get("delimiter", ","),
    ),
    private=True,
  )


@files.laid_out("image", "exclude", "delimiter", "slide_mpp")
def encoded(
  path: str,
  info: Info,
  *,
  embed: Callable[..., encoders.Encoder],
  slide_mpp: float = 0.0,
  image: str = "",
  exclude: tuple[str, ...] = (),
  delimiter: str = ",",
) -> Split:
  """A user's new slides as a split without labels, cut as in training.

  path: one slide, a folder (with all below it), or a CSV file with a column of
    slide files relative to the CSV's folder.
  """
  described = info.only
  if not isinstance(described, Bag):
    raise UserError(f"{path}: the model reads {info.describe()}, not slides")
  place = pathlib.Path(path).expanduser()
  if not place.exists():
    raise UserError(f"{path}: no such file or folder")
  ids, paths = [place.name], [place]
  if place.is_dir():
    ids, _, left_out = image_files.under(place, exclude, SLIDES)
    paths = [place / each for each in ids]
    if left_out:
      logging.warning("%s: %s slides left out by exclude", path, left_out)
  elif place.suffix.lower() == ".csv":
    table = tables.read(place, delimiter=delimiter)
    column, paths = image_files.in_table(table, place.parent, image, SLIDES)
    ids = table[column]
  grid = Grid(described.tile_px, described.mpp, described.tissue_share)
  encoder = embed()
  if encoder.words != described.embedded:
    raise UserError(
      f"{path}: tiles would be embedded by {encoder.words}, in training by "
      f"{described.embedded}"
    )
  cut = Cut(grid, slide_mpp, encoder, pathlib.Path())
  split, facts = bags.unkept([*zip(ids, paths, strict=True)], cut)
  for fact, count in facts.items():
    logging.warning("%s: %s %s", path, count, fact)
  return split


def _require(
  bad: str,
  most: float,
  mpp: float,
  tile_px: int,
  tissue_share: float,
  slide_mpp: float,
) -> None:
  if bad not in ("error", "skip"):
    raise UserError(f"bad={bad!r}: expected error or skip")
  if not 0 <= most < 1:
    raise UserError(f"max_bad_fraction={most}: expected 0 or more, below 1")
  if not (reader.LOW_MPP <= mpp <= reader.HIGH_MPP and 8 <= tile_px <= 4096):
    raise UserError(
      f"mpp={mpp}, tile_px={tile_px}: expected {reader.LOW_MPP} to "
      f"{reader.HIGH_MPP:g} micrometres per pixel and 8 to 4096 pixels"
    )
  if not 0 < tissue_share <= 1 or slide_mpp < 0:
    raise UserError(
      f"tissue_share={tissue_share}, slide_mpp={slide_mpp}: expected a share "
      "above 0 and at most 1, and micrometres per pixel or 0"
    )


def _place(folders: Folders, path: str) -> pathlib.Path:
  if not path:
    raise UserError("own_slides needs path=: a folder of slides or a CSV file")
  place = files.of_user(folders, path, folder=True)
  if not place.is_dir() and place.suffix.lower() != ".csv":
    raise UserError(f"{path}: expected a folder or a CSV file of slides")
  return place


def _cache(folders: Folders) -> pathlib.Path:
  return pathlib.Path(folders.cache).expanduser()


def _of_training(
  reading: Reading, cohort: str, given: Grid, embed: Callable
) -> tuple[Grid, Callable, list[dict[str, Any]]]:
  """The grid and the encoder of training, and what they replace."""
  described = reading.only(Bag, cohort)
  grid = Grid(described.tile_px, described.mpp, described.tissue_share)
  changed = {
    f"{key}={value:g} of training used, not {getattr(given, key):g}": 1
    for key, value in grid._asdict().items()
    if value != getattr(given, key)
  }
  embed = reading.settings.get("embed", embed)
  return grid, embed, records.counted(changed)


def _readable(
  found: listings.Listing, cut: Cut, bad: str, most: float
) -> tuple[list[str], list[dict[str, Any]]]:
  """Names of the slides that can be embedded, and a change for the others.

  All are looked at before any is embedded, which takes hours with many.
  """
  kept, skipped = [], 0
  for name, path in found.raw.items():
    try:
      bags.require_readable(path, name, cut, whole=bad == "skip")
      kept.append(name)
    except UserError as error:
      if bad == "error":
        raise
      logging.warning("skipped: %s", error)
      skipped += 1
      if skipped > most * len(found.raw):
        total = cards.amount(len(found.raw), "slide")
        raise UserError(
          f"at least {skipped} of {total} cannot be used, more than "
          f"max_bad_fraction={most}; the last: {error}"
        ) from None
  what = "slides that cannot be read or show no tissue, skipped"
  return kept, records.counted({what: skipped})


def _prepared(
  found: listings.Listing,
  kept: Sequence[str],
  groups: tuple[str, ...],
  cut: Cut,
) -> tuple[dict[str, Split], list[dict[str, Any]]]:
  """The splits of all readable slides, and the changes."""
  facts: collections.Counter[str] = collections.Counter()
  usable, listed = set(kept), {}
  named = any(patient for _, patient, _, _ in found.examples)
  for row, (name, patient, cells, part) in enumerate(found.examples):
    if name not in usable:
      continue
    example = {"id": name, **({"patient": patient} if named else {})}
    example |= {f"group_{k}": v for k, v in zip(groups, cells, strict=True)}
    example |= {key: array[row] for key, array in found.truth.items()}
    listed.setdefault(part, []).append(example)
  if "train" not in listed and len(listed) > 1:
    raise UserError("no training slide can be used")
  order = [p for p in ("train", "validation", "test") if p in listed]
  order += [p for p in listed if p not in order]

  def made(part: str) -> Iterator[Bagged]:
    for example in listed[part]:
      one = bags.bagged(found.raw[example["id"]], example["id"], cut)
      facts.update(one.facts)
      yield one

  sources = {part: (listed[part], [*made(part)]) for part in order}
  paths = [found.raw[e["id"]] for part in order for e in listed[part]]
  parts = _written(sources, cut, paths)
  shown = {
    part: bags.shown(split, [found.raw[i] for i in split.ids], cut)
    for part, split in parts.items()
  }
  return shown, records.counted(facts)


def _written(
  sources: Mapping[str, tuple[list[dict[str, Any]], list[Bagged]]],
  cut: Cut,
  paths: Sequence[pathlib.Path],
) -> dict[str, Split]:
  """All bags of each split as one memory-mapped column."""
  facts = [str(rows) for rows, _ in sources.values()]
  keys = [bags.key(path, cut) for path in paths]
  folder = cut.cache / "slides" / bags.hashed([*sources, *facts, *keys])
  splits, _ = decoded.cached(
    folder,
    lambda: ({k: bags.Bags(*source) for k, source in sources.items()}, []),
  )
  return splits


def _fingerprint(parts: Mapping[str, Split]) -> str:
  """The hash of all that the splits hold."""
  return bags.hashed(
    [f"{k} {hashes.of_all(v.arrays)}" for k, v in parts.items()]
  )
