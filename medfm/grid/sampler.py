"""Optuna's side of a search: it draws settings and keeps their scores.

Trials stand in search.db (SQLite). The sampler's seed is a function of the
trial, so that trials that are drawn and told in the same order are the same,
whenever and however often the process is begun anew.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medfm.grid import cells
from medfm.grid.combine import Between, Range, Search, Setting
from medfm.types import UserError

RUNNING, COMPLETE, PRUNED, FAIL = "RUNNING", "COMPLETE", "PRUNED", "FAIL"


class Trial(NamedTuple):
  """state: one of those above."""

  number: int
  setting: Setting
  state: str


class Sampler:
  """The trials of one search.

  root: the folder of search.db.
  search: what is searched.
  identity: of the question; trials of another one are left alone.
  maximize: whether more is better.

  Raises:
    UserError: Optuna is missing, or search.db is damaged.
  """

  def __init__(self, root: Path, search: Search, identity: str, maximize: bool):
    try:
      import optuna
      from sqlalchemy.exc import DatabaseError  # Comes with Optuna.
    except ImportError:
      raise UserError("a search needs Optuna: pip install optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    self._optuna = optuna
    self._search = search
    self._identity = identity
    self._direction = "maximize" if maximize else "minimize"
    self._space = {
      key: self._distribution(values) for key, values in search.space.items()
    }
    path = root / "search.db"
    try:
      self._storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
      names = optuna.get_all_study_names(self._storage)
      mine = [name for name in names if name.rpartition("-")[0] == identity]
      self._study = self._opened(max(1, len(mine)))
      self._drop_half_drawn()
    except (DatabaseError, optuna.exceptions.StorageInternalError):
      raise UserError(
        f"{path} is damaged; remove it: what trials found is read again from "
        "their cells"
      ) from None

  def restart(self) -> None:
    """Leaves the trials there are behind, and begins anew."""
    number = int(self._study.study_name.rpartition("-")[2])
    self._study = self._opened(number + 1)

  def trials(self) -> list[Trial]:
    """The trials in the order they were drawn in, a repeated one once."""
    return [
      self._trial(frozen)
      for frozen in self._frozen()
      if "again" not in frozen.user_attrs
    ]

  def ask(self) -> Trial:
    """A new trial."""
    seed = f"{self._search.seed}/{len(self.trials())}"
    with warnings.catch_warnings(action="ignore"):  # "Experimental" for years.
      self._study.sampler = self._optuna.samplers.TPESampler(
        n_startup_trials=self._search.startup,
        multivariate=True,
        constant_liar=True,
        seed=int(cells.digest(seed)[:8], 16),
      )
      drawn = self._study.ask(self._space)
    return self._trial(self._frozen()[drawn.number])

  def note(self, number: int, cell: str) -> None:
    """Keeps the name of a trial's cell, for who reads search.db."""
    self._storage.set_trial_user_attr(self._id(number), "cell", cell)

  def tell(
    self, number: int, curve: Sequence[float], value: float | None, state: str
  ) -> None:
    """Ends a trial; one that had failed is repeated, at most once.

    curve: its validation scores, up to any verdict.
    value: the score of a complete trial.
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
      made = self._made(curve, trial.params, state, value, {"again": number})
      self._study.add_trial(made)

  def hopeless(self, number: int, curve: Sequence[float]) -> int:
    """How many scores of a curve suffice to give it up; 0 if it has hope.

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
      frozen
      for frozen in self._frozen()[:number]
      if frozen.state.name == COMPLETE and "again" not in frozen.user_attrs
    )
    for count in range(1, len(curve) + 1):
      if pruner.prune(earlier, self._made(curve[:count], {}, RUNNING)):
        return count
    return 0

  def _frozen(self) -> list[Any]:
    return self._study.get_trials(deepcopy=False)

  def _trial(self, frozen: Any) -> Trial:
    """With its setting in the order of the space, numbers rounded."""
    setting = {
      key: values.rounded(frozen.params[key])
      if isinstance(values, Between)
      else frozen.params[key]
      for key, values in self._search.space.items()
    }
    return Trial(frozen.number, setting, frozen.state.name)

  def _made(self, curve, params, state, value=None, attributes=None) -> Any:
    return self._optuna.trial.create_trial(
      state=self._optuna.trial.TrialState[state],
      value=value,
      params=params,
      distributions={key: self._space[key] for key in params},
      user_attrs=attributes,
      intermediate_values=dict(enumerate(curve, 1)),
    )

  def _opened(self, number: int) -> Any:
    return self._optuna.create_study(
      storage=self._storage,
      study_name=f"{self._identity}-{number}",
      direction=self._direction,
      load_if_exists=True,
    )

  def _drop_half_drawn(self) -> None:
    """Forgets trials whose process was killed while they were drawn."""
    for frozen in self._frozen():
      half = frozen.params.keys() != self._space.keys()
      if half and frozen.state.name == RUNNING:
        attempt = self._id(frozen.number)
        self._storage.set_trial_user_attr(attempt, "again", -1)
        self.tell(frozen.number, (), None, FAIL)

  def _id(self, number: int) -> int:
    study = self._storage.get_study_id_from_name(self._study.study_name)
    return self._storage.get_trial_id_from_study_id_trial_number(study, number)

  def _distribution(self, values: Range) -> Any:
    kinds = self._optuna.distributions
    if not isinstance(values, Between):
      return kinds.CategoricalDistribution([str(one) for one in values])
    kind = kinds.IntDistribution if values.whole else kinds.FloatDistribution
    return kind(values.low, values.high, log=values.log)
