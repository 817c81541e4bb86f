"""One form for names that differ only in how they are spelt.

Exports and keyboards write one name in many ways: 7, 007 and 7.0 (a column of
whole numbers with one blank comes out as 1.0), composed and decomposed
accents, full-width digits, blanks and invisible marks. Taking two patients for
one only puts both into the same split; taking one patient for two puts that
patient into training and test. So names that differ only in spelling count as
the same name.

For patients and documents, case and what separates letters from digits (P-001
and P1) are ignored too. For classes and levels case may matter (the genotypes
AA, Aa and aa), so it is ignored only if no name fits exactly.
"""

import collections
import decimal
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from medfm.data.tables.table import Table, shortened
from medfm.types import UserError

_NUMBER = re.compile(
  r"(-?)(\d*)(?:\.(\d*))?(?:e\+?(\d{1,2}))?", re.ASCII | re.I
)
_ROUNDED = re.compile(
  r"-?\d(\.\d+e\+?|e\+)(1[1-9]|[2-9]\d)|-?\d{16,}\.0*", re.ASCII | re.I
)
_QUOTED = re.compile(r"""=?"(.*)"|'(.*?)'?""")  # As spreadsheets keep text.
_BETWEEN = re.compile(r"[\s_./:#\\-]+")
_LETTER = r"[^\W\d_]"
_APART = re.compile(rf"(?<={_LETTER})-(?=\d)|(?<=\d)-(?={_LETTER})")
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_NOBODY = {"nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nat", "unknown"}
_HIDDEN = {*"\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"} | {
  *map(chr, range(0xFE00, 0xFE10))
}  # Invisible characters outside the categories control and format.
_LOOK = str.maketrans(
  "авекмнорстухіѕјԛԝ" + "αβεζηικμνορτυχ", "abekmhopctyxisjqw" + "abezhikmnoptyx"
)  # Cyrillic and Greek letters, to the Latin ones whose capitals look the same.
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'")
IN_CLASSES = ", or name both in classes= if they are two"
ALIKE = "case, blanks, unseen marks, leading zeros, 1 or 1.0, and P-1 or P1"
"""Differences between ids that do not make two patients, for messages."""


def plain(name: str) -> str:
  """A name in one spelling; its case is kept.

  Unicode's compatibility form (NFKC), single blanks, ASCII digits, dashes and
  apostrophes, no invisible characters; numbers without leading zeros, a
  fraction of zeros, or an exponent such as R writes (1e+05).
  """
  if not name.isascii():
    name = unicodedata.normalize("NFKC", name).translate(_DASHES | _QUOTES)
    name = "".join(map(_digit, _seen(name)))
  name = " ".join(name.split())
  number = _NUMBER.fullmatch(name)
  if not number or not (number[2] or number[3]):
    return name
  if number[4]:
    name = f"{decimal.Decimal(name):f}"
    number = _NUMBER.fullmatch(name)
  sign, whole, rest, _ = number.groups() if number else ("", name, "", "")
  whole = whole.lstrip("0") or "0"
  if rest and rest.strip("0"):
    return f"{sign}{whole}.{rest}"
  return whole if whole == "0" else sign + whole


def folded(name: str) -> str:
  """As `plain`, in one case and in the letters of one alphabet."""
  name = plain(name).casefold()
  if name.isascii():
    return name
  return unicodedata.normalize("NFKC", name).translate(_LOOK)


def owner(name: str) -> str:
  """An id of a patient or a document in one spelling, "" if it names nobody.

  As `folded`, without a spreadsheet's quotes (="001"), leading zeros of any
  number in it, and separators between letters and digits; other separators
  become a dash.
  """
  if quoted := _QUOTED.fullmatch(name.strip()):
    name = quoted[1] or quoted[2] or ""
  name = folded(name)
  if name in _NOBODY:
    return ""
  if _NUMBER.fullmatch(name):
    return name
  parted = _APART.sub("", _BETWEEN.sub("-", name).strip("-"))
  return _ZEROS.sub("", parted) or name


class Unified(NamedTuple):
  """cells: each in the first spelling of its name, "" if it names nothing.

  merged: spellings that were changed -> what they became; rows: the row of the
  first such spelling, and the row of the name that it became.
  """

  cells: list[str]
  merged: dict[str, str]
  rows: tuple[int, int]


def unified(cells: Sequence[str], form: Callable[[str], str]) -> Unified:
  """The cells with one spelling per name: its first, without unseen marks."""
  cells = list(cells)
  first: dict[str, str] = {}
  shown: dict[str, str] = {}
  for cell in dict.fromkeys(cells):
    key = form(cell)
    shown[cell] = first.setdefault(key, _seen(cell)) if key else ""
  merged = {cell: name for cell, name in shown.items() if cell != name}
  if not merged:
    return Unified(cells, merged, (0, 0))
  other, name = next(iter(merged.items()))
  source = next(cell for cell in cells if shown[cell] == name)
  rows = cells.index(other), cells.index(source)
  return Unified([shown[cell] for cell in cells], merged, rows)


def owners(
  table: Table, column: str, what: str
) -> tuple[Table, list[dict[str, Any]]]:
  """The table with one spelling per patient (`what`), and the changes made.

  Raises: UserError for an id whose digits a spreadsheet has rounded away.
  """
  cells = table[column]
  if rounded := next(filter(_ROUNDED.fullmatch, dict.fromkeys(cells)), ""):
    raise table.error(
      cells.index(rounded),
      column,
      f"{shortened(rounded)} is a number whose last digits were rounded away, "
      f"so that it names no {what}: export the column as text",
    )
  nobody = {cell for cell in {*cells} - {""} if not owner(cell)}
  changes = []
  if nobody:
    count = sum(cell in nobody for cell in cells)
    cell = shortened(min(nobody))
    unknown = f"cells such as {cell} that name no {what}, taken for unknown"
    changes = [{"what": unknown, "count": count}]
    cells = ["" if cell in nobody else cell for cell in cells]
    table = table.replace(**{column: cells})
  merged = (
    f"spellings of a {what} taken for another of the same{{}}: {ALIKE} do "
    f"not tell {what}s apart"
  )
  table, spelt = _changed(table, column, unified(cells, owner), merged)
  return table, changes + spelt


def names(
  table: Table, columns: Iterable[str]
) -> tuple[Table, list[dict[str, Any]]]:
  """The table with one spelling per class, level or group of these columns."""
  changes = []
  for column in columns:
    what = f"spellings in {column!r} taken for another of the same name{{}}"
    same = unified(table[column], plain)
    table, change = _changed(table, column, same, what)
    changes += change
  return table, changes


def refuse_cases(where: str, known: Iterable[str], fix: str = "") -> None:
  """Raises UserError if two names differ in case alone.

  where: where the names are; fix: another remedy. Both are for the message.
  """
  first: dict[str, str] = {}
  for name in dict.fromkeys(known):
    other = first.setdefault(folded(name), name)
    if plain(other) != plain(name):
      same = plain(other).casefold() == plain(name).casefold()
      how = "case" if same else "letters that look the same"
      raise UserError(
        f"{where}: {shortened(other)} and {shortened(name)} differ in {how} "
        f"alone: spell them alike{fix}"
      )


def matcher(known: Sequence[str]) -> Callable[[str], int]:
  """name -> the place of the known name that it is a spelling of, or -1.

  An equal name is preferred, then one that differs in spelling, then a name
  that differs in case, if there is only one.
  """
  counts = collections.Counter(map(folded, known))
  places: list[dict[str, int]] = [{}, {}, {}]
  for place, name in enumerate(known):
    places[0][name] = place
    places[1].setdefault(plain(name), place)
    if counts[folded(name)] == 1:
      places[2][folded(name)] = place

  def place(name: str) -> int:
    for form, by_form in zip((str, plain, folded), places, strict=True):
      if (at := by_form.get(form(name))) is not None:
        return at
    return -1

  return place


def _seen(name: str) -> str:
  """A name without invisible characters."""
  return name if name.isascii() else "".join(filter(_is_seen, name))


def _is_seen(character: str) -> bool:
  if character in _HIDDEN:
    return False
  hidden = unicodedata.category(character) in ("Cf", "Cc", "Cs")
  return character.isspace() or not hidden


def _digit(character: str) -> str:
  """The ASCII digit of a decimal digit of any script; others as they are."""
  if not character.isdecimal():
    return character
  return str(unicodedata.decimal(character))


def _changed(
  table: Table, column: str, same: Unified, what: str
) -> tuple[Table, list[dict[str, Any]]]:
  """The table with these cells, and the change: `what`, with the rows."""
  if not same.merged:
    return table, []
  places = [
    f"{os.path.basename(table.paths[table.files[row]])} row {table.rows[row]}"
    for row in dict.fromkeys(same.rows)
  ]
  text = what.format(f" (first: {' and '.join(places)})")
  return (
    table.replace(**{column: same.cells}),
    [{"what": text, "count": len(same.merged)}],
  )
