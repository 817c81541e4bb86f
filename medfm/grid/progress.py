"""What a runner says: a table that renews itself, or plain lines."""

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from medfm.grid.cells import DONE, PRUNED, Status

_PERIOD_S = 1.0


class Progress:
  """Tells of a grid's cells: ended ones once, those under way as they go."""

  def __init__(self, total: int):
    self._total = total
    self._ended = 0
    self._failed = 0
    self._table = sys.stdout.isatty()
    self._drawn = 0
    self._next = 0.0

  def say(self, line: str) -> None:
    self._erase()
    print(line, flush=True)

  def ended(self, name: str, status: Status, seconds: float) -> None:
    self._ended += 1
    self._failed += status.state not in (DONE, PRUNED)
    why = f": {status.why}" if status.why else ""
    took = f"  {seconds:.0f} s" if seconds else ""
    self.say(
      f"{self._ended}/{self._total}  {status.state:7}  {name}{took}{why}"
    )

  def show(self, under_way: Mapping[str, tuple], waiting: int) -> None:
    """The table of what is under way, on a terminal, at most once a second."""
    if not self._table or time.monotonic() < self._next:
      return
    self._next = time.monotonic() + _PERIOD_S
    self._erase()
    width, height = shutil.get_terminal_size()
    lines = [
      f"{self._ended}/{self._total} ended, {self._failed} failed, "
      f"{len(under_way)} running, {waiting} waiting"
    ]
    for name, (attempt, _) in under_way.items():
      said = last_line(attempt.folder / "log.txt")
      lines.append(f"  {name}  {attempt.seconds():.0f} s  {said}")
    lines = [line[: width - 1] for line in lines[: height - 1]]
    print("\n".join(lines), flush=True)
    self._drawn = len(lines)

  def _erase(self) -> None:
    if self._drawn:
      print(f"\x1b[{self._drawn}F\x1b[J", end="")
      self._drawn = 0


def last_line(log: Path) -> str:
  """What a log ends with; "" where there is none."""
  try:
    with log.open("rb") as file:
      file.seek(max(0, log.stat().st_size - 4096))
      lines = file.read().decode(errors="replace").split("\n")
  except OSError:
    return ""
  said = [line.strip() for line in lines if line.strip()]
  return said[-1] if said else ""
