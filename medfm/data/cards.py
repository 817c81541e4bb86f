"""What a run says at its start of the data it has read."""

from collections.abc import Iterator, Mapping
from typing import Any

READ = "read"
"""Of a card: what became of the columns or files, in one line."""

_MOST = 8
_NAMES = 12


def lines(card: Mapping[str, Any]) -> Iterator[str]:
  """What was read, and what was changed or dropped: two lines at most.

  Those of several inputs stand one after another.
  """
  parts = card.get("parts", {})
  for part, inner in parts.items():
    yield from (f"{part}: {line}" for line in lines(inner))
  if parts:
    return
  if READ in card:
    yield card[READ]
  if changes := [_shown(change) for change in card.get("changes", ())]:
    more = f"; and {len(changes) - _MOST} more, see the report's data card"
    rest = more if len(changes) > _MOST else ""
    yield f"changed: {'; '.join(changes[:_MOST])}{rest}"


def listed(names: list[str] | tuple[str, ...]) -> str:
  """The first of some names."""
  more = len(names) - _NAMES
  return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def line(change: Mapping[str, Any]) -> str:
  """A change as a line of its own, its count before it."""
  what, count = change["what"], change["count"]
  return what if "column" in what else f"{count:,} {what}"


def _shown(change: Mapping[str, Any]) -> str:
  """A change; of columns, which are named, how many there are goes unsaid."""
  what, count = change["what"], change["count"]
  return what if "column" in what else f"{what} ({count:,})"
