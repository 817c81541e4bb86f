"""The operating point: a threshold chosen on validation, used elsewhere.

An example is called positive where score >= threshold; without a threshold
(None) a metric is undefined. label [N] in {0, 1, NaN = missing}, score [N];
weight: [N] or [R,N].
"""

import numpy as np

from medfm.metrics import classification
from medfm.metrics.classification import NO_NEGATIVE
from medfm.metrics.described import described
from medfm.metrics.undefined import (
  Array,
  Undefined,
  Value,
  Weight,
  checked_binary,
)


def threshold_at_specificity(
  label: Array,
  score: Array,
  weight: Weight = None,
  *,
  specificity: float = 0.9,
) -> float:
  """The lowest threshold whose specificity here is at least `specificity`.

  It is a score of the split, or just above its highest one where even that
  calls too many negatives positive. weight: [N] only.

  Raises:
    Undefined: there is no negative example.
  """
  label, score, weight = checked_binary(label, score, weight)
  negatives = weight[~label].sum()
  if negatives == 0:
    raise Undefined(NO_NEGATIVE)
  candidates, where = np.unique(score, return_inverse=True)
  mass = np.bincount(where, weight * ~label, len(candidates))
  below = np.concatenate([[0.0], np.cumsum(mass)]) / negatives
  candidates = np.append(candidates, np.nextafter(candidates[-1], np.inf))
  # Sums of weights carry rounding: 0.9 reached as 0.8999... is reached.
  return float(candidates[np.argmax(below >= specificity - 1e-12)])


@described(
  "Sensitivity at threshold",
  "share of the positives found at the threshold chosen on validation",
  "more",
)
def sensitivity_at(
  label: Array, score: Array, weight: Weight = None, *, threshold: float | None
) -> Value:
  """Sensitivity of score >= threshold."""
  return classification.recall(label, _called(score, threshold), weight)


@described(
  "Specificity at threshold",
  "share of the negatives cleared at the threshold chosen on validation",
  "more",
)
def specificity_at(
  label: Array, score: Array, weight: Weight = None, *, threshold: float | None
) -> Value:
  """Specificity of score >= threshold."""
  return classification.specificity(label, _called(score, threshold), weight)


@described(
  "Precision at threshold",
  "share of those at or above the threshold chosen on validation that are "
  "positive",
  "more",
)
def precision_at(
  label: Array,
  score: Array,
  weight: Weight = None,
  *,
  threshold: float | None,
  empty: float | None = None,
) -> Value:
  """Positive predictive value of score >= threshold; see `precision`."""
  called = _called(score, threshold)
  return classification.precision(label, called, weight, empty=empty)


def _called(score: Array, threshold: float | None) -> Array:
  """1.0 where called positive, and NaN where the score is not finite."""
  if threshold is None:
    raise Undefined("no threshold could be chosen on validation")
  score = np.asarray(score, np.float64)
  return np.where(np.isfinite(score), score >= threshold, np.nan)
