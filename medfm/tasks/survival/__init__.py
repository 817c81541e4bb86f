"""Time until an event, of one cause or several, with censored follow-up."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from medfm.metrics.survival import Curve, aalen_johansen, censoring
from medfm.types import UserError

FOLLOWED = 0.1
"""The grid ends where this share of the training patients is still seen."""


@dataclasses.dataclass(frozen=True)
class Survival:
  """`time` [B] float, `event` [B] int: 0 censored, k of cause k, -1 unknown.

  All numbers but the horizons are of the training split.

  names: of the causes 1, 2, ..., in order.
  counts: training examples that failed of each.
  unit: of the times, for axes and tables; "" where not known.
  horizons: times at which risks are scored; all are in `times`.
  times: [T] ascending; survival is predicted at each, by its end.
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
  """What the training times [N] and events [N] tell.

  horizons: () for the quartiles of the event times, to two digits.
  intervals: the times are so many quantiles of the event times, up to where
    a tenth of the patients is still followed, and the horizons.

  Raises:
    UserError: a cause without an event, or a horizon nobody is followed past.
  """
  known = (np.asarray(event) >= 0) & ~np.isnan(time)
  time, event = np.asarray(time, np.float64)[known], np.asarray(event)[known]
  counts = np.bincount(event, minlength=len(names) + 1)[1:]
  for name, count in zip(names, counts, strict=True):
    if not count:
      raise UserError(
        f"no training example has the event {name!r}: merge it with another, "
        "drop it, or give more data"
      )
  for horizon in horizons:
    if not 0 < horizon < time.max():
      raise UserError(
        f"horizon {horizon:g}: expected more than 0 and less than the longest "
        f"follow-up in training, {time.max():g}"
      )
  ends = _event_times(time, event)
  if not horizons:
    quartiles = _quantiles(ends, 4)[:3]
    rounded = {float(f"{each:.2g}") for each in quartiles}
    horizons = [each for each in rounded if 0 < each < time.max()]
  times = sorted({*_quantiles(ends, intervals).tolist(), *horizons})
  incidence = [
    aalen_johansen(time, event, times=np.array(times), cause=cause + 1)
    for cause in range(len(names))
  ]
  return Survival(
    names=tuple(names),
    counts=tuple(counts.tolist()),
    unit=unit,
    horizons=tuple(sorted(map(float, horizons))),
    times=tuple(times),
    incidence=tuple(tuple(row.tolist()) for row in incidence),
    censoring=censoring(time, event),
  )


def _event_times(time: np.ndarray, event: np.ndarray) -> np.ndarray:
  """The event times that a grid is cut from, in ascending order."""
  inside = (event > 0) & (time > 0) & (time < time.max())
  early = inside & (time <= np.quantile(time, 1 - FOLLOWED))
  ends = np.sort(time[early if early.any() else inside])
  if not len(ends):
    raise UserError(
      "no training example has an event after time 0 and before the longest "
      "follow-up: survival cannot be learnt"
    )
  return ends


def _quantiles(values: np.ndarray, count: int) -> np.ndarray:
  """The values by which 1, 2, ... of `count` equal parts are reached."""
  levels = np.arange(1, count + 1) / count
  return np.quantile(values, levels, method="inverted_cdf")
