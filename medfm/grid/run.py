"""A grid from its command line to its summary."""

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medfm import workdir
from medfm.grid import (
  attempt,
  cells,
  combine,
  experiment,
  local,
  plan,
  records,
  search,
  slots,
  slurm,
  summary,
)
from medfm.grid.cells import Cell, Status
from medfm.grid.experiment import Experiment
from medfm.types import UserError

AGAIN = {
  "stale": {cells.MISSING, cells.RUNNING, cells.STALE},
  "failed": {cells.MISSING, cells.RUNNING, cells.STALE, cells.FAILED},
  "none": {cells.MISSING, cells.RUNNING},
}
"""What --retry takes, and the states that it runs."""


@dataclasses.dataclass(frozen=True)
class Request:
  """A grid as it is asked for.

  asked: the experiment.
  root: the grid's folder, such as runs/<study>.
  overrides: `key=value`, for every cell.
  launch: the path of launch.py, which runs a cell.
  executor: local, slurm, or none to sum up only.
  jobs: how many cells at a time; 0 chooses.
  retry: one of AGAIN.
  dry_run: says what would be run, and writes nothing.
  options: for sbatch, where the executor is slurm.
  data_dir: the folder of raw files, or None.
  """

  asked: Experiment
  root: Path
  overrides: Sequence[str]
  launch: Path
  executor: str = "local"
  jobs: int = 0
  retry: str = "stale"
  dry_run: bool = False
  options: str = ""
  data_dir: str | None = None

  def command(self) -> list[str]:
    """What runs a cell."""
    return attempt.command(self.launch, self.data_dir)


def of_flags(given: Any, overrides: list[str], launch: Path) -> None:
  """Runs the grid that launch.py's flags ask for."""
  if bool(given.grid) == bool(given.sweep and given.config):
    raise UserError("a grid is --grid=FILE, or --sweep with --config=FILE")
  if given.search and not given.sweep:
    raise UserError("--search=N goes with --sweep; an experiment has search()")
  if given.grid:
    asked = experiment.load(given.grid)
  elif given.search:
    asked = experiment.of_search(given.config, overrides, given.search)
    overrides = []
  else:
    asked, overrides = experiment.of_sweep(given.config, overrides), []
  request = Request(
    asked,
    Path(given.workdir or Path("runs") / asked.name),
    overrides,
    launch,
    executor=given.executor,
    jobs=given.jobs,
    retry=given.retry,
    dry_run=given.dry_run,
    options=given.sbatch,
    data_dir=given.data_dir or os.environ.get("MEDFM_DATA_DIR"),
  )
  (_search if asked.search else _grid)(request)


def _grid(request: Request) -> None:
  """Runs the cells of an experiment that have to be run, and sums up."""
  asked, root = request.asked, request.root
  every = plan.cells(asked, root, request.overrides, request.data_dir)
  code = cells.code_version()
  found = cells.statuses(every, code)
  again = AGAIN[request.retry]
  todo = [cell for cell in every if found[cell.name].state in again]
  if request.dry_run:
    print(_listing(every, found, {cell.name for cell in todo}))
    return
  stale = [name for name, one in found.items() if one.state == cells.STALE]
  command, jobs = request.command(), request.jobs
  with workdir.owned(root):
    workdir.write(root / "grid.json", description(asked, every))
    print(_counted(root, every, found, todo), flush=True)
    if request.executor == "local":
      local.run(todo, every, command, slots.slots(jobs), code, stale)
    elif request.executor == "slurm":
      slurm.submit(todo, root, command, jobs, request.options, stale)
      return
    path = summary.write(root, code)
  print(f"summary: {path}", flush=True)


def _search(request: Request) -> None:
  """Runs what is left of a search, and sums up; as `_grid` does."""
  asked, root = request.asked, request.root
  sought = search.question(asked, request.overrides)
  code = cells.code_version()
  if request.dry_run:
    print(_drawn(request, code))
    return
  command = request.command()
  if request.executor == "slurm":
    command = [*slurm.step(request.options), *command]

  def changed(trials: search.Trials) -> None:
    content = description(asked, trials.cells()) | {"metric": sought.metric}
    content["search"] = trials.description()
    workdir.write(root / "grid.json", content)

  with workdir.owned(root):
    trials = search.Trials(
      asked,
      root,
      request.overrides,
      code=code,
      again=AGAIN[request.retry],
      raw=request.data_dir,
      changed=changed,
    )
    changed(trials)
    print(
      f"{root}: {asked.search.trials} trials, {trials.left()} to draw",
      flush=True,
    )
    if request.executor != "none":
      local.run([], [], command, _room(request), code, source=trials)
    path = summary.write(root, code)
  print(f"summary: {path}", flush=True)


def _room(request: Request) -> list[slots.Slot]:
  """A slot for each trial at a time; Slurm finds those of its own."""
  if request.executor == "local":
    return slots.slots(request.jobs)
  return [slots.Slot({})] * max(1, request.jobs)


def _drawn(request: Request, code: str) -> str:
  """The listing of the trials that a search has drawn so far."""
  root, again = request.root, AGAIN[request.retry]
  known = records.cells_of(root, cells.read(root / "grid.json"))
  found = cells.statuses(known, code)
  todo = {name for name, one in found.items() if one.state in again}
  trials = f"{request.asked.search.trials} trials"
  return (
    f"{_listing(known, found, todo)}\n"
    f"{trials}, {len(known)} of them drawn so far"
  )


def description(asked: Experiment, every: Sequence[Cell]) -> dict:
  """What grid.json keeps, for whoever has only the folder."""
  return {
    "name": asked.name,
    "hypothesis": asked.hypothesis,
    "config": asked.config,
    "metric": asked.metric,
    "tuned": list(asked.tuned),
    "reference": combine.as_text(asked.reference),
    "figure": dict(asked.figure),
    "cells": [cell.plain() for cell in every],
  }


def _counted(root, every, found, todo) -> str:
  counts = Counter(found[cell.name].state for cell in every)
  told = ", ".join(
    f"{counts[state]} {state}" for state in cells.STATES if counts[state]
  )
  return f"{root}: {len(every)} cells ({told}), {len(todo)} to run"


def _listing(
  every: Sequence[Cell], found: dict[str, Status], todo: set[str]
) -> str:
  lines = []
  for cell in every:
    one = found[cell.name]
    why = f"  ({one.why})" if one.why else ""
    lines.append(
      f"{'run ' if cell.name in todo else 'skip'}  {one.state:11}  "
      f"{cell.name}{why}"
    )
  return "\n".join([*lines, f"{len(todo)} of {len(every)} cells to run"])
