"""Search: cells one after another, each chosen by earlier validation scores.

A trial is a cell like any other; its number and its cell are recorded in
Optuna's search.db and in grid.json. A trial's result is read from its cell's
files, and whether it is hopeless follows from validation curves alone; the
sampler's seed is a function of the trial. So a runner may be killed at any
moment, and with one job at a time a search that was interrupted, or whose
search.db was deleted, ends like an uninterrupted one.
"""

import math
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from medfm import log, workdir
from medfm.grid import cells
from medfm.grid.cells import Cell
from medfm.grid.combine import Between
from medfm.grid.experiment import Experiment
from medfm.report import wording
from medfm.types import UserError

RUNNING, COMPLETE, PRUNED, FAIL = "RUNNING", "COMPLETE", "PRUNED", "FAIL"
"""Optuna's states of a trial."""


class Trials:
  """The trials of a search in a grid's folder.

  A failed trial that is repeated is added to Optuna's trials as another, with
  the number of the failed one as its `again`; -1 marks a trial to ignore.

  root: the grid's folder.
  again: states in which a cell is run.

  Raises:
    UserError: the search does not fit its config, Optuna is missing, or
      search.db is damaged.
  """

  def __init__(self, asked: Experiment, root: Path, again: Collection[str]):
    try:
      import optuna
      from sqlalchemy.exc import DatabaseError  # Comes with Optuna.
    except ImportError:
      raise UserError("a search needs Optuna: pip install optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    self._optuna = optuna
    self._question = asked.question()
    self._direction = "maximize" if self._question.maximize else "minimize"
    self._asked, self._search, self._root = asked, asked.search, root
    self._again = again
    self._planned: dict[int, Cell] = {}
    self._taken: dict[int, str] = {}
    self._handed: set[str] = set()
    self._under_way: set[str] = set()
    self._seen: dict[str, tuple[Any, list[float], int]] = {}
    path = root / "search.db"
    try:
      self._storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
      self._open()
    except (DatabaseError, optuna.exceptions.StorageInternalError):
      raise UserError(
        f"{path} is damaged: remove it; the results of trials are read again "
        "from their cells"
      ) from None
    self._write()

  def cells(self) -> list[Cell]:
    """The cells of all trials so far, each once, in the order of trials."""
    planned = [self._cell(trial) for trial in self._trials()]
    return list({cell.name: cell for cell in planned}.values())

  def left(self) -> int:
    """How many trials are still to be drawn."""
    return max(0, self._search.trials - len(self._trials()))

  def next(self) -> tuple[Cell, bool] | None:
    """A cell to run, and whether its old run is stale; None if all have run.

    A trial whose cell has run before takes that cell's result.
    """
    for trial in self._trials():
      if trial.number not in self._taken and (taken := self._take(trial)):
        return taken
    while self.left():
      if taken := self._take(self._draw()):
        return taken
    return None

  def verdict(self, cell: Cell) -> dict[str, Any]:
    """Why a cell is hopeless by its validation curve so far; or {}.

    Its score is that of the evaluations that the verdict needed, since it is
    chance how many more it made before it stopped.
    """
    curve, count = self._curve(cell)
    if not count:
      return {}
    best = (max if self._question.maximize else min)(curve[:count])
    why = (
      f"pruned after {count} evaluations: its validation "
      f"{self._question.metric}, {wording.number(best)}, was worse than the "
      "median of the trials before it"
    )
    return {"pruned": why, "validation": best}

  def ended(self, cell: Cell) -> None:
    """Tells Optuna how a cell ended, for each of its trials."""
    self._under_way.discard(cell.name)
    state = cells.status(cell).state
    if state == cells.DONE and (verdict := self.verdict(cell)):
      cells.note(cell.folder, verdict)  # Even if the cell ended before it.
      state = cells.PRUNED
    value, (curve, count) = self._value(cell), self._curve(cell)
    result: tuple = (curve, value, COMPLETE)
    if state == cells.PRUNED:
      result = (curve[:count], None, PRUNED)
    elif value is None:
      result = ((), None, FAIL)
    for number, name in self._taken.items():
      if name == cell.name:
        self._tell(number, *result)

  def _frozen(self) -> list[Any]:
    """All of Optuna's trials, repeated ones too; by number."""
    return self._study.get_trials(deepcopy=False)

  def _trials(self) -> list[Any]:
    """The trials in the order they were drawn, a repeated trial once."""
    return [each for each in self._frozen() if "again" not in each.user_attrs]

  def _open(self) -> None:
    """Opens the last study of this search, or a new one after stale trials."""
    names = self._optuna.get_all_study_names(self._storage)
    identity = self._question.identity
    count = sum(name.rpartition("-")[0] == identity for name in names)
    self._create(f"{identity}-{max(1, count)}")
    for trial in self._frozen():
      half = trial.params.keys() != self._search.space.keys()
      if half and trial.state.name == RUNNING:  # Killed while it was drawn.
        self._mark(trial.number, "again", -1)
        self._tell(trial.number, (), None, FAIL)
    ended = [self._cell(t) for t in self._trials() if t.state.name != RUNNING]
    states = cells.statuses(ended).values()
    stale = any(status.state == cells.STALE for status in states)
    if stale and cells.STALE in self._again:
      self._create(f"{identity}-{count + 1}")
      self._planned.clear()

  def _create(self, name: str) -> None:
    self._study = self._optuna.create_study(
      storage=self._storage,
      study_name=name,
      direction=self._direction,
      load_if_exists=True,
    )

  def _distributions(self) -> dict[str, Any]:
    kinds = self._optuna.distributions
    space = {}
    for key, values in self._search.space.items():
      if not isinstance(values, Between):
        space[key] = kinds.CategoricalDistribution(list(map(str, values)))
        continue
      whole = values.whole
      kind = kinds.IntDistribution if whole else kinds.FloatDistribution
      space[key] = kind(values.low, values.high, log=values.log)
    return space

  def _draw(self) -> Any:
    """A new trial."""
    seed = f"{self._search.seed}/{len(self._trials())}"
    with warnings.catch_warnings(action="ignore"):  # "Experimental" for years.
      self._study.sampler = self._optuna.samplers.TPESampler(
        n_startup_trials=self._search.startup,
        multivariate=True,
        constant_liar=True,
        seed=int(cells.digest(seed)[:8], 16),
      )
      number = self._study.ask(self._distributions()).number
    return self._frozen()[number]

  def _id(self, number: int) -> int:
    study = self._storage.get_study_id_from_name(self._study.study_name)
    return self._storage.get_trial_id_from_study_id_trial_number(study, number)

  def _mark(self, number: int, key: str, value: Any) -> None:
    self._storage.set_trial_user_attr(self._id(number), key, value)

  def _tell(
    self, number: int, curve: Sequence[float], value: float | None, state: str
  ) -> None:
    """Ends a trial, or repeats one that had failed, at most once.

    curve: its validation scores, up to any verdict.
    """
    trial = self._frozen()[number]
    if trial.state.name == RUNNING:
      for i, score in enumerate(curve, 1):
        self._storage.set_trial_intermediate_value(self._id(number), i, score)
      kind = self._optuna.trial.TrialState[state]
      self._study.tell(number, value, state=kind)
      return
    repeated = {each.user_attrs.get("again") for each in self._frozen()}
    if trial.state.name == FAIL != state and number not in repeated:
      drawn = {"params": trial.params, "distributions": trial.distributions}
      ending = {"value": value, "user_attrs": {"again": number}}
      self._study.add_trial(self._made(curve, state, **drawn, **ending))

  def _made(self, curve: Sequence[float], state: str, **more: Any) -> Any:
    return self._optuna.trial.create_trial(
      state=self._optuna.trial.TrialState[state],
      intermediate_values=dict(enumerate(curve, 1)),
      **more,
    )

  def _hopeless(self, number: int, curve: Sequence[float]) -> int:
    """How many scores of a curve suffice to give it up; 0 to continue.

    It is compared with the completed trials that were drawn before it.
    """
    if not self._search.prune:
      return 0
    pruner = self._optuna.pruners.MedianPruner(
      n_startup_trials=self._search.startup,
      n_warmup_steps=self._search.warmup + 1,
    )
    earlier = self._optuna.create_study(direction=self._direction)
    earlier.add_trials(
      trial
      for trial in self._trials()
      if trial.number < number and trial.state.name == COMPLETE
    )
    for count in range(1, len(curve) + 1):
      if pruner.prune(earlier, self._made(curve[:count], RUNNING)):
        return count
    return 0

  def _write(self) -> None:
    """Writes grid.json: above all, each trial's cell."""
    search = {
      "stage": self._search.stage,
      "maximize": self._question.maximize,
      "space": list(self._search.space),
      "trials": {t.number: self._cell(t).name for t in self._trials()},
    }
    content = self._asked.plain(self.cells())
    content |= {"metric": self._question.metric, "search": search}
    workdir.write(self._root / "grid.json", content)

  def _cell(self, trial: Any) -> Cell:
    """The cell of a trial; its numbers are rounded."""
    if trial.number not in self._planned:
      setting = {
        key: values.rounded(trial.params[key])
        if isinstance(values, Between)
        else trial.params[key]
        for key, values in self._search.space.items()
      }
      self._planned[trial.number] = self._asked.cell(self._root, setting)
    return self._planned[trial.number]

  def _take(self, trial: Any) -> tuple[Cell, bool] | None:
    """The trial's cell if it must run; else gives its result to Optuna."""
    cell = self._cell(trial)
    self._taken[trial.number] = cell.name
    if trial.state.name == RUNNING:
      self._mark(trial.number, "cell", cell.name)
    self._write()
    if cell.name in self._under_way:
      return None  # Another trial's; its result is reported to both.
    state = cells.statuses(self.cells())[cell.name].state
    if state not in self._again or cell.name in self._handed:
      self.ended(cell)
      return None
    self._handed.add(cell.name)
    self._under_way.add(cell.name)
    return cell, state == cells.STALE

  def _curve(self, cell: Cell) -> tuple[list[float], int]:
    """A cell's validation scores, and how many sufficed to give it up, or 0.

    metrics.jsonl is read again only if it has changed.
    """
    path = cell.folder / self._search.stage / "metrics.jsonl"
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
        count = self._hopeless(taken[0], curve)
      self._seen[cell.name] = version, curve, count
    return curve, count

  def _value(self, cell: Cell) -> float | None:
    """The validation score of the state that a finished run reports."""
    results = cells.read(cell.folder / "results.json")
    stage = results.get("stages", {}).get(self._search.stage or "train", {})
    metric = self._question.metric
    goal = "more" if self._question.maximize else "less"
    ideal = wording.better(metric, stage.get("described") or {})
    if ideal not in (None, goal):
      raise UserError(
        f"{ideal} {metric} is better, but the search looks for {goal}: write a "
        "minus before METRIC, as in -rmse, only if less is better"
      )
    metrics = stage.get("splits", {}).get("validation", {}).get("metrics", {})
    value = (metrics.get(metric) or {}).get("value")
    finite = value is not None and math.isfinite(value)
    return value if finite and results.get("finished") else None
