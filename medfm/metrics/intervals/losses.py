"""Intervals of mean losses: Brier score, RMSE, MAE, the loss of a model.

The variance is the one between clusters, or an assumed one if too few clusters
show it. The quantile is Student's t, with fewer degrees of freedom if the mean
depends on few losses. Ends are computed on the logarithm or, for a loss with an
upper bound, by Wilson's formula, whose error near 0 grows like that of counts.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from medfm.metrics.intervals.bounds import (
  FEW_FOR_MEANS,
  ICC,
  LEVEL,
  PRIOR,
  Bounds,
  NoBounds,
  Sample,
  effective,
  enough,
  freedom,
)
from medfm.metrics.intervals.proportions import wilson

LOG = "log_t"
SCORE = "score_t"
_TAIL = (1 - LEVEL) / 2
_LEAST = 8.0
"""The least degrees of freedom for a bounded loss."""


def interval(
  sample: Sample,
  losses: np.ndarray,
  counted: np.ndarray,
  *,
  value: Callable[[float], float] = float,
) -> Bounds:
  """The interval of a mean of losses [N], 0 or more; counts [N] weight them.

  value: the metric, as an increasing function of the mean loss.
  """
  mean, influence, variance = _spread(sample, losses, counted, ICC**2)
  quantile = special.stdtrit(freedom(influence), 1 - _TAIL)
  reach = min(float(quantile * np.sqrt(variance) / mean), 700.0)
  low, high = (value(float(mean * np.exp(end))) for end in (-reach, reach))
  return Bounds(low, high, LOG, influence)


def bounded_interval(
  sample: Sample,
  losses: np.ndarray,
  counted: np.ndarray,
  expected: float,
  *,
  most: float = 1.0,
) -> Bounds:
  """The interval of a mean of losses [N] from 0 to `most`.

  expected: variance of one loss if the model's probabilities were right. The
  true variance is hardly less, even if large losses are rare in the sample.
  """
  mean, influence, variance = _spread(sample, losses, counted, ICC, expected)
  share = mean / most
  n = share * (1 - share) / (variance / most**2)
  quantile = special.stdtrit(freedom(influence, _LEAST), 1 - _TAIL)
  low, high = wilson(share, n, float(quantile))
  return Bounds(most * max(low, 0.0), most * min(high, 1.0), SCORE, influence)


def _spread(
  sample: Sample,
  losses: np.ndarray,
  counted: np.ndarray,
  assumed: float,
  expected: float = 0.0,
) -> tuple[float, np.ndarray, float]:
  """(mean, influence [G] of the counted clusters, variance) of a mean loss."""
  among = sample.summed(counted)
  clusters = int((among > 0).sum())
  enough(clusters, FEW_FOR_MEANS, sample.whom)
  n = counted.sum()
  mean = float(losses @ counted / n)
  pull = counted * (losses - mean) / n
  influence = sample.summed(pull)
  independent = (pull**2).sum()
  if not (mean > 0 and independent > 0):
    raise NoBounds("no interval: the losses do not vary")
  variance = clusters / (clusters - 1) * (influence**2).sum()
  rows = sample.summed(counted > 0)
  size = (rows**2).sum() / rows.sum()
  guess = assumed * PRIOR / (effective(influence) + PRIOR)
  design = max(1.0, variance / independent, 1 + (size - 1) * guess)
  worst = max(independent, expected * (counted**2).sum() / n**2) * design
  return mean, influence, float(worst)
