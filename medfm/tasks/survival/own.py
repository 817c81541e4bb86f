"""Columns of follow-up, as a user's table has them: a time, and what ended it.

A time counts from where a prediction is made to the event or to the end of
follow-up, in any unit.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data.tables import table as tables
from medfm.data.tables.labels import Read, Truth
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.tasks import survival
from medfm.tasks.survival import Survival
from medfm.types import UserError

_CENSORED = ("0", "0.0", "no", "false")
_FAILED = ("1", "1.0", "yes", "true")


@dataclasses.dataclass(frozen=True)
class Columns:
  """`time` float32 [N] and `event` int32 [N], as `Survival` describes them.

  time: the column of times, 0 or more. unit: of them, for figures.
  event: the column of what ended it: 0, no or false where nothing did
    (censored); 1, yes or true for the event.
  causes: where there are several, their cells, as `1`, or with names
    `1=relapse`; several cells may have one name.
  horizons, intervals: see `survival.fitted`.
  missing: "error", or "drop" to leave out rows without a time or an event.
  """

  time: str = ""
  event: str = ""
  causes: tuple[str, ...] = ()
  unit: str = ""
  horizons: tuple[float, ...] = ()
  intervals: int = 20
  missing: str = "error"
  stratify = "event"

  def __post_init__(self) -> None:
    for role, column in (("time", self.time), ("event", self.event)):
      if not column:
        raise UserError(f"which column is the {role}? set {role}= to its name")

  @property
  def columns(self) -> tuple[str, ...]:
    return (self.time, self.event)

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    if self.missing not in ("error", "drop"):
      raise UserError(
        f"missing_follow_up={self.missing!r}: expected 'error' or 'drop'"
      )
    known = np.array([[bool(c) for c in table[name]] for name in self.columns])
    whole, lost = known.all(0), int((~known.all(0)).sum())
    if not lost:
      return table, []
    if self.missing == "error":
      row = int(whole.argmin())
      raise table.error(
        row,
        self.event if known[0, row] else self.time,
        f"the follow-up is missing (as in {lost} rows); fill it in or set "
        "missing_follow_up='drop'",
      )
    names = f"{self.time}, {self.event}"
    if not whole.any():
      raise UserError(
        f"{table.path}: no row has both {self.time!r} and {self.event!r}"
      )
    change = {
      "what": f"dropped rows without follow-up ({names})",
      "count": lost,
    }
    return table.take(np.flatnonzero(whole)), [change]

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    del training
    causes = dict(map(_named, self.causes))
    names = tuple(dict.fromkeys(causes.values())) or (self.event,)
    event = _events(table, self.event, causes)
    if not event.any():
      raise UserError(
        f"{table.path}: every row of {self.event!r} is censored; survival is "
        "learnt from events"
      )
    time = tables.numbers(table, self.time)
    if (time < 0).any():
      row = int((time < 0).argmax())
      cell = tables.shortened(table[self.time][row])
      raise table.error(row, self.time, f"{cell} is a negative time")
    return {"time": time, "event": event}, names

  def target(self, names: Sequence[str], truth: Truth) -> Survival:
    settings = {"horizons": self.horizons, "intervals": self.intervals}
    return target(names, truth, unit=self.unit, **settings)


def target(names: Sequence[str], truth: Truth, **settings: Any) -> Survival:
  """What the training split's follow-up tells (`survival.fitted`)."""
  return survival.fitted(names, truth["time"], truth["event"], **settings)


def _events(table: Table, column: str, causes: dict[str, str]) -> np.ndarray:
  """[N] int: 0 censored, else the number of the cause."""
  codes: dict[str, int] = dict.fromkeys(_CENSORED, 0)
  if causes:
    names = list(dict.fromkeys(causes.values()))
    codes |= {c.lower(): 1 + names.index(name) for c, name in causes.items()}
    expected = f"0, no, false or one of {', '.join(causes)}"
  else:
    codes |= dict.fromkeys(_FAILED, 1)
    expected = (
      "0, 1, no, yes, false or true; several causes are named with "
      "causes=1=relapse,2=death"
    )
  for row, cell in enumerate(table[column]):
    if cell.lower() not in codes:
      raise table.error(
        row,
        column,
        f"{tables.shortened(cell)} is no event: expected {expected}"
        f"{nearest(cell, codes)}",
      )
  return np.array([codes[cell.lower()] for cell in table[column]], np.int32)


def _named(cause: str) -> tuple[str, str]:
  """Cell and name of `1=relapse`, or of `relapse`."""
  cell, _, name = (part.strip() for part in cause.partition("="))
  return cell, name or cell
