"""Search: cells one after another, each chosen by what validation said.

A trial is a cell like any other; its number and its cell stand in search.db
and in grid.json. What a trial found is read from its cell's files, and
whether it is hopeless follows from validation curves alone. So a runner may
be killed at any moment, and with one job at a time a search that was broken
off, or whose search.db was deleted, ends as the unbroken one.
"""

import dataclasses
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from medfm import log
from medfm.grid import cells, plan, sampler
from medfm.grid.cells import Cell
from medfm.grid.combine import Between, Range
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


def question(asked: Experiment, overrides: Sequence[str]) -> Question:
  """Checks a search against its config, before anything runs.

  Raises:
    UserError: a key, an end of a range or a choice that the config does not
      take; a stage that is missing; no metric to judge by.
  """
  search = asked.search
  first = {key: _corners(values)[0] for key, values in search.space.items()}
  for key, values in search.space.items():
    for corner in _corners(values)[::-1]:
      setting = {**search.fixed, **first, key: corner}
      config = plan.resolved(asked.config, setting, overrides)
  stages = config.get("stages", {})
  if search.stage not in (stages or {""}):
    known = f"one of {', '.join(stages)}" if stages else "empty: it has none"
    raise UserError(f"stage={search.stage!r} of the search must be {known}")
  schedule = stages.get(search.stage, config).get("schedule", {})
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
  overrides: of the command line, for every cell.
  code: `cells.code_version()`.
  again: states of cells that are run.
  raw: the folder of raw data files.
  changed: called whenever there is a trial more.

  Raises:
    UserError: of `question` and `sampler.Sampler`.
  """

  def __init__(
    self,
    asked: Experiment,
    root: Path,
    overrides: Sequence[str],
    *,
    code: str,
    again: Collection[str],
    raw: str | None = None,
    changed: Callable[["Trials"], None] = lambda trials: None,
  ):
    self.question = question(asked, overrides)
    self._asked, self._root, self._overrides = asked, root, overrides
    self._code, self._again, self._raw = code, again, raw
    self._changed = changed
    self._sampler = sampler.Sampler(
      root, asked.search, self.question.identity, self.question.maximize
    )
    self._planned: dict[int, Cell] = {}
    self._taken: dict[int, str] = {}
    self._handed: set[str] = set()
    self._under_way: set[str] = set()
    self._curves: dict[Path, tuple[tuple, list[float]]] = {}
    self._seen: dict[str, tuple[int, int]] = {}
    ended = [each for each in self._sampler.trials() if each.state != "RUNNING"]
    states = cells.statuses([self._cell(each) for each in ended], code)
    stale = any(each.state == cells.STALE for each in states.values())
    if cells.STALE in again and stale:
      self._sampler.restart()
      self._planned.clear()

  def cells(self) -> list[Cell]:
    """The cells of all trials so far, each once, in the order of trials."""
    found = [self._cell(one) for one in self._whole()]
    return list({cell.name: cell for cell in found}.values())

  def description(self) -> dict[str, Any]:
    """What grid.json keeps of a search: above all, each trial's cell."""
    return {
      "stage": self.question.stage,
      "maximize": self.question.maximize,
      "space": list(self._asked.search.space),
      "trials": {one.number: self._cell(one).name for one in self._whole()},
    }

  def left(self) -> int:
    """How many trials have still to be drawn."""
    return max(0, self._asked.search.trials - self._sampler.counted())

  def next(self) -> tuple[Cell, bool] | None:
    """A cell to run, and whether its old run is stale; None if all have run.

    A trial whose cell has run before takes what that found.
    """
    for trial in self._whole():
      if trial.number not in self._taken and (found := self._take(trial)):
        return found
    while self.left():
      if found := self._take(self._sampler.ask()):
        return found
    return None

  def verdict(self, cell: Cell) -> dict[str, Any]:
    """Why a cell is hopeless by its validation curve so far; or {}.

    Its score is that of the evaluations that sufficed to say so: how many
    more it had before it stopped is chance.
    """
    count = self._count(cell)
    if not count:
      return {}
    best = (max if self.question.maximize else min)(self._curve(cell)[:count])
    why = (
      f"pruned after {count} evaluations: its validation "
      f"{self.question.metric}, {wording.number(best)}, was behind the median "
      "of the trials before it"
    )
    return {"pruned": why, "validation": best}

  def ended(self, cell: Cell) -> None:
    """Takes notice of how a cell ended."""
    self._under_way.discard(cell.name)
    state = cells.status(cell, self._code).state
    if state == cells.DONE and (verdict := self.verdict(cell)):
      cells.note_pruned(cell.folder, verdict)  # Though the end came before it.
    for trial in self._sampler.trials():
      if self._taken.get(trial.number) == cell.name:
        self._tell(trial, cell)

  def close(self) -> None:
    self._sampler.close()

  def _whole(self) -> list[Trial]:
    return [one for one in self._sampler.trials() if one.again is None]

  def _cell(self, trial: Trial) -> Cell:
    if trial.number not in self._planned:
      self._planned[trial.number] = plan.cell(
        self._asked, self._root, trial.setting, self._overrides, self._raw
      )
    return self._planned[trial.number]

  def _take(self, trial: Trial) -> tuple[Cell, bool] | None:
    """The cell of a trial, if it has to be run; else tells what it found."""
    cell = self._cell(trial)
    self._taken[trial.number] = cell.name
    if trial.state == sampler.RUNNING:
      self._sampler.note(trial.number, cell.name)
    self._changed(self)
    if (
      cell.name in self._under_way
    ):  # Another trial's; its result is reported to both.
      return None
    state = cells.statuses(self.cells(), self._code)[cell.name].state
    if state not in self._again or cell.name in self._handed:
      self.ended(cell)
      return None
    self._handed.add(cell.name)
    self._under_way.add(cell.name)
    return cell, state == cells.STALE

  def _tell(self, trial: Trial, cell: Cell) -> None:
    state = cells.status(cell, self._code).state
    value, curve = self._value(cell), self._curve(cell)
    if state == cells.PRUNED:
      told = (curve[: self._count(cell)], None, sampler.PRUNED)
    elif value is None:
      told = ((), None, sampler.FAIL)
    else:
      told = (curve, value, sampler.COMPLETE)
    repeated = {one.again for one in self._sampler.trials()}
    if trial.state == sampler.RUNNING:
      self._sampler.tell(trial.number, *told)
    elif (
      trial.state == sampler.FAIL
      and told[2] != sampler.FAIL
      and trial.number not in repeated
    ):
      self._sampler.repeat(trial.number, *told)

  def _count(self, cell: Cell) -> int:
    """How many evaluations sufficed to give a cell up; 0 if it has hope."""
    numbers = [n for n, name in self._taken.items() if name == cell.name]
    curve = self._curve(cell)
    known, length = self._seen.get(cell.name, (0, 0))
    if numbers and not known and length != len(curve):
      known = self._sampler.hopeless(numbers[0], curve)
      self._seen[cell.name] = (known, len(curve))
    return known

  def _curve(self, cell: Cell) -> list[float]:
    """A cell's validation scores, evaluation by evaluation."""
    path = cell.folder / self.question.stage / "metrics.jsonl"
    try:
      now = path.stat()
    except OSError:
      return []
    version = (now.st_ino, now.st_size, now.st_mtime_ns)
    if self._curves.get(path, ((), ()))[0] != version:
      name = f"validation/{self.question.metric}"
      found = [line.get(name) for line in log.read(path)]
      scores = [float(score) for score in found if score is not None]
      self._curves[path] = (version, scores)
    return self._curves[path][1]

  def _value(self, cell: Cell) -> float | None:
    """The validation score of the state that a finished run is judged by.

    Raises:
      UserError: the metric says that the search goes the wrong way.
    """
    results = cells.read(cell.folder / "results.json")
    stage = results.get("stages", {}).get(self.question.stage or "train", {})
    metric, goal = self.question.metric, ("less", "more")
    ideal = wording.better(metric, stage.get("described") or {})
    if ideal not in (None, goal[self.question.maximize]):
      raise UserError(
        f"of {metric} {ideal} is better, but the search looks for "
        f"{goal[self.question.maximize]}: a minus before METRIC, as in "
        "-rmse, looks for less"
      )
    metrics = stage.get("splits", {}).get("validation", {}).get("metrics", {})
    found = (metrics.get(self.question.metric) or {}).get("value")
    return sampler.finite(found) if results.get("finished") else None


def _corners(values: Range) -> list:
  return [values.low, values.high] if isinstance(values, Between) else [*values]
