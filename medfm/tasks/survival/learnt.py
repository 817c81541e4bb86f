"""What is fitted on the training split about the time until an event."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data.tables.labels import Truth
from medfm.metrics.survival import Curve, aalen_johansen, censoring
from medfm.types import Arrays, UserError

CENSORED = "censored"
"""In predictions.csv, the event of a patient without an event."""
FOLLOWED = 0.1
"""The grid ends where this share of training patients is still followed."""


@dataclasses.dataclass(frozen=True)
class Survival:
  """`time` [B] float, `event` [B] int: 0 censored, k of cause k, -1 unknown.

  All numbers but the horizons are of the training split.

  names: of the causes 1, 2, ..., in order.
  counts: training examples that failed of each.
  unit: of the times, for axes and tables; "" if not known.
  horizons: times at which risks are scored; all are in `times`.
  times: [T] ascending; survival is predicted up to and including each.
  incidence: [K][T], the share that failed of each cause by each time.
  censoring: P(not yet censored) over time, the weights of the metrics.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...]
  unit: str
  horizons: tuple[float, ...]
  times: tuple[float, ...]
  incidence: tuple[tuple[float, ...], ...]
  censoring: Curve


def fitted(
  names: Sequence[str],
  time: np.ndarray,
  event: np.ndarray,
  *,
  unit: str = "",
  horizons: Sequence[float] = (),
  intervals: int = 20,
) -> Survival:
  """The target fitted on training times [N] and events [N].

  horizons: () for the quartiles of the event times, to two digits.
  intervals: the times are this many quantiles of the event times, up to where
    a tenth of the patients is still followed, and the horizons.
  """
  if CENSORED in names:
    raise UserError(f"an event cannot be called {CENSORED!r}: rename it")
  rows = (np.asarray(event) >= 0) & ~np.isnan(time)
  time, event = np.asarray(time, np.float64)[rows], np.asarray(event)[rows]
  counts = np.bincount(event, minlength=len(names) + 1)[1:]
  for name, count in zip(names, counts, strict=True):
    if not count:
      raise UserError(
        f"no training example has the event {name!r}: merge it with another, "
        "drop it, or give more data"
      )
  ends = _event_times(time, event)
  if horizons:
    horizons = _numbers(horizons, time.max())
  else:
    quartiles = {float(f"{each:.2g}") for each in _quantiles(ends, 4)[:3]}
    horizons = sorted(each for each in quartiles if 0 < each < time.max())
  times = sorted({*_quantiles(ends, intervals).tolist(), *horizons})
  incidence = (
    aalen_johansen(time, event, times=np.array(times), cause=cause + 1)
    for cause in range(len(names))
  )
  return Survival(
    tuple(names),
    tuple(counts.tolist()),
    unit,
    tuple(horizons),
    tuple(times),
    tuple(tuple(row.tolist()) for row in incidence),
    censoring(time, event),
  )


def target(names: Sequence[str], truth: Truth, **settings: Any) -> Survival:
  """The target fitted on the training split's follow-up (`fitted`)."""
  return fitted(names, truth["time"], truth["event"], **settings)


def refitted(target: Survival, truth: Arrays) -> Survival:
  """With the counts and curves of this truth.

  The times and horizons of predictions and the weights of the scores stay those
  of the whole training split.
  """
  time, event = np.asarray(truth["time"], np.float64), truth["event"]
  rows = (np.asarray(event) >= 0) & ~np.isnan(time)
  time, event = time[rows], np.asarray(event)[rows]
  times, causes = np.array(target.times), range(1, len(target.names) + 1)
  counts = tuple(int((event == cause).sum()) for cause in causes)
  if 0 in counts:
    name = target.names[counts.index(0)]
    raise UserError(
      f"no training example that the run sees has the event {name!r}: raise "
      "label_fraction"
    )
  curves = (
    aalen_johansen(time, event, times=times, cause=cause) for cause in causes
  )
  incidence = tuple(tuple(curve.tolist()) for curve in curves)
  return dataclasses.replace(target, counts=counts, incidence=incidence)


def _numbers(horizons: Sequence[float], last: float) -> list[float]:
  """The horizons in ascending order, each between 0 and the last time."""
  try:
    ordered = sorted({float(horizon) for horizon in horizons})
  except ValueError:
    raise UserError(f"horizons={tuple(horizons)}: expected numbers") from None
  for horizon in ordered:
    if not 0 < horizon < last:
      raise UserError(
        f"horizon {horizon:g}: expected more than 0 and less than the longest "
        f"follow-up in training, {last:g}"
      )
  return ordered


def _event_times(time: np.ndarray, event: np.ndarray) -> np.ndarray:
  """The event times that a grid is cut from."""
  inside = (event > 0) & (time > 0) & (time < time.max())
  early = inside & (time <= np.quantile(time, 1 - FOLLOWED))
  if not inside.any():
    raise UserError(
      "no training example has an event after time 0 and before the longest "
      "follow-up: survival cannot be learnt"
    )
  return time[early if early.any() else inside]


def _quantiles(values: np.ndarray, count: int) -> np.ndarray:
  """The values at the ends of 1, 2, ... of `count` equal parts."""
  levels = np.arange(1, count + 1) / count
  return np.quantile(values, levels, method="inverted_cdf")
