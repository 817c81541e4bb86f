"""Metrics of whole segmented splits, and their intervals."""

from functools import partial

import numpy as np
import pytest

from medfm.metrics import regions, sizes
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.metrics.undefined import Undefined

pytestmark = pytest.mark.once

GENERATOR = np.random.default_rng(0)
DICE = np.clip(GENERATOR.normal(0.9, 0.05, 40), 0, 0.999)
DISTANCES = GENERATOR.lognormal(0, 0.5, 40)
OF_VALUES = {
  regions.dice: DICE,
  regions.iou: DICE,
  regions.surface_dice: DICE,
  regions.hd95: DISTANCES,
  regions.median_hd95: DISTANCES,
  regions.assd: DISTANCES,
  regions.mean_ap: DICE,
  regions.ap50: DICE,
  regions.panoptic_quality: DICE,
  regions.aggregated_jaccard: DICE,
}
OBJECTS = (np.array([3, 0, 5]), np.array([4, 1, 5]), np.array([6, 2, 5]))
OF_OBJECTS = {
  regions.object_precision: 8 / 10,
  regions.object_recall: 8 / 13,
  regions.object_f1: 16 / 23,
}
columns = pytest.mark.parametrize("metric", OF_VALUES, ids=lambda m: m.__name__)
pooled = pytest.mark.parametrize("metric", OF_OBJECTS, ids=lambda m: m.__name__)


def entry(metric, *given, cluster=None, whom="patients"):
  count = len(given[0])
  cluster = np.arange(count) if cluster is None else cluster
  sample = Sample(cluster, whom)
  return entries({"m": partial(metric, *given)}, sample)["m"]


def test_every_public_metric_is_tested():
  public = {
    name
    for name, function in vars(regions).items()
    if getattr(function, "__module__", "") == regions.__name__
    and name[0] != "_"
  }
  assert public == {m.__name__ for m in (*OF_VALUES, *OF_OBJECTS)}


@columns
def test_a_metric_is_the_mean_or_median_of_the_known_values(metric):
  values = OF_VALUES[metric].copy()
  values[::7] = np.nan
  plain = np.nanmedian if "median" in metric.__name__ else np.nanmean
  assert metric(values) == pytest.approx(plain(values))


@columns
def test_whole_weights_are_repeated_cases(metric):
  values = OF_VALUES[metric]
  weight = np.random.default_rng(1).integers(0, 4, len(values))
  again = metric(np.repeat(values, weight))
  assert metric(values, weight) == pytest.approx(again)
  rows = metric(values, np.stack([weight, 0 * weight]))
  assert rows[0] == pytest.approx(again) and np.isnan(rows[1])


@columns
def test_a_column_without_values_says_why(metric):
  with pytest.raises(Undefined, match=r"in no case|no image has an object"):
    metric(np.full(3, np.nan))
  with pytest.raises(Undefined, match="no labelled example"):
    metric(np.zeros(0))


@columns
def test_a_metric_has_an_interval_around_it(metric):
  made = entry(metric, OF_VALUES[metric])
  assert made["low"] < made["value"] < made["high"]


@columns
def test_copies_of_a_patient_narrow_no_interval(metric):
  values = OF_VALUES[metric]
  once = entry(metric, values)
  twice = entry(metric, np.repeat(values, 2), cluster=np.arange(80) // 2)
  for end in ("low", "high"):
    assert twice[end] == pytest.approx(once[end], rel=0.02)


@columns
def test_few_patients_have_no_interval(metric):
  made = entry(metric, OF_VALUES[metric], cluster=np.arange(40) % 9)
  assert made["low"] is None and "fewer than 10 patients" in made["reason"]


def test_an_interval_of_dice_stays_below_1():
  made = entry(regions.dice, np.r_[np.full(14, 0.999), 0.3])
  assert 0 < made["low"] < made["high"] < 1


def test_the_interval_of_a_median_is_of_ranks():
  # Of 50 independent values those of rank 18 and 33 (Campbell & Gardner).
  values = np.random.default_rng(2).permutation(np.arange(1.0, 51))
  made = entry(regions.median_hd95, values)
  assert (made["low"], made["value"], made["high"]) == (18, 25.5, 33)
  assert made["method"] == "woodruff"


@pooled
def test_objects_are_pooled_over_images(metric):
  assert metric(*OBJECTS) == pytest.approx(OF_OBJECTS[metric])


@pooled
def test_images_have_weights(metric):
  weight = np.array([2, 0, 1])
  again = metric(*(np.repeat(count, weight) for count in OBJECTS))
  rows = metric(*OBJECTS, np.stack([weight, weight]))
  assert rows == pytest.approx([again, again])


@pooled
def test_images_without_any_object_have_no_share(metric):
  with pytest.raises(Undefined, match="no object"):
    metric(*np.zeros((3, 4)))


@pooled
def test_shares_of_objects_have_intervals(metric):
  counts = [np.tile(count, 8) for count in OBJECTS]
  made = entry(metric, *counts)
  assert made["low"] < made["value"] < made["high"]
  assert made["method"] == "wilson"


@pytest.mark.parametrize("limit", ["lower_limit", "upper_limit"])
def test_a_limit_of_agreement_has_an_interval_wider_than_the_bias(limit):
  true, called = GENERATOR.normal(5, 2, (2, 30))
  made = entry(getattr(sizes, limit), true, called)
  bias = entry(sizes.size_bias, true, called)
  assert made["low"] < made["value"] < made["high"]
  assert made["high"] - made["low"] > bias["high"] - bias["low"]


def test_one_case_has_no_limits_of_agreement():
  with pytest.raises(Undefined, match="one case"):
    sizes.upper_limit(np.ones(1), np.ones(1))
