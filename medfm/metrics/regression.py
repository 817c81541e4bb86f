"""Metrics of one regression target: label, value [N] in the target's unit.

NaN labels are missing; weight: [N] or [R,N], giving one value or R.
"""

import math

import numpy as np

from medfm.metrics.described import described
from medfm.metrics.intervals import jackknife, losses
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import (
  Array,
  Value,
  Weight,
  average,
  checked,
  ratio,
  settled,
)

CONSTANT = "the labels are constant"


def _squares(label: Array, value: Array) -> tuple[Array, Array]:
  errors, known = _errors(label, value)
  return errors**2, known


def _errors(label: Array, value: Array) -> tuple[Array, Array]:
  label = np.asarray(label, float)
  known = ~np.isnan(label)
  return np.where(known, abs(np.asarray(value, float) - label), 0), known * 1.0


@bounded(losses.interval, _squares, value=math.sqrt)
@described(
  "RMSE",
  "root mean squared error, in the target's unit; less is better",
  "less",
)
def rmse(label: Array, value: Array, weight: Weight = None) -> Value:
  """Root mean squared error, in the target's unit."""
  label, value, weight = checked(label, value, weight)
  return average((value - label) ** 2, weight) ** 0.5


@bounded(losses.interval, _errors)
@described(
  "MAE", "mean absolute error, in the target's unit; less is better", "less"
)
def mae(label: Array, value: Array, weight: Weight = None) -> Value:
  """Mean absolute error, in the target's unit."""
  label, value, weight = checked(label, value, weight)
  return average(abs(value - label), weight)


@jackknife.on(jackknife.UNEXPLAINED)
@described(
  "R²", "share of the target's variance explained; 0 is the mean", "more"
)
def r2(label: Array, value: Array, weight: Weight = None) -> Value:
  """1 - squared error / squared deviation from the mean label; may be < 0."""
  label, value, weight = checked(label, value, weight)
  spread, constant = _spread(label, weight)
  unexplained = ratio(weight @ (value - label) ** 2, spread)
  return settled(1 - unexplained, (constant, CONSTANT))


@jackknife.on(jackknife.FISHER)
@described("Pearson r", "linear correlation of predicted and observed", "more")
def pearson(label: Array, value: Array, weight: Weight = None) -> Value:
  """Pearson's correlation of label and value."""
  label, value, weight = checked(label, value, weight)
  x, y = label - np.median(label), value - np.median(value)
  shared = weight @ (x * y) - ratio((weight @ x) * (weight @ y), weight.sum(-1))
  (xx, label_constant), (yy, constant) = _spread(x, weight), _spread(y, weight)
  with np.errstate(invalid="ignore"):
    scale = np.sqrt(xx) * np.sqrt(yy)
  return settled(
    np.clip(ratio(shared, scale), -1, 1),
    (label_constant, CONSTANT),
    (constant, "the predictions are constant"),
  )


def _spread(values: Array, weight: Array) -> tuple[Array, Array]:
  """Weighted squared deviation from the mean, and where it is zero."""
  # Measured from the median, so that a large offset costs no digits.
  distance = values - np.median(values)
  squares = weight @ distance**2
  spread = squares - ratio((weight @ distance) ** 2, weight.sum(-1))
  return spread, ~(spread > 1e-12 * squares)
