"""The operating point: a threshold chosen on validation, used elsewhere.

An example is called positive where score >= threshold; without a threshold
(None) a metric is undefined. label [N] in {0, 1, NaN = missing}, score [N];
weight: [N] or [R,N].
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from medfm.metrics.classification import NO_NEGATIVE
from medfm.metrics.undefined import (
  Array,
  Undefined,
  Value,
  Weight,
  checked_binary,
)


def threshold_at_specificity(
  label: Array, score: Array, weight: Weight = None, *, specificity: float = 0.9
) -> float:
  """The lowest threshold whose specificity here is at least `specificity`.

  It is a score of the split, or just above its highest one where even that
  calls too many negatives positive. Undefined without a negative example.
  weight: [N] only.
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


def at_threshold(
  label: Array,
  score: Array,
  weight: Weight = None,
  *,
  metric: Callable[..., Value],
  threshold: float | None,
  **settings: Any,
) -> Value:
  """A metric of `classification`, of what is called at the threshold."""
  if threshold is None:
    raise Undefined("no threshold could be chosen on validation")
  score = np.asarray(score, np.float64)
  called = np.where(np.isfinite(score), score >= threshold, np.nan)
  return metric(label, called, weight, **settings)
