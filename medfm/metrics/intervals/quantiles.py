"""Intervals of medians.

Woodruff's (1952, Journal of the American Statistical Association): the interval
of the share of values below the median, Wilson's for patients
(`proportions`), read off the values' own distribution. Ranks are rounded as in
Campbell & Gardner (1988, BMJ).
"""

import numpy as np

from medfm.metrics.intervals import proportions
from medfm.metrics.intervals.bounds import (
  FEW_FOR_MEANS,
  Bounds,
  Sample,
  enough,
)

METHOD = "woodruff"


def median_interval(
  sample: Sample, values: np.ndarray, counted: np.ndarray
) -> Bounds:
  """The interval of the median of the values [N] that are counted (0 or 1)."""
  clusters = int((sample.summed(counted) > 0).sum())
  enough(clusters, FEW_FOR_MEANS, sample.whom)
  here = np.asarray(counted) > 0
  known = np.asarray(values, float)[here]
  middle = float(np.median(known))
  half = np.where(values < middle, 1.0, np.where(values == middle, 0.5, 0.0))
  share = proportions.interval(sample, half * here, counted * 1.0)
  count = len(known)
  first = int(count * share.low + 0.5)
  last = count + 1 - int(count * (1 - share.high) + 0.5)
  ordered = np.sort(known)
  low, high = ordered[max(first, 1) - 1], ordered[min(last, count) - 1]
  length = np.sqrt((share.influence**2).sum())
  scale = (high - low) / (2 * 1.96) / length if length > 0 else 0.0
  # More below the median means a lower one.
  return Bounds(float(low), float(high), METHOD, -share.influence * scale)
