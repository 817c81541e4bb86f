"""Whether probabilities mean what they say.

label [N] in {0, 1, NaN = missing}, prob [N] of the positive class; weight:
[N] or [R,N], giving one value or R.
"""

import numpy as np

from medfm.metrics.classification import NO_NEGATIVE, NO_POSITIVE
from medfm.metrics.described import described
from medfm.metrics.undefined import (
  Undefined,
  Value,
  average,
  checked,
  checked_binary,
  ratio,
  settled,
)

_EDGE = float(np.finfo(np.float32).eps)


@described(
  "Brier score",
  "mean squared error of the probabilities; less is better",
  "less",
)
def brier(
  label: np.ndarray, prob: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Mean squared error of the probability, 0 to 1 (binary)."""
  label, prob, weight = _probabilities(label, prob, weight)
  return average((prob - label) ** 2, weight)


@described(
  "Brier score",
  "squared error of the probabilities, summed over the classes (0 to 2); "
  "less is better",
  "less",
)
def brier_multiclass(
  label: np.ndarray, probs: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Brier's own score, summed over classes, 0 to 2: label [N], probs [N,K]."""
  label, probs, weight = checked(label, probs, weight)
  if not np.isin(label, np.arange(probs.shape[1])).all():
    raise ValueError(f"a label is not one of 0..{probs.shape[1] - 1}")
  truth = np.eye(probs.shape[1])[label.astype(int)]
  return average(((probs - truth) ** 2).sum(1), weight)


@described(
  "Calibration error",
  "mean gap between predicted and observed frequency; less is better",
  "less",
)
def calibration_error(
  label: np.ndarray,
  prob: np.ndarray,
  weight: np.ndarray | None = None,
  *,
  bins: int = 15,
) -> Value:
  """Expected calibration error over equal-width bins, 0 to 1.

  The mean over examples of |observed - predicted| frequency of their bin;
  bins are (low, high], the first one with 0. For several classes give the
  top label: label = (prediction is right), prob = its probability (Guo et
  al. 2017, On calibration of modern neural networks).
  """
  label, prob, weight = _probabilities(label, prob, weight)
  place = np.clip(np.ceil(prob * bins).astype(int) - 1, 0, bins - 1)
  gaps = np.zeros((len(prob), bins))
  gaps[np.arange(len(prob)), place] = prob - label
  total = weight.sum(-1)
  return settled(
    ratio(abs(weight @ gaps).sum(-1), total),
    (total == 0, "no example has any weight"),
  )


@described(
  "Calibration slope",
  "1 is ideal; below 1 the probabilities are too extreme, above 1 too timid",
  1.0,
)
def calibration_slope(
  label: np.ndarray, prob: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Slope b of logistic recalibration, label ~ a + b logit(prob); ideal 1.

  Below 1: too extreme (overfitted); above 1: too timid (Cox 1958). Fitted by
  Newton's method to the maximum likelihood; probabilities are held within
  1.2e-7 of 0 and 1 so that their logit is finite.
  """
  label, prob, weight = _probabilities(label, prob, weight)
  x = _logit(prob)
  rows = weight.reshape(-1, len(x))
  overlap, both = _overlap(x, label, rows), _both(label, rows)
  constant = _extremes(x, rows)
  slope = np.full(len(rows), np.nan)
  if overlap.any():
    scale = x.std()
    design = np.stack([np.ones(len(x)), (x - x.mean()) / scale], axis=1)
    fit = _newton(design, np.zeros(len(x)), label, rows[overlap])
    slope[overlap] = fit[:, 1] / scale
  shape = weight.shape[:-1]
  return settled(
    slope.reshape(shape),
    *_missing_side(label, weight),
    (constant.reshape(shape), "the probabilities are constant"),
    (
      (both & ~overlap).reshape(shape),
      "the probabilities separate the classes completely",
    ),
    (np.isnan(slope).reshape(shape), "the recalibration did not converge"),
  )


@described(
  "Calibration intercept",
  "0 is ideal; below 0 the risk is overestimated, above 0 underestimated",
  0.0,
)
def calibration_intercept(
  label: np.ndarray, prob: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Calibration in the large: a in label ~ a + 1 logit(prob); ideal 0.

  Above 0: risks are underestimated on average. The slope is held at one
  (Steyerberg 2019, Clinical Prediction Models, chapter 15).
  """
  label, prob, weight = _probabilities(label, prob, weight)
  rows = weight.reshape(-1, len(prob))
  both = _both(label, rows)
  level = np.full(len(rows), np.nan)
  if both.any():
    ones = np.ones((len(prob), 1))
    level[both] = _newton(ones, _logit(prob), label, rows[both])[:, 0]
  shape = weight.shape[:-1]
  return settled(
    level.reshape(shape),
    *_missing_side(label, weight),
    (np.isnan(level).reshape(shape), "the recalibration did not converge"),
  )


def _probabilities(
  label: np.ndarray, prob: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  label, prob, weight = checked_binary(label, prob, weight)
  if prob.min() < 0 or prob.max() > 1:
    raise Undefined("a prediction is not a probability in 0..1")
  return label, prob, weight


def _logit(prob: np.ndarray) -> np.ndarray:
  prob = np.clip(prob, _EDGE, 1 - _EDGE)
  return np.log(prob) - np.log1p(-prob)


def _missing_side(
  label: np.ndarray, weight: np.ndarray
) -> tuple[tuple[np.ndarray, str], ...]:
  return (
    (weight[..., label].sum(-1) == 0, NO_POSITIVE),
    (weight[..., ~label].sum(-1) == 0, NO_NEGATIVE),
  )


def _both(label: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """Where both classes have weight: [R]."""
  return (weight[:, label].sum(1) > 0) & (weight[:, ~label].sum(1) > 0)


def _range(x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Lowest and highest x [N] that has weight [R,N]; inf, -inf if none."""
  order = np.argsort(x)
  live = weight[:, order] > 0
  none = ~live.any(1)
  if not len(x):
    return np.full(len(weight), np.inf), np.full(len(weight), -np.inf)
  low = x[order][live.argmax(1)]
  high = x[order][len(x) - 1 - live[:, ::-1].argmax(1)]
  return np.where(none, np.inf, low), np.where(none, -np.inf, high)


def _extremes(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """Where all examples with weight have the same x: [R]."""
  low, high = _range(x, weight)
  return low == high


def _overlap(
  x: np.ndarray, label: np.ndarray, weight: np.ndarray
) -> np.ndarray:
  """Where the maximum likelihood slope is finite (Albert & Anderson 1984)."""
  low_1, high_1 = _range(x[label], weight[:, label])
  low_0, high_0 = _range(x[~label], weight[:, ~label])
  return (high_0 > low_1) & (high_1 > low_0)


def _newton(
  design: np.ndarray, offset: np.ndarray, label: np.ndarray, weight: np.ndarray
) -> np.ndarray:
  """Logistic regressions: design [N,D], weight [R,N] -> parameters [R,D].

  Starts from the fit to the summed weights. A step after which the slope
  along it has grown went too far and is halved. Rows that have not converged
  after 60 rounds are NaN.
  """
  size = design.shape[1]
  at = np.zeros((len(weight), size))
  if len(weight) > 1:
    at = at + np.nan_to_num(
      _newton(design, offset, label, weight.sum(0, keepdims=True))
    )
  products = (design[:, :, None] * design[:, None, :]).reshape(-1, size**2)
  step, before = np.zeros_like(at), np.full(len(at), np.inf)
  done = np.zeros(len(at), bool)
  for _ in range(60):
    with np.errstate(over="ignore"):
      prob = 1 / (1 + np.exp(-(at @ design.T + offset)))
    residual = weight * (label - prob)
    gradient = residual @ design
    steep = abs((gradient * step).sum(1)) > before * (1 + 1e-9) + 1e-9
    np.multiply(prob, 1 - prob, out=prob)
    prob *= weight
    curvature = (prob @ products).reshape(-1, size, size)
    ridge = 1e-14 * np.trace(curvature, axis1=1, axis2=2) + 1e-300
    curvature = curvature + ridge[:, None, None] * np.eye(size)
    fresh = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
    at = np.where(steep[:, None], at - step / 2, at + fresh)
    step = np.where(steep[:, None], step / 2, fresh)
    before = np.where(steep, before / 2, abs((gradient * fresh).sum(1)))
    done = ~steep & (abs(step).max(1) <= 1e-8 * (1 + abs(at).max(1)))
    if done.all():
      break
  return np.where(done[:, None], at, np.nan)
