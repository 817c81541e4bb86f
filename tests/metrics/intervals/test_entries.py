"""Each metric's interval by its own method, or the reason why there is none."""

from functools import partial

import numpy as np
import pytest

from medfm.metrics import calibration, classification, regression
from medfm.metrics.bootstrap import Mean
from medfm.metrics.intervals import bounds, means
from medfm.metrics.intervals.bounds import Bounds, Sample
from medfm.metrics.intervals.entries import entries
from medfm.metrics.undefined import average
from tests.metrics.cases import CASES, data


def entry(metric, count=60, **settings):
  sample = Sample(np.arange(count), **settings)
  return entries({"m": metric}, sample)["m"]


def test_a_metric_that_names_no_method_is_resampled():
  values = np.random.default_rng(0).normal(size=60)

  def mean(weight):
    return average(values, np.ones(60) if weight is None else weight)

  made = entry(mean)
  assert made["method"] == "bootstrap" and made["low"] < made["high"]


def test_no_replicates_give_values_alone():
  metric = partial(regression.mae, np.zeros(60), np.ones(60))
  assert entry(metric, replicates=0) == {"value": 1, "low": None, "high": None}


def test_losses_that_do_not_vary_have_no_interval():
  made = entry(partial(regression.mae, np.zeros(60), np.ones(60)))
  assert made["value"] == 1 and "do not vary" in made["reason"]


def test_few_patients_have_no_interval_of_a_mean_loss():
  errors = np.random.default_rng(0).normal(size=180)
  sample = Sample(np.repeat(np.arange(9), 20), "patients")
  metric = partial(regression.rmse, np.zeros(180), errors)
  made = entries({"rmse": metric}, sample)["rmse"]
  assert made["low"] is None
  assert made["reason"] == "no interval: fewer than 10 patients"


def test_the_interval_at_a_threshold_is_that_of_the_calls():
  generator = np.random.default_rng(0)
  label, score = generator.integers(0, 2, 60), generator.random(60)
  at = partial(classification.at_threshold, label, score, threshold=0.4)
  calls = label, (score >= 0.4).astype(int)
  for metric in (classification.recall, classification.precision):
    assert entry(partial(at, metric=metric)) == entry(partial(metric, *calls))


@pytest.mark.parametrize(
  "case",
  [case for case in CASES if bounds.of(case.metric)],
  ids=lambda case: case.metric.__name__,
)
def test_every_interval_holds_its_value(case):
  label, values, _ = data(case.data)
  made = entry(partial(case.metric, label, values, **case.config), len(label))
  assert made["low"] < made["value"] < made["high"]


def test_the_mean_of_independent_parts_is_narrower_than_each():
  parts = [
    Bounds(0.7, 0.9, "", np.array([1.0, -1.0, 0.0, 0.0])),
    Bounds(0.7, 0.9, "", np.array([0.0, 0.0, 1.0, -1.0])),
  ]
  ends = means.mover([0.8, 0.8], parts)
  assert ends[:2] == pytest.approx((0.8 - 0.1 / 2**0.5, 0.8 + 0.1 / 2**0.5))


def test_the_mean_of_equal_parts_is_as_wide_as_each():
  part = Bounds(0.7, 0.9, "", np.array([1.0, -1.0]))
  assert means.mover([0.8, 0.8], [part, part])[:2] == pytest.approx((0.7, 0.9))


def test_perfect_parts_are_related_by_the_patients_they_share():
  alone = [
    Bounds(0.8, 1.0, "", np.array([3.0, 0.0])),
    Bounds(0.8, 1.0, "", np.array([0.0, 3.0])),
  ]
  shared = [Bounds(0.8, 1.0, "", np.array([3.0, 3.0]))] * 2
  assert means.mover([1, 1], alone).low == pytest.approx(1 - 0.1 * 2**0.5)
  assert means.mover([1, 1], shared).low == pytest.approx(0.8)


def test_a_mean_names_the_part_that_has_no_interval():
  label = np.array([1.0] * 3 + [0.0] * 57)
  metrics = {
    "recall[a]": partial(classification.recall, label, label),
    "recall[b]": partial(classification.recall, 1 - label, 1 - label),
  }
  mean = Mean({"a": "recall[a]", "b": "recall[b]"})
  made = entries(metrics, Sample(np.arange(60)), means={"recall": mean})
  assert made["recall"]["value"] == 1 and made["recall"]["low"] is None
  assert made["recall"]["reason"].endswith("a positive example (a)")


def test_the_brier_score_of_a_rare_class_is_not_surer_than_its_model():
  # No positive was surprising here; the model says that some will be.
  prob = np.full(60, 0.05)
  label = np.r_[1.0, np.zeros(59)]
  made = entry(partial(calibration.brier, label, prob))
  assert made["low"] < 0.05 * 0.95 < made["high"]
