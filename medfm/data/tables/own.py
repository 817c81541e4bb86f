"""A CSV file of one's own, without a line of code.

One row per example, a header row, UTF-8. The label, and where there are any
the patient, id and subgroup columns, are named; every other column becomes a
feature unless it is dropped. What does not fit is an error by file, row and
column, and what is left out stands on the data card.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm import tasks
from medfm.data import files, records, splits
from medfm.data.tables import encoding, tabular
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Labels, Policy, names
from medfm.data.tables.table import Table
from medfm.types import Dataset, Folders, UserError


class OwnTable(tabular.Builder, skip_registration=True):
  """The user's table as its settings say; `raw` holds `table` and `test`."""

  def __init__(self, *, labels: Labels, settings: dict[str, Any], **kwargs):
    self.labels, self.settings = labels, settings
    super().__init__(**kwargs)

  def rows(self) -> tabular.Rows:
    return _rows(self.raw, self.labels, **self.settings)


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
  task: str = "multiclass",
  classes: tuple[str, ...] = (),
  positive: str = "",
  units: tuple[str, ...] = (),
  missing: tuple[str, ...] = tables.MISSING,
  missing_label: Policy = "error",
  split_column: str = "",
  test_path: str = "",
  delimiter: str = ",",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.6, 0.2, 0.2),
) -> Dataset:
  """The dataset of a CSV file.

  label: the label column; several, as a tuple or separated by commas, for
    multilabel (0, 1, no, yes or missing) and regression.
  classes: their order, where not sorted; positive: the one to put last.
  units: of the regression targets.
  missing_label: "error", or "drop" to leave out such rows, counted.
  Others as in `of_columns`.

  Raises:
    UserError: names the file, and the row and column where there is one.
  """
  return of_columns(
    folders,
    tasks.columns_of(
      task,
      label=names(label),
      classes=names(classes),
      positive=positive,
      units=tuple(units),
      missing_label=missing_label,
    ),
    path=path,
    patient=patient,
    id=id,
    groups=groups,
    numeric=numeric,
    categorical=categorical,
    drop=drop,
    missing=missing,
    split_column=split_column,
    test_path=test_path,
    delimiter=delimiter,
    seed=seed,
    fractions=fractions,
  )


def of_columns(
  folders: Folders,
  labels: Labels,
  *,
  path: str,
  patient: str = "",
  id: str = "",
  groups: tuple[str, ...] = (),
  numeric: tuple[str, ...] = (),
  categorical: tuple[str, ...] = (),
  drop: tuple[str, ...] = (),
  missing: tuple[str, ...] = tables.MISSING,
  split_column: str = "",
  test_path: str = "",
  delimiter: str = ",",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.6, 0.2, 0.2),
) -> Dataset:
  """The dataset of a CSV file, whatever its label columns mean.

  labels: how a task reads them, its `columns.Columns`.
  path, test_path: files, relative to the raw data folder or to where the
    command runs; all rows of `test_path` are the test split.
  patient: the column that keeps a patient's rows in one split.
  id: a column of unique names for reports; else `file.csv:row`.
  groups: columns for subgroup tables; they stay features unless dropped.
    Ages in years (a column named so) are put into bands.
  numeric, categorical: columns whose kind the cells do not tell.
  drop: columns that are no features.
  missing: cells that stand for a missing value, beside the empty one.
  split_column: holds train, validation (or val, dev) or test by row. Without
    validation rows, validation is taken out of train.
  """
  raw = {"table": files.of_user(folders, path, "a CSV file")}
  if test_path:
    raw["test"] = files.of_user(folders, test_path, "a CSV file")
  settings = {
    "patient": patient,
    "id": id,
    "groups": names(groups),
    "numeric": names(numeric),
    "categorical": names(categorical),
    "drop": names(drop),
    "missing": ("", *missing),
    "split_column": split_column,
    "delimiter": delimiter,
  }
  prepared = records.prepared(
    OwnTable, folders, raw=raw, labels=labels, settings=settings
  )
  return tabular.dataset(
    prepared,
    name=pathlib.Path(path).stem,
    target=labels.target,
    stratify=labels.stratify,
    card=files.own_card("the user's own table", raw.values()),
    seed=seed,
    fractions=fractions,
    id=id,
    patient=patient,
    groups=settings["groups"],
    missing=settings["missing"],
    delimiter=delimiter,
  )


def _rows(
  raw: dict[str, pathlib.Path],
  labels: Labels,
  *,
  patient: str,
  id: str,
  groups: Sequence[str],
  numeric: Sequence[str],
  categorical: Sequence[str],
  drop: Sequence[str],
  missing: Sequence[str],
  split_column: str,
  delimiter: str,
) -> tabular.Rows:
  roles = [*labels.columns, *filter(None, (patient, id, split_column))]
  parts, changes = [], []
  for path in raw.values():
    table = tables.read(path, missing=missing, delimiter=delimiter)
    if not parts:
      _check_roles(table, roles, (*groups, *drop))
    table, dropped = labels.labelled(table)
    parts.append(table)
    changes += dropped
  features = [n for n in parts[0].columns if n not in (*roles, *drop)]
  numeric, categorical, left_out = encoding.kinds(
    parts[0], features, numeric=numeric, categorical=categorical
  )
  if not numeric and not categorical:
    raise UserError(f"{parts[0].path}: no feature column is left")
  whole = tables.joined(parts, {*numeric, *categorical, *roles, *groups})
  part = splits.given(whole, split_column)
  patients = np.array(whole[patient]) if patient else None
  if patients is not None:
    splits.refuse_shared(whole, patients, part, "patient")
    if unknown := int((patients == "").sum()):
      what = "rows without a patient, each taken for a patient of its own"
      changes.append({"what": what, "count": unknown})
  # A class that only other splits have is an error there, by its row.
  training = None if part is None else part == "train"
  truth, predicted = labels.read(whole, training)
  return tabular.Rows(
    columns=encoding.parsed(whole, numeric, categorical),
    truth=truth,
    names=predicted,
    ids=encoding.ids(whole, id),
    patients=patients,
    groups={name: encoding.group(whole, name) for name in groups},
    part=part,
    changes=(*changes, *left_out),
  )


def _check_roles(
  table: Table, roles: Sequence[str], others: Sequence[str]
) -> None:
  """Refuses columns that are not there, or that have two roles."""
  for name in (*roles, *others):
    _ = table[name]  # An unknown column is an error, with the nearest one.
  for name in roles:
    if roles.count(name) > 1:
      raise UserError(f"the column {name!r} is given two roles")
