"""A CSV file of one's own, without a line of code.

One row per example, a header row, UTF-8. The label, and where there are any
the patient, id and subgroup columns, are named; every other column becomes a
feature unless it is dropped. What does not fit is an error by file, row and
column, and what is left out stands on the data card.
"""

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data import files, records, splits
from medfm.data.tables import encoding, labels, tabular
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.types import Dataset, Folders, TaskName, UserError


class OwnTable(tabular.Builder, skip_registration=True):
  """The user's table as its settings say; `raw` holds `table` and `test`."""

  def __init__(self, *, settings: dict[str, Any], **kwargs):
    self.settings = settings
    super().__init__(**kwargs)

  def rows(self) -> tabular.Rows:
    return _rows(self.raw, **self.settings)


def own_table(
  folders: Folders,
  *,
  path: str,
  label: str | tuple[str, ...],
  patient: str = "",
  id: str = "",
  groups: tuple[str, ...] = (),
  numeric: tuple[str, ...] = (),
  categorical: tuple[str, ...] = (),
  drop: tuple[str, ...] = (),
  task: TaskName = "multiclass",
  classes: tuple[str, ...] = (),
  positive: str = "",
  units: tuple[str, ...] = (),
  missing: tuple[str, ...] = tables.MISSING,
  missing_label: labels.Policy = "error",
  split_column: str = "",
  test_path: str = "",
  delimiter: str = ",",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.6, 0.2, 0.2),
) -> Dataset:
  """The dataset of a CSV file.

  path, test_path: files, relative to the raw data folder or to where the
    command runs; all rows of `test_path` are the test split.
  label: the label column; several, as a tuple or separated by commas, for
    multilabel (0, 1, no, yes or missing) and regression.
  patient: the column that keeps a patient's rows in one split.
  id: a column of unique names for reports; else `file.csv:row`.
  groups: columns for subgroup tables; they stay features unless dropped.
    Ages in years (a column named so) are put into bands.
  numeric, categorical: columns whose kind the cells do not tell.
  drop: columns that are no features.
  classes: their order, where not sorted; positive: the one to put last.
  units: of the regression targets.
  missing: cells that stand for a missing value, beside the empty one.
  missing_label: "error", or "drop" to leave out such rows, counted.
  split_column: holds train, validation (or val, dev) or test by row. Without
    validation rows, validation is taken out of train.

  Raises:
    UserError: names the file, and the row and column where there is one.
  """
  raw = {"table": _found(folders, path)}
  if test_path:
    raw["test"] = _found(folders, test_path)
  settings = {
    "label": _names(label),
    "patient": patient,
    "id": id,
    "groups": _names(groups),
    "numeric": _names(numeric),
    "categorical": _names(categorical),
    "drop": _names(drop),
    "task": task,
    "classes": _names(classes),
    "positive": positive,
    "missing": ["", *missing],
    "missing_label": missing_label,
    "split_column": split_column,
    "delimiter": delimiter,
  }
  if units and (task != "regression" or len(units) != len(settings["label"])):
    raise UserError(f"units={tuple(units)}: expected one for each target")
  prepared = records.prepared(OwnTable, folders, raw=raw, settings=settings)
  return tabular.dataset(
    prepared,
    name=pathlib.Path(path).stem,
    task=task,
    card={
      "source": "the user's own table",
      "licence": "",
      "citation": "",
      "notes": [],
      "file": [files.origin(own, url="") for own in raw.values()],
    },
    seed=seed,
    fractions=fractions,
    units=tuple(units),
    encode=functools.partial(
      encoding.encoded,
      id=id,
      patient=patient,
      groups=tuple(settings["groups"]),
      missing=tuple(settings["missing"]),
      delimiter=delimiter,
    ),
  )


def _rows(
  raw: dict[str, pathlib.Path],
  *,
  label: Sequence[str],
  patient: str,
  id: str,
  groups: Sequence[str],
  numeric: Sequence[str],
  categorical: Sequence[str],
  drop: Sequence[str],
  task: TaskName,
  classes: Sequence[str],
  positive: str,
  missing: Sequence[str],
  missing_label: labels.Policy,
  split_column: str,
  delimiter: str,
) -> tabular.Rows:
  read = functools.partial(tables.read, missing=missing, delimiter=delimiter)
  table = read(raw["table"])
  roles = [*label, *filter(None, (patient, id, split_column))]
  for name in (*roles, *groups, *drop):
    _ = table[name]  # An unknown column is an error, with the nearest one.
  for name in roles:
    if roles.count(name) > 1:
      raise UserError(f"the column {name!r} is given two roles")
  tests = [read(raw["test"])] if "test" in raw else []
  if tests and split_column:
    raise UserError("split_column and test_path: give one of them")
  parts, changes = [], []
  for own in (table, *tests):
    own, dropped = labels.labelled(own, label, task, missing_label)
    parts.append(own)
    changes += dropped
  features = [name for name in table.columns if name not in (*roles, *drop)]
  numeric, categorical, left_out = encoding.kinds(
    parts[0], features, numeric=numeric, categorical=categorical
  )
  if not numeric and not categorical:
    raise UserError(f"{table.path}: no feature column is left")
  if tests and task == "multiclass":  # A new class in the test file is wrong.
    _, classes = labels.read(parts[0], label, task, classes=classes)
  whole = tables.joined(parts, {*numeric, *categorical, *roles, *groups})
  values, names = labels.read(
    whole, label, task, classes=classes, positive=positive
  )
  part = splits.given(whole, split_column)
  patients = np.array(whole[patient]) if patient else None
  if patients is not None:
    changes += _checked_patients(whole, patients, part)
  return tabular.Rows(
    columns=encoding.parsed(whole, numeric, categorical),
    label=values,
    classes=names,
    ids=encoding.ids(whole, id),
    patients=patients,
    groups={name: encoding.group(whole, name) for name in groups},
    part=part,
    changes=(*changes, *left_out),
  )


def _checked_patients(
  table: Table, patients: np.ndarray, part: np.ndarray | None
) -> list[dict[str, Any]]:
  """The change for the card; an error where given splits share a patient."""
  if part is not None:
    first = {}
    for index, (name, own) in enumerate(zip(patients, part, strict=True)):
      seen = first.setdefault(name, index)
      if name and part[seen] != own:
        raise UserError(
          f"{table.place(seen)} ({part[seen]}) and {table.place(index)} "
          f"({own}) are of one patient: move all rows of a patient into one "
          f"split"
        )
  unknown = int((patients == "").sum())
  what = "rows without a patient, each taken for a patient of its own"
  return [{"what": what, "count": unknown}] if unknown else []


def _found(folders: Folders, path: str) -> pathlib.Path:
  """The file, looked for where the command runs and in the data folder."""
  own = pathlib.Path(path).expanduser()
  places = [own, *([pathlib.Path(folders.raw) / own] if folders.raw else [])]
  for place in places:
    if place.is_dir():
      raise UserError(f"{place}: is a folder, expected a CSV file")
    if place.exists():
      return place
  folder = places[-1].parent
  names = os.listdir(folder) if folder.is_dir() else []
  raise UserError(f"{path}: no such file{nearest(own.name, names)}")


def _names(value: str | Sequence[str]) -> list[str]:
  """Column names given as a tuple or separated by commas."""
  if isinstance(value, str):
    value = value.split(",")
  return [name.strip() for name in value if name.strip()]
