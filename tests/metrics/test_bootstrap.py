"""Resampling of patients, and the intervals made from it."""

import numpy as np
import pytest

from medfm.metrics import bootstrap, ranking
from medfm.metrics.bootstrap import Mean
from medfm.metrics.intervals import entries
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.undefined import Undefined, average

PATIENTS = np.array(["a", "a", "b", "c", "c", "c"])


def _mean_of(values):
  return lambda weight: average(
    values, np.ones(len(values)) if weight is None else weight
  )


def interval(metric, cluster, **settings):
  return entries.entries({"m": metric}, Sample(cluster, **settings))["m"]


def test_examples_of_a_patient_are_drawn_together():
  drawn = bootstrap.weights(bootstrap.clusters(PATIENTS, 6), 50, seed=0)
  assert (drawn[:, 0] == drawn[:, 1]).all()
  assert (drawn[:, 3:] == drawn[:, [3]]).all()


def test_as_many_patients_are_drawn_as_there_are():
  drawn = bootstrap.weights(bootstrap.clusters(PATIENTS, 6), 50, seed=0)
  assert (drawn[:, [0, 2, 3]].sum(1) == 3).all()


def test_weights_depend_on_seed_and_replicate_alone():
  cluster = np.arange(9)
  whole = bootstrap.weights(cluster, 8, seed=3)
  part = bootstrap.weights(cluster, 3, seed=3, first=5)
  np.testing.assert_array_equal(whole[5:], part)
  assert (whole != bootstrap.weights(cluster, 8, seed=4)).any()


def test_blocks_do_not_change_the_interval(monkeypatch):
  values = np.random.default_rng(0).normal(size=30)
  ends = []
  for block in (1, 100, 1 << 20):
    monkeypatch.setattr(bootstrap, "BLOCK", block)
    entry = interval(_mean_of(values), np.arange(30), replicates=50)
    ends.append([entry["low"], entry["high"]])
  assert ends[0] == pytest.approx(ends[1], abs=1e-12)
  assert ends[0] == pytest.approx(ends[2], abs=1e-12)


def test_examples_without_a_named_patient_stand_alone():
  cluster = bootstrap.clusters(np.array(["", "a", "", "a"]), 4)
  assert len(set(cluster)) == 3 and cluster[1] == cluster[3]


def test_interval_of_a_mean_has_the_textbook_width():
  values = np.random.default_rng(0).normal(size=400)
  entry = interval(_mean_of(values), np.arange(400))
  textbook = 2 * 1.96 * values.std() / 20
  assert entry["high"] - entry["low"] == pytest.approx(textbook, rel=0.1)
  assert entry["low"] < entry["value"] < entry["high"]


def test_interval_covers_the_truth_about_as_often_as_it_says():
  generator = np.random.default_rng(0)
  covered = 0
  for trial in range(100):
    values = generator.normal(size=60)
    entry = interval(
      _mean_of(values), np.arange(60), replicates=200, seed=trial
    )
    covered += entry["low"] <= 0 <= entry["high"]
  assert 88 <= covered <= 99


def test_repeated_examples_widen_the_interval_only_if_patients_are_known():
  generator = np.random.default_rng(0)
  label = generator.integers(0, 2, 60)
  score = label + generator.normal(size=60)
  label, score = np.repeat(label, 9), np.repeat(score, 9)
  patients = np.repeat(np.arange(60).astype(str), 9)

  def width(cluster):
    entry = interval(
      lambda weight: ranking.auroc(label, score, weight),
      cluster,
      replicates=300,
    )
    return entry["high"] - entry["low"]

  clustered = width(bootstrap.clusters(patients, 540))
  naive = width(bootstrap.clusters(None, 540))
  assert 2.4 < clustered / naive < 3.6


def test_few_undefined_resamples_are_ignored():
  label = np.array([1, 1, 1, 1] + [0] * 40)
  score = np.arange(44) % 7
  entry = interval(
    lambda weight: ranking.auroc(label, score, weight), np.arange(44)
  )
  assert entry["low"] < entry["value"] < entry["high"]


def test_many_undefined_resamples_leave_no_interval():
  label, score = np.array([1] + [0] * 40), np.arange(41)
  entry = interval(
    lambda weight: ranking.auroc(label, score, weight), np.arange(41)
  )
  assert entry["value"] == 0 and entry["low"] is None
  assert "undefined in 3" in entry["reason"]


def test_undefined_value_comes_with_its_reason():
  entry = interval(
    lambda weight: ranking.auroc(np.ones(4), np.arange(4), weight),
    np.arange(4),
  )
  assert entry == {
    "value": None,
    "low": None,
    "high": None,
    "reason": "no negative example",
  }


def test_one_patient_has_no_interval():
  entry = interval(_mean_of(np.arange(3.0)), np.zeros(3, int))
  assert entry["value"] == 1 and entry["low"] is None
  assert "only one patient" in entry["reason"]


def test_no_replicates_give_values_alone():
  entry = interval(_mean_of(np.arange(3.0)), np.arange(3), replicates=0)
  assert entry == {"value": 1.0, "low": None, "high": None}


def test_mean_leaves_out_and_names_what_has_no_value():
  def undefined(weight):
    raise Undefined("no positive example")

  table = entries.entries(
    {"m[a]": _mean_of(np.arange(3.0)), "m[b]": undefined},
    Sample(np.arange(3), replicates=20),
    means={
      "m": Mean({"a": "m[a]", "b": "m[b]"}),
      "none": Mean({"b": "m[b]"}),
    },
  )
  assert table["m"]["value"] == 1 and table["m"]["left_out"] == ["b"]
  assert table["none"]["reason"] == "b: no positive example"
