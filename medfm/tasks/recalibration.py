"""Predictions moved to a new cohort's level and spread, for every task.

At most two numbers per question are fitted, by maximum likelihood: the
intercept alone (recalibration in the large), or intercept and slope (Cox 1958;
Steyerberg 2019, Clinical Prediction Models, chapter 15; Van Calster et al.
2019, BMC Medicine). The evaluator `evals.recalibration` decides on which rows.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from medfm.metrics import calibration
from medfm.metrics.undefined import Undefined
from medfm.types import Arrays, Info

MIN_EACH = 10
"""The fewest examples of each class (or known numbers) for fitting."""
_EDGE = float(np.finfo(np.float32).eps)


class Fitted(NamedTuple):
  """One recalibration.

  parameters: the fitted numbers, by name, such as `slope` or `slope[a]`.
  applied: predicted -> predicted, recalibrated.
  left: labels that stay as they are, for lack of examples.
  """

  parameters: Mapping[str, float]
  applied: Callable[[Arrays], Arrays]
  left: tuple[str, ...] = ()


class Recalibration(NamedTuple):
  """How a task recalibrates.

  ways: name -> fit of (info, target, predicted) of known rows; `Undefined`
    says why it cannot be fitted.
  metrics: stems of the metrics that it is meant to improve.
  how: what is fitted, or why nothing is, as one sentence.
  """

  ways: Mapping[str, Callable[[Info, Arrays, Arrays], Fitted]]
  metrics: tuple[str, ...]
  how: str


OF_PROBS = ("brier", "calibration_error")
OF_PROBS += ("calibration_slope", "calibration_intercept")
LOGISTIC = (
  "Logistic recalibration: logit p becomes a + logit p (intercept), or "
  "a + b logit p (intercept and slope)."
)


def logistic(
  label: np.ndarray, prob: np.ndarray, *, slope: bool
) -> tuple[float, float]:
  """(a, b) of label ~ a + b logit(prob); b is 1 without `slope`.

  label: [N] in {0, 1, NaN}. Undefined if one side has too few examples.
  """
  for value in (0, 1):
    require(
      int((np.asarray(label) == value).sum()), f"examples labelled {value}"
    )
  b = float(calibration.calibration_slope(label, prob)) if slope else 1.0
  # Given the best slope b, the best intercept completes the joint optimum.
  a = calibration.calibration_intercept(label, moved(prob, 0, b))
  return float(a), b


def moved(prob: np.ndarray, a: float, b: float) -> np.ndarray:
  """The probabilities whose logit is a + b logit(prob)."""
  inside = np.clip(np.asarray(prob, np.float64), _EDGE, 1 - _EDGE)
  logit = a + b * (np.log(inside) - np.log1p(-inside))
  return np.exp(-np.logaddexp(0, -logit))


def _two(
  info: Info, target: Arrays, predicted: Arrays, *, slope: bool
) -> Fitted:
  """With two classes: recalibrates the second one's probability."""
  del info
  a, b = logistic(target["label"], predicted["probs"][:, 1], slope=slope)

  def applied(predicted: Arrays) -> Arrays:
    prob = moved(predicted["probs"][:, 1], a, b)
    return {**predicted, "probs": np.stack([1 - prob, prob], 1)}

  parameters = {"intercept": a} | ({"slope": b} if slope else {})
  return Fitted(parameters, applied)


def _several(
  info: Info, target: Arrays, predicted: Arrays, *, slope: bool
) -> Fitted:
  """With K classes: an intercept each, the first one's 0, and one slope."""
  from scipy import optimize

  label, names = np.asarray(target["label"]), info.target.names
  for k, name in enumerate(names):
    require(int((label == k).sum()), f"examples of {name}")
  logits, count = _log(predicted["probs"]), len(names)
  truth = np.eye(count)[label]

  def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
    b = at[-1] if slope else 1.0
    log_probs = _normalised(b * logits + np.append(0, at[: count - 1]))
    miss = np.exp(log_probs) - truth
    gradient = [*miss[:, 1:].mean(0), *[(miss * logits).sum(1).mean()][:slope]]
    return -float((truth * log_probs).sum(1).mean()), np.array(gradient)

  start = np.append(np.zeros(count - 1), np.ones(int(slope)))
  best = optimize.minimize(loss, start, jac=True, method="BFGS")
  if not np.isfinite(best.x).all() or abs(best.jac).max() > 1e-3:
    raise Undefined("the recalibration did not converge")
  shift, b = np.append(0, best.x[: count - 1]), best.x[-1] if slope else 1.0

  def applied(predicted: Arrays) -> Arrays:
    moved = np.exp(_normalised(b * _log(predicted["probs"]) + shift))
    return {**predicted, "probs": moved}

  parameters = {
    f"intercept[{name}]": float(each)
    for name, each in zip(names, shift, strict=True)
  }
  return Fitted(parameters | ({"slope": float(b)} if slope else {}), applied)


def of_classes(info: Info) -> Recalibration:
  """Moves the second of two classes' logit; with more, all of them."""
  if len(info.target.names) == 2:
    return Recalibration(_ways(_two), OF_PROBS, LOGISTIC)
  how = (
    "Multinomial recalibration: the log-probability of each class gets its "
    "own intercept, and in the second way all are also multiplied by one slope "
    "(temperature scaling: slope = 1 / temperature)."
  )
  return Recalibration(_ways(_several), OF_PROBS[:2], how)


def of_labels(info: Info) -> Recalibration:
  """Each label separately; a label with too few examples stays as it is."""
  del info
  how = f"{LOGISTIC} Each label has separate parameters."
  return Recalibration(_ways(_each_label), OF_PROBS, how)


def _each_label(
  info: Info, target: Arrays, predicted: Arrays, *, slope: bool
) -> Fitted:
  def fit(k: int) -> tuple[float, float]:
    label, prob = target["label"][:, k], predicted["probs"][:, k]
    return logistic(label, prob, slope=slope)

  return _by_column(info, "probs", fit, moved, slope)


def of_numbers(info: Info) -> Recalibration:
  """A line for each target."""
  del info
  how = (
    "Linear recalibration by least squares: a value v becomes a + v "
    "(intercept), or a + b v (intercept and slope)."
  )
  return Recalibration(_ways(_each_number), ("rmse", "mae", "r2"), how)


def _each_number(
  info: Info, target: Arrays, predicted: Arrays, *, slope: bool
) -> Fitted:
  def fit(k: int) -> tuple[float, float]:
    return _least_squares(
      np.asarray(target["label"][:, k], np.float64),
      np.asarray(predicted["value"][:, k], np.float64),
      slope,
    )

  return _by_column(info, "value", fit, _line, slope)


def _least_squares(
  label: np.ndarray, value: np.ndarray, slope: bool
) -> tuple[float, float]:
  rows = ~np.isnan(label) & np.isfinite(value)
  label, value = label[rows], value[rows]
  require(len(label), "known values")
  if not slope:
    return float((label - value).mean()), 1.0
  centred = value - value.mean()
  if not centred.any():
    raise Undefined("the predictions are constant")
  b = float(centred @ (label - label.mean()) / (centred @ centred))
  return float(label.mean() - b * value.mean()), b


def _line(value: np.ndarray, a: float, b: float) -> np.ndarray:
  return a + b * np.asarray(value, np.float64)


def _by_column(
  info: Info,
  key: str,
  fit: Callable[[int], tuple[float, float]],
  move: Callable[[np.ndarray, float, float], np.ndarray],
  slope: bool,
) -> Fitted:
  """Each column of predicted[key] by its (a, b); Undefined without any."""
  fitted, reasons = {}, []
  for k in range(len(info.target.names)):
    try:
      fitted[k] = fit(k)
    except Undefined as error:
      reasons.append(str(error))
  if not fitted:
    raise Undefined(reasons[0])
  names = info.target.names

  def applied(predicted: Arrays) -> Arrays:
    columns = np.array(predicted[key], np.float64)
    for k, (a, b) in fitted.items():
      columns[:, k] = move(columns[:, k], a, b)
    return {**predicted, key: columns}

  parameters = {}
  for k, (a, b) in fitted.items():
    suffix = f"[{names[k]}]" if len(names) > 1 else ""
    parameters[f"intercept{suffix}"] = a
    parameters |= {f"slope{suffix}": b} if slope else {}
  left = tuple(name for k, name in enumerate(names) if k not in fitted)
  return Fitted(parameters, applied, left)


def _ways(fit: Callable) -> dict[str, Callable]:
  return {
    "Intercept": partial(fit, slope=False),
    "Intercept and slope": partial(fit, slope=True),
  }


def require(count: int, what: str) -> None:
  """Raises Undefined if there are too few examples to fit anything."""
  if count < MIN_EACH:
    raise Undefined(f"{count} {what}: recalibration needs {MIN_EACH}")


def _log(probs: np.ndarray) -> np.ndarray:
  return np.log(np.clip(np.asarray(probs, np.float64), _EDGE, 1))


def _normalised(logits: np.ndarray) -> np.ndarray:
  top = logits - logits.max(1, keepdims=True)
  return top - np.log(np.exp(top).sum(1, keepdims=True))
