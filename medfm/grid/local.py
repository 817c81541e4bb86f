"""Runs the cells of a grid on this machine, several at a time.

A cell that fails never stops the others. Killing this process at any moment
loses nothing: cells under way go on by themselves, and the next runner waits
for them. SIGTERM or Ctrl-C has every cell save and leave.
"""

import collections
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from medfm.grid import attempt, cells, slots
from medfm.grid.cells import Cell
from medfm.grid.progress import Progress
from medfm.interrupt import Interrupted, Watch

_PERIOD_S = 0.05
_GRACE_S = 120
_MOST_AGAIN = 20


class Source(Protocol):
  """Cells that are made up as earlier ones end, such as `search.Trials`."""

  def left(self) -> int:
    """How many cells, at least, are still to come."""

  def next(self) -> tuple[Cell, bool] | None:
    """A cell, and whether its old run is stale; None if there is none."""

  def verdict(self, cell: Cell) -> Mapping[str, Any]:
    """Why a running cell is to be stopped for good; or {}."""

  def ended(self, cell: Cell) -> None:
    """Takes notice of the end of a cell."""


def run(
  todo: Sequence[Cell],
  everything: Sequence[Cell],
  command: Sequence[str],
  room: Sequence[slots.Slot],
  code: str,
  stale: Collection[str] = (),
  source: Source | None = None,
) -> None:
  """Runs `todo`, cells that are running already being waited for.

  todo: cells to run, those needed by others first.
  everything: all cells of the grid, for what `todo` needs.
  command: of `attempt.command`.
  room: a slot for each cell that may run at a time; of `slots.slots`.
  code: `cells.code_version()`.
  stale: names of those whose old runs are to be set aside.
  source: gives further cells as there is room for them.

  Raises:
    Interrupted: asked to stop; all cells have saved and ended.
  """
  with Watch() as watch:
    runner = _Runner(todo, everything, command, room, code, stale, source)
    while runner.busy() and watch.signal is None:
      runner.advance()
      time.sleep(_PERIOD_S)
    if watch.signal is not None:
      runner.stop(watch)
      raise Interrupted(watch.signal)


class _Runner:
  def __init__(self, todo, everything, command, room, code, stale, source):
    self._waiting = collections.deque(todo)
    self._everything = {cell.name: cell for cell in everything}
    self._command = command
    self._free = list(room)
    self._code = code
    self._stale = set(stale)
    self._under_way: dict[str, tuple[attempt.Attempt, slots.Slot]] = {}
    self._adopted: dict[str, slots.Slot] = {}
    self._again: collections.Counter[str] = collections.Counter()
    self._source = source
    self._pruned: set[str] = set()
    self._progress = Progress(len(todo) + (source.left() if source else 0))
    self._draw()

  def busy(self) -> bool:
    return bool(self._waiting or self._under_way or self._adopted)

  def advance(self) -> None:
    """Takes notice of what has ended, and starts what there is room for."""
    self._collect()
    self._prune()
    for _ in range(len(self._waiting)):
      if not self._free:
        break
      self._next()
    self._progress.show(self._under_way, len(self._waiting))

  def _draw(self) -> None:
    """Takes cells from the source, as many as there is room for."""
    while self._source and len(self._waiting) < len(self._free):
      if (found := self._source.next()) is None:
        break
      cell, stale = found
      self._everything[cell.name] = cell
      self._stale |= {cell.name} if stale else set()
      self._waiting.append(cell)

  def _prune(self) -> None:
    """Stops cells that the source gives up."""
    for name, (under_way, _) in self._under_way.items():
      cell = self._everything[name]
      if not self._source or name in self._pruned:
        continue
      if verdict := self._source.verdict(cell):
        self._pruned.add(name)
        cells.note_pruned(cell.folder, verdict)
        under_way.stop()

  def _collect(self) -> None:
    for name, (under_way, slot) in list(self._under_way.items()):
      if under_way.process.poll() is None:
        continue
      del self._under_way[name]
      self._free.append(slot)
      code = under_way.end(stopping=name in self._pruned)
      if name in self._pruned:
        self._ended(name, under_way.seconds())
        continue
      self._again[name] += code == attempt.AGAIN
      if code == attempt.AGAIN and self._again[name] <= _MOST_AGAIN:
        self._waiting.append(self._everything[name])
        self._progress.say(f"{name} was stopped, and goes on later")
      else:
        self._ended(name, under_way.seconds())
    for name, slot in list(self._adopted.items()):
      if not cells.running(self._everything[name].folder):
        del self._adopted[name]
        self._free.append(slot)
        self._waiting.appendleft(self._everything[name])

  def _next(self) -> None:
    """Starts, adopts, skips or puts back the first waiting cell."""
    cell = self._waiting.popleft()
    now = cells.status(cell, self._code)
    stale = now.state == cells.STALE or cell.name in self._stale
    if now.state == cells.DONE and not stale:
      self._ended(cell.name, 0)  # Another process has finished it meanwhile.
      return
    if now.state == cells.RUNNING:
      self._adopted[cell.name] = self._free.pop(0)
      self._progress.say(f"{cell.name} is running already; waiting for it")
      return
    needed = next(filter(self._lacking, cell.needs), "")
    coming = {one.name for one in self._waiting}
    if needed in coming | self._under_way.keys() | self._adopted.keys():
      self._waiting.append(cell)
      return
    cells.prepare(cell, self._code, stale)
    self._stale.discard(cell.name)
    if needed:
      cells.note_end(cell.folder, 2, f"needs {needed}, which is not done", 0)
      self._ended(cell.name, 0)
      return
    slot = self._free.pop(0)
    begun = attempt.begin(
      self._command, cell.folder, slot.environment, slot.processors
    )
    self._under_way[cell.name] = (begun, slot)

  def _lacking(self, name: str) -> bool:
    status = cells.status(self._everything[name], self._code)
    return status.state != cells.DONE

  def _ended(self, name: str, seconds: float) -> None:
    cell = self._everything[name]
    if self._source:
      self._source.ended(cell)
    status = cells.status(cell, self._code)
    self._progress.ended(name, status, seconds)
    self._draw()

  def stop(self, watch: Watch) -> None:
    """Has every cell save and end; those that take too long are killed."""
    self._progress.say(
      f"stopping: {len(self._under_way)} cells save what they have done"
    )
    for under_way, _ in self._under_way.values():
      under_way.stop()
    limit = time.monotonic() + _GRACE_S
    for under_way, _ in self._under_way.values():
      while under_way.process.poll() is None:
        if time.monotonic() > limit:
          under_way.process.kill()
        time.sleep(_PERIOD_S)
      under_way.end(stopping=True)
