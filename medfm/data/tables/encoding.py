"""From text columns to arrays and back again for a new file.

The encoding is fitted on the training rows alone and kept in `Info`, so a run's
saved `Info` turns next year's CSV into the arrays that its model expects.
"""

import dataclasses
import logging
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import cards, files, records, spelling
from medfm.data.tables import design
from medfm.data.tables import input as table_input
from medfm.data.tables import table as tables
from medfm.data.tables.input import Table as Described
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.types import Info, Split, UserError

_AGE_EDGES = (18, 40, 65)
_AGE_BANDS = ("0-17", "18-39", "40-64", "65+")
_AGE = re.compile(r"(?<![a-z])age(?![a-z])")
_MOST_GROUPS = 12
_WHOLE = re.compile(r"\d+(\.0*)?", re.ASCII)
_INDEX = re.compile(r"unnamed: ?\d+(\.\d+)?|\.\.\.\d+|index|level_0", re.I)
_FEWEST = 20  # Rows; fewer may be numbered by chance.
_FEW, _SHARE = 50, 0.1  # More levels than both: free text or identifiers.
_SOME, _ALMOST = 10, 0.9  # So are more texts than both, if few repeat.


@dataclasses.dataclass(frozen=True)
class Columns:
  """A whole table as arrays, before anything is fitted.

  features: [N,F] float32 in raw units, NaN where missing; numeric: F names.
  categories: [N,M] int32 into `levels`, -1 where missing.
  levels: the M names with all their values, sorted.
  """

  features: np.ndarray
  categories: np.ndarray
  numeric: tuple[str, ...]
  levels: dict[str, tuple[str, ...]]

  @property
  def arrays(self) -> dict[str, np.ndarray]:
    """`features` and `categories`; an array without columns is left out."""
    arrays = {"features": self.features, "categories": self.categories}
    return {name: array for name, array in arrays.items() if array.shape[1]}


def of_numbers(values: np.ndarray, names: Sequence[str]) -> Columns:
  """A table of numbers alone, [N,F] with the names of its columns."""
  none = np.zeros((len(values), 0), np.int32)
  return Columns(values.astype(np.float32), none, tuple(names), {})


def kinds(
  table: Table,
  names: Sequence[str],
  *,
  numeric: Collection[str] = (),
  categorical: Collection[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...], list[dict[str, Any]]]:
  """The numeric and the categorical of these columns, and what was dropped.

  A column that neither `numeric` nor `categorical` names is numeric if all its
  observed cells are numbers; a row counter and a text column with too many
  levels (free text, identifiers) are dropped.

  Raises: UserError for a name that is not a column, and for text among numbers.
  """
  for name in (*numeric, *categorical):
    if name not in names:
      raise UserError(
        f"{table.path}: {name!r} is not a feature column{nearest(name, names)}"
      )
    if name in numeric and name in categorical:
      raise UserError(f"{name!r} is named both numeric and categorical")
  numbers, texts, dropped = [], [], {}
  for name in names:
    if name in categorical:
      texts.append(name)
    elif name in numeric:
      numbers.append(name)
    elif not tables.is_numeric(table, name):
      observed = [cell for cell in table[name] if cell]
      count = len({*observed})
      repeated = count <= max(_SOME, _ALMOST * len(observed))
      if repeated and count <= max(_FEW, _SHARE * len(table)):
        texts.append(name)
      else:
        mixed = tables.share_numeric(table, name)
        dropped[name] = (
          f"{count} different texts, free text or identifiers"
          f"{mixed and f'; {mixed}'} (keep it by naming it categorical"
          f"{mixed and ', or correct it and name it numeric'})"
        )
    elif _counts_rows(table, name):
      dropped[name] = "a row counter (keep it by naming it numeric)"
    else:
      numbers.append(name)
  changes = [
    {"what": f"dropped the column {name!r}: {why}", "count": 1}
    for name, why in dropped.items()
  ]
  return tuple(numbers), tuple(texts), changes


def parsed(
  table: Table, numeric: Sequence[str], categorical: Sequence[str]
) -> Columns:
  """The columns of a table as arrays, with every level that occurs."""
  levels = {n: tuple(sorted({*table[n]} - {""})) for n in categorical}
  return _coded(table, numeric, levels)


def fit(columns: Columns) -> tuple[Described, list[dict[str, Any]]]:
  """The description of the training rows, and changes for the card.

  A constant column has std 1, one without any observed value mean 0, std 1.
  """
  mean, std = design.moments(columns.features.astype(np.float64))
  constant = std <= 1e-7 * np.abs(mean)
  std[constant] = 1
  categorical = {}
  for codes, (name, levels) in zip(
    columns.categories.T, columns.levels.items(), strict=True
  ):
    categorical[name] = tuple(levels[i] for i in np.unique(codes[codes >= 0]))
  described = Described(
    columns.numeric, tuple(mean.tolist()), tuple(std.tolist()), categorical
  )
  names = [columns.numeric[i] for i in np.flatnonzero(constant)]
  names += [name for name, levels in categorical.items() if len(levels) < 2]
  what = "kept columns that are constant in training: " + ", ".join(names)
  return described, [{"what": what, "count": len(names)}] if names else []


def arrays(columns: Columns, described: Described) -> dict[str, np.ndarray]:
  """`features` and `categories` as training codes them; absent where empty."""
  codes = table_input.renumbered(
    columns.categories, columns.levels, described.levels
  )
  return dataclasses.replace(columns, categories=codes).arrays


def cased(table: Table, names: Sequence[str]) -> list[dict[str, Any]]:
  """The levels of these columns that differ in case alone, for the card."""
  changes = []
  for name in names:
    forms: dict[str, list[str]] = {}
    for level in dict.fromkeys(filter(None, table[name])):
      forms.setdefault(spelling.folded(level), []).append(level)
    alike = [levels for levels in forms.values() if len(levels) > 1]
    if alike:
      shown = " and ".join(map(tables.shortened, alike[0][:2]))
      what = f"levels of {name!r} kept apart that differ in case alone"
      count = sum(map(len, alike))
      changes.append({"what": f"{what} (such as {shown})", "count": count})
  return changes


def respelt(
  columns: Columns, coded: Mapping[str, np.ndarray], described: Described
) -> int:
  """How many cells of the table are spelt otherwise than in training."""
  count = 0
  for old, new, (name, levels) in zip(
    columns.categories.T,
    coded["categories"].T,
    columns.levels.items(),
    strict=True,
  ):
    known = np.array([*described.levels[name], ""], object)
    shown = np.array([*levels, ""], object)
    count += int(((new >= 0) & (known[new] != shown[old])).sum())
  return count


def recoded(
  columns: Columns, described: Described, name: str
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
  """Recorded columns as `as_trained` codes those of a file, of `name`."""
  numeric, levels = described.numeric, described.levels
  lacks = [n for n in numeric if n not in columns.numeric]
  lacks += [n for n in levels if n not in columns.levels]
  if lacks:
    raise UserError(
      f"{name}: no column{'s' * (len(lacks) > 1)} "
      f"{', '.join(map(repr, lacks))}, which the model was trained on"
    )
  held = [*columns.levels]
  codes = columns.categories[:, [held.index(n) for n in levels]]
  old = {n: columns.levels[n] for n in levels}
  new = table_input.renumbered(codes, old, levels)
  changes = {}
  for n, before, after in zip(levels, codes.T, new.T, strict=True):
    strange = before[(before >= 0) & (after < 0)]
    shown = ", ".join(
      tables.shortened(old[n][code]) for code in np.unique(strange)[:5]
    )
    what = f"cells of {n!r} hold levels never seen in training ({shown})"
    changes[f"{what}, treated as missing"] = len(strange)
  others = [n for n in (*columns.numeric, *held) if n not in {*numeric, *old}]
  what = f"columns that training did not have, ignored: {cards.listed(others)}"
  changes[what] = len(others)
  features = columns.features[:, [columns.numeric.index(n) for n in numeric]]
  coded = Columns(features, new, numeric, dict(levels))
  return coded.arrays, records.counted(changes)


@files.laid_out("id", "patient", "groups", "missing", "delimiter", "decimal")
def encoded(
  path: str,
  info: Info,
  *,
  id: str = "",
  patient: str = "",
  groups: tuple[str, ...] = (),
  missing: tuple[str, ...] = tables.MISSING,
  delimiter: str = ",",
  decimal: str = ".",
  clean: Callable[[Table], Table] | None = None,
) -> Split:
  """A user's new CSV as a `Split` without labels, as training treated it.

  `id`, `patient` and `groups` name columns, which the new file need not have.
  Without an id column, ids are `file.csv:row`. Other columns are ignored and
  unseen levels become missing; both are logged.

  Raises: UserError if a column that the model reads is missing.
  """
  table = tables.read(
    path, missing=missing, delimiter=delimiter, decimal=decimal
  )
  if clean is not None:
    table = clean(table)
  has = table.columns.__contains__
  described = table_input.only(info)
  if has(patient):
    table, changes = spelling.owners(table, patient, "patient")
    _tell(table, changes)
  columns, changes = as_trained(table, described, {id, patient, *groups})
  _tell(table, changes)
  return Split(
    arrays=columns.arrays,
    ids=ids(table, id if has(id) else ""),
    patients=np.array(table[patient], str) if has(patient) else None,
    groups={name: group(table, name) for name in groups if has(name)},
  )


def _tell(table: Table, changes: Sequence[Mapping[str, Any]]) -> None:
  """Logs what was changed in a new file."""
  for change in changes:
    logging.warning("%s: %s", table.path, cards.line(change))


def as_trained(
  table: Table, described: Described, roles: Collection[str] = ()
) -> tuple[Columns, list[dict[str, Any]]]:
  """A new table's columns as training coded its own, by name in any order.

  roles: columns that are not features. A level that did not occur in training
  becomes missing, and a column that training did not have is left out; the
  changes say so.

  Raises: UserError if columns are missing.
  """
  require(table, described)
  columns = _coded(table, described.numeric, described.levels)
  changes = {}
  for name, codes in zip(columns.levels, columns.categories.T, strict=True):
    known = {"", *columns.levels[name]}
    cells = list(zip(table[name], codes.tolist(), strict=True))
    what = f"cells of {name!r} spelled otherwise than in training, taken for it"
    changes[what] = sum(c not in known for c, code in cells if code >= 0)
    strange = [cell for cell, code in cells if cell and code < 0]
    shown = ", ".join(map(tables.shortened, sorted({*strange})[:5]))
    what = f"cells of {name!r} hold levels never seen in training ({shown})"
    changes[f"{what}, treated as missing"] = len(strange)
  used = {*described.numeric, *described.levels, *roles}
  others = [name for name in table.columns if name not in used]
  what = f"columns that training did not have, ignored: {cards.listed(others)}"
  changes[what] = len(others)
  return columns, records.counted(changes)


def require(table: Table, described: Described) -> None:
  """Raises UserError, with the nearest name, if a trained column is missing."""
  used = (*described.numeric, *described.levels)
  if lacks := [name for name in used if name not in table.columns]:
    near = nearest(lacks[0], [n for n in table.columns if n not in used])
    raise UserError(
      f"{table.path}: no column{'s' * (len(lacks) > 1)} "
      f"{', '.join(map(repr, lacks))}{near}, which the model was trained on"
    )


def ids(table: Table, column: str = "") -> np.ndarray:
  """The id column [N] str, else `file.csv:row`; each occurs once."""
  if not column:
    names = [os.path.basename(path) for path in table.paths]
    names = [
      f"{name}#{index + 1}" if name in names[:index] else name
      for index, name in enumerate(names)
    ]
    places = zip(table.files, table.rows, strict=True)
    return np.array([f"{names[file]}:{row}" for file, row in places], str)
  first: dict[str, int] = {}
  for index, cell in enumerate(table[column]):
    if not cell:
      raise table.error(index, column, "an id is missing")
    if (seen := first.setdefault(cell, index)) != index:
      raise table.error(index, column, f"the same id as {table.place(seen)}")
  return np.array(table[column], str)


def group(table: Table, column: str) -> np.ndarray:
  """A column as subgroup levels [N] str, "" if missing; ages in bands."""
  cells = table[column]
  if is_age(table, column):
    return age_bands(tables.numbers(table, column))
  count = len(set(cells))
  if count > _MOST_GROUPS:
    raise UserError(
      f"{table.path}: the group column {column!r} has {count} levels, at most "
      f"{_MOST_GROUPS} make subgroups (ages in years are banded if the "
      f"column is named age)"
    )
  return np.array(cells, str)


def is_age(table: Table, column: str) -> bool:
  """Whether a column holds ages in years, as its name and its cells say."""
  named = _AGE.search(column.lower()) is not None
  return named and tables.is_numeric(table, column)


def age_bands(years: np.ndarray) -> np.ndarray:
  """Ages in years [N] as bands [N] str; "" if missing."""
  bands = np.array([*_AGE_BANDS, ""])
  index = np.searchsorted(_AGE_EDGES, years, side="right")
  return bands[np.where(np.isnan(years), len(_AGE_BANDS), index)]


def _coded(
  table: Table, numeric: Sequence[str], levels: dict[str, tuple[str, ...]]
) -> Columns:
  """The columns as arrays; a cell that is none of the levels becomes -1."""
  numbers = [tables.numbers(table, name) for name in numeric]
  codes = []
  for name, known in levels.items():
    place = spelling.matcher(known)
    code = {cell: place(cell) for cell in {*table[name]}}
    codes.append(np.array([code[cell] for cell in table[name]], np.int32))
  none = np.zeros((len(table), 0), np.int32)
  return Columns(
    np.column_stack([none.astype(np.float32), *numbers]),
    np.column_stack([none, *codes]),
    tuple(numeric),
    levels,
  )


def _counts_rows(table: Table, name: str) -> bool:
  """Whether a column numbers the rows from 0 or 1 on, in any order.

  A column with a name that programs give to row counters may have gaps, for
  example if rows were taken out of a longer file.
  """
  cells, count = table[name], len(table)
  if count <= _FEWEST or not all(map(_WHOLE.fullmatch, cells[:3])):
    return False  # A quick way out: most columns, of maybe 450,000, are none.
  values = tables.numbers(table, name)
  if np.isnan(values).any() or len(np.unique(values)) < count:
    return False
  named = _INDEX.fullmatch(name) is not None and not (values % 1).any()
  return named or (values.min() in (0, 1) and np.ptp(values) == count - 1)
