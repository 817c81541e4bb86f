"""How well single objects, such as nuclei, were found in one image.

Label maps hold whole numbers [X,Y] or [X,Y,Z]: 0 for the background, and a
number of its own for each object. `scores` reduces the two maps of an image to
a few numbers; `metrics.regions` makes metrics of the columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from medfm.metrics.undefined import Array

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
NAMES = (
  "mean_ap",
  "ap50",
  "panoptic_quality",
  "aggregated_jaccard",
  "objects_found",
  "objects_true",
  "objects_predicted",
)
"""The numbers of `scores`."""


class Pairs(NamedTuple):
  """The true and predicted objects of an image, and how they overlap.

  true, called: pixels of each true [T] and predicted [C] object.
  i, j: of each pair [M] that overlaps, from 0; both: its common pixels.
  """

  true: Array
  called: Array
  i: Array
  j: Array
  both: Array

  @property
  def iou(self) -> Array:
    """[M], intersection over union of each pair."""
    return self.both / (self.true[self.i] + self.called[self.j] - self.both)


def pairs(truth: Array, predicted: Array) -> Pairs:
  """Objects and overlaps, in memory that grows with the pairs that overlap."""
  truth, predicted = np.asarray(truth), np.asarray(predicted)
  if truth.shape != predicted.shape:
    raise ValueError(
      f"the truth has shape {truth.shape}, the prediction {predicted.shape}"
    )
  a, true = _numbered(truth)
  b, called = _numbered(predicted)
  common = (a > 0) & (b > 0)
  codes = (a[common] - 1) * max(len(called), 1) + b[common] - 1
  codes, both = np.unique(codes, return_counts=True)
  i, j = np.divmod(codes, max(len(called), 1))
  return Pairs(true, called, i, j, both)


def found(each: Pairs, threshold: float) -> Array:
  """Which pairs [M] are matches: IoU above the threshold.

  From .5 on, no object has two matches. At exactly the threshold it is none,
  as in the Data Science Bowl 2018.
  """
  if threshold < 0.5:
    raise ValueError(f"an IoU threshold of {threshold}: expected .5 or more")
  return each.iou > threshold


def precisions(each: Pairs, thresholds: Sequence[float] = THRESHOLDS) -> Array:
  """TP / (TP + FP + FN) at each threshold; NaN without any object.

  The Data Science Bowl's precision (Caicedo et al. 2019, Nature Methods), for
  predictions that are not ranked; it is not the area under a curve.
  """
  objects = len(each.true) + len(each.called)
  if not objects:
    return np.full(len(thresholds), np.nan)
  hits = np.array([found(each, t).sum() for t in thresholds])
  return hits / (objects - hits)


def panoptic_quality(each: Pairs) -> float:
  """Sum of the matches' IoU / (TP + FP/2 + FN/2) at IoU .5; NaN without any
  object (Kirillov et al. 2019, CVPR)."""
  objects = len(each.true) + len(each.called)
  if not objects:
    return float("nan")
  return float(each.iou[found(each, 0.5)].sum() / (objects / 2))


def aggregated_jaccard(each: Pairs) -> float:
  """Common pixels of each true object and the predicted one of highest IoU, by
  their union and all predicted objects left over; NaN without any object.

  Kumar et al. 2017, IEEE Transactions on Medical Imaging: a predicted object
  may be the best of several true ones.
  """
  if not len(each.true) + len(each.called):
    return float("nan")
  order = np.lexsort((each.j, -each.iou, each.i))
  _, first = np.unique(each.i[order], return_index=True)
  best = order[first]
  common = each.both[best].sum()
  union = each.true.sum() + each.called[each.j[best]].sum() - common
  left = np.setdiff1d(np.arange(len(each.called)), each.j[best])
  return float(common / (union + each.called[left].sum()))


def scores(
  truth: Array, predicted: Array, *, thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, float]:
  """The `NAMES` of one image.

  mean_ap over the thresholds; the counts of objects are at IoU .5. An image
  without true objects has 0 for its predicted ones; without any object its
  scores are NaN and its counts 0.
  """
  each = pairs(truth, predicted)
  return {
    "mean_ap": float(precisions(each, thresholds).mean()),
    "ap50": float(precisions(each, (0.5,))[0]),
    "panoptic_quality": panoptic_quality(each),
    "aggregated_jaccard": aggregated_jaccard(each),
    "objects_found": float(found(each, 0.5).sum()),
    "objects_true": float(len(each.true)),
    "objects_predicted": float(len(each.called)),
  }


def _numbered(labels: Array) -> tuple[Array, Array]:
  """Objects numbered from 1 without gaps, and their pixels."""
  if labels.dtype.kind not in "iub":
    raise ValueError(f"a label map is {labels.dtype}; expected whole numbers")
  if labels.size and labels.min() < 0:
    raise ValueError(f"a label map holds {labels.min()}; expected 0 or more")
  names, numbers, counts = np.unique(
    labels, return_inverse=True, return_counts=True
  )
  numbers = numbers.reshape(labels.shape)
  if len(names) and names[0] == 0:
    return numbers, counts[1:]
  return numbers + 1, counts
