"""Calibration on another cohort, as it is and recalibrated on a part of it."""

import numpy as np
import pytest

from medfm.data import splits
from medfm.evals import recalibration
from medfm.metrics import calibration
from medfm.tasks import recalibration as ways
from medfm.types import Split
from tests import infos
from tests.evals import contexts

N = 2000


def _logistic(x):
  return 1 / (1 + np.exp(-x))


def _cohort(seed=0, patients=None):
  """Labels drawn from a risk that the model has too high and too extreme."""
  generator = np.random.default_rng(seed)
  logit = generator.normal(-1, 1, N)
  label = (generator.random(N) < _logistic(logit)).astype(np.int32)
  prob = _logistic(1.0 + 2 * logit)
  return label, np.stack([1 - prob, prob], 1)


def _blocks(info, target, predicted, patients=None):
  ids = np.array([f"e{i}" for i in range(len(next(iter(target.values()))))])
  split = Split(dict(target), ids, patients)
  given = contexts.of(info, {"test": split}, {"test": predicted})
  return recalibration.recalibration(given).blocks["test"]


def _cells(block):
  return {
    row[0]: dict(zip(block["columns"][1:], row[1:], strict=True))
    for row in block["rows"]
  }


def test_intercept_and_slope_are_moved_to_what_they_should_be():
  info = infos.info("toy", "multiclass", ("well", "ill"))
  label, probs = _cohort()
  calibrated, figure, parameters = _blocks(
    info, {"label": label}, {"probs": probs}
  )
  cells = _cells(calibrated)
  slope, level = cells["Calibration slope"], cells["Calibration intercept"]
  assert slope["As it is"]["value"] == pytest.approx(0.5, abs=0.06)
  assert slope["Intercept"]["value"] == pytest.approx(0.5, abs=0.06)
  assert level["Intercept"]["value"] == pytest.approx(0, abs=0.02)
  assert slope["Intercept and slope"]["value"] == pytest.approx(1, abs=0.03)
  assert level["Intercept and slope"]["value"] == pytest.approx(0, abs=0.02)
  brier = [cell["value"] for cell in cells["Brier score"].values()]
  assert brier == sorted(brier, reverse=True)
  assert "5 parts" in calibrated["note"]
  fitted = {name: value for name, value, _ in parameters["rows"]}
  assert fitted["Intercept and slope: slope"] == pytest.approx(0.5, abs=0.06)
  (panel,) = figure["panels"]
  lines = {line["name"]: line for line in panel["lines"]}
  assert list(lines) == ["As it is", "Intercept", "Intercept and slope"]
  before, after = (lines[k] for k in ("As it is", "Intercept and slope"))
  off = [np.abs(np.subtract(each["y"], each["x"])) for each in (before, after)]
  assert off[0].max() > 0.15 and off[1].max() < 0.1
  assert before["low"][20] < before["y"][20] < before["high"][20]
  assert set(lines["Intercept"]["low"]) == {None}


def test_a_row_is_moved_by_parameters_that_have_not_seen_its_patient():
  info = infos.info("toy", "multiclass", ("well", "ill"))
  label, probs = _cohort()
  patients = np.array([f"p{i // 4}" for i in range(N)])
  part = splits.folds(Split({}, patients, patients), 5)
  assert all(len(set(part[patients == name])) == 1 for name in ("p0", "p77"))
  assert np.bincount(part).tolist() == [N // 5] * 5
  fit = ways.of_classes(info).ways["Intercept and slope"]

  def moved(label):
    fitted, _ = recalibration.cross_fitted(
      lambda target, predicted: fit(info, target, predicted),
      part,
      {"label": label},
      {"probs": probs},
    )
    return fitted["probs"]

  before, held = moved(label), part == part[0]
  after = moved(np.where(held, 1 - label, label))
  np.testing.assert_array_equal(before[held], after[held])
  assert (before[~held] != after[~held]).any()


def test_too_few_of_a_class_say_why_nothing_is_fitted():
  info = infos.info("toy", "multiclass", ("well", "ill"))
  label = np.array([0] * 30 + [1] * 9)
  prob = np.linspace(0.1, 0.9, 39)
  predicted = {"probs": np.stack([1 - prob, prob], 1)}
  (block,) = _blocks(info, {"label": label}, predicted)
  cell = _cells(block)["Brier score"]["Intercept"]
  assert cell["value"] is None and "9 examples labelled 1" in cell["reason"]


def test_many_rows_of_few_patients_are_few():
  info = infos.info("toy", "multiclass", ("well", "ill"))
  label, probs = _cohort()
  patients = np.array([f"p{i % 9}" for i in range(N)])
  given = {"label": label}, {"probs": probs}
  (block,) = _blocks(info, *given, patients)
  cell = _cells(block)["Brier score"]["Intercept"]
  assert cell["value"] is None
  assert cell["reason"] == "9 patients: recalibration needs 10"


def test_several_classes_have_intercepts_and_one_slope():
  info = infos.info("toy", "multiclass", ("a", "b", "c"))
  generator = np.random.default_rng(1)
  logits = generator.normal((0, 0.5, -0.5), 1, (N, 3))
  probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  label = (probs.cumsum(1) < generator.random((N, 1))).sum(1)
  off = np.exp(3 * logits + [1, 0, 0])
  off /= off.sum(1, keepdims=True)
  calibrated, figure, parameters = _blocks(
    info, {"label": label}, {"probs": off}
  )
  assert [panel["title"] for panel in figure["panels"]] == ["a", "b", "c"]
  brier = [c["value"] for c in _cells(calibrated)["Brier score"].values()]
  assert brier == sorted(brier, reverse=True)
  fitted = {name: value for name, value, _ in parameters["rows"]}
  slope = fitted["Intercept and slope: slope"]
  assert slope == pytest.approx(1 / 3, abs=0.05)


def test_a_label_with_too_few_examples_stays_as_it_is():
  info = infos.info("toy", "multilabel", ("often", "rare"))
  label, probs = _cohort()
  rare = np.zeros(N)
  rare[:3] = 1
  target = {"label": np.stack([label, rare], 1).astype(np.float32)}
  predicted = {"probs": np.stack([probs[:, 1], np.full(N, 0.25)], 1)}
  calibrated, *_ = _blocks(info, target, predicted)
  cells = _cells(calibrated)
  both = cells["Brier score, rare"].values()
  assert len({cell["value"] for cell in both}) == 1
  assert "in some parts, for lack of examples: rare" in calibrated["note"]
  slope = cells["Calibration slope, often"]["Intercept and slope"]
  assert slope["value"] == pytest.approx(1, abs=0.03)


def test_a_label_that_the_cohort_does_not_know_has_no_curve():
  info = infos.info("toy", "multilabel", ("known", "unknown", "always"))
  label, probs = _cohort()
  others = np.full(N, np.nan), np.ones(N)
  target = {"label": np.stack([label, *others], 1).astype(np.float32)}
  predicted = {"probs": np.repeat(probs[:, 1:], 3, 1)}
  _, figure, _ = _blocks(info, target, predicted)
  assert [panel["title"] for panel in figure["panels"]] == ["known"]


def test_numbers_are_moved_by_a_line():
  info = infos.info("toy", "regression", ("y",))
  truth = np.random.default_rng(0).normal(5, 2, (N, 1))
  calibrated, parameters = _blocks(
    info, {"label": truth}, {"value": 3 + 2 * truth}
  )
  rmse = _cells(calibrated)["RMSE"]
  assert rmse["Intercept and slope"]["value"] == pytest.approx(0, abs=1e-6)
  assert rmse["Intercept"]["value"] == pytest.approx(2, abs=0.1)
  fitted = {name: value for name, value, _ in parameters["rows"]}
  assert fitted["Intercept and slope: slope"] == pytest.approx(0.5, abs=1e-6)


def test_hazards_are_moved_to_the_observed_number_of_events():
  info = infos.info("toy", "survival", ("death",))
  generator = np.random.default_rng(0)
  time = generator.exponential(5, N)
  lost = generator.uniform(0, 10, N)
  target = {
    "time": np.minimum(time, lost),
    "event": (time <= lost).astype(np.int32),
  }
  double = 1 - np.exp(-0.4 * np.tile([1.0, 2.0, 3.0], (N, 1)))
  predicted = {"risk": generator.random(N), "incidence": double}
  calibrated, *_, parameters = _blocks(info, target, predicted)
  assert parameters["rows"][0][1] == pytest.approx(0.5, abs=0.05)
  (row,) = [
    r for name, r in _cells(calibrated).items() if "expected" in name.lower()
  ]
  assert row["As it is"]["value"] == pytest.approx(0.6, abs=0.05)
  assert row["Level"]["value"] == pytest.approx(1, abs=0.05)


def test_of_several_causes_it_is_said_why_not():
  info = infos.info("toy", "survival", ("death", "relapse"))
  target = {"time": np.arange(60) / 10, "event": np.arange(60) % 3}
  predicted = {
    "risk": np.linspace(0, 1, 60),
    "incidence": np.tile([0.1, 0.2, 0.3] * 2, (60, 1)),
  }
  (block,) = _blocks(info, target, predicted)
  assert block["note"].startswith("Not recalibrated")


def test_the_moved_probabilities_have_the_asked_logit():
  prob = np.array([0.1, 0.5, 0.9])
  a, b = 0.3, 0.7
  logit = np.log(prob / (1 - prob))
  expected = _logistic(a + b * logit)
  np.testing.assert_allclose(ways.moved(prob, a, b), expected, atol=1e-9)
  label, probs = _cohort()
  a, b = ways.logistic(label, probs[:, 1], slope=True)
  moved = ways.moved(probs[:, 1], a, b)
  assert calibration.calibration_slope(label, moved) == pytest.approx(1)
