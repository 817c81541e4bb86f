"""One row per public metric: data, a naive reference, scikit-learn's."""

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np
import sklearn.metrics as reference
from scipy import optimize
from sklearn.linear_model import LinearRegression, LogisticRegression

from medfm.metrics import (
  calibration,
  classification,
  diagnosis,
  ordinal,
  ranking,
  regression,
  sizes,
)


class Case(NamedTuple):
  """metric(label, values, weight, **config) == naive(...) == sklearn(...)."""

  metric: Any
  data: str
  naive: Any
  sklearn: Any
  config: dict = {}


def data(kind: str, count: int = 40) -> tuple[np.ndarray, ...]:
  """(label, values, whole weights with zeros), seeded, with tied scores."""
  generator = np.random.default_rng(7)
  weight = generator.integers(0, 4, count).astype(float)
  label = generator.integers(0, 2, count)
  prob = 0.3 * label + 0.7 * generator.random(count)
  prob = np.clip(np.round(prob, 1), 0.05, 0.95)
  if kind == "binary":
    return label, (prob > 0.5).astype(int), weight
  if kind == "prob":
    return label, prob, weight
  if kind == "value":
    value = generator.normal(5, 2, count)
    return value + generator.normal(0, 1, count), value, weight
  label = generator.integers(0, 3, count)
  if kind == "classes":
    return label, generator.integers(0, 3, count), weight
  return label, generator.dirichlet(np.ones(3), count), weight


def repeated(label, values, weight):
  """The rows, each as often as its weight says."""
  times = weight.astype(int)
  return np.repeat(label, times, 0), np.repeat(values, times, 0)


def _confusion(y, c, classes):
  counts = np.zeros((classes, classes))
  for a, b in zip(y, c, strict=True):
    counts[a, b] += 1
  return counts


def _balanced(y, c, classes=2):
  return np.mean([np.mean(c[y == k] == k) for k in range(classes)])


def _precision(y, c):
  return sum(y[c == 1]) / sum(c == 1)


def _recall(y, c):
  return sum(c[y == 1]) / sum(y == 1)


def _specificity(y, c):
  return sum(1 - c[y == 0]) / sum(y == 0)


def _f1(y, c):
  a, b = _precision(y, c), _recall(y, c)
  return 2 * a * b / (a + b)


def _quadratic_kappa(y, c):
  """By the tables of observed and expected pairs."""
  cost = np.square(np.subtract.outer(np.arange(3), np.arange(3)))
  expected = np.outer(np.bincount(y, minlength=3), np.bincount(c, minlength=3))
  seen = (cost * _confusion(y, c, 3)).sum()
  return 1 - seen / ((cost * expected).sum() / len(y))


def _weighted_f1(y, c):
  return sum(np.mean(y == k) * _f1(y == k, c == k) for k in set(y))


def _positive_f1(y, c):
  right = sum((y == c) & (y > 0))
  return 2 * right / (sum(y > 0) + sum(c > 0))


def _auroc(y, s):
  pairs = list(itertools.product(s[y == 1], s[y == 0]))
  return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def _average_precision(y, s):
  total, before = 0.0, 0.0
  for cut in sorted(set(s), reverse=True):
    now = sum(y[s >= cut]) / sum(y)
    total += (now - before) * np.mean(y[s >= cut])
    before = now
  return total


def _brier_multiclass(y, p):
  return np.mean([sum((p[i] - np.eye(3)[y[i]]) ** 2) for i in range(len(y))])


def _calibration_error(y, p, bins=15):
  total = 0.0
  for b in range(bins):
    low, high = b / bins, (b + 1) / bins
    inside = (p > low) & (p <= high) if b else (p <= high)
    if inside.any():
      total += inside.mean() * abs(y[inside].mean() - p[inside].mean())
  return total


def _binned(y, p, weight):
  """Expected calibration error from numpy's histogram."""
  edges = np.linspace(0, 1, 16)
  gap, _ = np.histogram(1 - p, edges, weights=weight * (p - y))
  return abs(gap).sum() / weight.sum()


def _logit(p):
  return np.log(p / (1 - p))


def _loss(y, z):
  return np.mean(np.logaddexp(0, z) - y * z)


def _slope(y, p):
  found = optimize.minimize(
    lambda t: _loss(y, t[0] + t[1] * _logit(p)), [0, 0], tol=1e-14
  )
  return found.x[1]


def _library_slope(y, p, weight):
  model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000)
  return model.fit(_logit(p)[:, None], y, weight).coef_[0, 0]


def _intercept(y, p):
  return optimize.brentq(
    lambda a: np.mean(1 / (1 + np.exp(-a - _logit(p))) - y), -9, 9
  )


def _library_intercept(y, p, weight):
  found = optimize.minimize_scalar(
    lambda a: np.average(
      np.logaddexp(0, a + _logit(p)) - y * (a + _logit(p)), weights=weight
    ),
    bounds=(-9, 9),
    method="bounded",
    options={"xatol": 1e-9},
  )
  return found.x


def _r2(y, v):
  return 1 - sum((y - v) ** 2) / sum((y - y.mean()) ** 2)


def _pearson(y, v, weight):
  model = LinearRegression().fit(v[:, None], y, weight)
  fit = model.score(v[:, None], y, weight)
  return np.sign(model.coef_[0]) * fit**0.5


def _threshold(y, s, specificity):
  cuts = [c for c in s if np.mean(s[y == 0] < c) >= specificity]
  return min(cuts)


def _library_threshold(y, s, weight, specificity):
  wrong, _, cuts = reference.roc_curve(
    y, s, sample_weight=weight, drop_intermediate=False
  )
  return cuts[np.flatnonzero(1 - wrong >= specificity - 1e-12)[-1]]


def _rate(positive: int):
  def rate(y, c, weight):
    return reference.recall_score(
      y, c, sample_weight=weight, pos_label=positive
    )

  return rate


def _at(function):
  return lambda y, s, *weight, threshold, metric: function(
    y, (s >= threshold).astype(int), *weight
  )


def _weighted(function, **config):
  return lambda y, v, weight, **_: function(
    y, v, sample_weight=weight, **config
  )


def _predictive(y, c):
  """Of the negative calls, the share that is right."""
  return np.mean(y[c == 0] == 0)


def _library_predictive(y, c, weight):
  return reference.precision_score(1 - y, 1 - c, sample_weight=weight)


def _after_bayes(y, c, prevalence, positive):
  """The predictive value of calls, from a population of a million."""
  sick, well = 1e6 * prevalence, 1e6 * (1 - prevalence)
  true, false = np.mean(c[y == 1]), np.mean(c[y == 0])
  if positive:
    return sick * true / (sick * true + well * false)
  return well * (1 - false) / (well * (1 - false) + sick * (1 - true))


def _library_ratio(which):
  return lambda y, c, weight: reference.class_likelihood_ratios(
    y, c, sample_weight=weight
  )[which]


def _library_bayes(positive):
  """Post-test odds are the pre-test odds times a likelihood ratio."""

  def value(y, c, weight, prevalence=0.05):
    ratios = reference.class_likelihood_ratios(y, c, sample_weight=weight)
    odds = prevalence / (1 - prevalence) * ratios[0 if positive else 1]
    return odds / (1 + odds) if positive else 1 / (1 + odds)

  return value


def _limit(sign):
  def naive(y, v):
    apart = v - y
    return apart.mean() + sign * 1.96 * apart.std(ddof=1)

  def library(y, v, weight):
    apart = v - y
    variance = np.cov(apart, fweights=weight.astype(int))
    return np.average(apart, weights=weight) + sign * 1.96 * variance**0.5

  return naive, library


_CUT = {"threshold": 0.6}
_RARE = {"prevalence": 0.05}
CASES = [
  Case(
    classification.confusion,
    "classes",
    _confusion,
    _weighted(reference.confusion_matrix),
    {"classes": 3},
  ),
  Case(
    classification.accuracy,
    "classes",
    lambda y, c: np.mean(y == c),
    _weighted(reference.accuracy_score),
  ),
  Case(
    classification.balanced_accuracy,
    "classes",
    _balanced,
    _weighted(reference.balanced_accuracy_score),
    {"classes": 3},
  ),
  Case(
    classification.precision,
    "binary",
    _precision,
    _weighted(reference.precision_score),
  ),
  Case(classification.recall, "binary", _recall, _rate(1)),
  Case(classification.specificity, "binary", _specificity, _rate(0)),
  Case(classification.f1, "binary", _f1, _weighted(reference.f1_score)),
  Case(
    classification.weighted_f1,
    "classes",
    _weighted_f1,
    _weighted(reference.f1_score, average="weighted"),
  ),
  Case(
    ordinal.quadratic_kappa,
    "classes",
    _quadratic_kappa,
    _weighted(reference.cohen_kappa_score, weights="quadratic"),
  ),
  Case(
    ordinal.classes_off,
    "classes",
    lambda y, c: np.mean(abs(y - c)),
    _weighted(reference.mean_absolute_error),
  ),
  Case(
    ordinal.within_one,
    "classes",
    lambda y, c: np.mean(abs(y - c) < 1.5),
    lambda y, c, weight: np.average(abs(y - c) <= 1, weights=weight),
  ),
  Case(
    classification.positive_f1,
    "classes",
    _positive_f1,
    _weighted(reference.f1_score, average="micro", labels=[1, 2]),
  ),
  Case(ranking.auroc, "prob", _auroc, _weighted(reference.roc_auc_score)),
  Case(
    ranking.average_precision,
    "prob",
    _average_precision,
    _weighted(reference.average_precision_score),
  ),
  Case(
    calibration.brier,
    "prob",
    lambda y, p: np.mean((y - p) ** 2),
    _weighted(reference.brier_score_loss),
  ),
  Case(
    calibration.brier_multiclass,
    "probs",
    _brier_multiclass,
    _weighted(reference.brier_score_loss),
  ),
  Case(calibration.calibration_error, "prob", _calibration_error, _binned),
  Case(calibration.calibration_slope, "prob", _slope, _library_slope),
  Case(
    calibration.calibration_intercept, "prob", _intercept, _library_intercept
  ),
  Case(
    calibration.observed_expected,
    "prob",
    lambda y, p: sum(y) / sum(p),
    lambda y, p, weight: (
      np.average(y, weights=weight) / np.average(p, weights=weight)
    ),
  ),
  Case(
    diagnosis.negative_predictive_value,
    "binary",
    _predictive,
    _library_predictive,
  ),
  Case(
    diagnosis.positive_likelihood_ratio,
    "binary",
    lambda y, c: _recall(y, c) / (1 - _specificity(y, c)),
    _library_ratio(0),
  ),
  Case(
    diagnosis.negative_likelihood_ratio,
    "binary",
    lambda y, c: (1 - _recall(y, c)) / _specificity(y, c),
    _library_ratio(1),
  ),
  *(
    Case(
      metric,
      "binary",
      functools.partial(_after_bayes, positive=positive),
      _library_bayes(positive),
      _RARE,
    )
    for metric, positive in (
      (diagnosis.positive_value_at, True),
      (diagnosis.negative_value_at, False),
    )
  ),
  Case(
    regression.rmse,
    "value",
    lambda y, v: np.mean((y - v) ** 2) ** 0.5,
    _weighted(reference.root_mean_squared_error),
  ),
  Case(
    regression.mae,
    "value",
    lambda y, v: np.mean(abs(y - v)),
    _weighted(reference.mean_absolute_error),
  ),
  Case(regression.r2, "value", _r2, _weighted(reference.r2_score)),
  Case(
    regression.pearson,
    "value",
    lambda y, v: np.corrcoef(y, v)[0, 1],
    _pearson,
  ),
  Case(
    sizes.size_bias,
    "value",
    lambda y, v: np.mean(v - y),
    lambda y, v, weight: np.average(v - y, weights=weight),
  ),
  Case(
    sizes.size_error,
    "value",
    lambda y, v: np.mean(abs(y - v)),
    _weighted(reference.mean_absolute_error),
  ),
  Case(sizes.lower_limit, "value", *_limit(-1)),
  Case(sizes.upper_limit, "value", *_limit(1)),
  Case(sizes.presence_sensitivity, "binary", _recall, _rate(1)),
  Case(sizes.presence_specificity, "binary", _specificity, _rate(0)),
  Case(
    classification.threshold_at_specificity,
    "prob",
    _threshold,
    _library_threshold,
    {"specificity": 0.8},
  ),
  *(
    Case(
      classification.at_threshold,
      "prob",
      _at(naive),
      _at(library),
      _CUT | {"metric": metric},
    )
    for metric, naive, library in (
      (classification.recall, _recall, _rate(1)),
      (classification.specificity, _specificity, _rate(0)),
      (
        classification.precision,
        _precision,
        _weighted(reference.precision_score),
      ),
    )
  ),
]
