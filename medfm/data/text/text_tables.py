"""A user's texts as a table: CSV, TSV, JSON lines, or one text a line."""

import csv
import json
import pathlib
from typing import Any

from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.data.text import text_files
from medfm.types import UserError

SEPARATOR = "|"
"""Between the items of a JSON list in a cell."""

_JSON = (".jsonl", ".ndjson", ".json")
_CELL = 1 << 24


def read(path: str, text: str = "text", delimiter: str = "") -> Table:
  """The table of a file, by its suffix; a .txt has the one column `text`.

  A JSON line is a row; its keys, the same in all lines, are columns, and a
  list of words in it becomes one cell with `|` between them.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix in _JSON:
    return _json(path)
  if suffix == ".txt":
    lines = enumerate(map(str.strip, text_files.lines(path)), 1)
    kept = {row: line for row, line in lines if line}
    return tables.of_cells(path, {text: list(kept.values())}, kept)
  csv.field_size_limit(_CELL)  # Documents are longer than a table's cells.
  delimiter = delimiter or ("\t" if suffix == ".tsv" else ",")
  return tables.read(path, missing=("",), delimiter=delimiter)


def strings(table: Table, **columns: str) -> dict[str, list[str]]:
  """[N] the texts of these columns by name, none of them empty.

  columns: name -> column; "" is left out.
  """
  texts = {name: table[column] for name, column in columns.items() if column}
  for name, cells in texts.items():
    if "" in cells:
      raise table.error(cells.index(""), columns[name], "the text is empty")
  return texts


def _json(path: str) -> Table:
  columns: dict[str, list[str]] = {}
  rows = []
  for row, cells in text_files.json_lines(path):
    if not rows:
      columns = {name: [] for name in cells}
    if odd := columns.keys() ^ cells.keys():
      raise UserError(
        f"{path}, row {row}: the key {min(odd)[:30]!r} is in some lines and "
        "not in others: give all lines the same keys (null for missing)"
      )
    for name, cell in cells.items():
      columns[name].append(_cell(f"{path}, row {row}: {name[:30]!r}", cell))
    rows.append(row)
  return tables.of_cells(path, columns, rows)


def _cell(where: str, value: Any) -> str:
  if isinstance(value, bool | int | float):
    return json.dumps(value)
  value = "" if value is None else value
  words = value if isinstance(value, list) else [value]
  if all(isinstance(word, str) for word in words):
    return SEPARATOR.join(map(str.strip, words))
  raise UserError(f"{where} is neither text nor a number nor a list of words")
