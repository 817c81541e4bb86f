"""The interval of a calibration error, and the error that chance alone gives.

The error of n examples is on average larger than the true error, even a perfect
model has some, and resampling adds as much again (Roelofs et al. 2022,
AISTATS). So the value is shown as it is, with `if_calibrated` beside it: the
mean error, over drawn outcomes, of a model whose probabilities are true.
"""

import numpy as np
from scipy import special

from medfm.metrics.intervals.bounds import (
  FEW_FOR_MEANS,
  LEVEL,
  Bounds,
  Sample,
  effective,
  enough,
  freedom,
)

METHOD = "gaps"
IF_CALIBRATED = "if_calibrated"
_DRAWS = 2000
_SAMPLES = 200


def interval(
  sample: Sample,
  label: np.ndarray,
  prob: np.ndarray,
  place: np.ndarray,
  known: np.ndarray,
) -> Bounds:
  """The interval of the sum over bins (`place` [N]) of |mean of prob - label|.

  The errors of the bins' gaps are drawn together. The lower end is as far
  below the value as the gaps can have moved in all (which the triangle
  inequality makes safe); the upper end subtracts what resampling adds.
  """
  n, bins = known.sum(), int(place.max()) + 1
  within = (place[:, None] == np.arange(bins)) & known[:, None]
  gaps = within * np.where(known, prob - label, 0)[:, None]
  clusters = int((sample.summed(known * 1.0) > 0).sum())
  enough(clusters, FEW_FOR_MEANS, sample.whom)
  mean = gaps.sum(0) / n
  rows = (gaps - mean * known[:, None]) / n
  pulls = np.stack([sample.summed(column) for column in rows.T], 1)
  covariance = clusters / (clusters - 1) * pulls.T @ pulls
  chance = (within * (prob * (1 - prob))[:, None]).sum(0) / n**2
  short = np.maximum(chance - np.diag(covariance), 0)
  covariance += np.diag(short)
  influence = pulls @ np.sign(mean)
  generator = np.random.default_rng(sample.seed)
  scales, axes = np.linalg.eigh(covariance)
  moves = generator.normal(size=(_DRAWS, len(mean)))
  moves = moves * np.sqrt(np.maximum(scales, 0)) @ axes.T
  degrees = max(freedom(influence), 8.0) if effective(influence) else 8.0
  moves *= special.stdtrit(min(degrees, clusters - 1), 0.975) / 1.96
  value = float(abs(mean).sum())
  down = np.quantile(abs(moves).sum(1), LEVEL)
  up = np.quantile(abs(mean + moves).sum(1), (1 - LEVEL) / 2)
  low, high = max(0.0, value - down), max(value, 2 * value - up)
  if not influence.any():
    influence = sample.summed(known * 1.0)
  beside = {IF_CALIBRATED: _by_chance(prob[known], place[known], generator)}
  return Bounds(float(low), float(high), METHOD, influence, beside)


def _by_chance(
  prob: np.ndarray, place: np.ndarray, generator: np.random.Generator
) -> float:
  """The mean error if outcomes had the probabilities [N]."""
  errors = []
  for _ in range(_SAMPLES):
    outcome = generator.random(len(prob)) < prob
    errors.append(abs(np.bincount(place, prob - outcome)).sum() / len(prob))
  return float(np.mean(errors))
