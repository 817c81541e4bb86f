"""A user's images: listed by a folder or a CSV file, and read for predict.

A folder of classes and a table become the same list: name, file, truth,
patient, groups and split of each image. Only `encoded` decodes anything.
"""

import collections
import functools
import logging
import math
import os
import pathlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import files, records, spelling, splits
from medfm.data.images import decode, masks, trained
from medfm.data.images import input as image_input
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Labels, Truth
from medfm.data.tables.table import Table
from medfm.types import Dataset, Info, Reading, Split, Target, UserError

COLUMNS = ("image", "image_path", "path", "file", "filename", "file_name")
"""Names under which a table's image column is found when none is given."""

FOLDER = "folder"
"""The column that the class folders of images are read as."""

_SPLIT = "split folder"


class Listing(NamedTuple):
  """N images with what is true of them.

  raw: name -> file; examples: (name, patient, groups, split) of each.
  truth: arrays [N, ...]; names: of the classes, labels or numbers.
  changes, notes, and split (how it was made): for the data card.
  """

  raw: dict[str, pathlib.Path]
  examples: list[tuple[str, str, tuple[str, ...], str]]
  truth: Truth
  names: tuple[str, ...]
  changes: list[dict[str, Any]]
  notes: list[str]
  split: str


def listed(
  place: pathlib.Path,
  labels: Labels,
  whole: bool = False,
  *,
  image: str = "",
  root: str = "",
  patient: str = "",
  groups: tuple[str, ...] = (),
  split_column: str = "",
  exclude: tuple[str, ...] = (),
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Listing:
  """Images of a folder, `[<train|val|test>/]<class>/`, or of a CSV file.

  labels: of a folder they read the column `FOLDER`; where they read none, the
    folders have no meaning but for the splits.
  whole: they are read for a trained model, and so not split.
  root: what the CSV's names are relative to, and never outside of; its own
    folder for "". The other settings are its columns, "" or () in a folder.
  exclude: patterns of a folder's files that are left out, such as *_mask*.

  Raises: UserError for class folders without images and images without one,
    and with the row for a file that is missing or outside, a bad label or
    split, and rows of one image that do not agree.
  """
  others = left_out = 0
  top = place.parent / pathlib.Path(root).expanduser()
  if exclude and not place.is_dir():
    raise UserError("exclude is for a folder: take the rows out of the CSV")
  if place.is_dir():
    names, others, left_out = under(place, exclude)
    depth = {"classes": bool(labels.columns), "whole": whole}
    table = _of_folders(place, names, exclude, **depth)
    split_column, top = _SPLIT if _SPLIT in table.columns else "", place
  else:
    table = tables.read(place)
  top = top.resolve()
  table, changes = labels.labelled(table)
  if patient:
    table, spelt = spelling.owners(table, patient, "patient")
    changes += spelt
  named = [n for n in (*labels.columns, *groups) if n in table.columns]
  table, spelt = spelling.names(table, dict.fromkeys(named))
  changes += spelt
  column, paths = _column(table, top, image)
  truth, predicted = labels.read(table)
  keys = (
    table[patient] if patient else decode.in_order(decode.patient_key, paths)
  )
  patients, parts = np.array([*keys], object), np.full(len(table), "", object)
  if whole:
    parts[:] = splits.WHOLE
  elif split_column:
    parts[:] = splits.of_words(table, split_column)
  facts = [
    *zip(patients, parts, *(table[group] for group in groups), strict=True)
  ]
  ids = np.array([path.resolve().relative_to(top).as_posix() for path in paths])
  _, first, place_of = np.unique(ids, return_index=True, return_inverse=True)
  for row, earlier in enumerate(first[place_of]):
    if facts[earlier] != facts[row] or not all(
      np.array_equal(array[earlier], array[row], equal_nan=True)
      for array in truth.values()
    ):
      raise table.error(
        row, column, "an earlier row of this image says something else"
      )
  rows = np.sort(first)
  truth = {name: array[rows] for name, array in truth.items()}
  ids, patients, parts = ids[rows], patients[rows], parts[rows]
  strata = truth.get(labels.stratify)
  how = ""
  if not whole:
    how = _split(ids, patients, parts, strata, fractions, seed)
  repeats = len(table) - len(rows)
  what = f"images left out by exclude={','.join(exclude)}"
  changes += records.counted(
    {
      "other files, ignored": others,
      "repeated rows, dropped": repeats,
      what: left_out,
    }
  )
  names, groups_of = ids.tolist(), [facts[row][2:] for row in rows]
  return Listing(
    dict(zip(names, (paths[row] for row in rows), strict=True)),
    [*zip(names, patients, groups_of, parts, strict=True)],
    truth,
    predicted,
    changes,
    _notes(patients, bool(patient)),
    how,
  )


def _of_folders(
  root: pathlib.Path,
  names: Sequence[str],
  exclude: tuple[str, ...],
  *,
  classes: bool,
  whole: bool,
) -> Table:
  """A folder's images of these names as a table.

  whole: split folders need no `train` among them.
  """
  tops = [path.name for path in sorted(root.iterdir()) if path.is_dir()]
  words = {top: splits.WORDS.get(top.lower(), "") for top in tops}
  words = {top: word for top, word in words.items() if not is_clutter(top)}
  by_split = "train" in words.values()
  by_split |= whole and bool(words) and all(words.values())
  if by_split and "" in words.values():
    odd = next(top for top, word in words.items() if not word)
    raise UserError(
      f"{root.name}: {odd!r} stands beside split folders; expected only "
      "train, validation (or val) and test"
    )
  depth = by_split + classes
  columns = {COLUMNS[0]: names}
  folders = [name.split("/")[:-1] for name in names]
  for name, parents in zip(names, folders, strict=True):
    if len(parents) < depth:
      kind = "split" if by_split and not parents else "class"
      raise UserError(f"{root.name}: {name} lies in no {kind} folder")
  if by_split:
    columns[_SPLIT] = [parents[0] for parents in folders]
  if classes:
    columns[FOLDER] = [parents[by_split] for parents in folders]
    held = {"/".join(parents[:depth]) for parents in folders}
    for folder in sorted(root.glob("/".join("*" * depth))):
      parts = folder.relative_to(root).parts
      empty = folder.is_dir() and "/".join(parts) not in held
      empty &= not masks.fits("/".join((*parts, "x")), exclude)
      if empty and not any(map(is_clutter, parts)):
        raise UserError(
          f"{root.name}: class folder {'/'.join(parts)} has no images"
        )
  count = np.arange(len(names))
  return Table((root.name,), columns, count + 1, np.zeros_like(count))


def _notes(patients: np.ndarray, given: bool) -> list[str]:
  """What the card says of the patients, who come of a column or of DICOM."""
  known = np.count_nonzero(patients != "")
  unknown = len(patients) - known
  if given:
    note = "images without a patient id count as patients of their own"
    return [f"{unknown} {note}"] if unknown else []
  if not known:
    return ["no patient ids: each image counts as a patient of its own"]
  return [
    f"patient keys are sha256 prefixes of the DICOM PatientID ({known} of "
    f"{len(patients)} images have one; others count as patients of their own)"
  ]


def _split(
  ids: np.ndarray,
  patients: np.ndarray,
  parts: np.ndarray,
  strata: np.ndarray | None,
  fractions: tuple[float, ...],
  seed: int,
) -> str:
  """Fills the parts [N] that are not given, by patient; says how."""
  given = set(parts) - {""}
  how = "as given" if given else f"by patient, {tuple(fractions)}, seed {seed}"
  if given and "train" not in given:
    raise UserError("the given split has no training images")
  if "validation" not in given:
    if given:
      share = fractions[1] / (fractions[0] + fractions[1])
      fractions = (1 - share, share)
      how += (
        f"; validation is {share:.3g} of its training patients, seed {seed}"
      )
    rows = np.flatnonzero((parts == "") | (parts == "train"))
    strata = None if strata is None else strata[rows]
    for name, part in splits.by_patient(
      ids[rows], patients[rows], strata, fractions=fractions, seed=seed
    ).items():
      parts[rows[part]] = name
  if shared := splits.in_several(zip(patients, parts, strict=True)):
    raise UserError(
      f"{shared} patients are in more than one of the given splits: split by "
      "patient, or leave the split to seed and fractions"
    )
  return how


class Shape(NamedTuple):
  """What all images of a data set are made.

  bits: how many count of files of 16 bits that do not say so themselves.
  """

  size: int
  channels: int
  resize: str
  window: tuple[float, ...]
  dtype: Any
  frame: str = ""
  bits: int = 16


class Read(NamedTuple):
  """An image [size,size,channels], what it was [H,W], and what was changed."""

  pixels: np.ndarray
  size: tuple[int, int]
  changes: tuple[str, ...]


def read(item: tuple[str, pathlib.Path], shape: Shape) -> Read:
  """The image of (name, path) in the shape that is wanted."""
  name, path = item
  stored, changes = decode.picture(
    path,
    name=name,
    frame=shape.frame,
    window=shape.window or None,
    bits=shape.bits,
  )
  made = decode.with_channels(stored, shape.channels)
  if made.shape[-1] > stored.shape[-1]:
    changes += ("grey copied to three channels",)
  elif made is not stored and (stored != stored[..., :1]).any():
    changes += ("colour made grey",)
  made = decode.resized(made, shape.size, shape.resize)
  typed = decode.with_dtype(made, shape.dtype, name)
  if typed.dtype != made.dtype:
    before, after = 8 * made.dtype.itemsize, 8 * typed.dtype.itemsize
    changes += (f"of {before} bits made {after}",)
  return Read(typed, stored.shape[:2], changes)


def sizes(shapes: Collection[tuple[int, int]]) -> str:
  """The smallest and the largest of some heights and widths, in words."""
  ends = sorted(shapes, key=math.prod)
  return " to ".join(
    f"{height} x {width}"
    for height, width in dict.fromkeys((ends[0], ends[-1]))
  )


def dataset(
  splits: dict[str, Split],
  *,
  name: str,
  target: Target,
  card: dict[str, Any],
  reading: Reading | None = None,
  **reads: Any,
) -> Dataset:
  """The dataset of images; reads: settings of `encoded`, for new files.

  reading: of the model that they are read for, as `Folders` has it.
  """
  if reading:
    how = reads.get("resize", "pad")
    splits, changes = trained.refitted(splits, reading, name, how)
    card = {**card, "changes": [*card["changes"], *changes]}
  described = image_input.of(next(iter(splits.values())))
  info = Info(name=name, inputs={"image": described}, target=target)
  encode = functools.partial(encoded, info=info, dtype=described.dtype, **reads)
  return Dataset(splits=splits, info=info, card=card, encode=encode)


def encoded(
  path: str,
  info: Info,
  *,
  size: int,
  channels: int,
  resize: str = "pad",
  window: tuple[float, ...] = (),
  dtype: str = "uint8",
  frame: str = "",
  bits: int = 16,
  image: str = "",
  exclude: tuple[str, ...] = (),
) -> Split:
  """A user's new images as a label-free split, treated as training's were.

  path: one image, a folder (with all below it), or a CSV file with a column
    of image files relative to its own folder.
  dtype, bits: of the training images, which these become. What that changes
    in which images, but for their size, is logged.
  frame: of files of several.
  image: the CSV's column; found by its name where it is "".
  exclude: patterns of a folder's files that are left out, if there are any.
  """
  del info  # Classes and scaling are the model's business, not the file's.
  place = pathlib.Path(path).expanduser()
  if not place.exists():
    raise UserError(f"{path}: no such file or folder")
  names, paths = [place.name], [place]
  if place.is_dir():
    every, _, _ = under(place)
    names = [n for n in every if not masks.fits(n, exclude)]
    if left_out := len(every) - len(names):
      what = f"{left_out:,} images left out by exclude={','.join(exclude)}"
      logging.warning("%s: %s", path, what)
    if not names:
      raise UserError(f"{path}: exclude={','.join(exclude)} leaves no image")
    paths = [place / name for name in names]
  elif place.suffix.lower() == ".csv":
    table = tables.read(place)
    column, paths = _column(table, place.parent, image)
    names = table[column]
  shape = Shape(size, channels, resize, tuple(window), dtype, frame, bits)
  images, changes = [], collections.Counter()
  for each in decode.in_order(
    lambda item: read(item, shape), zip(names, paths, strict=True)
  ):
    images.append(each.pixels)
    changes.update(each.changes)
  if changes:
    told = [f"{count:,} {what}" for what, count in changes.items()]
    logging.warning("%s: images as in training: %s", path, ", ".join(told))
  return Split({"image": np.stack(images)}, np.array(names))


def refuse_name(name: str, root: pathlib.Path) -> None:
  """Raises UserError for a file name that is not text (in UTF-8)."""
  try:
    name.encode()
  except UnicodeEncodeError:
    shown = os.fsencode(name).decode("ascii", "backslashreplace")
    raise UserError(
      f"{root.name}: the file name {shown} is not UTF-8; rename it, as "
      "convmv -f latin1 -t utf8 does"
    ) from None


def under(
  root: pathlib.Path, exclude: tuple[str, ...] = ()
) -> tuple[list[str], int, int]:
  """(names of the images below a folder, sorted; how many others it holds; how
  many images `exclude` leaves out).

  Names are relative, with "/". Files that are no images (by suffix; hidden
  ones; without a suffix, those that are not DICOM) are only counted.

  Raises: UserError where there are none, for a link that leads out of the
    folder, and for a link to a folder, which could lead anywhere later.
  """
  names, others = [], 0
  top = root.resolve()
  for folder, folders, found in os.walk(top):
    folders[:] = sorted(f for f in folders if not is_clutter(f))
    for path in [pathlib.Path(folder, name) for name in folders]:
      if path.is_symlink():
        raise UserError(
          f"{path.name}: is a link to a folder; move the real one in"
        )
    for path in [pathlib.Path(folder, name) for name in found]:
      if not path.name.isprintable():
        refuse_name(path.name, root)
      if path.is_symlink() and not path.resolve().is_relative_to(top):
        raise UserError(f"{path.name}: is a link out of {root.name}")
      if decode.offered(path):
        if not path.is_file():  # A pipe or a device would never end.
          raise UserError(f"{path.name}: is no file, but a pipe or a device")
        names.append(path.relative_to(top).as_posix())
      else:
        others += 1
  if not names:
    raise UserError(f"{root.name}: no images ({', '.join(decode.SUFFIXES)})")
  chosen = masks.kept(sorted(names), exclude)
  return chosen, others, len(names) - len(chosen)


def is_clutter(folder: str) -> bool:
  """Folders that systems leave behind: .git, __MACOSX, @eaDir."""
  return folder.startswith((".", "@")) or folder == "__MACOSX"


def _column(
  table: Table, root: pathlib.Path, column: str
) -> tuple[str, list[pathlib.Path]]:
  """(the column of image files, as given or a usual one; its files)."""
  usual = [name for name in table.columns if name.lower() in COLUMNS]
  if not column and not usual:
    raise UserError(
      f"{table.path}: which column names the image files? set image= to one "
      f"of {', '.join(table.columns)}"
    )
  column = column or usual[0]
  paths = []
  for index, cell in enumerate(table[column]):
    try:
      paths.append(files.inside(root, cell))
    except ValueError as error:
      raise table.error(index, column, str(error)) from None
  return column, paths
