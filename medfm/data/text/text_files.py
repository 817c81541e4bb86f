"""Strict reading of text, JSON lines and IOB files.

As with tables, what does not fit is an error that names the file and the
line, and shows at most one shortened word of it.
"""

import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from medfm.data.tables.table import shortened
from medfm.types import UserError

DOCUMENT = "-DOCSTART-"


class Sentence(NamedTuple):
  """words and IOB2 tags of equal number (tags () where the file has none).

  row: the file's line on which it begins; document: how many document marks
    (-DOCSTART-) stand above, 0 where the file has none.
  """

  words: tuple[str, ...]
  tags: tuple[str, ...]
  row: int
  document: int


def lines(path: str | os.PathLike) -> list[str]:
  """The lines of a UTF-8 file, without their ends; a byte order mark is read.

  Raises: UserError where the file is absent, empty, or not UTF-8 text.
  """
  path = pathlib.Path(path)
  if path.is_dir():
    raise UserError(f"{path}: is a folder, expected a text file")
  try:
    content = path.read_bytes()
  except FileNotFoundError:
    raise UserError(f"{path}: no such file") from None
  except PermissionError:
    raise UserError(f"{path}: may not be read (permission denied)") from None
  try:
    text = content.decode("utf-8-sig")
  except UnicodeDecodeError as error:
    row = content.count(b"\n", 0, error.start) + 1
    raise UserError(
      f"{path}, row {row}: the byte 0x{content[error.start]:02x} is not UTF-8 "
      "text; save the file as UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)"
    ) from None
  if "\0" in text:
    row = text.count("\n", 0, text.index("\0")) + 1
    raise UserError(f"{path}, row {row}: a zero byte; is it a text file?")
  if not text.strip():
    raise UserError(f"{path}: is empty")
  return [line.removesuffix("\r") for line in text.split("\n")]


def json_lines(path: str | os.PathLike) -> Iterator[tuple[int, dict[str, Any]]]:
  """(row, object) of each line that is not blank."""
  for row, line in enumerate(lines(path), 1):
    if not line.strip():
      continue
    try:
      found = json.loads(line)
    except (ValueError, RecursionError) as error:
      what = getattr(error, "msg", "nested too deeply")
      raise UserError(
        f"{path}, row {row}: is no JSON ({what}); expected one object a line"
      ) from None
    if not isinstance(found, dict):
      raise UserError(
        f'{path}, row {row}: expected an object {{"key": value, ...}}'
      )
    yield row, found


def iob(
  path: str | os.PathLike,
  *,
  delimiter: str = "\t",
  word_column: int = 0,
  tag_column: int | None = -1,
  repair: bool = False,
) -> tuple[list[Sentence], int]:
  """The sentences of a CoNLL file in IOB2, and how many tags were repaired.

  One word a line, its columns separated by `delimiter` ("" for any blanks), a
  blank line after each sentence.

  tag_column: None reads words alone.
  repair: an I- that continues nothing becomes B- (IOB1 is written so); else
    it is an error.

  Raises: UserError with file and line.
  """
  sentences: list[Sentence] = []
  words: list[str] = []
  tags: list[str] = []
  start = document = repaired = 0

  def end():
    if words:
      sentences.append(Sentence(tuple(words), tuple(tags), start, document))
      words.clear()
      tags.clear()

  for row, line in enumerate(lines(path), 1):
    if not line.strip():
      end()
      continue
    cells = line.split(delimiter) if delimiter else line.split()
    if cells[0].strip() == DOCUMENT:
      end()
      document += 1
      continue
    start = start if words else row
    word, tag = _cells(path, row, cells, delimiter, word_column, tag_column)
    if tag is not None:
      before = tags[-1] if tags else "O"
      tag, mended = _tag(path, row, tag, before, repair)
      repaired += mended
      tags.append(tag)
    words.append(word)
  end()
  if not sentences:
    raise UserError(f"{path}: holds no sentence")
  return sentences, repaired


def _cells(
  path, row, cells, delimiter, word_column, tag_column
) -> tuple[str, str | None]:
  try:
    word = cells[word_column].strip()
    tag = None if tag_column is None else cells[tag_column].strip()
    if tag_column is not None and len(cells) < 2:
      raise IndexError
  except IndexError:
    between = {"\t": "a tab", "": "blanks", " ": "a blank"}
    raise UserError(
      f"{path}, row {row}: {len(cells)} column(s), expected a word and its "
      f"tag with {between.get(delimiter, repr(delimiter))} between them"
    ) from None
  if not word:
    raise UserError(f"{path}, row {row}: the word is empty")
  return word, tag


def _tag(path, row, tag: str, before: str, repair: bool) -> tuple[str, int]:
  """The IOB2 tag, and 1 where it was repaired."""
  prefix, _, kind = tag.partition("-")
  if tag == "O" or (prefix == "B" and kind and len(tag.split()) == 1):
    return tag, 0
  if prefix != "I" or not kind or len(tag.split()) > 1:
    raise UserError(
      f"{path}, row {row}: {shortened(tag)} is no IOB2 tag: expected O, "
      "B-<type> or I-<type>"
    )
  if before in (f"B-{kind}", f"I-{kind}"):
    return tag, 0
  if repair:
    return f"B-{kind}", 1
  raise UserError(
    f"{path}, row {row}: {shortened(tag)} after {shortened(before)} continues "
    f"no {kind[:20]}: begin it with B-{kind[:20]}, or set repair=True for IOB1"
  )
