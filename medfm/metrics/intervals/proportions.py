"""Intervals of shares: accuracy, sensitivity, precision, F1 and the like.

Wilson's interval (1927) for an effective number of examples: their number
divided by the design effect, which is the variance between clusters over that
of independent examples (Korn & Graubard 1998, Survey Methodology; Dean &
Pagano 2015, Journal of Survey Statistics and Methodology), with the quantile
of Student's t. If too few clusters show how alike their examples are, as near 0
and 1, a correlation of 0.3 is assumed. Near 0 and 1 the ends are those of the
beta distribution if these lie further out (as in Brown, Cai & DasGupta 2001,
Statistical Science, section 4.1.1).
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from medfm.metrics.intervals.bounds import (
  FEW,
  LEVEL,
  Bounds,
  Sample,
  correlation,
  enough,
)

METHOD = "wilson"
_TAIL = (1 - LEVEL) / 2
_EDGE = 0.04
"""The level of the beta distribution: the smallest that covers shares of 0.5 to
0.99, of 4 to 2,000 independent examples, in 0.936 of cases or more."""


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
  """Wilson's interval of a share among n, for the normal quantile z."""
  centre = share + z**2 / (2 * n)
  half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
  whole = 1 + z**2 / n
  return (centre - half) / whole, (centre + half) / whole


def interval(
  sample: Sample,
  hits: np.ndarray,
  counted: np.ndarray,
  *,
  of: str = "",
  value: Callable[[float], float] = float,
) -> Bounds:
  """The interval of hits / counted, each [N] and summed; 0 <= hits <= counted.

  of: what the counted clusters have, for the message if they are too few.
  value: the metric, as an increasing function of the share.
  """
  hit, among = sample.summed(hits), sample.summed(counted)
  clusters = int((among > 0).sum())
  enough(clusters, FEW, sample.whom, of)
  n = among.sum()
  share = hit.sum() / n
  influence = (hit - share * among) / n
  variance = clusters / (clusters - 1) * (influence**2).sum()
  independent = share * (1 - share) / n
  excess = variance / independent - 1 if independent > 0 else 0.0
  size = (among**2).sum() / n
  evidence = min((hit > 0).sum(), (hit < among).sum())
  alike = correlation(excess, size, float(evidence))
  n = n / (1 + (size - 1) * alike)
  low, high = _ends(float(share), float(n), clusters)
  if not influence.any():
    influence = among
  return Bounds(value(low), value(high), METHOD, influence)


def f1_of(share: float) -> float:
  """F1 from the share j of examples both true and called among those true or
  called: 2j / (1 + j), so that its interval is that of a share."""
  return 2 * share / (1 + share)


def _ends(share: float, n: float, clusters: int) -> tuple[float, float]:
  quantile = float(special.stdtrit(clusters - 1, 1 - _TAIL))
  low, high = wilson(share, n, quantile)
  hits, misses = n * share, n * (1 - share)
  if hits > 1e-9:
    low = min(low, float(special.betaincinv(hits, misses + 1, _EDGE)))
  if misses > 1e-9:
    high = max(high, float(special.betaincinv(hits + 1, misses, 1 - _EDGE)))
  return max(0.0, min(low, share)), min(1.0, max(high, share))
