"""Runs the cells of a grid on this machine, several at a time.

A cell that fails never stops the others. Killing this process at any moment
loses nothing: running cells continue by themselves, and the next runner waits
for them. SIGTERM or Ctrl-C makes every cell save and end.
"""

import collections
import shutil
import sys
import time
from collections.abc import Collection, Sequence

from medfm.data import cards
from medfm.grid import attempt, cells
from medfm.grid.attempt import Attempt, Slot
from medfm.grid.cells import Cell
from medfm.grid.search import Trials
from medfm.interrupt import Interrupted, Watch

_PERIOD_S = 0.05
_GRACE_S = 120
_TABLE_S = 1.0
_MOST_AGAIN = 20


class Runner:
  """Runs cells, and waits for cells that are running already.

  todo: the cells; those that others need come first.
  command: of launch.py.
  room: a slot for each cell that may run at a time.
  stale: names of cells whose old runs are moved aside.
  source: gives further cells when there is room for them.
  """

  def __init__(
    self,
    todo: Sequence[Cell],
    command: Sequence[str],
    room: Sequence[Slot],
    stale: Collection[str] = (),
    source: Trials | None = None,
  ):
    self._waiting = collections.deque(todo)
    self._command, self._free = command, list(room)
    self._stale, self._source = set(stale), source
    self._under_way: dict[str, Attempt] = {}
    self._adopted: dict[str, tuple[Cell, Slot]] = {}
    self._again: collections.Counter[str] = collections.Counter()
    self._progress = _Progress(len(todo) + (source.left() if source else 0))

  def run(self) -> None:
    """Runs all; if asked to stop, raises `Interrupted` once all have saved."""
    with Watch() as watch:
      self._draw()
      while watch.signal is None and (
        self._waiting or self._under_way or self._adopted
      ):
        self._advance()
        time.sleep(_PERIOD_S)
      if watch.signal is not None:
        self._stop()
        raise Interrupted(watch.signal)

  def _advance(self) -> None:
    """Handles cells that have ended, and starts others if there is room."""
    self._collect()
    for under_way in self._under_way.values() if self._source else ():
      cell = under_way.cell
      if not under_way.stopping and (verdict := self._source.verdict(cell)):
        cells.note(cell.folder, verdict)
        under_way.stop()
    for _ in range(len(self._waiting)):
      if not self._free:
        break
      self._next()
    self._progress.show(self._under_way.values(), len(self._waiting))

  def _stop(self) -> None:
    """Makes every cell save and end; those that take too long are killed."""
    attempts = self._under_way.values()
    count = cards.amount(len(attempts), "cell")
    self._progress.say(f"stopping: waiting for {count} to save")
    for under_way in attempts:
      under_way.stop()
    limit = time.monotonic() + _GRACE_S
    for under_way in attempts:
      while under_way.process.poll() is None:
        if time.monotonic() > limit:
          under_way.process.kill()
        time.sleep(_PERIOD_S)
      under_way.end()

  def _draw(self) -> None:
    """Takes cells from the source, as many as there is room for."""
    while self._source and len(self._waiting) < len(self._free):
      if (drawn := self._source.next()) is None:
        break
      cell, stale = drawn
      self._stale |= {cell.name} if stale else set()
      self._waiting.append(cell)

  def _collect(self) -> None:
    for name, under_way in list(self._under_way.items()):
      if under_way.process.poll() is None:
        continue
      del self._under_way[name]
      self._free.append(under_way.slot)
      again = under_way.end() == attempt.AGAIN and not under_way.stopping
      self._again[name] += again
      if again and self._again[name] <= _MOST_AGAIN:
        self._waiting.append(under_way.cell)
        self._progress.say(f"{name} was stopped and will continue later")
      else:
        self._ended(under_way.cell, under_way.seconds())
    for name, (cell, slot) in list(self._adopted.items()):
      if not cells.running(cell.folder):
        del self._adopted[name]
        self._free.append(slot)
        self._waiting.appendleft(cell)

  def _next(self) -> None:
    """Starts, adopts, skips or puts back the first waiting cell."""
    cell = self._waiting.popleft()
    state = cells.status(cell).state
    stale = state == cells.STALE or cell.name in self._stale
    if state == cells.DONE and not stale:
      self._ended(cell, 0)  # Another process has finished it meanwhile.
      return
    if state == cells.RUNNING:
      self._adopted[cell.name] = cell, self._free.pop(0)
      self._progress.say(f"{cell.name} is running already; waiting for it")
      return
    needed = cells.lacking(cell)
    coming = {waiting.name for waiting in self._waiting}
    if needed in coming | self._under_way.keys() | self._adopted.keys():
      self._waiting.append(cell)
      return
    self._stale.discard(cell.name)
    if not cells.prepare(cell, stale):
      self._ended(cell, 0)
      return
    begun = Attempt(self._command, cell, self._free.pop(0))
    self._under_way[cell.name] = begun

  def _ended(self, cell: Cell, seconds: float) -> None:
    if self._source:
      self._source.ended(cell)
    status = cells.status(cell)
    self._progress.ended(cell.name, status, seconds)
    self._draw()


class _Progress:
  """Prints how cells ended, and on a terminal a table of those under way."""

  def __init__(self, total: int):
    self._total = total
    self._ended = self._failed = self._drawn = 0
    self._next = 0.0

  def say(self, line: str) -> None:
    self._erase()
    print(line, flush=True)

  def ended(self, name: str, status: cells.Status, seconds: float) -> None:
    self._ended += 1
    self._failed += status.state not in (cells.DONE, cells.PRUNED)
    why = f": {status.why}" if status.why else ""
    took = f"  {seconds:.0f} s" if seconds else ""
    self.say(
      f"{self._ended}/{self._total}  {status.state:7}  {name}{took}{why}"
    )

  def show(self, attempts: Collection[Attempt], waiting: int) -> None:
    """Draws the table again, at most once a second."""
    if not sys.stdout.isatty() or time.monotonic() < self._next:
      return
    self._next = time.monotonic() + _TABLE_S
    self._erase()
    lines = [
      f"{self._ended}/{self._total} ended, {self._failed} failed, "
      f"{len(attempts)} running, {waiting} waiting"
    ]
    for each in attempts:
      *_, last = ["", *cells.last_lines(each.cell.folder / "log.txt")]
      lines.append(f"  {each.cell.name}  {each.seconds():.0f} s  {last}")
    width, height = shutil.get_terminal_size()
    lines = [line[: width - 1] for line in lines[: height - 1]]
    print("\n".join(lines), flush=True)
    self._drawn = len(lines)

  def _erase(self) -> None:
    if self._drawn:
      print(f"\x1b[{self._drawn}F\x1b[J", end="")
      self._drawn = 0
