"""Intervals of areas under ROC curves and of C-indices.

Each end is the wider one of two intervals. The first is DeLong's (1988,
Biometrics) on the logit, with the variance between clusters of Obuchowski
(1997, Biometrics) and Student's t. Near 1 too few pairs are out of order to
estimate a variance; there the second is used: Newcombe's method 5 (2006,
Statistics in Medicine), a score interval with the variance of Hanley & McNeil
(1982, Radiology), for as many examples as are left after the design effect of
clusters.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from medfm.metrics.intervals.bounds import (
  FEW,
  ICC,
  LEVEL,
  PRIOR,
  Bounds,
  Sample,
  effective,
  enough,
  freedom,
)

METHOD = "logit_delong"
_TAIL = (1 - LEVEL) / 2
_STEPS = 50


class Sides(NamedTuple):
  """How many examples are ranked: above [G], below [G] by cluster, `pairs`."""

  above: np.ndarray
  below: np.ndarray
  pairs: float


def interval(sample: Sample, label: np.ndarray, score: np.ndarray) -> Bounds:
  """The interval of the AUROC of scores [N] for labels [N] in {0, 1, NaN}."""
  known = ~np.isnan(np.asarray(label, float))
  positive = np.zeros(len(known), bool)
  positive[known] = np.asarray(label)[known] == 1
  negative = known & ~positive
  above, below = sample.summed(positive), sample.summed(negative)
  _enough(sample, above, below, "a positive example", "a negative example")
  score = np.asarray(score, float)
  beaten = _share_below(score[positive], score[negative])
  beating = 1 - _share_below(score[negative], score[positive])
  area = float(beaten.mean())
  pull = np.zeros(len(known))
  pull[positive] = (beaten - area) / len(beaten)
  pull[negative] = (beating - area) / len(beating)
  sides = Sides(above, below, float(len(beaten) * len(beating)))
  return ranked(area, sample.summed(pull), sides)


def ranked(area: float, influence: np.ndarray, sides: Sides) -> Bounds:
  """The interval of an area, from the influences of clusters or groups."""
  clusters = min((sides.above > 0).sum(), (sides.below > 0).sum())
  variance = clusters / (clusters - 1) * float((influence**2).sum())
  low, high = _logit(area, variance, influence)
  above = float(sides.above.sum())
  below = sides.pairs / above
  fewer = design(area, variance, effective(influence), sides)
  score = newcombe(area, above / fewer, below / fewer)
  if not influence.any():
    influence = sides.above + sides.below
  ends = min(low, score[0]), max(high, score[1])
  return Bounds(*ends, METHOD, influence)


def newcombe(area: float, above: float, below: float) -> tuple[float, float]:
  """Newcombe's method 5: the areas from which this one is less than 1.96
  standard errors away; above and below: how many are ranked."""
  quantile = float(special.ndtri(1 - _TAIL))

  def end(outside: float) -> float:
    inside = area
    for _ in range(_STEPS if inside != outside else 0):
      middle = (inside + outside) / 2
      error = np.sqrt(hanley_mcneil(middle, above, below))
      if abs(middle - area) <= quantile * error:
        inside = middle
      else:
        outside = middle
    return inside

  return end(0.0), end(1.0)


def hanley_mcneil(area: float, above: float, below: float) -> float:
  """Variance of an area, in Newcombe's symmetric form."""
  half = (above + below) / 2 - 1
  spread = half * (1 - area) / (2 - area) + half * area / (1 + area)
  return area * (1 - area) * (1 + max(spread, 0.0)) / (above * below)


def design(
  area: float, variance: float, evidence: float, sides: Sides
) -> float:
  """The design effect, 1 or more: as observed, or as assumed if too few
  clusters show it."""
  above, below = sides.above.sum(), sides.pairs / sides.above.sum()
  area = min(max(area, 0.5), 1 - 0.5 / max(sides.pairs, 1.0))
  seen = variance / hanley_mcneil(area, above, below)
  parts = np.array(
    [
      (area / (2 - area) - area**2) / above,
      (2 * area**2 / (1 + area) - area**2) / below,
    ]
  )
  sizes = [(n**2).sum() / n.sum() for n in (sides.above, sides.below)]
  size = float(parts @ sizes / parts.sum())
  assumed = 1 + max(size - 1, 0.0) * ICC * PRIOR / (evidence + PRIOR)
  return max(1.0, float(seen), assumed)


def _logit(
  area: float, variance: float, influence: np.ndarray
) -> tuple[float, float]:
  if not (0 < area < 1 and variance > 0):
    return area, area
  quantile = float(special.stdtrit(freedom(influence), 1 - _TAIL))
  middle = np.log(area) - np.log1p(-area)
  reach = quantile * np.sqrt(variance) / (area * (1 - area))
  ends = np.clip([middle - reach, middle + reach], -700, 700)
  low, high = 1 / (1 + np.exp(-ends))
  return float(low), float(high)


def _share_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
  """For each value the share of the others below it; ties count half."""
  others = np.sort(others)
  below = np.searchsorted(others, values, "left")
  not_above = np.searchsorted(others, values, "right")
  return (below + not_above) / (2 * len(others))


def _enough(
  sample: Sample, above: np.ndarray, below: np.ndarray, *what: str
) -> None:
  for counts, name in zip((above, below), what, strict=True):
    enough(int((counts > 0).sum()), FEW, sample.whom, name)
