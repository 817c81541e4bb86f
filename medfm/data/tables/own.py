"""A user's own CSV file, without a line of code.

One row per example, a header row, UTF-8. The user names the columns of label,
patient, id and subgroups; every other column becomes a feature unless it is
dropped. Errors name the file, row and column, and the data card lists what is
left out.
"""

import dataclasses
import itertools
import pathlib
import types
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow_datasets as tfds

from medfm import spec, tasks
from medfm.data import cards, files, records, spelling, splits
from medfm.data.tables import encoding, identities, numerals, tabular
from medfm.data.tables import table as tables
from medfm.data.tables.input import Table as Described
from medfm.data.tables.labels import Labels, Policy, adopted, names
from medfm.data.tables.table import Table
from medfm.spec import forwards, nearest
from medfm.types import Dataset, Folders, UserError


class Own(records.RowsBuilder, skip_registration=True):
  """Reads the user's files, `raw`, as `given` says; subclasses give `rows`.

  whole: whether the files are read for a trained model, and so not split.
  """

  VERSION = tfds.core.Version("1.2.0")  # 1.2: one spelling a name.

  def __init__(
    self,
    *,
    settings: dict[str, Any],
    labels: Labels | None = None,
    whole: bool = False,
    **kwargs,
  ):
    self.given, self.labels = types.SimpleNamespace(**settings), labels
    self.whole = whole
    super().__init__(**kwargs)

  def labelled(self, files: Iterable[Table]) -> tuple[Sequence[Table], list]:
    """The labelled rows of each file, and the changes for the card."""
    parts, changes = zip(*map(self.labels.labelled, files), strict=True)
    return parts, list(itertools.chain(*changes))

  def joined(
    self, parts: Sequence[Table], columns: Iterable[str], owner: str, what: str
  ) -> tuple[Table, tabular.Rows]:
    """The rows of all files, and what is recorded of them besides the inputs.

    owner: the column, called `what` in messages, whose rows must share a split;
      "" for none.
    """
    table, changes = self._spelt(tables.joined(parts, columns), owner, what)
    part = None
    if not self.whole:
      part = splits.given(table, self.given.split_column, owner, what)
    # A class that only other splits have is an error there, by its row.
    training = None if part is None else part == "train"
    truth, predicted = self.labels.read(table, training)
    return table, tabular.Rows(
      ids=encoding.ids(table, self.given.id),
      truth=truth,
      names=predicted,
      patients=table[owner] if owner else None,
      groups={n: encoding.group(table, n) for n in self.given.groups},
      part=part,
      changes=changes,
    )

  def _spelt(
    self, table: Table, owner: str, what: str
  ) -> tuple[Table, list[dict[str, Any]]]:
    """The table with one spelling of each owner, class and group."""
    changes = []
    if owner:
      table, changes = spelling.owners(table, owner, what)
    labels = (n for n in self.labels.columns if not _all_numbers(table[n]))
    groups = (n for n in self.given.groups if not encoding.is_age(table, n))
    table, others = spelling.names(table, dict.fromkeys((*labels, *groups)))
    return table, changes + others


def _row_names(
  features: list[str], kept: Sequence[str]
) -> list[dict[str, Any]]:
  """Removes R's row names from the features; gives the change for the card."""
  if tables.ROW_NAMES not in features or tables.ROW_NAMES in kept:
    return []
  features.remove(tables.ROW_NAMES)
  what = (
    f"dropped the column {tables.ROW_NAMES!r}: row names without a header "
    f"(id={tables.ROW_NAMES} makes them the ids)"
  )
  return [{"what": what, "count": 1}]


def _all_numbers(cells: Iterable[str]) -> bool:
  return all(numerals.is_number(cell) for cell in {*cells} if cell)


class _Tables(Own, skip_registration=True):
  """Reads CSV files; `raw` holds `table` and perhaps `test`."""

  def tables(self) -> list[Table]:
    given = self.given
    return [
      tables.read(
        path,
        missing=given.missing,
        delimiter=given.delimiter,
        decimal=given.decimal,
      )
      for path in self.raw.values()
    ]


class OwnTable(_Tables, skip_registration=True):
  """The user's table; every column may be a feature."""

  VERSION = tfds.core.Version("1.4.0")  # 1.4: names of rows.

  def rows(self) -> tabular.Rows:
    given = self.given
    roles = [given.patient, given.id, given.split_column]
    roles = [*self.labels.columns, *filter(None, roles)]
    read = self.tables()
    for name in (*roles, *given.groups, *given.drop, *given.allow):
      _ = read[0][name]  # An unknown column raises, with the nearest name.
      if roles.count(name) > 1:
        raise UserError(f"the column {name!r} has two roles: leave it one")
    parts, changes = self.labelled(read)
    features = [n for n in read[0].columns if n not in (*roles, *given.drop)]
    changes += _row_names(features, (*given.numeric, *given.categorical))
    numeric, categorical, dropped = encoding.kinds(
      parts[0], features, numeric=given.numeric, categorical=given.categorical
    )
    sure = {*given.numeric, *given.categorical, *given.allow}
    guessed = [n for n in (*numeric, *categorical) if n not in sure]
    identities.refuse(parts[0], guessed)
    if not numeric and not categorical:
      raise UserError(f"{read[0].path}: no feature column is left")
    columns = {*numeric, *categorical, *roles, *given.groups}
    table, rows = self.joined(parts, columns, given.patient, "patient")
    table, spelt = spelling.names(table, categorical)
    spelt += encoding.cased(table, categorical)
    what = "rows without a patient, each taken for a separate patient"
    changes += records.counted({what: list(rows.patients or ()).count("")})
    what = f"dropped as asked: the columns {cards.listed(given.drop)}"
    changes += records.counted({what: len(given.drop)})
    return dataclasses.replace(
      rows,
      columns=encoding.parsed(table, numeric, categorical),
      changes=(*changes, *rows.changes, *spelt, *dropped),
    )


class OtherTable(_Tables, skip_registration=True):
  """Another cohort's table, with the columns that a trained model reads.

  numeric, levels: from the model's `Table`. clean: how training cleaned its
  files, as `spec.to_json` writes it; "" if it did not.
  """

  def __init__(
    self,
    *,
    numeric: tuple[str, ...],
    levels: dict[str, tuple[str, ...]],
    clean: str = "",
    **kwargs,
  ):
    self._described = Described(numeric=numeric, levels=levels)
    self._clean = spec.build(spec.from_json(clean)) if clean else None
    super().__init__(**kwargs)

  def rows(self) -> tabular.Rows:
    given, described = self.given, self._described
    read = self.tables()
    if self._clean:
      read = list(map(self._clean, read))
    roles = [*self.labels.columns, given.patient, given.id, given.split_column]
    self._require(read[0])
    for name in self.labels.columns:
      if name in (*described.numeric, *described.levels):
        raise UserError(
          f"{read[0].path}: the label {name!r} is a feature of the model"
        )
    parts, changes = self.labelled(read)
    for part in parts:
      encoding.require(part, described)
    columns = [
      n for n in parts[0].columns if all(n in p.columns for p in parts)
    ]
    table, rows = self.joined(parts, columns, given.patient, "patient")
    columns, coded = encoding.as_trained(
      table, described, {*roles, *given.groups}
    )
    return dataclasses.replace(
      rows,
      columns=columns,
      changes=(*changes, *rows.changes, *self._unused(), *coded),
    )

  def _require(self, table: Table) -> None:
    """Raises UserError, with the fix, if a column of some role is missing."""
    given, known = self.given, table.columns
    for columns, fix in (
      (self.labels.columns, "use --mode=predict, which needs none"),
      ((given.patient,), "set --config.data.patient= for none"),
      ((given.id,), "set --config.data.id= for none"),
      (given.groups, "set --config.data.groups=() for none"),
    ):
      if lacks := [name for name in columns if name and name not in known]:
        raise UserError(
          f"{table.path}: no column {lacks[0]!r}{nearest(lacks[0], known)}: "
          f"name the column to use instead, or {fix}"
        )

  def _unused(self) -> list[dict[str, Any]]:
    """Settings of the cohort's config that those of training replace."""
    given, described = self.given, self._described
    levels = set(described.levels)
    kept = [n for n in given.drop if n in {*described.numeric, *levels}]
    kinds = {n for n in given.numeric if n in levels}
    kinds |= {n for n in given.categorical if n in described.numeric}
    what = {
      f"columns dropped here and read by the model ({', '.join(kept)})": len(
        kept
      ),
      "columns whose kind is that of training, not of this config "
      f"({', '.join(sorted(kinds))})": len(kinds),
      f"cells taken for missing that training did not have "
      f"({', '.join(map(repr, given.added))})": len(given.added),
    }
    files = [path.name for path in self.raw.values()]
    if len(files) > 1:
      what[f"files read together: {cards.listed(files)}"] = len(files)
    return records.counted(what)


@forwards(tabular.dataset, "seed", "fractions")
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
  allow: tuple[str, ...] = (),
  missing: tuple[str, ...] = tables.MISSING,
  split_column: str = "",
  test_path: str = "",
  delimiter: str = ",",
  decimal: str = ".",
  **split: Any,
) -> Dataset:
  """The dataset of a CSV file, for any task.

  labels: how the task reads the label columns, its `Columns`.
  path, test_path: files, relative to the raw data folder or to where the
    command runs; all rows of `test_path` are the test split.
  patient: the column that keeps a patient's rows in one split.
  id: a column of unique names for reports; else `file.csv:row`.
  groups: columns for subgroup tables; they stay features unless dropped.
    Ages in years (a column named age) are put into bands.
  numeric, categorical: columns whose cells do not show their kind.
  drop: columns that are not features.
  allow: columns that are features although they look like names, record
    numbers, addresses or dates of patients; others like that are refused.
  missing: cells that mean a missing value, beside the empty cell.
  split_column: holds train, validation (or val, dev) or test by row. Without
    validation rows, validation is taken out of train.
  delimiter, decimal: the characters between cells, and before a number's
    decimals (`delimiter=; decimal=,` for a German or French spreadsheet).
  """
  raw = {"table": files.of_user(folders, path, "a CSV file")}
  if test_path:
    raw["test"] = files.of_user(folders, test_path, "a CSV file")
  in_new_files = {
    "id": id,
    "patient": patient,
    "groups": names(groups),
    "missing": ("", *missing),
    "delimiter": delimiter,
    "decimal": decimal,
  }
  settings = {
    **in_new_files,
    "numeric": names(numeric),
    "categorical": names(categorical),
    "drop": names(drop),
    "allow": names(allow),
    "split_column": split_column,
  }
  labels = adopted(labels, folders.reading)
  return tabular.dataset(
    _recorded(folders, raw, labels, settings),
    name=pathlib.Path(path).stem,
    target=labels.target,
    stratify=labels.stratify,
    card=files.own_card("the user's own table", raw.values()),
    **in_new_files,
    **split,
  )


def _recorded(
  folders: Folders,
  raw: dict[str, pathlib.Path],
  labels: Labels,
  settings: dict[str, Any],
) -> records.Prepared:
  """The table to learn from, or what a trained model reads of it."""
  reading, given = folders.reading, {"labels": labels, "settings": settings}
  if reading is None:
    return records.prepared(OwnTable, folders, raw=raw, **given)
  described = reading.only(Described, next(iter(raw.values())).name)
  # Of the cohort's markers, only those that training did not have are added.
  known = reading.settings.get("missing", settings["missing"])
  usual = {*known, *tables.MISSING}
  added = tuple(cell for cell in settings["missing"] if cell not in usual)
  settings |= {"missing": (*known, *added), "added": added}
  clean = reading.settings.get("clean")
  if clean is not None:
    clean = spec.to_json(
      spec.bind(spec.function(clean), **spec.settings(clean))
    )
  return records.prepared(
    OtherTable,
    folders,
    raw=raw,
    numeric=described.numeric,
    levels=described.levels,
    clean=clean or "",
    whole=True,
    **given,
  )


@forwards(of_columns)
def own_table(
  folders: Folders,
  *,
  label: str | tuple[str, ...],
  task: str = "multiclass",
  classes: tuple[str, ...] = (),
  positive: str = "",
  units: tuple[str, ...] = (),
  missing_label: Policy = "error",
  **table: Any,
) -> Dataset:
  """The dataset of a CSV file.

  label: the label column; several, as a tuple or separated by commas, for
    multilabel (0, 1, no, yes or missing) and regression.
  classes: their order, if not sorted; positive: the class to put last.
  units: of the regression targets.
  missing_label: "error", or "drop" to leave out rows without a label.
  table: as in `of_columns`.

  Raises: UserError naming the file and, where known, the row and column.
  """
  labels = tasks.columns_of(
    task,
    label=names(label),
    classes=names(classes),
    positive=positive,
    units=tuple(units),
    missing_label=missing_label,
  )
  return of_columns(folders, labels, **table)
