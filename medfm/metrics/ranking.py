"""How well a score ranks positives above negatives (binary).

label [N] in {0, 1, NaN = missing}, score [N]; weight: [N] or [R,N]. Scores
are sorted once for all R resamples, whose weights are then summed along the
order.
"""

import numpy as np

from medfm.metrics.classification import NO_NEGATIVE, NO_POSITIVE
from medfm.metrics.described import described
from medfm.metrics.intervals import areas, jackknife
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import (
  Array,
  Value,
  Weight,
  checked_binary,
  ratio,
  settled,
)


def _ranked(label: Array, score: Array) -> tuple[Array, Array]:
  return label, score


@bounded(areas.interval, _ranked)
@described(
  "AUROC",
  "chance that a random positive is ranked above a random negative; 0.5 is "
  "guessing, 1 is perfect",
  "more",
)
def auroc(label: Array, score: Array, weight: Weight = None) -> Value:
  """Area under the ROC curve: P(positive scores higher), ties counting half."""
  positive, negative, at, below = _sides(label, score, weight)
  lower = np.searchsorted(below, at, "left")
  upper = np.searchsorted(below, at, "right")
  before = _running(negative)
  wins = np.einsum(
    "...n,...n->...", positive, before[..., lower] + before[..., upper]
  )
  positives, negatives = positive.sum(-1), negative.sum(-1)
  return settled(
    ratio(wins, 2 * positives * negatives),
    (positives == 0, NO_POSITIVE),
    (negatives == 0, NO_NEGATIVE),
  )


@jackknife.on(jackknife.LOGIT)
@described(
  "Average precision",
  "area under the precision-recall curve; guessing scores the prevalence",
  "more",
)
def average_precision(
  label: Array, score: Array, weight: Weight = None
) -> Value:
  """Sum over thresholds of (recall gained) x precision, as scikit-learn's.

  Not interpolated; tied scores share one threshold. Undefined without
  positives (scikit-learn: 0) and without negatives, as nothing can be ranked.
  """
  positive, negative, at, below = _sides(label, score, weight)
  true, false = (
    side.sum(-1)[..., None]
    - _running(side)[..., np.searchsorted(order, at, "left")]
    for side, order in ((positive, at), (negative, below))
  )
  precisions = np.where(positive > 0, ratio(true, true + false), 0)
  positives, negatives = positive.sum(-1), negative.sum(-1)
  return settled(
    ratio(np.einsum("...n,...n->...", positive, precisions), positives),
    (positives == 0, NO_POSITIVE),
    (negatives == 0, NO_NEGATIVE),
  )


def _running(weight: Array) -> Array:
  """Sums [...,n+1] of the first 0, 1, ... n weights."""
  sums = np.zeros((*weight.shape[:-1], weight.shape[-1] + 1))
  np.cumsum(weight, axis=-1, out=sums[..., 1:])
  return sums


def _sides(
  label: Array, score: Array, weight: Weight
) -> tuple[Array, Array, Array, Array]:
  """Weights and scores of positives and of negatives, by ascending score."""
  label, score, weight = checked_binary(label, score, weight)
  order = np.argsort(score, kind="stable")
  up, down = order[label[order]], order[~label[order]]
  return weight[..., up], weight[..., down], score[up], score[down]
