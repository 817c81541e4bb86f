"""What a run says about its data when it starts."""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

READ = "read"
"""A card's entry: what was read, in one line."""

WARNINGS = "warnings"
"""A card's entry: lines about what the user probably does not want."""

_EXCLUDES = re.compile(
  r"^([\w -]+: )?dropped (?!the column|as asked)|, (dropped|skipped)$"
)
_MOST = 8
_NAMES = 12


def lines(card: Mapping[str, Any]) -> Iterator[str]:
  """A line on what was read, one on what was changed or dropped, and warnings.

  The lines of several inputs follow one another.
  """
  parts = card.get("parts", {})
  for part, inner in parts.items():
    yield from (f"{part}: {line}" for line in lines(inner))
  if parts:
    repeated = {w for inner in parts.values() for w in inner.get(WARNINGS, ())}
    rest = [text for text in card.get(WARNINGS, ()) if text not in repeated]
    yield from (f"note: {text}" for text in rest)
    return
  if READ in card:
    yield card[READ]
  if changes := [line(change) for change in card.get("changes", ())]:
    more = f"; and {len(changes) - _MOST} more, see the report's data card"
    rest = more if len(changes) > _MOST else ""
    yield f"changed: {'; '.join(changes[:_MOST])}{rest}"
  yield from (f"note: {text}" for text in card.get(WARNINGS, ()))


def warned(*texts: list[str]) -> dict[str, list[str]]:
  """The part of a card that warns; {} of nothing."""
  every = [*itertools.chain(*texts)]
  return {WARNINGS: every} if every else {}


def doubts(names: Collection[str]) -> list[str]:
  """Warns of a class -1, which often means that the label is unknown."""
  text = (
    "the label -1 is read as a class like any other; if it means unknown, "
    "empty those cells and set missing_label=drop"
  )
  return [text] if "-1" in names else []


def listed(names: list[str] | tuple[str, ...]) -> str:
  """The first of some names."""
  more = len(names) - _NAMES
  return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def amount(count: int, noun: str) -> str:
  """`1 example`, `1,200 examples`."""
  return f"{count:,} {noun}" + ("" if count == 1 else "s")


def line(change: Mapping[str, Any]) -> str:
  """A change and its count; without one for columns, which are named."""
  what, count = change["what"], change["count"]
  return what if "column" in what else f"{what} ({count:,})"


def excludes(change: Mapping[str, Any]) -> bool:
  """Whether a change left examples out.

  Such a change begins with "dropped", or ends in ", dropped" or ", skipped";
  columns are dropped by name or as asked.
  """
  return bool(_EXCLUDES.search(change["what"]))
