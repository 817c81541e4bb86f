"""What numbers look like in the cells of a table.

Only plain numbers are read. Other forms (1,234.5, 45 %, <0.5, 12 mg) are
recognised, so that an error can tell the user what to change.
"""

import collections
import re
import unicodedata
from collections.abc import Collection, Sequence

DECIMALS = (".", ",")
_PLAIN = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_NUMBER = re.compile(_PLAIN, re.ASCII)
_COLUMN = re.compile(rf"(({_PLAIN})?\n)*", re.ASCII)
_COMMA = re.compile(
  r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?", re.ASCII
)
_POINTS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+", re.ASCII)
_COMMAS = re.compile(r"[+-]?\d{1,3}(,\d{3})+", re.ASCII)
_DRESSED = re.compile(
  r"(<|>|<=|>=|~|\+/-)? ?[+-]?[$\u20ac\u00a3\u00a5]? ?"
  r"(\d{1,3}([, '\u2019_]\d{3})+|\d+(_\d+)*)?([.,]\d+)?([eE][+-]?\d+)?"
  r"(?P<unit> ?[%\u2030]| ?[a-z\u03bc\u00b0]{1,5}(/[a-z]{1,3})?)?",
  re.I,
)
_SIGNS = str.maketrans("\u2212\u2013\u2264\u2265\u2248", "--<>~")
_FEW = 12  # So few levels, such as <5, 5 mg and 10 mg, may be categories.


def is_number(cell: str) -> bool:
  """Whether a cell is a plain decimal number: not `inf`, `nan` or `1_000`."""
  return _NUMBER.fullmatch(cell) is not None


def all_numbers(cells: Sequence[str]) -> bool:
  """Whether every cell is empty or a number; checks a whole column at once."""
  text = "\n".join(cells) + "\n"
  whole = _COLUMN.fullmatch(text) is not None
  return whole and text.count("\n") == len(cells)


def advice(cells: Sequence[str]) -> str:
  """What to do about a column whose observed cells are not all numbers.

  "" if most of them are not meant as numbers at all.
  """
  levels = {*cells}
  plain = {cell for cell in levels if is_number(cell)}

  def most(some: Collection[str]) -> bool:
    return 2 * sum(cell in some for cell in cells) > len(cells)

  if most(plain):
    return "correct it"
  commas = {cell for cell in levels if _COMMA.fullmatch(cell)}
  if most(plain | commas):
    if commas and all(map(_COMMAS.fullmatch, commas)):
      return (
        "write it without commas (or set decimal=',' if the comma comes "
        "before decimals)"
      )
    return "set decimal=',', correct it"
  dressed = _dressed(levels - plain)
  if (plain or len(dressed) > _FEW) and most(plain | dressed):
    return "write numbers alone, without signs, units or blanks"
  return ""


def _dressed(cells: Collection[str]) -> set[str]:
  """The cells that hold a number in any form, if all have the same unit."""
  units = {}
  for cell in cells:
    seen = unicodedata.normalize("NFKC", cell).translate(_SIGNS)
    seen = "".join(c for c in seen if unicodedata.category(c) != "Cf").strip()
    number = _DRESSED.fullmatch(seen)
    if number and any("0" <= c <= "9" for c in seen):
      units[cell] = (number["unit"] or "").strip().lower()
  (unit, _), *_ = collections.Counter(units.values()).most_common(1) or [
    ("", 0)
  ]
  return {cell for cell, of in units.items() if of in (unit, "")}


def with_points(cells: Sequence[str]) -> tuple[list[str], int]:
  """Cells with decimal commas turned into points; the first doubtful cell.

  The latter is the place of the first number whose points may separate
  thousands, -1 if there is none.
  """
  made = {
    cell: cell.replace(".", "").replace(",", ".")
    for cell in {*cells}
    if _COMMA.fullmatch(cell)
  }
  for index, cell in enumerate(cells):
    if "." in cell and (_POINTS.fullmatch(cell) or (made and is_number(cell))):
      return [*cells], index
  return [made.get(cell, cell) for cell in cells], -1
