"""Metrics of predicted classes.

label, predicted: [N]; weight: [N] or [R,N], giving one value or R. See
`undefined` for what happens where a metric has no value.
"""

import numpy as np

from medfm.metrics.undefined import (
  Value,
  average,
  checked,
  checked_binary,
  ratio,
  settled,
)

NO_POSITIVE = "no positive example"
NO_NEGATIVE = "no negative example"


def confusion(
  label: np.ndarray,
  predicted: np.ndarray,
  weight: np.ndarray | None = None,
  *,
  classes: int,
) -> np.ndarray:
  """Weighted counts [...,K,K]: rows are labels, columns are predictions.

  Raises:
    ValueError: a label or prediction is not one of 0..classes-1.
  """
  label, predicted, weight = checked(label, predicted, weight)
  for name, values in (("label", label), ("prediction", predicted)):
    if not np.isin(values, np.arange(classes)).all():
      raise ValueError(f"a {name} is not one of 0..{classes - 1}")
  cell = (label * classes + predicted).astype(int)
  counts = weight @ np.eye(classes * classes)[cell]
  return counts.reshape(*counts.shape[:-1], classes, classes)


def accuracy(
  label: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Fraction of examples whose predicted class is their label."""
  label, predicted, weight = checked(label, predicted, weight)
  return average((label == predicted).astype(float), weight)


def balanced_accuracy(
  label: np.ndarray,
  predicted: np.ndarray,
  weight: np.ndarray | None = None,
  *,
  classes: int = 2,
) -> Value:
  """Mean recall of all classes; undefined where a class has no example.

  scikit-learn instead leaves an absent class out of the mean, silently.
  """
  counts = confusion(label, predicted, weight, classes=classes)
  present = counts.sum(-1)
  recalls = ratio(np.diagonal(counts, axis1=-2, axis2=-1), present)
  return settled(
    recalls.mean(-1), ((present == 0).any(-1), "a class has no example")
  )


def precision(
  label: np.ndarray,
  predicted: np.ndarray,
  weight: np.ndarray | None = None,
  *,
  empty: float | None = None,
) -> Value:
  """Positive predictive value: true among predicted positives (binary).

  Undefined where nothing is predicted positive. For the mean of classes give
  `empty` = 0, scikit-learn's convention: it stands in there, so that never
  predicting a class cannot raise the mean; then a class without an example
  is what is undefined.
  """
  tp, fp, fn, _ = _cells(label, predicted, weight)
  value = ratio(tp, tp + fp)
  if empty is not None:
    value = np.where(tp + fp == 0, empty, value)
    return settled(value, (tp + fn == 0, NO_POSITIVE))
  return settled(value, (tp + fp == 0, "no example is predicted positive"))


def recall(
  label: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Sensitivity: predicted positive among the positives (binary)."""
  tp, _, fn, _ = _cells(label, predicted, weight)
  return settled(ratio(tp, tp + fn), (tp + fn == 0, NO_POSITIVE))


def specificity(
  label: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Predicted negative among the negatives (binary)."""
  _, fp, _, tn = _cells(label, predicted, weight)
  return settled(ratio(tn, tn + fp), (tn + fp == 0, NO_NEGATIVE))


def f1(
  label: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """2 tp / (2 tp + fp + fn) (binary); undefined without a positive example."""
  tp, fp, fn, _ = _cells(label, predicted, weight)
  return settled(ratio(2 * tp, 2 * tp + fp + fn), (tp + fn == 0, NO_POSITIVE))


def _cells(
  label: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None
) -> np.ndarray:
  """Weighted (tp, fp, fn, tn), each [...]."""
  label, predicted, weight = checked_binary(label, predicted, weight)
  if not np.isin(predicted, (0, 1)).all():
    raise ValueError("a binary prediction is 0 or 1")
  hit = predicted == 1
  cells = np.stack(
    [label & hit, ~label & hit, label & ~hit, ~label & ~hit], axis=1
  )
  return np.moveaxis(weight @ cells.astype(float), -1, 0)
