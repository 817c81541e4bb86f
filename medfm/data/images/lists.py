"""What a folder of classes or a CSV file says about a user's images.

Both become the same list: name, file, label, patient, groups and split of
each image. Nothing is decoded here.
"""

import collections
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import splits
from medfm.data.images import decode
from medfm.data.images import files as image_files
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.types import UserError

_SPLITS = {
  "train": "train",
  "training": "train",
  "val": "validation",
  "valid": "validation",
  "validation": "validation",
  "dev": "validation",
  "test": "test",
  "testing": "test",
}
_SEPARATOR = ";"


class Item(NamedTuple):
  """label: a class name, K numbers (multilabel, regression), or None.

  patient: "" where unknown; split: "" where it is still to be made.
  """

  name: str
  path: pathlib.Path
  label: str | tuple[float, ...] | None
  patient: str = ""
  groups: tuple[str, ...] = ()
  split: str = ""


@dataclasses.dataclass(frozen=True)
class Listing:
  """Images with their labels.

  classes: class, label or target names; changes, notes, and split (how it was
    made): for the data card.
  """

  items: list[Item]
  classes: tuple[str, ...]
  changes: list[dict[str, Any]]
  notes: list[str]
  split: str = ""


def from_folders(
  root: pathlib.Path, *, task: str, classes: Sequence[str]
) -> Listing:
  """Images of `root/<class>/`, or `root/<train|val|test>/<class>/`.

  With the task "none" the folders have no meaning but for the splits.

  Raises: UserError for a class without images, a single class, an image
    outside the class folders, or a folder unlike `classes`.
  """
  if task not in ("multiclass", "none"):
    raise UserError(f"{root.name}: folders cannot tell {task} labels: use CSV")
  names, others = image_files.under(root)
  tops = sorted(
    path.name
    for path in root.iterdir()
    if path.is_dir() and not image_files.is_clutter(path.name)
  )
  split_of = {top: _SPLITS.get(top.lower(), "") for top in tops}
  by_split = bool(tops) and "train" in split_of.values()
  if by_split and not all(split_of.values()):
    odd = next(top for top, split in split_of.items() if not split)
    raise UserError(
      f"{root.name}: {odd!r} stands beside split folders; expected only "
      "train, validation (or val) and test"
    )
  depth = 1 if by_split else 0
  items, labels = [], {}
  for name in names:
    parts = name.split("/")
    label = parts[depth] if len(parts) > depth + 1 else None
    if task == "multiclass" and label is None:
      raise UserError(f"{root.name}: {name} lies in no class folder")
    split = split_of[parts[0]] if by_split and len(parts) > 1 else ""
    if by_split and not split:
      raise UserError(f"{root.name}: {name} lies in no split folder")
    labels[label] = None
    labelled = label if task == "multiclass" else None
    items.append(Item(name, root / name, labelled, split=split))
  if not items:
    raise UserError(f"{root.name}: no images ({', '.join(decode.SUFFIXES)})")
  if task == "multiclass":
    parents = [root / top for top in tops] if by_split else [root]
    _check_folders(root, parents, names)
    classes = _classes(root.name, labels, classes)
  changes = [{"what": "other files, ignored", "count": others}]
  return Listing(items, tuple(classes), changes if others else [], [])


def from_table(
  path: pathlib.Path,
  *,
  root: pathlib.Path,
  task: str,
  image: str,
  label: Sequence[str],
  classes: Sequence[str],
  patient: str,
  groups: Sequence[str],
  split_column: str,
) -> Listing:
  """Images named by a CSV file, relative to `root` and never outside it.

  Raises: UserError with the row for a file that is missing or outside, a
    label that is missing or not one of `classes`, an unknown split, and an
    image whose rows do not agree.
  """
  table = tables.read(path)
  column = image_files.image_column(table, image)
  paths = image_files.listed(table, root, column)
  labels, names = _labels(table, task, label, classes)
  patients = table[patient] if patient else [""] * len(table)
  cells = [table[group] for group in groups]
  parts = _split_cells(table, split_column)
  found: dict[pathlib.Path, Item] = {}
  repeats = 0
  for index, file in paths.items():
    real = file.resolve()
    item = Item(
      real.relative_to(root.resolve()).as_posix(),
      file,
      labels[index],
      patients[index],
      tuple(group[index] for group in cells),
      parts[index],
    )
    if real in found:
      if found[real][2:] != item[2:]:
        raise table.error(
          index, column, "an earlier row of this image says something else"
        )
      repeats += 1
      continue
    found[real] = item
  changes = [{"what": "repeated rows, dropped", "count": repeats}]
  notes = []
  unknown = sum(not item.patient for item in found.values())
  if patient and unknown:
    notes.append(
      f"{unknown} images without a patient id count as patients of their own"
    )
  return Listing(list(found.values()), names, changes if repeats else [], notes)


def with_dicom_patients(listing: Listing) -> Listing:
  """DICOM files get a hash of the patient they name as their patient key."""

  def keyed(item: Item) -> Item:
    try:
      key = decode.patient_key(item.path, name=item.name)
    except UserError:
      return item  # Decoding meets the file again, under the user's policy.
    return item._replace(patient=key)

  items = decode.in_parallel(keyed, listing.items)
  known = sum(bool(item.patient) for item in items)
  note = (
    f"patient keys are sha256 prefixes of the DICOM PatientID ({known} of "
    f"{len(items)} images have one; others count as patients of their own)"
    if known
    else "no patient ids: each image counts as a patient of its own"
  )
  return dataclasses.replace(listing, items=items, notes=[*listing.notes, note])


def with_splits(
  listing: Listing, *, task: str, fractions: tuple[float, ...], seed: int
) -> Listing:
  """Every image gets its split: the given one, or one made by patient.

  A given split without validation gives up the share of the fractions that
  belongs to it, by patient.

  Raises: UserError where a patient is in two given splits, or training lacks
    a class that occurs elsewhere.
  """
  items, how = list(listing.items), "as given"
  given = {item.split for item in items} - {""}
  if not given:
    _assign(items, range(len(items)), listing, task, fractions, seed)
    how = f"by patient, {tuple(fractions)}, seed {seed}"
  elif "train" not in given:
    raise UserError("the given split has no training images")
  elif "validation" not in given:
    rows = [row for row, item in enumerate(items) if item.split == "train"]
    share = fractions[1] / (fractions[0] + fractions[1])
    _assign(items, rows, listing, task, (1 - share, share), seed)
    how += f"; validation is {share:.3g} of its training patients, seed {seed}"
  _check_splits(items, listing.classes)
  return dataclasses.replace(listing, items=items, split=how)


def targets(
  items: Sequence[Item], task: str, classes: tuple[str, ...]
) -> np.ndarray | None:
  """Labels as arrays hold them: [N] int64, [N,K] float32, or None."""
  if task == "none":
    return None
  if task == "multiclass":
    return np.array([classes.index(item.label) for item in items], np.int64)
  return np.array([item.label for item in items], np.float32)


def _assign(
  items: list[Item],
  rows: Sequence[int],
  listing: Listing,
  task: str,
  fractions: tuple[float, ...],
  seed: int,
) -> None:
  """Writes the splits of these rows into `items`."""
  chosen = [items[row] for row in rows]
  parts = splits.by_patient(
    np.array([item.name for item in chosen]),
    np.array([item.patient for item in chosen]),
    targets(chosen, task, listing.classes),
    fractions=fractions,
    seed=seed,
  )
  for name, part in parts.items():
    for index in part:
      items[rows[index]] = chosen[index]._replace(split=name)


def _check_splits(items: list[Item], classes: tuple[str, ...]) -> None:
  homes = collections.defaultdict(set)
  trained = set()
  for item in items:
    if item.patient:
      homes[item.patient].add(item.split)
    if item.split == "train":
      trained.add(item.label)
  shared = sum(len(parts) > 1 for parts in homes.values())
  if shared:
    raise UserError(
      f"{shared} patients are in more than one of the given splits: split by "
      "patient, or leave the split to seed and fractions"
    )
  if isinstance(items[0].label, str):
    for name in classes:
      if name not in trained:
        raise UserError(
          f"class {name!r} has no training image: give more data, other "
          "fractions, or leave the class out"
        )


def _check_folders(
  root: pathlib.Path, parents: list[pathlib.Path], names: list[str]
) -> None:
  """Refuses class folders that hold nothing, which are mistakes mostly."""
  holding = {
    str(folder)
    for parent in {name.rpartition("/")[0] for name in names}
    for folder in (parent, *pathlib.PurePosixPath(parent).parents)
  }
  for parent in parents:
    for folder in sorted(parent.iterdir()):
      if not folder.is_dir() or image_files.is_clutter(folder.name):
        continue
      name = folder.relative_to(root).as_posix()
      if name not in holding:
        raise UserError(f"{root.name}: class folder {name} has no images")


def _classes(
  where: str, found: Sequence[str], wanted: Sequence[str]
) -> tuple[str, ...]:
  """The classes in order: as wanted, else numbers by value, names by name."""
  for name in found:
    if wanted and name not in wanted:
      raise UserError(
        f"{where}: {name!r} is not one of classes={tuple(wanted)}"
        f"{nearest(name, wanted)}"
      )
  for name in wanted:
    if name not in found:
      raise UserError(f"{where}: no image of class {name!r}")
  if len(found) < 2:
    raise UserError(
      f"{where}: one class only ({', '.join(found)}); nothing to tell apart"
    )
  if wanted:
    return tuple(wanted)
  if all(name.isascii() and name.isdigit() for name in found):
    return tuple(sorted(found, key=int))
  return tuple(sorted(found))


def _labels(
  table: Table, task: str, columns: Sequence[str], classes: Sequence[str]
) -> tuple[list, tuple[str, ...]]:
  """(label of each row, names of the classes, labels or targets)."""
  if task == "none":
    return [None] * len(table), ()
  if not columns:
    raise UserError(
      f"{table.path}: which column is the label? set label= to one of "
      f"{', '.join(table.columns)}"
    )
  if task == "multiclass":
    if len(columns) > 1:
      raise UserError(
        "multiclass has one label column; for several, multilabel"
      )
    cells = _complete(table, columns[0])
    for index, cell in enumerate(cells):
      if classes and cell not in classes:
        raise table.error(
          index,
          columns[0],
          f"{tables.shortened(cell)} is not one of classes={tuple(classes)}"
          f"{nearest(cell, classes)}",
        )
    return cells, _classes(table.path, list(dict.fromkeys(cells)), classes)
  if task == "multilabel" and len(columns) == 1:
    return _joined_labels(table, columns[0], classes)
  values = np.stack([tables.numbers(table, name) for name in columns], axis=1)
  for column, name in enumerate(columns):
    if task == "regression":
      _complete(table, name)
      continue
    wrong = ~np.isnan(values[:, column]) & ~np.isin(values[:, column], (0, 1))
    if wrong.any():
      raise table.error(
        int(wrong.argmax()), name, "expected 0, 1 or an empty cell"
      )
  return [tuple(row) for row in values.tolist()], tuple(columns)


def _joined_labels(
  table: Table, column: str, classes: Sequence[str]
) -> tuple[list[tuple[float, ...]], tuple[str, ...]]:
  """Label names joined by ";"; an empty cell is an image with none of them."""
  rows = [
    [name.strip() for name in cell.split(_SEPARATOR) if name.strip()]
    for cell in table[column]
  ]
  for index, names in enumerate(rows):
    for name in names:
      if classes and name not in classes:
        raise table.error(
          index,
          column,
          f"{tables.shortened(name)} is not one of classes={tuple(classes)}"
          f"{nearest(name, classes)}",
        )
  order = tuple(classes) or tuple(
    sorted({name for row in rows for name in row})
  )
  if not order:
    raise UserError(f"{table.path}: the column {column!r} names no label")
  return [tuple(float(name in row) for name in order) for row in rows], order


def _complete(table: Table, column: str) -> list[str]:
  """A column without missing cells."""
  cells = table[column]
  for index, cell in enumerate(cells):
    if not cell:
      raise table.error(index, column, "the label is missing; drop the row")
  return cells


def _split_cells(table: Table, column: str) -> list[str]:
  if not column:
    return [""] * len(table)
  parts = []
  for index, cell in enumerate(table[column]):
    if cell.lower() not in _SPLITS:
      raise table.error(
        index,
        column,
        f"{tables.shortened(cell)} is no split; expected train, validation "
        "or test",
      )
    parts.append(_SPLITS[cell.lower()])
  return parts
