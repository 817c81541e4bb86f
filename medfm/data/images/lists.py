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
from medfm.data.tables.labels import Labels, Truth
from medfm.data.tables.table import Table
from medfm.types import UserError

FOLDER = "folder"
"""The column that the class folders of images are read as."""


class Item(NamedTuple):
  """patient: "" where unknown; split: "" where it is still to be made."""

  name: str
  path: pathlib.Path
  patient: str = ""
  groups: tuple[str, ...] = ()
  split: str = ""


@dataclasses.dataclass(frozen=True)
class Listing:
  """N images with what is true of them.

  truth: arrays [N, ...]; names: of the classes, labels or numbers.
  changes, notes, and split (how it was made): for the data card.
  """

  items: list[Item]
  truth: Truth
  names: tuple[str, ...]
  changes: list[dict[str, Any]]
  notes: list[str]
  split: str = ""


def from_folders(root: pathlib.Path, labels: Labels) -> Listing:
  """Images of `root/<class>/`, or `root/<train|val|test>/<class>/`.

  labels: read the column `FOLDER`; where they read none, the folders have no
    meaning but for the splits.

  Raises: UserError for a class without images, a single class, an image
    outside the class folders, or a folder that is no label.
  """
  names, others = image_files.under(root)
  tops = sorted(
    path.name
    for path in root.iterdir()
    if path.is_dir() and not image_files.is_clutter(path.name)
  )
  split_of = {top: splits.WORDS.get(top.lower(), "") for top in tops}
  by_split = bool(tops) and "train" in split_of.values()
  if by_split and not all(split_of.values()):
    odd = next(top for top, split in split_of.items() if not split)
    raise UserError(
      f"{root.name}: {odd!r} stands beside split folders; expected only "
      "train, validation (or val) and test"
    )
  items, cells = [], []
  for name in names:
    *folders, _ = name.split("/")
    if by_split and not folders:
      raise UserError(f"{root.name}: {name} lies in no split folder")
    split = split_of[folders.pop(0)] if by_split else ""
    if labels.columns and not folders:
      raise UserError(f"{root.name}: {name} lies in no class folder")
    cells.append(folders[0] if folders else "")
    items.append(Item(name, root / name, split=split))
  if not items:
    raise UserError(f"{root.name}: no images ({', '.join(decode.SUFFIXES)})")
  if labels.columns:
    parents = [root / top for top in tops] if by_split else [root]
    _check_folders(root, parents, names)
  count = np.arange(len(items))
  table = Table((root.name,), {FOLDER: cells}, count + 1, np.zeros_like(count))
  truth, predicted = labels.read(table)
  changes = [{"what": "other files, ignored", "count": others}]
  return Listing(items, truth, predicted, changes if others else [], [])


def from_table(
  path: pathlib.Path,
  labels: Labels,
  *,
  root: pathlib.Path,
  image: str,
  patient: str,
  groups: Sequence[str],
  split_column: str,
) -> Listing:
  """Images named by a CSV file, relative to `root` and never outside it.

  Raises: UserError with the row for a file that is missing or outside, a
    label that is missing or none, an unknown split, and an image whose rows
    do not agree.
  """
  table, dropped = labels.labelled(tables.read(path))
  column = image_files.image_column(table, image)
  paths = image_files.listed(table, root, column)
  truth, names = labels.read(table)
  patients = table[patient] if patient else [""] * len(table)
  cells = [table[group] for group in groups]
  parts = [""] * len(table)
  if split_column:
    parts = splits.of_words(table, split_column).tolist()
  items: dict[pathlib.Path, Item] = {}
  first: dict[pathlib.Path, int] = {}
  for index, file in paths.items():
    real = file.resolve()
    item = Item(
      real.relative_to(root.resolve()).as_posix(),
      file,
      patients[index],
      tuple(group[index] for group in cells),
      parts[index],
    )
    earlier = first.setdefault(real, index)
    if items.setdefault(real, item)[2:] != item[2:] or any(
      not np.array_equal(array[earlier], array[index], equal_nan=True)
      for array in truth.values()
    ):
      raise table.error(
        index, column, "an earlier row of this image says something else"
      )
  repeats = len(table) - len(items)
  changes = [{"what": "repeated rows, dropped", "count": repeats}]
  notes = []
  unknown = sum(not item.patient for item in items.values())
  if patient and unknown:
    notes.append(
      f"{unknown} images without a patient id count as patients of their own"
    )
  rows = list(first.values())
  return Listing(
    list(items.values()),
    {name: array[rows] for name, array in truth.items()},
    names,
    [*dropped, *(changes if repeats else [])],
    notes,
  )


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
  listing: Listing, *, stratify: str, fractions: tuple[float, ...], seed: int
) -> Listing:
  """Every image gets its split: the given one, or one made by patient.

  A given split without validation gives up the share of the fractions that
  belongs to it, by patient.

  stratify: the array of the truth that is kept in proportion; "" for none.

  Raises: UserError where a patient is in two given splits.
  """
  items, how = list(listing.items), "as given"
  strata = listing.truth.get(stratify)
  given = {item.split for item in items} - {""}
  if not given:
    _assign(items, range(len(items)), strata, fractions, seed)
    how = f"by patient, {tuple(fractions)}, seed {seed}"
  elif "train" not in given:
    raise UserError("the given split has no training images")
  elif "validation" not in given:
    rows = [row for row, item in enumerate(items) if item.split == "train"]
    share = fractions[1] / (fractions[0] + fractions[1])
    _assign(items, rows, strata, (1 - share, share), seed)
    how += f"; validation is {share:.3g} of its training patients, seed {seed}"
  _refuse_shared(items)
  return dataclasses.replace(listing, items=items, split=how)


def _assign(
  items: list[Item],
  rows: Sequence[int],
  strata: np.ndarray | None,
  fractions: tuple[float, ...],
  seed: int,
) -> None:
  """Writes the splits of these rows into `items`."""
  chosen = [items[row] for row in rows]
  parts = splits.by_patient(
    np.array([item.name for item in chosen]),
    np.array([item.patient for item in chosen]),
    None if strata is None else strata[list(rows)],
    fractions=fractions,
    seed=seed,
  )
  for name, part in parts.items():
    for index in part:
      items[rows[index]] = chosen[index]._replace(split=name)


def _refuse_shared(items: list[Item]) -> None:
  homes = collections.defaultdict(set)
  for item in items:
    if item.patient:
      homes[item.patient].add(item.split)
  shared = sum(len(parts) > 1 for parts in homes.values())
  if shared:
    raise UserError(
      f"{shared} patients are in more than one of the given splits: split by "
      "patient, or leave the split to seed and fractions"
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
