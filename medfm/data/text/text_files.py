"""Strict reading of text, JSON lines and IOB files, and of texts as tables.

As with tables, whatever does not fit is an error that names the file and the
line, and shows at most one shortened word of it.
"""

import csv
import json
import math
import os
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from medfm import jsons
from medfm.data import spelling
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table, shortened
from medfm.types import UserError

DOCUMENT = "-DOCSTART-"
SEPARATOR = "|"
"""Between the items of a JSON list in a cell."""


class Sentence(NamedTuple):
  """words and IOB2 tags of equal number (tags () if the file has none).

  row: the file's line on which it begins; document: how many document marks
    (-DOCSTART-) come before it, 0 if the file has none.
  """

  words: tuple[str, ...]
  tags: tuple[str, ...]
  row: int
  document: int


def lines(path: str | os.PathLike) -> list[str]:
  """The lines of a UTF-8 file, without their ends and byte order mark.

  Raises: UserError if the file is missing, empty, or not UTF-8 text.
  """
  with tables.opened(path, "a text file") as file:
    text = file.read().decode("utf-8-sig", "surrogateescape")
  if not text.strip():
    raise UserError(f"{path}: is empty")
  lines = [line.removesuffix("\r") for line in text.split("\n")]
  if not text.isascii() or "\0" in text:
    for row, line in enumerate(lines, 1):
      tables.refuse_bytes(line, f"{path}, row {row}")
  return lines


def json_lines(path: str | os.PathLike) -> Iterator[tuple[int, dict[str, Any]]]:
  """(row, object) of each line that is not blank."""
  for row, line in enumerate(lines(path), 1):
    if not line.strip():
      continue
    try:
      content = jsons.parsed(line)
    except ValueError as error:
      what = getattr(error, "msg", error)  # Without the place in the line.
      raise UserError(
        f"{path}, row {row}: is not JSON ({what}); expected one object per line"
      ) from None
    if not isinstance(content, dict):
      raise UserError(
        f'{path}, row {row}: expected an object {{"key": value, ...}}'
      )
    yield row, content


def iob(
  path: str | os.PathLike,
  *,
  delimiter: str = "\t",
  word_column: int = 0,
  tag_column: int | None = -1,
  repair: bool = False,
) -> tuple[list[Sentence], int]:
  """The sentences of a CoNLL file in IOB2, and how many tags were repaired.

  One word per line, its columns separated by `delimiter` ("" for any blanks), a
  blank line after each sentence.

  tag_column: None reads words alone.
  repair: an I- that continues nothing becomes B- (as IOB1 needs); else it is an
    error, like anything that does not fit.
  """
  columns = [word_column]
  if tag_column is not None:
    columns.append(tag_column)
  sentences: list[Sentence] = []
  words: list[str] = []
  tags: list[str] = []
  start = document = repaired = 0
  for row, line in enumerate([*lines(path), ""], 1):
    cells = line.split(delimiter) if delimiter else line.split()
    begins_document = bool(cells) and cells[0].strip() == DOCUMENT
    if begins_document or not line.strip():
      if words:
        sentences.append(Sentence(tuple(words), tuple(tags), start, document))
      words, tags = [], []
      document += begins_document
      continue
    start = start if words else row
    word, *tag = _cells(path, row, cells, columns, delimiter)
    words.append(word)
    for cell in tag:
      tags.append(_tag(path, row, cell, tags[-1] if tags else "O", repair))
      repaired += tags[-1] != cell
  if not sentences:
    raise UserError(f"{path}: holds no sentence")
  return sentences, repaired


def read(path: str, text: str = "text", delimiter: str = "") -> Table:
  """The table of a file, by its suffix; a .txt has the one column `text`.

  A JSON line is a row; its keys, the same in all lines, are columns, and a
  list of words in it becomes one cell with `|` between them.
  """
  suffix = pathlib.Path(path).suffix.lower()
  if suffix in (".jsonl", ".ndjson", ".json"):
    return _json(path)
  if suffix == ".txt":
    numbered = enumerate(map(str.strip, lines(path)), 1)
    kept = {row: line for row, line in numbered if line}
    return tables.of_cells(path, {text: list(kept.values())}, kept)
  csv.field_size_limit(1 << 24)  # Documents are longer than a table's cells.
  delimiter = delimiter or ("\t" if suffix == ".tsv" else ",")
  return tables.read(path, missing=("",), delimiter=delimiter)


def strings(table: Table, **columns: str) -> dict[str, list[str]]:
  """name -> [N] the texts of its column; an empty text is an error.

  columns: name -> column; "" is left out.
  """
  texts = {name: table[column] for name, column in columns.items() if column}
  for name, cells in texts.items():
    if "" in cells:
      raise table.error(cells.index(""), columns[name], "the text is empty")
  return texts


def _cells(path, row, cells, columns, delimiter) -> list[str]:
  """The word and, if asked for, the tag."""
  try:
    if len(cells) < len(columns):
      raise IndexError
    chosen = [cells[column].strip() for column in columns]
  except IndexError:
    between = {"\t": "a tab", "": "blanks", " ": "a blank"}
    raise UserError(
      f"{path}, row {row}: {len(cells)} column(s), expected a word and its tag "
      f"with {between.get(delimiter, repr(delimiter))} between them"
    ) from None
  if not chosen[0]:
    raise UserError(f"{path}, row {row}: the word is empty")
  return chosen


def _tag(path, row: int, tag: str, before: str, repair: bool) -> str:
  """The tag in IOB2. before: the tag of the word before it in the sentence."""
  prefix, _, kind = tag.partition("-")
  if tag == "O":
    return tag
  if not tag.isascii() and tag != spelling.plain(tag):
    raise UserError(
      f"{path}, row {row}: the tag {tag[:20]!a} holds invisible or unusually "
      f"encoded characters: write {spelling.plain(tag)[:20]!r}"
    )
  if prefix not in ("B", "I") or not kind or len(tag.split()) > 1:
    raise UserError(
      f"{path}, row {row}: {shortened(tag)} is not an IOB2 tag: expected O, "
      "B-<type> or I-<type>"
    )
  if prefix == "B" or before in (f"B-{kind}", f"I-{kind}"):
    return tag
  if repair:
    return f"B-{kind}"
  raise UserError(
    f"{path}, row {row}: {shortened(tag)} after {shortened(before)} continues "
    f"no {kind[:20]}: begin it with B-{kind[:20]}, or set repair=True for IOB1"
  )


def _json(path: str) -> Table:
  columns: dict[str, list[str]] = {}
  rows = []
  for row, cells in json_lines(path):
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
  if isinstance(value, float) and not math.isfinite(value):
    if math.isnan(value):
      return ""  # Python writes a missing number as NaN.
    raise UserError(f"{where} is not a finite number")
  if isinstance(value, bool | int | float):
    return json.dumps(value)
  value = "" if value is None else value
  words = value if isinstance(value, list) else [value]
  if all(isinstance(word, str) for word in words):
    return SEPARATOR.join(map(str.strip, words))
  raise UserError(f"{where} is neither text nor a number nor a list of words")
