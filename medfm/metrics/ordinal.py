"""Metrics of ordered classes: label and called [N], their numbers from 0.

weight: [N] or [R,N], giving one value or R.
"""

import numpy as np

from medfm.metrics.described import described
from medfm.metrics.undefined import Value, average, checked, ratio, settled


@described(
  "Quadratic kappa",
  "agreement beyond chance, distant classes counting more; 1 is perfect",
  "more",
)
def quadratic_kappa(
  label: np.ndarray, called: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Cohen's kappa with quadratic weights (Cohen 1968).

  1 - E(label - called)^2 / (var label + var called + (difference of means)^2),
  which is the expected squared difference without any association.
  """
  label, called, weight = checked(label, called, weight)
  total = weight.sum(-1)

  def mean(values: np.ndarray) -> np.ndarray:
    return ratio(weight @ values, total)

  chance = mean(label**2) + mean(called**2) - 2 * mean(label) * mean(called)
  return settled(
    1 - ratio(mean((label - called) ** 2), chance),
    (total == 0, "no example has any weight"),
    (chance <= 1e-12, "all labels and predictions are one class"),
  )


@described(
  "Classes off",
  "mean distance of the predicted class from the true one",
  "less",
)
def classes_off(
  label: np.ndarray, called: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Mean absolute difference of label and called."""
  label, called, weight = checked(label, called, weight)
  return average(abs(label - called), weight)


@described("Within one class", "share predicted at most one class off", "more")
def within_one(
  label: np.ndarray, called: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """The share of examples called at most one class from their label."""
  label, called, weight = checked(label, called, weight)
  return average((abs(label - called) <= 1).astype(float), weight)
