"""The list of drills, which their modules add themselves to."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tests.drills.room import Room


class Skipped(Exception):
  """This machine lacks what the drill needs; the reason is the message."""


@dataclasses.dataclass(frozen=True)
class Drill:
  """kind: its row in the table. name: what happens, in words.

  faults: how many faults it is worth where it fails; where it survives it
    may return how many there were.
  fast: part of CI's test run.
  """

  kind: str
  name: str
  faults: int
  fast: bool
  run: Callable[[Room], int | None]


DRILLS: list[Drill] = []


def drill(
  kind: str,
  *,
  cases: Sequence[Any] = (),
  faults: int = 1,
  fast: bool | Sequence[Any] = False,
):
  """Adds a function of a room, or of a room and each of `cases`.

  fast: whether all cases are, or which.
  """

  def add(function: Callable) -> Callable:
    words = function.__name__.replace("_", " ")
    if not cases:
      DRILLS.append(Drill(kind, words, faults, bool(fast), function))
    for case in cases:
      quick = fast if isinstance(fast, bool) else case in fast
      name = f"{words} [{_shown(case)}]"

      def run(room: Room, case=case) -> int | None:
        return function(room, case)

      DRILLS.append(Drill(kind, name, faults, quick, run))
    return function

  return add


def _shown(case: Any) -> str:
  if isinstance(case, tuple):
    return ", ".join(map(_shown, case))
  return getattr(case, "__name__", str(case))
