"""How well risks over time rank patients and match what happened to them.

time [N], the end of follow-up in the data's unit; event [N] int: 0 censored,
1, 2, ... the cause that ended it, -1 unknown. Rows of unknown event or NaN
time are left out. weight: [N] or [R,N], giving one value or R; data are
sorted once for all R resamples.

`risk` of a metric at a horizon is the predicted probability of the event by
then. `censoring` is the training split's, as `censoring` gives it: inverse
probability of censoring weights (IPCW) do not change between resamples.
"""

from collections.abc import Sequence

import numpy as np

from medfm.metrics import ranking
from medfm.metrics.described import described
from medfm.metrics.followed import by_row, followed
from medfm.metrics.intervals import jackknife
from medfm.metrics.intervals.areas import Sides, ranked
from medfm.metrics.intervals.bounds import (
  FEW,
  Bounds,
  Sample,
  enough,
  measured_by,
)
from medfm.metrics.undefined import (
  Array,
  Undefined,
  Value,
  Weight,
  average,
  checked,
  settled,
  share,
)

Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Times in ascending order, and the value from each time on; 1 before them."""

Times = Sequence[float] | Array

NO_PAIR = "no event is followed by a later time"
NOT_FOLLOWED = "nobody is followed past the horizon"


def _concordance_bounds(
  sample: Sample, time: Array, event: Array, risk: Array, *, cause: int = 1
) -> Bounds:
  """The interval of `concordance`, from its derivative by each weight: a pair
  counts for both of its members."""
  known = (np.asarray(event) >= 0) & ~np.isnan(np.asarray(time, float))
  time, event, risk, _ = _checked(time, event, risk, None)
  failed, key, rank = _order(time, event, risk, cause)
  everyone = np.ones(len(time), bool)
  first, second = by_row(np.zeros_like(rank), key, failed, everyone)
  pairs, total = first + second, first.sum()
  enough(0 if total == 0 else 1, 1, sample.whom, "somebody to compare with")
  wins = 0.5 * np.add(*by_row(rank, key, failed, everyone))
  for bit in range(int(rank.max()).bit_length()):
    high = (rank >> bit) % 2 == 1
    wins += np.add(*by_row(rank >> bit + 1, key, failed & high, ~high))
  value = float(wins.sum() / pairs.sum())
  pull, above = np.zeros((2, len(known)))
  pull[known] = (wins - value * pairs) / total
  above[known] = first > 0
  sides = Sides(sample.summed(above), sample.summed(known), total)
  enough(int((sides.above > 0).sum()), FEW, sample.whom, "the event")
  return ranked(value, sample.summed(pull), sides)


@measured_by(_concordance_bounds)
@described(
  "C-index",
  "how often, of two patients whose order is known, the one who fails "
  "first was given a higher risk (Harrell); 0.5 is chance",
  "more",
)
def concordance(
  time: Array,
  event: Array,
  risk: Array,
  weight: Weight = None,
  *,
  cause: int = 1,
) -> Value:
  """Harrell's C of risks [N] of any scale (1996, Statistics in Medicine).

  Over all comparable pairs: one fails of `cause`, the other is followed longer,
  or as long and then censored. Two patients who fail at the same time are not
  compared, equal risks count half, and a patient who fails of another cause
  counts as censored then, as in scikit-survival's `concordance_index_censored`.
  """
  time, event, risk, weight = _checked(time, event, risk, weight)
  failed, key, rank = _order(time, event, risk, cause)
  everyone = np.ones(len(time), bool)
  pairs = followed(weight, np.zeros_like(rank), key, failed, everyone)
  wins = 0.5 * followed(weight, rank, key, failed, everyone)
  # At the first bit in which two ranks differ, the higher rank has a 1.
  for bit in range(int(rank.max()).bit_length()):
    high = (rank >> bit) % 2 == 1
    wins = wins + followed(weight, rank >> bit + 1, key, failed & high, ~high)
  return share(wins, pairs, NO_PAIR)


@jackknife.on(jackknife.LOG)
@described(
  "Brier score at a horizon",
  "squared error of the risk by the horizon, with weights that correct for "
  "censoring; 0 is perfect",
  "less",
)
def brier_at(
  time: Array,
  event: Array,
  risk: Array,
  weight: Weight = None,
  *,
  horizon: float,
  censoring: Curve,
  cause: int = 1,
) -> Value:
  """Squared error of the risk [N] at the horizon, 0 to 1, by IPCW (Graf et al.
  1999, Statistics in Medicine; of several causes, Schoop et al. 2011)."""
  time, event, risk, weight = _checked(time, event, risk, weight)
  losses = _squares(time, event, risk[:, None], (horizon,), censoring, cause)
  return _followed_past(average(losses[:, 0], weight), time, weight, horizon)


@jackknife.on(jackknife.LOG)
@described(
  "Integrated Brier",
  "squared error of the risks, with weights that correct for censoring, "
  "averaged over the follow-up; 0 is perfect",
  "less",
)
def integrated_brier(
  time: Array,
  event: Array,
  risks: Array,
  weight: Weight = None,
  *,
  times: Sequence[float],
  censoring: Curve,
  cause: int = 1,
) -> Value:
  """Mean Brier score over times [T] of the risks [N,T], by trapezoids."""
  time, event, risks, weight = _checked(time, event, risks, weight)
  if len(times) < 2:
    raise Undefined("one time only: nothing to integrate over")
  losses = _squares(time, event, risks, times, censoring, cause)
  mean = np.trapezoid(losses, times, axis=1) / (times[-1] - times[0])
  return _followed_past(average(mean, weight), time, weight, times[-1])


def _by_horizon(
  time: Array,
  event: Array,
  risk: Array,
  *,
  horizon: float,
  censoring: Curve,
  cause: int = 1,
) -> tuple[Array, Array, float]:
  """Patients who fail by the horizon, who surely do not, and the pairs."""
  del risk, censoring
  time, event = np.asarray(time, np.float64), np.asarray(event)
  known = (event >= 0) & ~np.isnan(time)
  failed = known & (time <= horizon) & (event == cause)
  other = known & ~failed & ((time > horizon) | (event > 0))
  return failed * 1.0, other * 1.0, float(failed.sum() * other.sum())


@jackknife.ranked(_by_horizon, "the event by the horizon")
@described(
  "AUROC at a horizon",
  "how often a patient who fails by the horizon was given a higher risk than "
  "one who does not, with weights that correct for censoring; 0.5 is chance",
  "more",
)
def auroc_at(
  time: Array,
  event: Array,
  risk: Array,
  weight: Weight = None,
  *,
  horizon: float,
  censoring: Curve,
  cause: int = 1,
) -> Value:
  """Cumulative/dynamic AUROC of the risk [N] (any scale), by IPCW.

  The probability that a patient who has failed by the horizon has a higher risk
  than one who has not, ties counting half (Uno et al. 2007, JASA). A patient
  who failed of another cause by then has not failed of this one (Blanche et al.
  2013, Statistics in Medicine).
  """
  time, event, risk, weight = _checked(time, event, risk, weight)
  failed = (time <= horizon) & (event == cause)
  total = weight[..., failed].sum(-1)
  settled(total, (total == 0, "nobody fails by the horizon"))
  _followed_past(total, time, weight, horizon)
  inverse = ipcw(time, event, horizon, censoring)
  label = np.where(inverse > 0, failed, np.nan)
  return ranking.auroc(label, risk, weight * inverse)


@jackknife.on(jackknife.LOG)
@described(
  "Observed / expected risk",
  "observed risk (Kaplan-Meier, or Aalen-Johansen) over the mean "
  "predicted risk; above 1 the model predicts too little risk",
  1.0,
)
def observed_expected(
  time: Array,
  event: Array,
  risk: Array,
  weight: Weight = None,
  *,
  horizon: float,
  cause: int = 1,
) -> Value:
  """Observed over mean predicted risk [N] at the horizon; ideal 1."""
  time, event, risk, weight = _checked(time, event, risk, weight)
  observed = aalen_johansen(time, event, weight, times=(horizon,), cause=cause)
  expected = average(risk, weight)
  value = share(observed[..., 0], expected, "every predicted risk is 0")
  return _followed_past(value, time, weight, horizon)


def kaplan_meier(
  time: Array, event: Array, weight: Weight = None, *, times: Times
) -> Array:
  """P(no event by each of the times [T]): [T] or [R,T]; any cause.

  Events come before censorings of the same time. After the last follow-up
  the curve stays as it is.
  """
  any_cause = (np.asarray(event) > 0).astype(int)
  return 1 - aalen_johansen(time, any_cause, weight, times=times)


def aalen_johansen(
  time: Array,
  event: Array,
  weight: Weight = None,
  *,
  times: Times,
  cause: int = 1,
) -> Array:
  """P(failed of `cause` by each of the times [T]): [T] or [R,T]."""
  time, event = np.asarray(time, np.float64), np.asarray(event)
  weight = np.ones(len(time)) if weight is None else np.asarray(weight, float)
  order = np.argsort(time, kind="stable")
  distinct, starts = np.unique(time[order], return_index=True)
  weight, event = weight[..., order], event[order]

  def totals(rows):
    return np.add.reduceat(weight * rows, starts, axis=-1)

  present = totals(np.ones(len(time)))
  at_risk = np.cumsum(present[..., ::-1], -1)[..., ::-1]
  safe = np.maximum(at_risk, 1e-300)
  alive = np.cumprod(1 - totals(event > 0) / safe, -1)
  before = np.concatenate([np.ones_like(alive[..., :1]), alive[..., :-1]], -1)
  grown = np.cumsum(before * totals(event == cause) / safe, -1)
  grown = np.concatenate([np.zeros_like(grown[..., :1]), grown], -1)
  return grown[..., np.searchsorted(distinct, times, "right")]


def numbers_at_risk(time: Array, times: Array) -> Array:
  """How many of `time` [N] are still followed just before each time: [T]."""
  ordered = np.sort(np.asarray(time, np.float64))
  return len(ordered) - np.searchsorted(ordered, times, "left")


def censoring(time: Array, event: Array) -> Curve:
  """Kaplan-Meier curve of P(not yet censored), ending at the last time.

  At equal times failures come first: those patients were not censored and are
  no longer at risk of being censored, as in scikit-survival.
  """
  time, event = np.asarray(time, np.float64), np.asarray(event)
  distinct = np.unique(time)
  place = np.searchsorted(distinct, time)
  lost, failed = (
    np.bincount(place, rows, len(distinct)) for rows in (event == 0, event > 0)
  )
  left = numbers_at_risk(time, distinct) - failed
  values = np.cumprod(1 - lost / np.maximum(left, 1))
  kept = lost > 0
  kept[-1] = True
  return tuple(distinct[kept].tolist()), tuple(values[kept].tolist())


def value_at(curve: Curve, times: Array | float) -> Array:
  """The value of a curve at each time; after its end it stays constant."""
  starts, values = curve
  return np.array([1.0, *values])[np.searchsorted(starts, times, "right")]


def _order(
  time: Array, event: Array, risk: Array, cause: int
) -> tuple[Array, Array, Array]:
  """(who failed, the order of ends, the order of risks), each [N]."""
  failed = event == cause
  place, rank = (np.unique(x, return_inverse=True)[1] for x in (time, risk))
  # At equal times, the censored come last.
  return failed, 2 * place + ~failed, rank


def _checked(
  time: Array, event: Array, values: Array, weight: Weight
) -> tuple[Array, Array, Array, Array]:
  """Rows of known outcome: as `undefined.checked`, with the events [n]."""
  time, event = np.asarray(time, np.float64), np.asarray(event)
  if len(time) != len(event):
    raise ValueError(f"{len(time)} times and {len(event)} events")
  time = np.where(event < 0, np.nan, time)
  known, values, weight = checked(time, values, weight)
  if known.min() < 0:
    raise ValueError("a time is negative")
  return known, event[~np.isnan(time)], values, weight


def _squares(
  time: Array,
  event: Array,
  risks: Array,
  times: Sequence[float],
  censoring: Curve,
  cause: int,
) -> Array:
  """Squared errors [N,T] of risks [N,T], each times its IPCW."""
  if risks.min() < 0 or risks.max() > 1:
    raise Undefined("a prediction is not a probability in 0..1")
  losses = np.empty(risks.shape)
  for column, horizon in enumerate(times):
    failed = (time <= horizon) & (event == cause)
    inverse = ipcw(time, event, horizon, censoring)
    losses[:, column] = inverse * (failed - risks[:, column]) ** 2
  return losses


def ipcw(time: Array, event: Array, horizon: float, censoring: Curve) -> Array:
  """1 / P(an outcome by the horizon is known), 0 if it is not known: [N]."""
  if horizon > censoring[0][-1]:
    raise Undefined("no training example is followed to the horizon")
  if value_at(censoring, horizon) <= 0:
    raise Undefined("every training example is censored before the horizon")
  inverse = 1 / value_at(censoring, np.minimum(time, horizon))
  return np.where((time > horizon) | (event > 0), inverse, 0)


def _followed_past(
  value: Value, time: Array, weight: Array, horizon: float
) -> Value:
  """`value`, if an example with weight is followed past the horizon."""
  lost = weight[..., time > horizon].sum(-1) == 0
  return settled(np.asarray(value), (lost, NOT_FOLLOWED))
