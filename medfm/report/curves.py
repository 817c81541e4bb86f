"""The numbers behind the figures, in numpy."""

from typing import NamedTuple

import numpy as np


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
    """Whether there are positives as well as negatives."""
    return 0 < self.truth.sum() < len(self.truth)


def question(
  name: str,
  truth: np.ndarray,
  scores: np.ndarray,
  known: np.ndarray,
  patients: np.ndarray | None,
) -> Binary:
  """A question of the rows [N] that are known and have a finite score."""
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

  Patients are drawn with replacement, with all their rows; rows are drawn
  where patients are not known. None where too few draws have both classes.
  """
  generator = np.random.default_rng(0)
  cluster = np.arange(len(question.truth))
  if question.patients is not None:
    _, cluster = np.unique(question.patients, return_inverse=True)
  count = int(cluster.max()) + 1
  grid, curves = np.linspace(0, 1, 101), []
  for _ in range(replicates):
    drawn = np.bincount(generator.integers(count, size=count), minlength=count)
    weight = drawn[cluster].astype(np.float64)
    if weight[question.truth].sum() and weight[~question.truth].sum():
      curve = roc(question.truth, question.scores, weight)
      curves.append(np.interp(grid, *curve))
  if len(curves) < replicates / 2:
    return None
  return grid, *np.quantile(curves, [0.025, 0.975], axis=0)


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
