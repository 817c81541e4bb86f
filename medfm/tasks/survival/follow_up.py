"""How the columns of a table give the time until an event."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import spelling
from medfm.data.tables import table as tables
from medfm.data.tables.labels import KEEP, Read, Truth, labelled
from medfm.data.tables.table import Table
from medfm.tasks.survival import learnt
from medfm.types import Target, UserError

_CENSORED = ("0", "no", "false")
_FAILED = ("1", "yes", "true")


@dataclasses.dataclass(frozen=True)
class Columns:
  """`time` float32 [N] and `event` int32 [N], as `Survival` describes them.

  time: the column of times, 0 or more. unit: of them, for figures.
  event: the column of what ended the follow-up: 0, no or false if censored; 1,
    yes or true for the event.
  causes: for several causes, their cells, such as `1`, or with names
    `1=relapse`; several cells may have the same name.
  horizons, intervals: see `learnt.fitted`.
  missing: "error", or "drop" to leave out rows without a time or an event.
  trained: the target of the model that the columns are read for.
  """

  time: str = ""
  event: str = ""
  causes: tuple[str, ...] = ()
  unit: str = ""
  horizons: tuple[float, ...] = ()
  intervals: int = 20
  missing: str = "error"
  trained: learnt.Survival | None = None
  stratify = "event"

  def __post_init__(self) -> None:
    for role, column in (("time", self.time), ("event", self.event)):
      if not column:
        raise UserError(f"which column is the {role}? set {role}= to its name")

  @property
  def columns(self) -> tuple[str, ...]:
    return (self.time, self.event)

  def adopted(self, trained: Target) -> "Columns":
    """The columns with a model's names of causes; a single one may have any."""
    if not isinstance(trained, learnt.Survival):
      return self
    names = self._names(dict(map(_named, self.causes)))
    others = [name for name in names if name not in trained.names]
    if others and not len(names) == len(trained.names) == 1:
      raise UserError(
        f"causes {', '.join(others)}: the model was trained on "
        f"{', '.join(trained.names)}; use the same names"
      )
    return dataclasses.replace(self, missing=KEEP, trained=trained)

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    return labelled(
      table, self.columns, self.missing, every=True, what="follow-up"
    )

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    del training
    causes = dict(map(_named, self.causes))
    names = self._names(causes)
    event = _events(table, self.event, causes, self.missing == KEEP)
    if self.missing != KEEP and not event.any():
      raise UserError(
        f"{table.path}: every row of {self.event!r} is censored; survival can "
        "only be learnt from events"
      )
    time = tables.numbers(table, self.time)
    if (time < 0).any():
      row = int((time < 0).argmax())
      cell = tables.shortened(table[self.time][row])
      raise table.error(row, self.time, f"{cell} is a negative time")
    return {"time": time, "event": event}, names

  def target(self, names: Sequence[str], truth: Truth) -> learnt.Survival:
    if self.trained is not None:
      sole = self.trained.names if len(self.trained.names) == 1 else names
      return dataclasses.replace(
        self.trained, names=tuple(sole), unit=self.unit
      )
    settings = {"horizons": self.horizons, "intervals": self.intervals}
    return learnt.target(names, truth, unit=self.unit, **settings)

  def _names(self, causes: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the causes, in the order of their numbers."""
    return tuple(dict.fromkeys(causes.values())) or (self.event,)


def _events(
  table: Table, column: str, causes: dict[str, str], any_missing: bool
) -> np.ndarray:
  """[N] int: 0 censored, else the number of the cause; -1 if missing."""
  codes: dict[str, int] = dict.fromkeys(_CENSORED, 0)
  codes |= {"": -1} if any_missing else {}
  if causes:
    names = list(dict.fromkeys(causes.values()))
    codes |= {
      spelling.folded(cell): 1 + names.index(name)
      for cell, name in causes.items()
    }
    expected = f"0, no, false or one of {', '.join(causes)}"
  else:
    codes |= dict.fromkeys(_FAILED, 1)
    expected = (
      "0, 1, no, yes, false or true; several causes are named with "
      "causes=1=relapse,2=death"
    )
  expected = f"no event: expected {expected}"
  return np.array(
    tables.coded(table, column, codes, expected, spelling.folded), np.int32
  )


def _named(cause: str) -> tuple[str, str]:
  """Cell and name of `1=relapse`, or of `relapse`."""
  cell, _, name = (part.strip() for part in cause.partition("="))
  return cell, name or cell
