"""Metrics of predicted classes.

label, predicted: [N]; weight: [N] or [R,N], giving one value or R. See
`undefined` for what happens if a metric has no value.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import shares
from medfm.metrics.described import described
from medfm.metrics.intervals import jackknife, proportions
from medfm.metrics.intervals.bounds import (
  Bounds,
  NoBounds,
  Sample,
  bounded,
  measured_by,
  of,
)
from medfm.metrics.intervals.means import mover
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

NO_POSITIVE = "no positive example"
NO_NEGATIVE = "no negative example"
POSITIVE = "a positive example"
NEGATIVE = "a negative example"


def confusion(
  label: Array, predicted: Array, weight: Weight = None, *, classes: int
) -> Array:
  """Weighted counts [...,K,K]: rows are labels, columns are predictions."""
  label, predicted, weight = checked(label, predicted, weight)
  for name, values in (("label", label), ("prediction", predicted)):
    if not np.isin(values, np.arange(classes)).all():
      raise ValueError(f"a {name} is not one of 0..{classes - 1}")
  cell = (label * classes + predicted).astype(int)
  counts = weight @ np.eye(classes * classes)[cell]
  return counts.reshape(*counts.shape[:-1], classes, classes)


def _each_class(
  label: Array, predicted: Array, *, classes: int = 2
) -> tuple[list[tuple[Array, Array]]]:
  label, predicted = np.asarray(label), np.asarray(predicted)
  return ([shares.found(label == k, predicted == k) for k in range(classes)],)


def _mean_share(sample: Sample, parts: list[tuple[Array, Array]]) -> Bounds:
  each = [
    proportions.interval(sample, *part, of="an example of each class")
    for part in parts
  ]
  return mover([float(hits.sum() / n.sum()) for hits, n in parts], each)


@bounded(proportions.interval, shares.right)
@described("Accuracy", "share of predictions that are right", "more")
def accuracy(label: Array, predicted: Array, weight: Weight = None) -> Value:
  """Fraction of examples whose predicted class is their label."""
  label, predicted, weight = checked(label, predicted, weight)
  return average((label == predicted).astype(float), weight)


@bounded(_mean_share, _each_class)
@described("Balanced accuracy", "mean recall over the classes", "more")
def balanced_accuracy(
  label: Array, predicted: Array, weight: Weight = None, *, classes: int = 2
) -> Value:
  """Mean recall of all classes; undefined if a class has no example.

  scikit-learn instead leaves an absent class out of the mean, silently.
  """
  counts = confusion(label, predicted, weight, classes=classes)
  present = counts.sum(-1)
  recalls = ratio(np.diagonal(counts, axis1=-2, axis2=-1), present)
  absent = (present == 0).any(-1)
  return settled(recalls.mean(-1), (absent, "a class has no example"))


@bounded(proportions.interval, shares.called, of="a positive call")
@described(
  "Precision",
  "share of those called positive that are (positive predictive value)",
  "more",
)
def precision(
  label: Array,
  predicted: Array,
  weight: Weight = None,
  *,
  empty: float | None = None,
) -> Value:
  """Positive predictive value: true among predicted positives (binary).

  Undefined if nothing is predicted positive. For the mean of classes give
  `empty` = 0, scikit-learn's convention, as the value in that case, so that
  never predicting a class cannot raise the mean; then precision is undefined
  only for a class without an example.
  """
  tp, fp, fn, _ = _cells(label, predicted, weight)
  if empty is None:
    return share(tp, tp + fp, "no example is predicted positive")
  value = np.where(tp + fp == 0, empty, ratio(tp, tp + fp))
  return settled(value, (tp + fn == 0, NO_POSITIVE))


@bounded(proportions.interval, shares.found, of=POSITIVE)
@described(
  "Recall",
  "share of the positives that are called positive (sensitivity)",
  "more",
)
def recall(label: Array, predicted: Array, weight: Weight = None) -> Value:
  """Sensitivity: predicted positive among the positives (binary)."""
  tp, _, fn, _ = _cells(label, predicted, weight)
  return share(tp, tp + fn, NO_POSITIVE)


@bounded(proportions.interval, shares.cleared, of=NEGATIVE)
@described(
  "Specificity", "share of the negatives that are called negative", "more"
)
def specificity(label: Array, predicted: Array, weight: Weight = None) -> Value:
  """Predicted negative among the negatives (binary)."""
  _, fp, _, tn = _cells(label, predicted, weight)
  return share(tn, tn + fp, NO_NEGATIVE)


@bounded(
  proportions.interval,
  shares.agreed,
  of="a positive example or call",
  value=proportions.f1_of,
)
@described("F1", "harmonic mean of precision and recall", "more")
def f1(label: Array, predicted: Array, weight: Weight = None) -> Value:
  """2 tp / (2 tp + fp + fn) (binary); undefined without a positive example."""
  tp, fp, fn, _ = _cells(label, predicted, weight)
  return settled(ratio(2 * tp, 2 * tp + fp + fn), (tp + fn == 0, NO_POSITIVE))


@jackknife.on(jackknife.LOGIT)
@described(
  "Weighted F1",
  "mean of the classes' F1, each weighted by the share of examples of it",
  "more",
)
def weighted_f1(label: Array, predicted: Array, weight: Weight = None) -> Value:
  """A class that is neither true nor predicted for any example has weight 0."""
  label, predicted, weight = checked(label, predicted, weight)
  score = np.zeros(weight.shape[:-1])
  for k in np.unique(label):
    true = weight @ (label == k).astype(float)
    right = weight @ ((label == k) & (predicted == k)).astype(float)
    total = true + weight @ (predicted == k).astype(float)
    score = score + true * ratio(2 * right, np.maximum(total, 1e-12))
  return share(score, weight @ np.ones(len(label)), "no example")


@bounded(
  proportions.interval,
  shares.agreed_classes,
  of="one of these classes",
  value=proportions.f1_of,
)
@described(
  "Micro F1",
  "F1 over the examples of all classes but the first, the negative one",
  "more",
)
def positive_f1(label: Array, predicted: Array, weight: Weight = None) -> Value:
  """F1 over all classes but the first, as is usual for relation extraction."""
  label, predicted, weight = checked(label, predicted, weight)
  right = weight @ ((label == predicted) & (label > 0)).astype(float)
  total = weight @ ((label > 0).astype(float) + (predicted > 0))
  return share(2 * right, total, "no example of these classes")


@bounded(
  proportions.interval,
  shares.agreed_pairs,
  of="a true or called label",
  value=proportions.f1_of,
)
@described(
  "Micro F1", "F1 over all pairs of an example and a label together", "more"
)
def pooled_f1(label: Array, called: Array, weight: Weight = None) -> Value:
  """F1 of all pairs of example and label together; missing labels left out.

  label: [N,K] in {0, 1, NaN = missing}; called: [N,K] bool, or float with NaN
  where a prediction is not finite.
  """
  if np.isnan(called).any():
    raise Undefined("a prediction is not finite")
  weight = np.ones(len(label)) if weight is None else weight
  true, called = label == 1, ~np.isnan(label) & (called > 0)
  right = weight @ (true & called).sum(1).astype(float)
  total = weight @ (true.sum(1) + called.sum(1)).astype(float)
  return share(2 * right, total, "no label is true or called")


def threshold_at_specificity(
  label: Array, score: Array, weight: Weight = None, *, specificity: float = 0.9
) -> Value:
  """The lowest threshold whose specificity here is at least `specificity`.

  Predict positive where score >= threshold.

  It is a score of the split, or just above the highest score if even that calls
  too many negatives positive. Undefined without a negative example.
  """
  label, score, weight = checked_binary(label, score, weight)
  candidates, where = np.unique(score, return_inverse=True)
  order = np.argsort(where, kind="stable")
  starts = np.searchsorted(where[order], np.arange(len(candidates)))
  negative = (weight * ~label)[..., order]
  mass = np.add.reduceat(negative, starts, axis=-1)
  total = mass.sum(-1)
  below = ratio(np.cumsum(mass, -1), total[..., None])
  below = np.concatenate([np.zeros_like(below[..., :1]), below], -1)
  candidates = np.append(candidates, np.nextafter(candidates[-1], np.inf))
  # Sums of weights are rounded, so 0.8999... counts as 0.9.
  first = np.argmax(below >= specificity - 1e-12, axis=-1)
  return settled(candidates[first], (total == 0, NO_NEGATIVE))


def _at_threshold(
  sample: Sample,
  label: Array,
  score: Array,
  *,
  metric: Callable[..., Value],
  threshold: float | None,
  **settings: Any,
) -> Bounds:
  """The interval of `at_threshold`: that of the metric."""
  called = _called_from(score, threshold)
  measured = of(partial(metric, label, called, **settings))
  if measured is None:
    raise NoBounds(f"no interval is known of {metric.__name__}")
  return measured(sample)


@measured_by(_at_threshold)
def at_threshold(
  label: Array,
  score: Array,
  weight: Weight = None,
  *,
  metric: Callable[..., Value],
  threshold: float | None,
  **settings: Any,
) -> Value:
  """The metric, with examples called positive if score >= threshold."""
  called = _called_from(score, threshold)
  return metric(label, called, weight, **settings)


def _called_from(score: Array, threshold: float | None) -> Array:
  """[N] in {0, 1}, NaN if the score is not finite."""
  if threshold is None:
    raise Undefined("no threshold could be chosen on validation")
  score = np.asarray(score, np.float64)
  return np.where(np.isfinite(score), score >= threshold, np.nan)


def _cells(label: Array, predicted: Array, weight: Weight) -> Array:
  """Weighted (tp, fp, fn, tn), each [...]."""
  label, predicted, weight = checked_binary(label, predicted, weight)
  if not np.isin(predicted, (0, 1)).all():
    raise ValueError("a binary prediction is 0 or 1")
  hit = predicted == 1
  cells = np.stack(
    [label & hit, ~label & hit, label & ~hit, ~label & ~hit], axis=1
  )
  return np.moveaxis(weight @ cells.astype(float), -1, 0)
