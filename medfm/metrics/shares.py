"""What each example adds to a share: its hits and its counts.

Each function gives (hits [N], counted [N]), 0 if a label is missing; the share
is the ratio of their sums. Arguments are those of the metrics.
"""

import numpy as np

from medfm.metrics.undefined import Array

Share = tuple[Array, Array]


def cells(label: Array, predicted: Array) -> Array:
  """(tp, fp, fn, tn) of each example: [4,N]; 0 if a label is missing."""
  label, predicted = np.asarray(label, float), np.asarray(predicted)
  true, false, hit = label == 1, label == 0, predicted == 1
  table = [true & hit, false & hit, true & ~hit, false & ~hit]
  return np.array(table, float)


def right(label: Array, predicted: Array) -> Share:
  """Accuracy: the labelled; those whose prediction is the label are hits."""
  label = np.asarray(label, float)
  return (label == predicted).astype(float), (~np.isnan(label)).astype(float)


def called(label: Array, predicted: Array, empty: float | None = None) -> Share:
  """Precision: those called positive; the positives are hits."""
  del empty  # If nothing is called positive there is no interval.
  tp, fp, _, _ = cells(label, predicted)
  return tp, tp + fp


def found(label: Array, predicted: Array) -> Share:
  """Sensitivity: the positives; those called positive are hits."""
  tp, _, fn, _ = cells(label, predicted)
  return tp, tp + fn


def cleared(label: Array, predicted: Array) -> Share:
  """Specificity: the negatives; those called negative are hits."""
  _, fp, _, tn = cells(label, predicted)
  return tn, tn + fp


def agreed(label: Array, predicted: Array) -> Share:
  """F1: those positive or called positive; those that are both are hits."""
  tp, fp, fn, _ = cells(label, predicted)
  return tp, tp + fp + fn


def agreed_classes(label: Array, predicted: Array) -> Share:
  """As `agreed`, of all classes but the first together."""
  label, predicted = np.asarray(label, float), np.asarray(predicted)
  right = (label == predicted) & (label > 0)
  among = ~np.isnan(label) & ((label > 0) | (predicted > 0))
  # One class taken for another is a miss and a false call.
  wrong = among & ~right & (label > 0) & (predicted > 0)
  return right.astype(float), among.astype(float) + wrong


def agreed_pairs(label: Array, called: Array) -> Share:
  """As `agreed`, of all pairs of an example and a label [N,K]."""
  true, called = label == 1, ~np.isnan(label) & (called > 0)
  both = (true & called).sum(1).astype(float)
  return both, (true | called).sum(1).astype(float)


def ruled_out(label: Array, predicted: Array) -> Share:
  """NPV: those called negative; the negatives are hits."""
  _, _, fn, tn = cells(label, predicted)
  return tn, tn + fn
