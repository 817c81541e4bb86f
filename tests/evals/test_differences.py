"""Two models on the same examples: their paired differences."""

import functools

import numpy as np
import pytest

from medfm.evals import paired
from medfm.metrics import calibration
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.tasks import binary
from tests.evals.answers import (
  BINARY,
  LABELS,
  ONE_TARGET,
  TARGETS,
  THREE,
  difference,
  few,
  of,
  of_labels,
  of_three,
  of_two,
  scores,
)


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_model_does_not_differ_from_itself(info):
  label, prediction = of(info)
  table = difference(info, label, prediction, prediction, replicates=20)
  defined = [e for e in table.values() if e["value"] is not None]
  assert defined
  assert all(e["value"] == e["low"] == e["high"] == 0 for e in defined)


def test_difference_is_that_of_the_scores():
  label, a = of_three()
  _, b = of_three(seed=5)
  table = difference(THREE, label, a, b, replicates=20)
  tables = [few(THREE, label, p)["metrics"] for p in (a, b)]
  for name, entry in table.items():
    assert entry["value"] == pytest.approx(
      tables[0][name]["value"] - tables[1][name]["value"]
    )


def test_mean_precision_differs_as_the_scores_do_if_a_class_is_ignored():
  label, a = of_three()
  b = {"probs": a["probs"] * [1, 1, 0]}
  entry = difference(THREE, label, a, b, replicates=20)["precision"]
  values = [
    few(THREE, label, p)["metrics"]["precision"]["value"] for p in (a, b)
  ]
  assert entry["value"] == pytest.approx(values[0] - values[1])


def test_few_patients_have_no_interval_of_a_difference():
  label, a = of_two()
  _, b = of_two(seed=3)
  patients = np.repeat(np.arange(4), 20).astype(str)
  table = difference(BINARY, label, a, b, patients=patients)
  assert table["accuracy"]["value"] is not None
  assert "fewer than 10 patients" in table["accuracy"]["reason"]


def test_differences_of_few_patients_cover_as_often_as_they_say():
  generator, covered = np.random.default_rng(0), 0
  sample = Sample(np.repeat(np.arange(12), 10), "patients")
  for _ in range(200):
    tired = generator.normal(size=(2, 12)).repeat(10, axis=1)
    right = tired + generator.normal(size=(2, 120)) < 1.2

    def both(weight, right=right):
      weight = np.ones(120) if weight is None else weight
      return [weight @ each / weight.sum(-1) for each in right]

    apart = functools.partial(paired._apart, both, None)
    entry = entries({"apart": apart}, sample)["apart"]
    covered += entry["low"] <= 0 <= entry["high"]
  assert covered >= 0.93 * 200


def test_pairing_narrows_the_interval_of_similar_models():
  label, a = of_two(300)
  noise = np.random.default_rng(1).normal(0, 0.02, 300)
  prob = np.clip(a["probs"][:, 1] + noise, 0, 1)
  b = {"probs": np.stack([1 - prob, prob], axis=1)}
  entry = difference(BINARY, label, a, b, replicates=200)["auroc"]
  alone = scores(BINARY, label, a, replicates=200)["metrics"]["auroc"]
  assert entry["high"] - entry["low"] < (alone["high"] - alone["low"]) / 3


def test_a_slope_nearer_to_one_is_told_apart_from_a_larger_one():
  label, made = of_two(300)
  logit = np.log(made["probs"][:, 1] / made["probs"][:, 0])
  timid, extreme = (1 / (1 + np.exp(-k * logit)) for k in (0.3, 1.5))
  bad, good = (
    {"probs": np.stack([1 - prob, prob], axis=1)} for prob in (timid, extreme)
  )
  entries = difference(BINARY, label, bad, good, replicates=50)
  slope = entries["calibration_slope"]
  assert slope["low"] > 0  # Larger, and yet further from 1:
  assert slope["closer"]["low"] > 0
  values = [
    scores(BINARY, label, p, replicates=0)["metrics"]["calibration_slope"]
    for p in (bad, good)
  ]
  assert values[0]["value"] > 1 > values[1]["value"]
  distances = [abs(entry["value"] - 1) for entry in values]
  assert slope["closer"]["value"] == pytest.approx(distances[0] - distances[1])
  assert "closer" not in entries["auroc"]


def test_a_mean_of_distances_is_over_the_labels():
  label, a = of_labels()
  _, b = of_labels(seed=3)
  entries = difference(LABELS, label, a, b, replicates=20)
  each = [
    entries[f"calibration_slope[{name}]"]["closer"]["value"] for name in "xy"
  ]
  mean = entries["calibration_slope"]["closer"]["value"]
  assert mean == pytest.approx(np.mean(each))


def test_a_pair_of_a_near_metric_is_measured_once_a_resample(monkeypatch):
  label, a = of_two()
  measured = []
  slope = calibration.calibration_slope

  @functools.wraps(slope)
  def counted(*args):
    measured.append(1)
    return slope(*args)

  monkeypatch.setattr(binary, "OF_PROBS", (counted,))
  difference(BINARY, label, a, a, replicates=20)
  assert len(measured) == 4  # Two models: the whole, one block of weights.
