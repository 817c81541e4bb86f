"""Agreement of a structure's predicted size and presence with the truth.

Bland & Altman (1986, The Lancet). label, value: [N], true and predicted; sizes
in one unit, presence 0 or 1. A NaN label is missing. weight: [N] or [R,N], how
often each case counts.
"""

from functools import partial

import numpy as np

from medfm.metrics import classification, shares
from medfm.metrics.described import described
from medfm.metrics.intervals import jackknife, losses, proportions
from medfm.metrics.intervals.bounds import (
  Bounds,
  Sample,
  bounded,
  measured_by,
)
from medfm.metrics.intervals.means import mover
from medfm.metrics.undefined import (
  Array,
  Value,
  Weight,
  average,
  checked,
  ratio,
  settled,
)

_WIDTH = 1.96


def _errors(label: Array, value: Array) -> tuple[Array, Array]:
  label = np.asarray(label, float)
  known = ~np.isnan(label)
  return np.where(known, abs(np.asarray(value, float) - label), 0), known * 1.0


@jackknife.on(jackknife.PLAIN)
@described("Size bias", "mean of predicted less true size", 0.0)
def size_bias(label: Array, value: Array, weight: Weight = None) -> Value:
  """Mean of value - label."""
  label, value, weight = checked(label, value, weight)
  return average(value - label, weight)


def _bounds(
  sample: Sample, label: Array, value: Array, *, width: float
) -> Bounds:
  """Of a limit: the interval of the bias combined with that of the spread.

  The spread's is on the logarithm, so that it covers with few cases.
  """
  bias = partial(size_bias, label, value)
  spread = partial(_spread, label, value)
  middle = jackknife.interval(sample, bias, scale=jackknife.PLAIN)
  around = jackknife.interval(sample, spread, scale=jackknife.LOG)
  low, high = sorted((width * around.low, width * around.high))
  parts = [
    Bounds(2 * middle.low, 2 * middle.high, "", 2 * middle.influence),
    Bounds(2 * low, 2 * high, "", 2 * width * around.influence),
  ]
  values = 2 * float(bias()), 2 * width * float(spread())
  return mover(values, parts)._replace(method=jackknife.METHOD)


@measured_by(partial(_bounds, width=-_WIDTH))
@described(
  "Lower limit of agreement",
  "bias less 1.96 standard deviations: 95 % of the size differences lie "
  "between the limits if they are normal",
  0.0,
)
def lower_limit(label: Array, value: Array, weight: Weight = None) -> Value:
  """Mean - 1.96 SD of value - label."""
  return size_bias(label, value, weight) - _WIDTH * _spread(
    label, value, weight
  )


@measured_by(partial(_bounds, width=_WIDTH))
@described(
  "Upper limit of agreement",
  "bias plus 1.96 standard deviations, else as the lower limit",
  0.0,
)
def upper_limit(label: Array, value: Array, weight: Weight = None) -> Value:
  """Mean + 1.96 SD of value - label."""
  return size_bias(label, value, weight) + _WIDTH * _spread(
    label, value, weight
  )


@bounded(losses.interval, _errors)
@described("Size error", "mean of the difference of sizes, either way", "less")
def size_error(label: Array, value: Array, weight: Weight = None) -> Value:
  """Mean of |value - label|."""
  label, value, weight = checked(label, value, weight)
  return average(abs(value - label), weight)


@bounded(proportions.interval, shares.found, of="the structure")
@described(
  "Presence sensitivity",
  "share of the cases with the structure in which any of it is predicted",
  "more",
)
def presence_sensitivity(
  label: Array, value: Array, weight: Weight = None
) -> Value:
  """label, value: whether the structure is in the truth, the prediction."""
  return classification.recall(label, value, weight)


@bounded(proportions.interval, shares.cleared, of="no such structure")
@described(
  "Presence specificity",
  "share of the cases without the structure in which none is predicted",
  "more",
)
def presence_specificity(
  label: Array, value: Array, weight: Weight = None
) -> Value:
  """label, value: as in `presence_sensitivity`."""
  return classification.specificity(label, value, weight)


def _spread(label: Array, value: Array, weight: Weight = None) -> Value:
  """Standard deviation of value - label."""
  label, value, weight = checked(label, value, weight)
  apart = value - label
  apart = apart - np.median(apart)  # An offset costs no digits.
  total = weight.sum(-1)
  squares = weight @ apart**2 - ratio((weight @ apart) ** 2, total)
  with np.errstate(invalid="ignore"):
    spread = np.sqrt(np.maximum(ratio(squares, total - 1), 0))
  return settled(
    spread,
    (total == 0, "no example has any weight"),
    (total <= 1, "one case has no standard deviation"),
  )
