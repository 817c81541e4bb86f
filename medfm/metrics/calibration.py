"""Whether probabilities agree with observed frequencies.

label [N] in {0, 1, NaN = missing}, prob [N] of the positive class; weight:
[N] or [R,N], giving one value or R.
"""

import numpy as np

from medfm.metrics.classification import NO_NEGATIVE, NO_POSITIVE
from medfm.metrics.described import described
from medfm.metrics.intervals import gaps, jackknife, losses
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import (
  Array,
  Undefined,
  Value,
  Weight,
  average,
  checked,
  checked_binary,
  ratio,
  settled,
  share,
)

_EDGE = float(np.finfo(np.float32).eps)
_NOT_CONVERGED = "the recalibration did not converge"


def _squares(label: Array, prob: Array) -> tuple[Array, Array, float]:
  label, prob = np.asarray(label, float), np.asarray(prob, float)
  known = ~np.isnan(label)
  risk = prob[known]
  expected = _variance(
    np.stack([1 - risk, risk], 1), np.stack([risk**2, (1 - risk) ** 2], 1)
  )
  return np.nan_to_num((prob - label) ** 2), known.astype(float), expected


def _squares_of_classes(
  label: Array, probs: Array
) -> tuple[Array, Array, float]:
  label, probs = np.asarray(label, float), np.asarray(probs, float)
  known = ~np.isnan(label)
  total = (probs**2).sum(1, keepdims=True)
  outcomes = total - 2 * probs + 1
  place = np.where(known, label, 0).astype(int)
  losses = outcomes[np.arange(len(label)), place] * known
  expected = _variance(probs[known], outcomes[known])
  return losses, known.astype(float), expected


def _variance(probs: Array, losses: Array) -> float:
  """The variance of a random example's loss if the probabilities [N,K] were
  right; losses [N,K] are the losses if each class in turn were true."""
  mean = (probs * losses).sum(1)
  return float((probs * losses**2).sum(1).mean() - mean.mean() ** 2)


@bounded(losses.bounded_interval, _squares)
@described(
  "Brier score",
  "mean squared error of the probabilities; less is better",
  "less",
)
def brier(label: Array, prob: Array, weight: Weight = None) -> Value:
  """Mean squared error of the probability, 0 to 1 (binary)."""
  label, prob, weight = _probabilities(label, prob, weight)
  return average((prob - label) ** 2, weight)


@bounded(losses.bounded_interval, _squares_of_classes, most=2.0)
@described(
  "Brier score",
  "squared error of the probabilities, summed over the classes (0 to 2); "
  "less is better",
  "less",
)
def brier_multiclass(
  label: Array, probs: Array, weight: Weight = None
) -> Value:
  """Brier's own score, summed over classes, 0 to 2: label [N], probs [N,K]."""
  label, probs, weight = checked(label, probs, weight)
  if not np.isin(label, np.arange(probs.shape[1])).all():
    raise ValueError(f"a label is not one of 0..{probs.shape[1] - 1}")
  truth = np.eye(probs.shape[1])[label.astype(int)]
  return average(((probs - truth) ** 2).sum(1), weight)


def _binned(
  label: Array, prob: Array, *, bins: int = 15
) -> tuple[Array, Array, Array, Array]:
  label, prob = np.asarray(label, float), np.asarray(prob, float)
  return label, prob, _bins(prob, bins), ~np.isnan(label)


@bounded(gaps.interval, _binned)
@described(
  "Calibration error",
  "mean gap between predicted and observed frequency; chance alone causes "
  "some of it; less is better",
  "less",
)
def calibration_error(
  label: Array, prob: Array, weight: Weight = None, *, bins: int = 15
) -> Value:
  """Expected calibration error over equal-width bins, 0 to 1.

  The mean over examples of |observed - predicted| frequency of their bin;
  bins are (low, high], the first one with 0. For several classes give the
  top label: label = (prediction is right), prob = its probability (Guo et
  al. 2017, On calibration of modern neural networks). It is larger than the
  true error, especially with few examples: see `intervals.gaps`.
  """
  label, prob, weight = _probabilities(label, prob, weight)
  apart = np.zeros((len(prob), bins))
  apart[np.arange(len(prob)), _bins(prob, bins)] = prob - label
  gap = abs(weight @ apart).sum(-1)
  return share(gap, weight.sum(-1), "no example has any weight")


def _bins(prob: Array, bins: int) -> Array:
  """The bin of each probability: [N]."""
  return np.clip(np.ceil(prob * bins).astype(int) - 1, 0, bins - 1)


@jackknife.on(jackknife.PLAIN)
@described(
  "Calibration slope",
  "1 is ideal; below 1 the probabilities are too extreme, above 1 too timid",
  1.0,
)
def calibration_slope(
  label: Array, prob: Array, weight: Weight = None
) -> Value:
  """Slope b of logistic recalibration, label ~ a + b logit(prob); ideal 1.

  Below 1: too extreme (overfitted); above 1: too timid (Cox 1958). Fitted by
  Newton's method to the maximum likelihood; probabilities are held within
  1.2e-7 of 0 and 1 so that their logit is finite.
  """
  label, prob, weight = _probabilities(label, prob, weight)
  x, live = _logit(prob), weight.reshape(-1, len(prob)) > 0
  low, high = _range(x, live)
  # The maximum likelihood is finite (Albert & Anderson 1984).
  low_1, high_1 = _range(x[label], live[:, label])
  low_0, high_0 = _range(x[~label], live[:, ~label])
  overlap = (high_0 > low_1) & (high_1 > low_0)
  slope = np.full(len(live), np.nan)
  if overlap.any():
    scale = x.std()
    design = np.stack([np.ones(len(x)), (x - x.mean()) / scale], axis=1)
    rows = weight.reshape(-1, len(x))[overlap]
    slope[overlap] = (
      _newton(design, np.zeros(len(x)), label, rows)[:, 1] / scale
    )
  shape = weight.shape[:-1]
  return settled(
    slope.reshape(shape),
    *_missing_side(label, weight),
    ((low == high).reshape(shape), "the probabilities are constant"),
    (
      ~overlap.reshape(shape),
      "the probabilities separate the classes completely",
    ),
    (np.isnan(slope).reshape(shape), _NOT_CONVERGED),
  )


@jackknife.on(jackknife.PLAIN)
@described(
  "Calibration intercept",
  "0 is ideal; below 0 the risk is overestimated, above 0 underestimated",
  0.0,
)
def calibration_intercept(
  label: Array, prob: Array, weight: Weight = None
) -> Value:
  """Calibration in the large: a in label ~ a + 1 logit(prob); ideal 0.

  Above 0: risks are underestimated on average. The slope is held at one
  (Steyerberg 2019, Clinical Prediction Models, chapter 15).
  """
  label, prob, weight = _probabilities(label, prob, weight)
  rows = weight.reshape(-1, len(prob))
  both = (rows[:, label].sum(1) > 0) & (rows[:, ~label].sum(1) > 0)
  level = np.full(len(rows), np.nan)
  if both.any():
    ones = np.ones((len(prob), 1))
    level[both] = _newton(ones, _logit(prob), label, rows[both])[:, 0]
  level = level.reshape(weight.shape[:-1])
  return settled(
    level, *_missing_side(label, weight), (np.isnan(level), _NOT_CONVERGED)
  )


@jackknife.on(jackknife.LOG)
@described(
  "Observed / expected",
  "observed positives over the sum of the probabilities; above 1 the risk is "
  "underestimated, below 1 overestimated",
  1.0,
)
def observed_expected(
  label: Array, prob: Array, weight: Weight = None
) -> Value:
  """Calibration in the large as a ratio of counts; ideal 1.

  Undefined without a positive, as a ratio of 0 would be meaningless.
  """
  label, prob, weight = _probabilities(label, prob, weight)
  observed, expected = weight @ label.astype(float), weight @ prob
  return settled(
    ratio(observed, expected),
    (weight[..., label].sum(-1) == 0, NO_POSITIVE),
    (expected == 0, "every probability is 0"),
  )


def _probabilities(
  label: Array, prob: Array, weight: Weight
) -> tuple[Array, Array, Array]:
  label, prob, weight = checked_binary(label, prob, weight)
  if prob.min() < 0 or prob.max() > 1:
    raise Undefined("a prediction is not a probability in 0..1")
  return label, prob, weight


def _logit(prob: Array) -> Array:
  prob = np.clip(prob, _EDGE, 1 - _EDGE)
  return np.log(prob) - np.log1p(-prob)


def _missing_side(label: Array, weight: Array) -> tuple[tuple[Array, str], ...]:
  return (
    (weight[..., label].sum(-1) == 0, NO_POSITIVE),
    (weight[..., ~label].sum(-1) == 0, NO_NEGATIVE),
  )


def _range(x: Array, live: Array) -> tuple[Array, Array]:
  """Lowest and highest x [N] among those that are live [R,N]; inf, -inf."""
  low = np.where(live, x, np.inf).min(1, initial=np.inf)
  return low, np.where(live, x, -np.inf).max(1, initial=-np.inf)


def _newton(design: Array, offset: Array, label: Array, weight: Array) -> Array:
  """Logistic regressions: design [N,D], weight [R,N] -> parameters [R,D].

  Starts from the fit to the summed weights. A step is halved if the slope along
  it has grown, since it went too far. Rows that have not converged after 60
  rounds are NaN.
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
