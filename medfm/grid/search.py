"""Search: cells one after another, each chosen by earlier validation scores.

A trial is a cell like any other; its number and its cell stand in search.db
and in grid.json. What a trial found is read from its cell's files, and
whether it is hopeless follows from validation curves alone. So a runner may
be killed at any moment, and with one job at a time a search that was broken
off, or whose search.db was deleted, ends as the unbroken one.
"""

import dataclasses
import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from medfm import log, workdir
from medfm.grid import cells, sampler
from medfm.grid.cells import Cell
from medfm.grid.combine import ends
from medfm.grid.experiment import Experiment
from medfm.grid.sampler import Trial
from medfm.report import wording
from medfm.types import UserError


@dataclasses.dataclass(frozen=True)
class Question:
  """What is searched for: a validation metric, of a stage or the one run."""

  stage: str
  metric: str
  maximize: bool
  identity: str


def question(asked: Experiment) -> Question:
  """Checks a search against its config, before anything runs.

  Raises:
    UserError: a key, an end of a range or a choice that the config does not
      take; a stage that is missing; no metric to judge by.
  """
  search = asked.search
  first = {key: ends(values)[0] for key, values in search.space.items()}
  for key, values in search.space.items():
    for end in reversed(ends(values)):
      config = asked.resolved({**search.fixed, **first, key: end})
  stages = config.get("stages", {})
  if search.stage not in (stages or {""}):
    known = f"one of {', '.join(stages)}" if stages else "empty: it has none"
    raise UserError(f"stage={search.stage!r} of the search must be {known}")
  schedule = cells.stage_config(config, search.stage).get("schedule", {})
  selected = schedule.get("select", "")
  metric = (asked.metric or selected).removeprefix("-")
  if not metric:
    raise UserError("a search needs METRIC, or a config that selects by one")
  maximize = "-" + metric not in (asked.metric, selected)
  same = dataclasses.replace(search, trials=1)
  text = json.dumps([config, repr(same), metric], sort_keys=True)
  return Question(search.stage, metric, maximize, cells.digest(text)[:12])


class Trials:
  """The trials of a search in a grid's folder; a `local.Source` of cells.

  root: the grid's folder.
  code: `cells.code_version()`.
  again: states of cells that are run.

  Raises:
    UserError: of `question` and `sampler.Sampler`.
  """

  def __init__(
    self, asked: Experiment, root: Path, code: str, again: Collection[str]
  ):
    self._question = question(asked)
    self._asked, self._root = asked, root
    self._code, self._again = code, again
    self._sampler = sampler.Sampler(
      root, asked.search, self._question.identity, self._question.maximize
    )
    self._planned: dict[int, Cell] = {}
    self._taken: dict[int, str] = {}
    self._handed: set[str] = set()
    self._under_way: set[str] = set()
    self._seen: dict[str, tuple[Any, list[float], int]] = {}
    trials = self._sampler.trials()
    ended = [self._cell(t) for t in trials if t.state != sampler.RUNNING]
    states = cells.statuses(ended, code).values()
    stale = any(status.state == cells.STALE for status in states)
    if stale and cells.STALE in again:
      self._sampler.restart()
      self._planned.clear()
    self._write()

  def cells(self) -> list[Cell]:
    """The cells of all trials so far, each once, in the order of trials."""
    planned = [self._cell(trial) for trial in self._sampler.trials()]
    return list({cell.name: cell for cell in planned}.values())

  def left(self) -> int:
    """How many trials have still to be drawn."""
    return max(0, self._asked.search.trials - len(self._sampler.trials()))

  def next(self) -> tuple[Cell, bool] | None:
    """A cell to run, and whether its old run is stale; None if all have run.

    A trial whose cell has run before takes what that found.
    """
    for trial in self._sampler.trials():
      if trial.number not in self._taken and (taken := self._take(trial)):
        return taken
    while self.left():
      if taken := self._take(self._sampler.ask()):
        return taken
    return None

  def verdict(self, cell: Cell) -> dict[str, Any]:
    """Why a cell is hopeless by its validation curve so far; or {}.

    Its score is that of the evaluations that sufficed to say so: how many
    more it had before it stopped is chance.
    """
    curve, count = self._curve(cell)
    if not count:
      return {}
    best = (max if self._question.maximize else min)(curve[:count])
    why = (
      f"pruned after {count} evaluations: its validation "
      f"{self._question.metric}, {wording.number(best)}, was behind the median "
      "of the trials before it"
    )
    return {"pruned": why, "validation": best}

  def ended(self, cell: Cell) -> None:
    """Tells the sampler how a cell ended."""
    self._under_way.discard(cell.name)
    state = cells.status(cell, self._code).state
    if state == cells.DONE and (verdict := self.verdict(cell)):
      cells.note(cell.folder, verdict)  # Though the end came before it.
      state = cells.PRUNED
    value, (curve, count) = self._value(cell), self._curve(cell)
    result: tuple = (curve, value, sampler.COMPLETE)
    if state == cells.PRUNED:
      result = (curve[:count], None, sampler.PRUNED)
    elif value is None:
      result = ((), None, sampler.FAIL)
    for number, name in self._taken.items():
      if name == cell.name:
        self._sampler.tell(number, *result)

  def _write(self) -> None:
    """Writes grid.json: above all, each trial's cell."""
    trials = self._sampler.trials()
    search = {
      "stage": self._question.stage,
      "maximize": self._question.maximize,
      "space": list(self._asked.search.space),
      "trials": {trial.number: self._cell(trial).name for trial in trials},
    }
    content = self._asked.plain(self.cells())
    content |= {"metric": self._question.metric, "search": search}
    workdir.write(self._root / "grid.json", content)

  def _cell(self, trial: Trial) -> Cell:
    if trial.number not in self._planned:
      cell = self._asked.cell(self._root, trial.setting)
      self._planned[trial.number] = cell
    return self._planned[trial.number]

  def _take(self, trial: Trial) -> tuple[Cell, bool] | None:
    """The cell of a trial, if it has to be run; else tells what it found."""
    cell = self._cell(trial)
    self._taken[trial.number] = cell.name
    if trial.state == sampler.RUNNING:
      self._sampler.note(trial.number, cell.name)
    self._write()
    if cell.name in self._under_way:
      return None  # Another trial's; its result is reported to both.
    state = cells.statuses(self.cells(), self._code)[cell.name].state
    if state not in self._again or cell.name in self._handed:
      self.ended(cell)
      return None
    self._handed.add(cell.name)
    self._under_way.add(cell.name)
    return cell, state == cells.STALE

  def _curve(self, cell: Cell) -> tuple[list[float], int]:
    """A cell's validation scores, and how many sufficed to give it up, or 0.

    metrics.jsonl is read again only where it has changed.
    """
    path = cell.folder / self._question.stage / "metrics.jsonl"
    try:
      now = path.stat()
    except OSError:
      return [], 0
    version = (now.st_ino, now.st_size, now.st_mtime_ns)
    seen, curve, count = self._seen.get(cell.name, (None, [], 0))
    if version != seen:
      before, metric = len(curve), f"validation/{self._question.metric}"
      scores = [line.get(metric) for line in log.read(path)]
      curve = [float(score) for score in scores if score is not None]
      if not count and len(curve) != before:
        taken = [n for n, name in self._taken.items() if name == cell.name]
        count = self._sampler.hopeless(taken[0], curve)
      self._seen[cell.name] = version, curve, count
    return curve, count

  def _value(self, cell: Cell) -> float | None:
    """The validation score of the state that a finished run is judged by.

    Raises:
      UserError: the metric says that the search goes the wrong way.
    """
    results = cells.read(cell.folder / "results.json")
    stage = results.get("stages", {}).get(self._question.stage or "train", {})
    metric = self._question.metric
    goal = "more" if self._question.maximize else "less"
    ideal = wording.better(metric, stage.get("described") or {})
    if ideal not in (None, goal):
      raise UserError(
        f"of {metric} {ideal} is better, but the search looks for {goal}: a "
        "minus before METRIC, as in -rmse, looks for less"
      )
    metrics = stage.get("splits", {}).get("validation", {}).get("metrics", {})
    value = (metrics.get(metric) or {}).get("value")
    finite = value is not None and math.isfinite(value)
    return value if finite and results.get("finished") else None
