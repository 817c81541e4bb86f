"""The images of a folder or a CSV file as a list, none of them decoded yet.

A folder of classes and a table become the same: name, file, truth, patient,
groups and split of each image.
"""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import cards, records, spelling, splits
from medfm.data.images import decode, masks
from medfm.data.images import files as image_files
from medfm.data.images.files import is_clutter
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Labels, Truth
from medfm.data.tables.table import Table
from medfm.data.text import text_files
from medfm.types import UserError

FOLDER = "folder"
"""The column that the class folders of images are read as."""

_SPLIT = "split folder"


class Listing(NamedTuple):
  """N images with their labels.

  raw: name -> file; examples: (name, patient, groups, split) of each.
  truth: arrays [N, ...]; names: of the classes, labels or numbers.
  changes, notes, and split (how it was made): for the data card.
  texts: of each image, if a column of texts was read.
  """

  raw: dict[str, pathlib.Path]
  examples: list[tuple[str, str, tuple[str, ...], str]]
  truth: Truth
  names: tuple[str, ...]
  changes: list[dict[str, Any]]
  notes: list[str]
  split: str
  texts: tuple[str, ...] = ()


def listed(
  place: pathlib.Path,
  labels: Labels,
  whole: bool = False,
  text: str = "",
  kind: image_files.Kind = image_files.IMAGES,
  *,
  image: str = "",
  root: str = "",
  patient: str = "",
  groups: tuple[str, ...] = (),
  split_column: str = "",
  exclude: tuple[str, ...] = (),
  delimiter: str = ",",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Listing:
  """Images of a folder, `[<train|val|test>/]<class>/`, or of a CSV file.

  labels: in a folder they read the column `FOLDER`; if they read no column, the
    folders have no meaning except for the splits.
  whole: the images are read for a trained model, and so not split.
  text: the column of a text of each image, none empty; "" to read none.
  kind: what the files are, if not images.
  root: the folder that the CSV's file names are relative to and may not leave;
    "" for the CSV's folder. The other settings are columns of the CSV, "" or
    () for a folder.
  exclude: patterns of the folder's files that are left out, such as *_mask*.
  delimiter: the character between the cells of the CSV file.

  Raises: UserError for class folders without images and images without a class
    folder, and, with the row, for a file that is missing or outside, a bad
    label or split, and rows of one image that do not agree.
  """
  others = left_out = 0
  top = place.parent / pathlib.Path(root).expanduser()
  if exclude and not place.is_dir():
    raise UserError("exclude is for a folder: take the rows out of the CSV")
  if place.is_dir():
    names, others, left_out = image_files.under(place, exclude, kind)
    depth = {"classes": bool(labels.columns), "whole": whole}
    table = _of_folders(place, names, exclude, kind.noun, **depth)
    split_column, top = _SPLIT if _SPLIT in table.columns else "", place
  else:
    table = tables.read(place, delimiter=delimiter)
  top = top.resolve()
  table, changes = labels.labelled(table)
  if patient:
    table, spelt = spelling.owners(table, patient, "patient")
    changes += spelt
  named = [n for n in (*labels.columns, *groups) if n in table.columns]
  table, spelt = spelling.names(table, dict.fromkeys(named))
  changes += spelt
  column, paths = image_files.in_table(table, top, image, kind)
  truth, predicted = labels.read(table)
  keys = (
    table[patient] if patient else decode.in_order(decode.patient_key, paths)
  )
  patients, parts = np.array([*keys], object), np.full(len(table), "", object)
  if whole:
    parts[:] = splits.WHOLE
  elif split_column:
    parts[:] = splits.of_words(table, split_column)
  texts = text_files.strings(table, text=text).get("text")
  facts = [
    *zip(patients, parts, *(table[group] for group in groups), strict=True)
  ]
  ids = np.array([path.resolve().relative_to(top).as_posix() for path in paths])
  said = (
    [(*each, words) for each, words in zip(facts, texts, strict=True)]
    if texts
    else facts
  )
  rows = _first_of_each(table, column, ids, said, truth)
  truth = {name: array[rows] for name, array in truth.items()}
  ids, patients, parts = ids[rows], patients[rows], parts[rows]
  strata = truth.get(labels.stratify)
  how = ""
  if not whole:
    how = divide(ids, patients, parts, strata, fractions, seed)
  repeats = len(table) - len(rows)
  what = f"{kind.noun}s left out by exclude={','.join(exclude)}"
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
    _notes(patients, bool(patient), kind.noun),
    how,
    tuple(texts[row] for row in rows) if texts else (),
  )


def _first_of_each(
  table: Table,
  column: str,
  ids: np.ndarray,
  facts: Sequence[tuple],
  truth: Truth,
) -> np.ndarray:
  """The first row of each image; later rows of it must have the same cells."""
  _, first, place = np.unique(ids, return_index=True, return_inverse=True)
  for row, earlier in enumerate(first[place]):
    if facts[earlier] != facts[row] or not all(
      np.array_equal(array[earlier], array[row], equal_nan=True)
      for array in truth.values()
    ):
      raise table.error(
        row, column, "differs from an earlier row of the same image"
      )
  return np.sort(first)


def _of_folders(
  root: pathlib.Path,
  names: Sequence[str],
  exclude: tuple[str, ...],
  noun: str,
  *,
  classes: bool,
  whole: bool,
) -> Table:
  """A folder's images of these names as a table.

  whole: whether split folders need no `train` among them.
  """
  tops = [path.name for path in sorted(root.iterdir()) if path.is_dir()]
  words = {top: splits.WORDS.get(top.lower(), "") for top in tops}
  words = {top: word for top, word in words.items() if not is_clutter(top)}
  by_split = "train" in words.values()
  by_split |= whole and bool(words) and all(words.values())
  if by_split and "" in words.values():
    odd = next(top for top, word in words.items() if not word)
    raise UserError(
      f"{root.name}: the folder {odd!r} is beside split folders; expected only "
      "train, validation (or val) and test"
    )
  depth = by_split + classes
  columns = {image_files.COLUMNS[0]: names}
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
          f"{root.name}: class folder {'/'.join(parts)} has no {noun}s"
        )
  count = np.arange(len(names))
  return Table((root.name,), columns, count + 1, np.zeros_like(count))


def _notes(patients: np.ndarray, given: bool, noun: str) -> list[str]:
  """What the card says about the patients, named by a column or by DICOM."""
  known = np.count_nonzero(patients != "")
  unknown = len(patients) - known
  if given:
    without = f"{cards.amount(unknown, noun)} without a patient id"
    note = "each counts as a separate patient"
    return [f"{without}: {note}"] if unknown else []
  if not known:
    return [f"no patient ids: each {noun} counts as a separate patient"]
  return [
    f"patient keys are sha256 prefixes of the DICOM PatientID ({known} of "
    f"{len(patients)} images have one; each other counts as its own patient)"
  ]


def divide(
  ids: np.ndarray,
  patients: np.ndarray,
  parts: np.ndarray,
  strata: np.ndarray | None,
  fractions: tuple[float, ...],
  seed: int,
) -> str:
  """Fills the parts [N] that are not given, by patient; also says how.

  UserError if parts are given without "train", or share a patient.
  """
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
      f"{cards.amount(shared, 'patient')} in more than one of the given "
      "splits: split by patient, or leave the split to seed and fractions"
    )
  return how
