"""Optuna's side of a search: it draws settings and keeps what was told of them.

Trials stand in search.db (SQLite). The sampler's seed is a function of the
trial, so that trials that are drawn and told in the same order are the same,
whenever and however often the process is begun anew.
"""

import contextlib
import dataclasses
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medfm.grid import cells
from medfm.grid.combine import Between, Range, Search, Setting
from medfm.types import UserError

RUNNING, COMPLETE, PRUNED, FAIL = "RUNNING", "COMPLETE", "PRUNED", "FAIL"


@dataclasses.dataclass(frozen=True)
class Trial:
  """state: one of those above; again: the failed trial it stands for."""

  number: int
  setting: Setting
  state: str
  again: int | None = None


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
    self._optuna = _optuna()
    self._search = search
    self._identity = identity
    self._direction = "maximize" if maximize else "minimize"
    self._space = {
      key: self._distribution(values) for key, values in search.space.items()
    }
    self._path = root / "search.db"
    with self._sound():
      self._storage = self._optuna.storages.RDBStorage(
        f"sqlite:///{self._path}"
      )
      names = self._optuna.get_all_study_names(self._storage)
      mine = [name for name in names if name.rpartition("-")[0] == identity]
      self._study = self._opened(max(1, len(mine)))
      self._drop_half_drawn()

  def restart(self) -> None:
    """Leaves the trials there are behind, and begins anew."""
    number = int(self._study.study_name.rpartition("-")[2])
    self._study = self._opened(number + 1)

  def trials(self) -> list[Trial]:
    """All trials in the order they were drawn in."""
    return [
      Trial(
        one.number,
        self._setting(one.params),
        one.state.name,
        one.user_attrs.get("again"),
      )
      for one in self._frozen()
    ]

  def counted(self) -> int:
    """How many trials there are, a repeated one counted once."""
    return sum(one.again is None for one in self.trials())

  def ask(self) -> Trial:
    """A new trial."""
    count = self.counted()
    with warnings.catch_warnings(action="ignore"):  # "Experimental" for years.
      self._study.sampler = self._optuna.samplers.TPESampler(
        n_startup_trials=self._search.startup,
        multivariate=True,
        constant_liar=True,
        seed=int(cells.digest(f"{self._search.seed}/{count}")[:8], 16),
      )
      drawn = self._study.ask(self._space)
    return Trial(drawn.number, self._setting(drawn.params), RUNNING)

  def note(self, number: int, cell: str) -> None:
    """Keeps the name of a trial's cell."""
    self._storage.set_trial_user_attr(self._id(number), "cell", cell)

  def tell(
    self, number: int, curve: Sequence[float], value: float | None, state: str
  ) -> None:
    """Ends a trial; curve: its validation scores, up to any verdict."""
    for i, score in enumerate(curve):
      self._storage.set_trial_intermediate_value(self._id(number), i + 1, score)
    self._study.tell(
      number,
      value if state == COMPLETE else None,
      state=self._optuna.trial.TrialState[state],
    )

  def repeat(
    self, number: int, curve: Sequence[float], value: float | None, state: str
  ) -> None:
    """Adds what a trial found that had failed before."""
    failed = self._frozen()[number]
    made = self._made(curve, failed.params, state, value, {"again": number})
    self._study.add_trial(made)

  def hopeless(self, number: int, curve: Sequence[float]) -> int:
    """How many scores of a curve suffice to give it up; 0 if it has hope.

    It is compared with the completed trials that were drawn before it.
    """
    if not self._search.prune or not curve:
      return 0
    pruner = self._optuna.pruners.MedianPruner(
      n_startup_trials=self._search.startup,
      n_warmup_steps=self._search.warmup + 1,
    )
    earlier = self._optuna.create_study(direction=self._direction)
    earlier.add_trials(
      one
      for one in self._frozen()[:number]
      if one.state.name == COMPLETE and one.user_attrs.get("again") is None
    )
    for count in range(1, len(curve) + 1):
      if pruner.prune(earlier, self._made(curve[:count], {}, RUNNING)):
        return count
    return 0

  def close(self) -> None:
    self._storage.engine.dispose()

  def _frozen(self) -> list[Any]:
    return self._study.get_trials(deepcopy=False)

  def _made(self, curve, params, state, value=None, attributes=None) -> Any:
    return self._optuna.trial.create_trial(
      state=self._optuna.trial.TrialState[state],
      value=value if state == COMPLETE else None,
      params=params,
      distributions={key: self._space[key] for key in params},
      user_attrs=attributes or {},
      intermediate_values={i + 1: score for i, score in enumerate(curve)},
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
    for one in self._frozen():
      if one.state.name == RUNNING and one.params.keys() != self._space.keys():
        self._storage.set_trial_user_attr(self._id(one.number), "again", -1)
        self.tell(one.number, (), None, FAIL)

  def _id(self, number: int) -> int:
    study = self._storage.get_study_id_from_name(self._study.study_name)
    return self._storage.get_trial_id_from_study_id_trial_number(study, number)

  def _distribution(self, values: Range) -> Any:
    kinds = self._optuna.distributions
    if not isinstance(values, Between):
      return kinds.CategoricalDistribution([str(one) for one in values])
    kind = kinds.IntDistribution if values.whole else kinds.FloatDistribution
    return kind(values.low, values.high, log=values.log)

  def _setting(self, params: dict[str, Any]) -> Setting:
    """In the order of the space, numbers rounded as a random search's are."""
    found: Setting = {}
    for key, values in self._search.space.items():
      if key in params:
        number = isinstance(values, Between)
        found[key] = values.rounded(params[key]) if number else params[key]
    return found

  @contextlib.contextmanager
  def _sound(self) -> Iterator[None]:
    from sqlalchemy.exc import DatabaseError  # Comes with Optuna.

    try:
      yield
    except (DatabaseError, self._optuna.exceptions.StorageInternalError):
      raise UserError(
        f"{self._path} is damaged; remove it: what trials found is read again "
        "from their cells"
      ) from None


def finite(value: Any) -> float | None:
  """A number, or None where it is none or not finite."""
  return value if value is not None and math.isfinite(value) else None


def _optuna() -> Any:
  try:
    import optuna
  except ImportError:
    raise UserError("a search needs Optuna: pip install optuna") from None
  optuna.logging.set_verbosity(optuna.logging.WARNING)
  return optuna
