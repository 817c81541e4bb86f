"""A user's texts as a table: CSV, TSV, JSON lines, or one text a line."""

import csv
import json
import pathlib
from typing import Any

import numpy as np

from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.data.text import text_files
from medfm.types import UserError

SEPARATOR = "|"
"""Between the items of a JSON list in a cell."""

_JSON = (".jsonl", ".ndjson", ".json")
_CELL = 1 << 24


def read(
  path: str, text: str = "text", delimiter: str = "", missing: Any = ()
) -> Table:
  """The table of a file, by its suffix; a .txt has the one column `text`.

  A JSON line gives one row; its keys are columns, and a list of words in it
  becomes one cell with `|` between them.

  Raises: UserError of the file and row, also for a JSON line without a key
    that the lines before it had.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix in _JSON:
    return _json(path)
  if suffix == ".txt":
    kept = [
      (row, line.strip())
      for row, line in enumerate(text_files.lines(path), 1)
      if line.strip()
    ]
    return _table(
      path, {text: [line for _, line in kept]}, [r for r, _ in kept]
    )
  csv.field_size_limit(_CELL)  # Documents are longer than a table's cells.
  delimiter = delimiter or ("\t" if suffix == ".tsv" else ",")
  return tables.read(path, missing=("", *missing), delimiter=delimiter)


def _json(path: str) -> Table:
  columns: dict[str, list[str]] = {}
  rows = []
  for row, found in text_files.json_lines(path):
    if not rows:
      columns = {name: [] for name in found}
    for name in {*columns, *found}:
      if name not in found or name not in columns:
        raise UserError(
          f"{path}, row {row}: the key {name[:30]!r} is in some lines and "
          "not in others: give all lines the same keys (null for missing)"
        )
      columns[name].append(_cell(path, row, name, found[name]))
    rows.append(row)
  return _table(path, columns, rows)


def _cell(path: str, row: int, name: str, value: Any) -> str:
  if value is None:
    return ""
  if isinstance(value, str):
    return value.strip()
  if isinstance(value, bool | int | float):
    return json.dumps(value)
  if isinstance(value, list) and all(isinstance(v, str) for v in value):
    return SEPARATOR.join(v.strip() for v in value)
  raise UserError(
    f"{path}, row {row}: {name[:30]!r} is neither text nor a number nor a list "
    "of words"
  )


def _table(path: str, columns: dict[str, list[str]], rows: list[int]) -> Table:
  return Table(
    (path,), columns, np.array(rows, np.int64), np.zeros(len(rows), np.int64)
  )
