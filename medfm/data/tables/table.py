"""Strict CSV reading: whatever does not fit is an error and never repaired.

Rows are counted as a spreadsheet counts them, from 1; a row may hold quoted
line breaks. Messages show at most the one cell at fault, shortened, so that no
patient's record reaches a log.
"""

import contextlib
import csv
import dataclasses
import io
import itertools
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from medfm.data.tables import numerals
from medfm.spec import nearest
from medfm.types import UserError

MISSING = ("", "?", "NA", "N/A", "nan", "NaN", "null", "NULL")
"""Cells that mean a missing value, unless the caller names others."""

ROW_NAMES = "row.names"
"""The column of the names that R and pandas give rows, which has no header."""

_NO_TEXT = re.compile("[\0\udc80-\udcff]")  # As surrogateescape reads it.
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SEPARATOR = re.compile("sep=.?", re.I)  # Excel's line about its own file.
_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class Table:
  """A CSV file, or several joined, by column.

  paths: the files, for messages.
  columns: name -> N cells without surrounding blanks, "" if missing.
  rows: [N] int, the row of each in its file; files: [N] int, which file.
  """

  paths: tuple[str, ...]
  columns: dict[str, list[str]]
  rows: np.ndarray
  files: np.ndarray

  @property
  def path(self) -> str:
    return " and ".join(self.paths)

  def __len__(self) -> int:
    return len(self.rows)

  def __getitem__(self, name: str) -> list[str]:
    if name not in self.columns:
      raise UserError(
        f"{self.path}: no column {name!r}{nearest(name, self.columns)}"
      )
    return self.columns[name]

  def take(self, indices: np.ndarray) -> "Table":
    """The table of these rows, in this order."""
    rows = indices.tolist()
    return dataclasses.replace(
      self,
      columns={n: [c[i] for i in rows] for n, c in self.columns.items()},
      rows=self.rows[indices],
      files=self.files[indices],
    )

  def replace(self, **columns: list[str]) -> "Table":
    """The table with these columns added or changed."""
    return dataclasses.replace(self, columns={**self.columns, **columns})

  def mapped(self, name: str, change: Callable[[str], str]) -> "Table":
    """The table with one column's observed cells changed."""
    return self.replace(**{name: [c and change(c) for c in self[name]]})

  def error(self, index: int, column: str, what: str) -> UserError:
    """A mistake in one cell, to be raised."""
    return UserError(f"{self.place(index)}, column {column!r}: {what}")

  def place(self, index: int) -> str:
    """A row's file and number: `file.csv, row 7`."""
    return f"{self.paths[self.files[index]]}, row {self.rows[index]}"


def of_cells(
  path: str, columns: dict[str, list[str]], rows: Iterable[int]
) -> Table:
  """The table of one file, whose rows have these numbers."""
  numbers = np.array([*rows], np.int64)
  return Table((path,), columns, numbers, np.zeros_like(numbers))


@contextlib.contextmanager
def opened(
  path: str | os.PathLike, expected: str
) -> Iterator[io.BufferedReader]:
  """A file opened to read bytes; UserError if it cannot be.

  expected: what it should be, for messages.
  """
  if os.path.isdir(path):
    raise UserError(f"{path}: is a folder, expected {expected}")
  if os.path.exists(path) and not os.path.isfile(path):  # It may never end.
    raise UserError(f"{path}: is a pipe or a device, expected {expected}")
  try:
    with open(path, "rb") as file:
      start = file.peek(4)[:4]
      if start[:2] in _UTF16 or (start[1:2] == b"\0" == start[3:4]):
        raise UserError(
          f"{path}: is UTF-16 text; save it as UTF-8 (Excel's 'CSV UTF-8'; "
          "iconv -f utf-16 -t utf-8)"
        )
      yield file
  except FileNotFoundError:
    raise UserError(f"{path}: no such file") from None
  except PermissionError:
    raise UserError(f"{path}: permission to read it is denied") from None
  except OSError as error:
    raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def read(
  path: str | os.PathLike,
  *,
  names: Sequence[str] = (),
  missing: Collection[str] = MISSING,
  delimiter: str = ",",
  decimal: str = ".",
  quote: str = '"',
) -> Table:
  """The table of a CSV file in UTF-8, with or without a byte order mark.

  names: the columns of a file that has no header row.
  missing: cells that mean "missing"; they become "".
  decimal: the character before a number's decimals. With "," a cell such as
    12,5 or 1.234,5 is read as 12.5 or 1234.5.

  A first column without a name, or the first cells of rows that have one cell
  more than the header, as R writes them, become the column `ROW_NAMES`.

  Raises: UserError for a missing file, text that is not UTF-8, no rows, a
    nameless or repeated column, a row with too few or too many cells, an
    unclosed quote.
  """
  path = os.fspath(path)
  if decimal not in numerals.DECIMALS:
    raise UserError(f"decimal={decimal!r}: expected '.' or ','")
  with opened(path, "a CSV file") as file:
    if file.peek(4).startswith(_SPREADSHEETS):
      raise UserError(f"{path}: is a zip or Excel file; save it as CSV (UTF-8)")
    lines = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    records = _records(path, lines, delimiter, quote)
    header = [*names] or _header(records)
    chunk = list(itertools.islice(records, _CHUNK))
    header = _with_row_names(header, [cells for _, cells in chunk])
    _check_header(path, header, delimiter)
    columns: list[list[str]] = [[] for _ in header]
    rows: list[int] = []
    seen = {marker: "" for marker in missing}
    intern = seen.setdefault  # One string object per distinct cell.
    while chunk:
      for row, cells in chunk:
        if len(cells) != len(header):
          raise _uneven(path, row, len(cells), len(header), delimiter)
        rows.append(row)
      cells_of = zip(*(cells for _, cells in chunk), strict=True)
      for column, cells in zip(columns, cells_of, strict=True):
        cells = list(map(str.strip, cells))
        column.extend(map(intern, cells, cells))
      chunk = list(itertools.islice(records, _CHUNK))
  if not rows:
    raise UserError(f"{path}: holds a header but no rows")
  table = of_cells(path, dict(zip(header, columns, strict=True)), rows)
  return table if decimal == "." else _with_points(table)


def refuse_bytes(text: str, where: str) -> None:
  """Raises UserError where text, read with "surrogateescape", is not UTF-8."""
  plain = text.isascii() and "\0" not in text
  if not plain and (odd := _NO_TEXT.search(text)):
    raise UserError(
      f"{where}: the byte 0x{ord(odd[0]) & 0xFF:02x} is not UTF-8 text; save "
      "the file as UTF-8 (Excel's 'CSV UTF-8'; iconv -f latin1 -t utf-8)"
    )


def joined(parts: Sequence[Table], names: Iterable[str]) -> Table:
  """The rows of all parts, with these columns, which each part must have."""
  return Table(
    tuple(path for part in parts for path in part.paths),
    {name: [cell for part in parts for cell in part[name]] for name in names},
    np.concatenate([part.rows for part in parts]),
    np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
  )


def numbers(table: Table, name: str) -> np.ndarray:
  """A number column as float32 [N]; missing cells are NaN.

  Text, `inf`, `1_000` and values beyond float32 are errors.
  """
  cells = table[name]
  for index, cell in enumerate(() if numerals.all_numbers(cells) else cells):
    if cell and not numerals.is_number(cell):
      what = (
        f"{shortened(cell)} is not a finite number; correct it, list it as a "
        "missing marker, or name the column as categorical"
      )
      raise table.error(index, name, what)
  plain = [cell or "nan" for cell in cells] if "" in cells else cells
  with np.errstate(over="ignore"):
    values = np.array([*map(float, plain)]).astype(np.float32)
  for index in np.flatnonzero(np.isinf(values)):
    what = f"{shortened(cells[index])} is too large for a float32"
    raise table.error(index, name, what)
  return values


def is_numeric(table: Table, name: str) -> bool:
  """Whether every observed cell of a column is a number.

  A column without observed cells counts as numeric.

  Raises: UserError if most cells are meant as numbers but not written plainly.
  """
  if numerals.all_numbers(table[name]):
    return True
  observed = [cell for cell in table[name] if cell]
  if fix := numerals.advice(observed):
    raise _not_numeric(table, name, fix)
  return False


def share_numeric(table: Table, name: str) -> str:
  """The share of numbers in a text column, and where the first other cell is.

  "" if no cell is a number. The cell is not quoted, since it may hold text
  about patients.
  """
  observed = [cell for cell in table[name] if cell]
  count = sum(map(numerals.is_number, observed))
  if not count:
    return ""
  odd = next(
    i for i, c in enumerate(table[name]) if c and not numerals.is_number(c)
  )
  share = f"{count / len(observed):.0%}"
  return (
    f"{share} of its cells are numbers, the first other in {table.place(odd)}"
  )


def _not_numeric(table: Table, name: str, fix: str) -> UserError:
  """The error, with the fix, for a column of mostly but not only numbers."""
  cells = table[name]
  observed = [cell for cell in cells if cell]
  odd = next(i for i, c in enumerate(cells) if c and not numerals.is_number(c))
  share = sum(map(numerals.is_number, observed)) / len(observed)
  some = f" ({share:.0%} of the column are numbers)" if share else ""
  what = f"{shortened(cells[odd])} is not a finite number{some}"
  fix += ", list it as a missing marker, or name the column categorical"
  return table.error(odd, name, f"{what}: {fix}")


def coded(
  table: Table,
  name: str,
  codes: dict[str, Any],
  expected: str = "",
  read: Callable[[str], str] = str,
) -> list[Any]:
  """The codes of a column's cells; every cell must have one.

  expected: what any other cell `is`, for the error. read: cell -> code's name.
  """
  cells = [read(cell) for cell in table[name]]
  for index, cell in enumerate(cells):
    if cell not in codes:
      what = expected or f"none of {', '.join(codes)}"
      shown = shortened(table[name][index])
      raise table.error(index, name, f"{shown} is {what}{nearest(cell, codes)}")
  return [codes[cell] for cell in cells]


def shortened(cell: str, length: int = 20) -> str:
  """A cell as an error message may show it."""
  return repr(cell if len(cell) <= length else cell[:length] + "…")


def _records(
  path: str, lines: Iterable[str], delimiter: str, quote: str
) -> Iterator[tuple[int, list[str]]]:
  """Row number and cells of each row that is not blank."""
  reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
  for row in itertools.count(1):
    try:
      cells = next(reader, None)
    except csv.Error as error:
      raise UserError(
        f"{path}, row {row}: {error}; is a quote left open or doubled wrongly?"
      ) from None
    if cells is None:
      return
    refuse_bytes("".join(cells), f"{path}, row {row}")
    if cells:
      yield row, cells


def _header(records: Iterator[tuple[int, list[str]]]) -> list[str]:
  """The names in the first row, after a line `sep=` of Excel's."""
  none = (0, [])
  _, cells = next(records, none)
  if cells and _SEPARATOR.fullmatch(cells[0].strip()):
    _, cells = next(records, none)
  return [cell.strip() for cell in cells]


def _uneven(
  path: str, row: int, count: int, expected: int, delimiter: str
) -> UserError:
  """The error for a row with more or fewer cells than the header has names."""
  if expected == 1:
    return UserError(
      f"{path}, row 1: one name, but row {row} has {count} cells: remove the "
      f"lines above the header, or quote cells that hold {delimiter!r}"
    )
  return UserError(
    f"{path}, row {row}: {count} cell{'s' * (count > 1)}, expected {expected}; "
    f"quote cells that hold {delimiter!r}"
  )


def _with_row_names(
  header: list[str], rows: Sequence[Sequence[str]]
) -> list[str]:
  """The header, with a name for the column of row names if it has none.

  A header with one name fewer than cells is R's way only if the first cells
  are unique; else a cell holds a comma, or each row ends in one.
  """
  if len(header) > 1 and not header[0] and ROW_NAMES not in header:
    return [ROW_NAMES, *header[1:]]
  several = len(header) > 1 and len(rows) > 1 and ROW_NAMES not in header
  if not several or {len(cells) for cells in rows} != {len(header) + 1}:
    return header
  named = {cells[0].strip() for cells in rows}
  apart = len(named) == len(rows) and "" not in named
  ended = all(not cells[-1].strip() for cells in rows)
  return [ROW_NAMES, *header] if apart and not ended else header


def _with_points(table: Table) -> Table:
  """A table of decimal commas with points in their place.

  Raises: UserError if a number has points that may separate thousands.
  """
  columns = {}
  for name, cells in table.columns.items():
    columns[name], odd = numerals.with_points(cells)
    if odd >= 0:
      what = f"{shortened(cells[odd])} has a point although decimal=',' is set"
      raise table.error(odd, name, f"{what}; write the number without points")
  return table.replace(**columns)


def _check_header(path: str, header: list[str], delimiter: str) -> None:
  if not header:
    raise UserError(f"{path}: is empty, expected a header row")
  seen: set[str] = set()
  for index, name in enumerate(header):
    if not name:
      raise UserError(
        f"{path}, row 1: column {index + 1} has no name; name or remove it, or "
        "remove the lines above the header"
      )
    if name in seen:
      raise UserError(
        f"{path}, row 1: the column {name!r} occurs twice; rename one"
      )
    seen.add(name)
  for other in (",", ";", "\t", "|"):
    if len(header) == 1 and other != delimiter and other in header[0]:
      raise UserError(
        f"{path}, row 1: one column; the file looks separated by {other!r}: "
        f"set the delimiter, or save it with {delimiter!r}"
      )
