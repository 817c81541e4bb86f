"""Ordinal logistic regression: proportional odds (McCullagh 1980)."""

from functools import partial
from typing import Any

import numpy as np

from medfm.data import designs
from medfm.tasks import classical
from medfm.tasks.classical import Learnt
from medfm.tasks.tuning import Problem


class ProportionalOdds:
  """P(y > k) = sigmoid(x w - t_k), with rising t_k and a penalty |w|^2 / 2C.

  In the form of scikit-learn: `fit`, `predict_proba`, `classes_`.
  """

  def __init__(self, C: float = 1.0):
    self.C = C

  def fit(self, x: np.ndarray, y: np.ndarray) -> "ProportionalOdds":
    """Maximum likelihood of y [n] given standardised x [n,D]."""
    from scipy import optimize

    self.classes_, place = np.unique(y, return_inverse=True)
    self._mean, spread = x.mean(0), x.std(0)
    self._scale = np.where(spread > 0, spread, 1)
    z, count = (x - self._mean) / self._scale, len(self.classes_) - 1
    shares = np.bincount(place)[:-1].cumsum() / len(y)
    cuts = np.log(shares / (1 - shares))
    gaps = np.log(np.maximum(np.diff(cuts), 1e-3))
    start = np.concatenate([np.zeros(x.shape[1]), cuts[:1], gaps])
    best = optimize.minimize(
      _loss, start, (z, place, count, self.C), jac=True, method="L-BFGS-B"
    )
    self._slopes, self._cuts = best.x[: x.shape[1]], _rising(best.x[-count:])
    return self

  def predict_proba(self, x: np.ndarray) -> np.ndarray:
    """[n,K] in the order of `classes_`."""
    slope = ((x - self._mean) / self._scale) @ self._slopes
    below = _sigmoid(self._cuts[None] - slope[:, None])
    ends = np.pad(below, [(0, 0), (1, 1)])
    ends[:, -1] = 1
    return np.diff(ends, axis=1)


def fit(problem: Problem) -> Learnt:
  """With the strength that cross-validation within training chooses."""
  default = {"C": 1.0}
  return classical.tuned(
    ProportionalOdds, problem, classical.STRENGTHS, default=default
  )


ORDINAL_LOGISTIC: Any = partial(classical.predictions, designs.linear, fit)


def _rising(at: np.ndarray) -> np.ndarray:
  """The thresholds: the first, and positive gaps."""
  return np.cumsum(np.concatenate([at[:1], np.exp(at[1:])]))


def _sigmoid(x: np.ndarray) -> np.ndarray:
  return np.exp(-np.logaddexp(0, -x))


def _loss(
  at: np.ndarray, z: np.ndarray, place: np.ndarray, count: int, C: float
) -> tuple[float, np.ndarray]:
  """The penalised negative log-likelihood and its gradient."""
  slopes, cuts = at[:-count], _rising(at[-count:])
  slope, rows = z @ slopes, np.arange(len(z))
  below = np.zeros((len(z), count + 2))
  below[:, 1:-1] = _sigmoid(cuts[None] - slope[:, None])
  below[:, -1] = 1
  dense = below * (1 - below)
  prob = np.maximum(below[rows, place + 1] - below[rows, place], 1e-12)
  upper, lower = dense[rows, place + 1] / prob, dense[rows, place] / prob
  of_cuts = np.zeros((len(z), count + 2))
  of_cuts[rows, place + 1] -= upper
  of_cuts[rows, place] += lower
  each = of_cuts[:, 1:-1].sum(0)
  tail = each[::-1].cumsum()[::-1]
  gradient = np.concatenate(
    [
      z.T @ (upper - lower) + slopes / C,
      tail[:1],
      tail[1:] * np.exp(at[len(at) - count + 1 :]),
    ]
  )
  return float(-np.log(prob).sum() + slopes @ slopes / (2 * C)), gradient
