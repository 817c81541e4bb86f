"""The numbers behind the figures, in numpy."""

from typing import NamedTuple

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.intervals.bounds import FEW


class Binary(NamedTuple):
  """One yes-or-no question: scores against the truth.

  truth: [N] bool; scores: [N] probabilities; patients: [N] str or None.
  """

  name: str
  truth: np.ndarray
  scores: np.ndarray
  patients: np.ndarray | None

  @property
  def prevalence(self) -> float:
    return float(self.truth.mean())

  @property
  def both(self) -> bool:
    """Whether there are both positives and negatives."""
    return 0 < self.truth.sum() < len(self.truth)


def question(
  name: str,
  truth: np.ndarray,
  scores: np.ndarray,
  known: np.ndarray,
  patients: np.ndarray | None,
) -> Binary:
  """A question, over the rows [N] that are known and have a finite score."""
  known = known & np.isfinite(scores)
  named = None if patients is None else patients[known]
  return Binary(name, truth[known], scores[known], named)


def roc(truth, scores, weight=None):
  """(false positive rate, true positive rate) from (0, 0) to (1, 1)."""
  true, false = _cumulative(truth, scores, weight)
  rates = (counts / max(counts[-1], 1e-12) for counts in (false, true))
  return tuple(np.append(0.0, rate) for rate in rates)


def precision_recall(truth, scores):
  """(recall, precision) at each distinct score, from recall 0 upwards."""
  true, false = _cumulative(truth, scores)
  precision = true / (true + false)
  recall = np.append(0.0, true / max(true[-1], 1e-12))
  return recall, np.append(precision[:1], precision)


def roc_band(question: Binary, replicates: int = 300):
  """(grid [101], low [101], high [101]): pointwise 95 % bootstrap band.

  Patients are drawn with replacement, with all their rows; a row whose patient
  is not known is drawn by itself, as everywhere. None if either class has rows
  of fewer than 5 patients, or if all draws agree, as for a perfect ranking.
  """
  truth, scores = question.truth, question.scores
  cluster = bootstrap.clusters(question.patients, len(truth))
  if min(len(np.unique(cluster[side])) for side in (truth, ~truth)) < FEW:
    return None
  grid, curves = np.linspace(0, 1, 101), []
  for weight in bootstrap.weights(cluster, replicates, 0):
    if weight[truth].sum() and weight[~truth].sum():
      curves.append(np.interp(grid, *roc(truth, scores, weight)))
  low, high = np.quantile(curves, [0.025, 0.975], axis=0)
  return (grid, low, high) if (low < high).any() else None


def reliability(truth, scores, bins: int = 10):
  """(mean score, observed share, count) per filled bin of [0, 1], of equal
  width."""
  which = np.clip((np.asarray(scores) * bins).astype(int), 0, bins - 1)
  n, total, positives = (
    np.bincount(which, weights, bins) for weights in (None, scores, truth)
  )
  filled = n > 0
  n, mean, share = n[filled], total[filled], positives[filled]
  return mean / n, share / n, n


def _cumulative(truth, scores, weight=None):
  """Positives and negatives at or above each distinct score, descending."""
  order = np.argsort(-scores, kind="stable")
  scores, truth = scores[order], truth[order]
  weight = np.ones(len(scores)) if weight is None else weight[order]
  last = np.append(scores[1:] != scores[:-1], True)
  return np.cumsum(weight * truth)[last], np.cumsum(weight * ~truth)[last]
