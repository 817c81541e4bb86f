"""What the survival task says of predictions, and what its rivals predict."""

import functools
import importlib
import json

import numpy as np
import pytest

from medfm.evals import scores
from medfm.metrics.survival import aalen_johansen
from medfm.report import reading
from medfm.tasks import survival
from medfm.tasks.survival import figures, observed
from medfm.types import Info, Split, UserError
from tests import infos

rivals = importlib.import_module("medfm.tasks.survival.rivals")
"""The file, for which the package has a function of the same name."""

COUNT = 150


def follow_up(causes=1, count=COUNT, seed=0):
  """x [N], and outcomes whose hazard grows with it."""
  generator = np.random.default_rng(seed)
  x = generator.standard_normal(count).astype("float32")
  fails = generator.exponential(10 * np.exp(-x))
  lost = generator.uniform(5, 30, count)
  event = (fails <= lost) * generator.integers(1, causes + 1, count)
  return x, np.minimum(fails, lost).astype("float32"), event.astype("int32")


@functools.cache
def cohort(causes=1):
  """Information on a training split, that split, and another one."""
  names = ("death", "relapse")[:causes]
  parts = []
  for seed in (0, 1):
    x, time, event = follow_up(causes, seed=seed)
    arrays = {"features": x[:, None], "time": time, "event": event}
    ids = np.array([f"{seed}-{i}" for i in range(len(x))])
    parts.append(Split(arrays, ids))
  truth = {name: parts[0].arrays[name] for name in ("time", "event")}
  target = survival.target(names, truth, unit="days", horizons=(5, 10))
  table = infos.info("toy", "none", numeric=("x",)).inputs
  return Info("toy", table, target), *parts


@functools.cache
def said(rival, causes=1):
  info, train, test = cohort(causes)
  told = survival.RIVALS[rival](train, {"test": test}, info, 0)
  return info, test, told.predicted["test"]


def truth(split):
  return {name: split.arrays[name] for name in survival.TARGETS}


@pytest.mark.parametrize(
  ("rival", "library"),
  [
    ("kaplan_meier", "numpy"),
    ("cox", "lifelines"),
    ("random_survival_forest", "sksurv"),
  ],
)
@pytest.mark.parametrize("causes", [1, 2])
def test_a_rival_gives_risks_that_grow_and_add_up(rival, library, causes):
  pytest.importorskip(library)
  info, test, told = said(rival, causes)
  risks = survival.by_cause(info, told)
  assert risks.shape == (COUNT, causes, len(info.target.times))
  assert risks.min() >= 0 and risks.sum(1).max() <= 1 + 1e-9
  assert np.diff(risks, axis=2).min() >= -1e-12
  entry = scores.scores(survival, info, truth(test), told, replicates=0)
  c = entry["metrics"]["c_index"]["value"]
  assert (c == 0.5) if rival == "kaplan_meier" else (c > 0.55)
  ratio = "observed_expected_at_10" + ("" if causes == 1 else "[death]")
  assert 0.7 < entry["metrics"][ratio]["value"] < 1.4


def test_cox_finds_the_hazard_ratio_that_made_the_data():
  pytest.importorskip("lifelines")
  info, test, told = said("cox")
  alive = 1 - survival.by_cause(info, told)[:, 0, -1]
  slope = np.polyfit(test.arrays["features"][:, 0], np.log(-np.log(alive)), 1)
  assert slope[0] == pytest.approx(1, abs=0.25)


def test_hazards_of_one_cause_are_its_incidence():
  hazards = np.cumsum(np.full((2, 1, 3), 0.2), 2)
  np.testing.assert_allclose(rivals.incidence(hazards), 1 - np.exp(-hazards))


def test_a_library_that_is_missing_is_one_line_and_no_rival(
  monkeypatch, capsys
):
  def without(name):
    raise ImportError(name)

  monkeypatch.setattr(importlib, "import_module", without)
  info, train, test = cohort()
  assert rivals.cox(train, {"test": test}, info, 0).predicted == {}
  line = capsys.readouterr().out
  assert line.count("\n") == 1
  assert "lifelines: pip install 'medfm[survival]'" in line


def test_each_cause_has_its_metrics_and_both_a_mean():
  info, test, told = said("kaplan_meier", 2)
  entry = scores.scores(survival, info, truth(test), told, replicates=0)
  metrics = entry["metrics"]
  both = [metrics[f"c_index[{name}]"]["value"] for name in info.target.names]
  assert metrics["c_index"]["value"] == pytest.approx(np.mean(both))
  assert "auroc_at_5[relapse]" in metrics and "auroc_at_5" not in metrics
  assert survival.headline(metrics, "") == ["c_index", "integrated_brier"]


def test_a_cause_is_ranked_by_its_own_risk():
  info, test, told = said("kaplan_meier", 2)
  risks = survival.by_cause(info, told).copy()
  risks[:, 1] *= 0.5 + (test.arrays["features"] > 0)  # Of relapse alone.
  told = {**told, "incidence": risks.reshape(COUNT, -1)}
  entry = scores.scores(survival, info, truth(test), told, replicates=0)
  assert entry["metrics"]["c_index[death]"]["value"] == 0.5
  assert entry["metrics"]["c_index[relapse]"]["value"] > 0.6


def test_intervals_take_patients_as_wholes():
  info, test, told = said("kaplan_meier")
  told = {**told, "risk": test.arrays["features"][:, 0]}
  ends = []
  for patients in (None, np.arange(COUNT) // 10):
    entry = scores.scores(
      survival, info, truth(test), told, patients=patients, replicates=200
    )
    c = entry["metrics"]["c_index"]
    ends.append((c["low"], c["high"]))
    assert c["low"] < c["value"] < c["high"]
  assert ends[0] != ends[1]


def test_risk_groups_are_the_thirds_of_validation():
  info, test, told = said("kaplan_meier")
  told = {**told, "risk": np.arange(COUNT, dtype=float)}
  cuts = survival.decide(info, truth(test), told, specificity=0.9)
  groups = observed.group_of(told["risk"], cuts)
  assert np.bincount(groups).tolist() == [50, 50, 50]
  assert observed.group_of(told["risk"], {}) is None


def test_equal_risks_are_not_cut():
  info, test, told = said("kaplan_meier")
  assert survival.decide(info, truth(test), told, specificity=0.9) == {}


def test_calibration_compares_groups_with_what_happened():
  x, time, event = follow_up()
  fifths = observed.of_equal_size(x)
  groups = observed.grouped(time, event, x, 10.0, 1, fifths)
  assert [group["n"] for group in groups] == [30] * 5
  assert [g["predicted"] for g in groups] == sorted(
    g["predicted"] for g in groups
  )
  last = x >= np.sort(x)[-30]
  assert groups[-1]["observed"] == pytest.approx(
    aalen_johansen(time[last], event[last], times=(10.0,))[0]
  )


@pytest.mark.parametrize(
  ("time", "event", "has"),
  [
    (np.arange(1.0, 13), np.ones(12, int), {"observed", "low"}),
    (np.arange(1.0, 13), np.zeros(12, int), {"observed"}),
    (np.arange(1.0, 10), np.ones(9, int), {"observed"}),
    (np.ones(12), np.ones(12, int), {"observed"}),
    (np.ones(12), np.arange(12) % 2, set()),
  ],
)
def test_a_group_has_the_numbers_that_its_size_allows(time, event, has):
  weight = np.random.default_rng(0).integers(0, 3, (20, len(time)))
  group = observed.risk_by(time, event, 5.0, 1, weight.astype(float))
  assert {key for key in ("observed", "low") if group.get(key) is not None} == (
    has
  )


def test_what_is_told_of_follow_up_is_json_and_ends_at_the_horizons():
  info, test, told = said("kaplan_meier", 2)
  details = survival.details(info, truth(test), told, {})
  assert json.loads(json.dumps(details)) == details
  about = details["follow_up"]
  assert [cause["name"] for cause in about["causes"]] == ["death", "relapse"]
  assert [e["horizon"] for e in about["causes"][0]["calibration"]] == [5, 10]
  assert about["causes"][0]["risk_groups"] == []


def test_risk_groups_stand_in_the_results_with_what_happened():
  info, test, told = said("kaplan_meier")
  told = {**told, "risk": test.arrays["features"][:, 0]}
  cuts = survival.decide(info, truth(test), told, specificity=0.9)
  entry = scores.scores(
    survival, info, truth(test), told, decisions=cuts, replicates=0
  )
  first = entry["follow_up"]["causes"][0]["risk_groups"][0]
  assert first["horizon"] == 5
  groups = first["groups"]
  assert [group["name"] for group in groups] == list(observed.GROUPS)
  assert [group["n"] for group in groups] == [50, 50, 50]
  assert groups[0]["observed"] < groups[-1]["observed"]


def test_another_unit_is_refused():
  info, test, _ = said("kaplan_meier")
  months = infos.info("other", "survival", ("death",))
  with pytest.raises(UserError, match="in days, but the model was trained"):
    survival.recoded(truth(test), info, months)


def test_censored_is_no_name_of_an_event():
  with pytest.raises(UserError, match="cannot be called 'censored'"):
    survival.fitted(["censored"], np.ones(3), np.ones(3, int))


def test_horizons_are_numbers():
  _, time, event = follow_up()
  assert survival.fitted(["a"], time, event, horizons=("5",)).horizons == (5,)
  with pytest.raises(UserError, match="expected numbers"):
    survival.fitted(["a"], time, event, horizons=("soon",))


@pytest.fixture
def stage():
  """A stage that has said something of a test split."""

  def made(causes=1):
    info, test, told = said("kaplan_meier", causes)
    told = {**told, "risk": test.arrays["features"][:, 0]}
    cuts = survival.decide(info, truth(test), told, specificity=0.9)
    details = survival.details(info, truth(test), told, cuts)
    held = reading.Predictions(info.target.names, None, truth(test), told)
    result = {
      "task": survival.__name__,
      "splits": {"test": {**details, "thresholds": cuts}},
      "data": {"classes": info.target.names},
    }
    stage = reading.Stage("train", result)
    stage.predictions["test"] = held
    return stage

  return made


@pytest.mark.parametrize("causes", [1, 2])
def test_curves_calibration_and_incidence_are_drawn(stage, causes):
  plates = list(figures.plates(stage(causes), "test"))
  assert len(plates) == 2 + causes
  assert all(plate.png.startswith(b"\x89PNG") for plate in plates)
  assert len({plate.name for plate in plates}) == len(plates)


def test_nothing_is_drawn_of_a_split_without_predictions(stage):
  assert list(figures.plates(stage(), "validation")) == []


def test_risk_groups_are_listed_with_what_happened(stage):
  (table,) = figures.tables(stage())
  assert [row[:2] for row in table["rows"]] == [
    [name, 50] for name in observed.GROUPS
  ]
  low, high = table["rows"][0][4], table["rows"][-1][4]
  assert low["value"] < high["value"]


def test_the_question_names_what_is_waited_for(stage):
  assert figures.question(stage(2)) == "predict the time to death or relapse"
