"""A grid from its command line to its summary."""

import dataclasses
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from medfm import workdir
from medfm.data import cards
from medfm.grid import attempt, cells, experiment, local, search, slurm, summary
from medfm.grid.cells import Status
from medfm.grid.experiment import Experiment
from medfm.types import UserError

_LEFT = {cells.MISSING, cells.RUNNING}
AGAIN = {
  "none": _LEFT,
  "stale": _LEFT | {cells.STALE},
  "failed": _LEFT | {cells.STALE, cells.FAILED},
}
"""Values of --retry, and the states that each runs."""


def of_flags(given: Any, overrides: list[str], launch: Path) -> None:
  """Runs the grid that the flags ask for; launch: the path of launch.py."""
  if bool(given.grid) == bool(given.sweep and given.config):
    raise UserError("give --grid=FILE, or --sweep with --config=FILE")
  if given.search and not given.sweep:
    raise UserError(
      "--search=N needs --sweep; in an experiment file, define search() instead"
    )
  raw = given.data_dir or os.environ.get("MEDFM_DATA_DIR")
  if given.grid:
    asked = experiment.load(given.grid)
    asked = dataclasses.replace(asked, overrides=overrides, raw=raw)
  else:
    asked = experiment.of_sweep(given.config, overrides, given.search)
  root = Path(given.workdir or Path("runs") / asked.name)
  command = [sys.executable, str(launch)]
  command += [f"--data_dir={raw}"] if raw else []
  (_search if asked.search else _grid)(asked, root, command, given)


def _grid(
  asked: Experiment, root: Path, command: list[str], given: Any
) -> None:
  """Runs the cells of an experiment that must be run; writes the summary."""
  every = asked.cells(root)
  states = cells.statuses(every)
  again = AGAIN[given.retry]
  todo = [cell for cell in every if states[cell.name].state in again]
  if given.dry_run:
    print(_listing(states, again))
    return
  stale = [name for name, s in states.items() if s.state == cells.STALE]
  with workdir.owned(root):
    workdir.write(root / "grid.json", asked.plain(every))
    counts = cells.counted(states.values())
    words = ", ".join(f"{n} {state}" for state, n in counts.items())
    number = cards.amount(len(every), "cell")
    print(f"{root}: {number} ({words}), {len(todo)} to run", flush=True)
    if given.executor == "slurm":
      slurm.submit(todo, root, command, given.jobs, given.sbatch, stale)
      return
    if given.executor == "local":
      room = attempt.slots(given.jobs)
      local.Runner(todo, command, room, stale).run()
    path = summary.write(root)
  print(f"summary: {path}", flush=True)


def _search(
  asked: Experiment, root: Path, command: list[str], given: Any
) -> None:
  """Runs the rest of a search and writes the summary, as `_grid` does."""
  asked.question()
  again = AGAIN[given.retry]
  trials = f"{asked.search.trials} trials"
  if given.dry_run:
    drawn = cells.listed(root, root / "grid.json")
    print(_listing(cells.statuses(drawn), again))
    print(f"{trials}, {len(drawn)} of them drawn so far")
    return
  room = [attempt.Slot()] * max(1, given.jobs)  # Slurm assigns the machines.
  if given.executor == "slurm":
    command = [*slurm.step(given.sbatch), *command]
  elif given.executor == "local":
    room = attempt.slots(given.jobs)
  with workdir.owned(root):
    source = search.Trials(asked, root, again)
    print(f"{root}: {trials}, {source.left()} to draw", flush=True)
    if given.executor != "none":
      local.Runner([], command, room, source=source).run()
    path = summary.write(root)
  print(f"summary: {path}", flush=True)


def _listing(states: Mapping[str, Status], again: Collection[str]) -> str:
  """A line for every cell, and whether it would be run."""
  lines = []
  for name, status in states.items():
    what = "run " if status.state in again else "skip"
    why = f"  ({status.why})" if status.why else ""
    lines.append(f"{what}  {status.state:11}  {name}{why}")
  count = sum(line.startswith("run ") for line in lines)
  return "\n".join(
    [*lines, f"{count} of {cards.amount(len(lines), 'cell')} to run"]
  )
