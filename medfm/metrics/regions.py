"""How well a whole split was segmented, from one number for each case.

A metric takes `values` [N], a column of `overlap.measures` or
`instances.scores` for one structure; NaN is left out. weight: [N] or [R,N].
Distances are in the unit of the spacing. No interval from n cases knows of
failures that are rarer than about 3 in n and so do not occur among them.
"""

from collections.abc import Sequence

import numpy as np

from medfm.metrics.described import described
from medfm.metrics.intervals import jackknife, losses, proportions, quantiles
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import (
  Array,
  Undefined,
  Value,
  Weight,
  average,
  checked,
  ratio,
  settled,
  share,
)

_NOWHERE = "the structure is in no case, neither true nor predicted"
_UNMEASURED = (
  "in no case is the structure both true and predicted, at a known spacing"
)
_EMPTY = "no image has an object, neither true nor predicted"


def _counted(values: Array) -> tuple[Array, Array]:
  values = np.asarray(values, float)
  known = ~np.isnan(values)
  return np.where(known, values, 0), known * 1.0


@jackknife.on(jackknife.LOGIT)
@described(
  "Dice",
  "mean overlap, 2 common / (true + predicted); a missed or invented structure "
  "counts 0, one that is neither true nor predicted is left out",
  "more",
)
def dice(values: Array, weight: Weight = None) -> Value:
  """Mean Dice of the cases with the structure in truth or prediction."""
  return _mean(values, weight, _NOWHERE)


@jackknife.on(jackknife.LOGIT)
@described(
  "IoU",
  "mean intersection over union; missed, invented and absent as for Dice",
  "more",
)
def iou(values: Array, weight: Weight = None) -> Value:
  """Mean intersection over union (Jaccard)."""
  return _mean(values, weight, _NOWHERE)


@jackknife.on(jackknife.LOGIT)
@described(
  "Surface Dice",
  "mean share of both surfaces within the tolerance of the other; missed, "
  "invented and absent as for Dice",
  "more",
)
def surface_dice(values: Array, weight: Weight = None) -> Value:
  """Mean surface Dice (Nikolov et al. 2021)."""
  return _mean(values, weight, _NOWHERE)


@bounded(losses.interval, _counted)
@described(
  "HD95",
  "mean of the larger 95th percentile of the distances between surfaces; only "
  "where the structure is both true and predicted",
  "less",
)
def hd95(values: Array, weight: Weight = None) -> Value:
  """Mean HD95 of the cases with the structure in truth and prediction."""
  return _mean(values, weight, _UNMEASURED)


@bounded(quantiles.median_interval, _counted)
@described("Median HD95", "median of the cases' HD95, else as HD95", "less")
def median_hd95(values: Array, weight: Weight = None) -> Value:
  """Median HD95 of the cases with the structure in truth and prediction."""
  values, weight = _known(values, weight, _UNMEASURED)
  order = np.argsort(values)
  values, reached = values[order], weight[..., order].cumsum(-1)
  total = reached[..., -1]
  half = total[..., None] / 2
  below = values[(reached < half).sum(-1).clip(max=len(values) - 1)]
  above = values[(reached <= half).sum(-1).clip(max=len(values) - 1)]
  empty = total == 0, "no example has any weight"
  return settled((below + above) / 2, empty)


@bounded(losses.interval, _counted)
@described(
  "Surface distance",
  "mean distance between the surfaces, both ways (ASSD); only where the "
  "structure is both true and predicted",
  "less",
)
def assd(values: Array, weight: Weight = None) -> Value:
  """Mean average symmetric surface distance; cases as for `hd95`."""
  return _mean(values, weight, _UNMEASURED)


@jackknife.on(jackknife.LOGIT)
@described(
  "Mean AP",
  "objects found / (found + missed + invented), mean over IoU .50 to .95 and "
  "over the images",
  "more",
)
def mean_ap(values: Array, weight: Weight = None) -> Value:
  """Mean over images of the average precision of `instances.scores`."""
  return _mean(values, weight, _EMPTY)


@jackknife.on(jackknife.LOGIT)
@described(
  "AP at IoU .50",
  "objects found / (found + missed + invented) at IoU .50, mean of the images",
  "more",
)
def ap50(values: Array, weight: Weight = None) -> Value:
  """Mean over images of the precision at IoU .50."""
  return _mean(values, weight, _EMPTY)


@jackknife.on(jackknife.LOGIT)
@described(
  "Panoptic quality",
  "mean IoU of the objects found, times F1 at IoU .50; mean of the images",
  "more",
)
def panoptic_quality(values: Array, weight: Weight = None) -> Value:
  """Mean over images of the panoptic quality (Kirillov et al. 2019)."""
  return _mean(values, weight, _EMPTY)


@jackknife.on(jackknife.LOGIT)
@described(
  "Aggregated Jaccard",
  "common pixels of best-matching objects / all pixels of both; mean of the "
  "images",
  "more",
)
def aggregated_jaccard(values: Array, weight: Weight = None) -> Value:
  """Mean over images of the aggregated Jaccard index (Kumar et al. 2017)."""
  return _mean(values, weight, _EMPTY)


def _predicted(found: Array, predicted: Array, true: Array) -> tuple:
  del true
  return np.asarray(found, float), np.asarray(predicted, float)


def _true(found: Array, predicted: Array, true: Array) -> tuple:
  del predicted
  return np.asarray(found, float), np.asarray(true, float)


def _agreed(found: Array, predicted: Array, true: Array) -> tuple:
  found, both = np.asarray(found, float), np.add(predicted, true)
  return found, both - found


@bounded(proportions.interval, _predicted, of="a predicted object")
@described(
  "Object precision",
  "share of all predicted objects that match a true one at IoU .50",
  "more",
)
def object_precision(
  found: Array, predicted: Array, true: Array, weight: Weight = None
) -> Value:
  """found, predicted, true: [N] objects of each image, pooled (micro)."""
  right, called, _ = _pooled((found, predicted, true), weight)
  return share(right, called, "no object is predicted")


@bounded(proportions.interval, _true, of="an object")
@described(
  "Object recall",
  "share of all true objects that a predicted one matches at IoU .50",
  "more",
)
def object_recall(
  found: Array, predicted: Array, true: Array, weight: Weight = None
) -> Value:
  """Arguments as in `object_precision`."""
  right, _, there = _pooled((found, predicted, true), weight)
  return share(right, there, "there is no object")


@bounded(
  proportions.interval,
  _agreed,
  of="a true or predicted object",
  value=proportions.f1_of,
)
@described(
  "Object F1",
  "harmonic mean of the objects' precision and recall at IoU .50",
  "more",
)
def object_f1(
  found: Array, predicted: Array, true: Array, weight: Weight = None
) -> Value:
  """2 found / (predicted + true); 0 if no object is predicted."""
  right, called, there = _pooled((found, predicted, true), weight)
  return settled(
    ratio(2 * right, called + there), (there == 0, "there is no object")
  )


def _pooled(counts: Sequence[Array], weight: Weight) -> list[Value]:
  """Each count [N] summed over the images, for each row of weights."""
  weight = np.ones(len(counts[0])) if weight is None else np.asarray(weight)
  return [weight @ np.asarray(count, float) for count in counts]


def _mean(values: Array, weight: Weight, nowhere: str) -> Value:
  return average(*_known(values, weight, nowhere))


def _known(values: Array, weight: Weight, nowhere: str) -> tuple[Array, Array]:
  """The values that are not NaN, and their weights."""
  values = np.asarray(values, float)
  if np.isnan(values).all():
    raise Undefined(nowhere if len(values) else "no labelled example")
  _, values, weight = checked(values, values, weight)
  return values, weight
