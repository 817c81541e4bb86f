"""Curves over risk: observed risk and net benefit, with their bands.

label [N] in {0, 1}, prob [N], at [G] risks; weight: [N] or [R,N]. A curve is
[G] or, for weights [R,N], [R,G].
"""

from collections.abc import Callable

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.intervals.bounds import FEW_FOR_MEANS
from medfm.metrics.undefined import Array, Weight

SPAN = 0.75
"""The share of the examples to which a local line is fitted."""
REPLICATES = 300
"""Resamples of a band, at most."""


def observed(
  label: Array,
  prob: Array,
  at: Array,
  weight: Weight = None,
  *,
  span: float = SPAN,
) -> Array:
  """The observed share at predicted risks: the flexible calibration curve.

  Local straight lines with tricube weights over the nearest `span` of the
  examples (Cleveland 1979, JASA, without its robust steps), held within 0..1,
  as Van Calster et al. 2016, Journal of Clinical Epidemiology, advise. The
  neighbourhoods are those of the whole split, in every resample. NaN if a
  resample has no example nearby.
  """
  label, prob, at, weight = _checked(label, prob, at, weight)
  apart = prob - at[:, None]
  distance = np.abs(apart)
  near = int(np.clip(np.ceil(span * len(prob)), 1, len(prob))) - 1
  reach = np.partition(distance, near, axis=1)[:, near, None]
  # If that many examples share one probability, only they are near.
  reach = np.maximum(reach, 1e-9) * (1 + 1e-9)
  kernel = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3
  unit = apart / reach

  def total(values: Array) -> Array:
    return weight @ (kernel * values).T

  mass, first, second = total(np.ones_like(unit)), total(unit), total(unit**2)
  level, slope = total(label), total(unit * label)
  spread = mass * second - first**2
  flat = spread <= 1e-9 * mass * mass
  with np.errstate(divide="ignore", invalid="ignore"):
    line = (second * level - first * slope) / spread
    curve = np.where(flat, level / mass, line)
  return np.clip(curve, 0, 1)


def net_benefit(
  label: Array, prob: Array, at: Array, weight: Weight = None
) -> Array:
  """TP / n - FP / n * t / (1 - t), treating if prob >= t, 0 < t < 1.

  Vickers & Elkin 2006, Medical Decision Making. Treating everybody has the net
  benefit of prob = 1, treating nobody has 0. NaN without any weight.
  """
  label, prob, at, weight = _checked(label, prob, at, weight)
  harm = at / (1 - at)
  worth = np.where(label[:, None] == 1, 1.0, -harm)
  worth = worth * (prob[:, None] >= at)
  with np.errstate(divide="ignore", invalid="ignore"):
    return weight @ worth / weight.sum(-1)[..., None]


def band(
  curve: Callable[[Array], Array],
  cluster: Array,
  *,
  replicates: int = REPLICATES,
  seed: int = 0,
) -> tuple[Array, Array] | None:
  """Pointwise 95 % of a curve of weights [R,N], resampling whole patients.

  cluster: [N], from `bootstrap.clusters`. NaN at a place where more than a
  tenth of the resamples have no value; None for fewer than ten patients, or
  without replicates.
  """
  replicates = min(replicates, REPLICATES)
  if not replicates or cluster.max(initial=0) + 1 < FEW_FOR_MEANS:
    return None
  drawn = bootstrap.resamples(cluster, replicates, seed)
  curves = np.concatenate([curve(weight) for weight in drawn])
  lost = np.isnan(curves).mean(0) > bootstrap.MAX_UNDEFINED
  filled = np.where(lost, 0.0, curves)
  low, high = np.nanquantile(filled, [0.025, 0.975], axis=0)
  return np.where(lost, np.nan, low), np.where(lost, np.nan, high)


def _checked(
  label: Array, prob: Array, at: Array, weight: Weight
) -> tuple[Array, Array, Array, Array]:
  label, prob, at = (np.asarray(x, np.float64) for x in (label, prob, at))
  weight = np.ones(len(prob)) if weight is None else np.asarray(weight, float)
  return label, prob, at, weight
