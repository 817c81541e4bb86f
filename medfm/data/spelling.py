"""One form for names that differ only in how they are spelt.

Exports and keyboards write one name in many ways: 7, 007 and 7.0 (a column of
whole numbers with one blank comes out as 1.0), composed and decomposed
accents, full-width digits, blanks and invisible marks. Taking two patients for
one only puts both into the same split; taking one patient for two puts that
patient into training and test. So names that differ only in this way are one.

For patients and documents case is ignored too. For classes and levels it may
matter (the genotypes AA, Aa and aa), so it is ignored only where no name fits
exactly.
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

_NUMBER = re.compile(r"(-?)(\d*)(?:\.(\d*))?(?:e\+(\d{1,2}))?", re.ASCII | re.I)
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212"), "-")
_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'")
IN_CLASSES = ", or name both in classes= if they are two"
ALIKE = "case, blanks, marks that are not seen, leading zeros and 1 or 1.0"
"""What does not tell two patients apart, for messages."""


def plain(name: str) -> str:
  """What a name says, whatever its spelling; its case counts.

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
  """As `plain`, in one case: what identifies a patient or a document."""
  name = plain(name).casefold()
  return name if name.isascii() else unicodedata.normalize("NFKC", name)


class Unified(NamedTuple):
  """cells: each in the first spelling of its name, "" where it says nothing.

  merged: spellings that were changed -> what they became; rows: where the
  first of them stands, and the one that it is a spelling of.
  """

  cells: list[str]
  merged: dict[str, str]
  rows: tuple[int, int]


def unified(cells: Sequence[str], form: Callable[[str], str]) -> Unified:
  """The cells in one spelling a name: as it first occurs, but seen."""
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
  """The table with one spelling a patient (`what`), and the change made."""
  same = unified(table[column], folded)
  merged = (
    f"spellings of a {what} taken for another of the same{{}}: {ALIKE} do "
  )
  return _changed(table, column, same, f"{merged}not tell {what}s apart")


def names(
  table: Table, columns: Iterable[str]
) -> tuple[Table, list[dict[str, Any]]]:
  """The table with one spelling a class, level or group of these columns."""
  changes = []
  for column in columns:
    what = f"spellings in {column!r} taken for another of the same name{{}}"
    same = unified(table[column], plain)
    table, change = _changed(table, column, same, what)
    changes += change
  return table, changes


def refuse_cases(where: str, known: Iterable[str], fix: str = "") -> None:
  """Raises UserError where two names differ in case alone.

  where: the names are; fix: another way out. Both are for the message.
  """
  first: dict[str, str] = {}
  for name in dict.fromkeys(known):
    other = first.setdefault(folded(name), name)
    if plain(other) != plain(name):
      raise UserError(
        f"{where}: {shortened(other)} and {shortened(name)} differ in case "
        f"alone: spell them alike{fix}"
      )


def matcher(known: Sequence[str]) -> Callable[[str], int]:
  """name -> the place of the known name that it is a spelling of, or -1.

  An equal name comes first, then one that differs in spelling, then the only
  one that differs in case.
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
  """A name without characters that are not seen."""
  return name if name.isascii() else "".join(filter(_is_seen, name))


def _is_seen(character: str) -> bool:
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
  """The table with these cells, and the change: `what`, with the places."""
  if not same.merged:
    return table, []
  places = [
    f"{os.path.basename(table.paths[table.files[row]])} row {table.rows[row]}"
    for row in dict.fromkeys(same.rows)
  ]
  told = what.format(f" (first: {' and '.join(places)})")
  return (
    table.replace(**{column: same.cells}),
    [{"what": told, "count": len(same.merged)}],
  )
