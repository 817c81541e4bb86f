"""The table of scores of a split, per task."""

import functools
import json

import numpy as np
import pytest
from sklearn import metrics as reference

from medfm import tasks
from medfm.evals import paired
from medfm.evals import scores as scored
from medfm.metrics import calibration
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.tasks import binary
from tests import infos

BINARY = infos.info("toy", "multiclass", ("benign", "malignant"))
THREE = infos.info("toy", "multiclass", ("a", "b", "c"))
LABELS = infos.info("toy", "multilabel", ("x", "y"))
ONE_TARGET = infos.info("toy", "regression", ("age",), units=("years",))
TARGETS = infos.info(
  "toy", "regression", ("age", "height"), units=("years", "cm")
)


def _binary(count=80, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 2, count)
  prob = 1 / (1 + np.exp(-(label - 0.5 + generator.normal(size=count))))
  probs = np.stack([1 - prob, prob], axis=1)
  return label, {"probs": probs.astype(np.float32)}


def _three(count=90, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 3, count)
  raw = generator.random((count, 3)) + 0.5 * np.eye(3)[label]
  return label, {"probs": raw / raw.sum(1, keepdims=True)}


def _labels(count=60, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 2, (count, 2)).astype(np.float32)
  probs = np.clip(0.3 * label + 0.7 * generator.random((count, 2)), 0, 1)
  return label, {"probs": probs}


def _values(info, count=40, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.normal(50, 9, (count, len(info.target.names)))
  return label, {"value": label + generator.normal(0, 3, label.shape)}


def scores(info, label, prediction, **settings):
  task = tasks.of(info.target)
  return scored.scores(task, info, {"label": label}, prediction, **settings)


def thresholds(info, label, prediction, specificity=0.9):
  task = tasks.of(info.target)
  return task.decide(
    info, {"label": label}, prediction, specificity=specificity
  )


def difference(info, label, a, b, **settings):
  task = tasks.of(info.target)
  return paired.difference(task, info, {"label": label}, a, b, **settings)


def _few(info, label, prediction, **kwargs):
  return scores(info, label, prediction, replicates=20, **kwargs)


def test_two_classes_have_the_metrics_of_the_design():
  result = _few(BINARY, *_binary())
  assert set(result["metrics"]) == {
    "auroc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "brier",
    "calibration_error",
    "calibration_slope",
    "calibration_intercept",
    "observed_expected",
    "sensitivity_at_specificity_90",
    "specificity_at_threshold",
    "precision_at_threshold",
    "npv_at_threshold",
    "positive_likelihood_ratio_at_threshold",
    "negative_likelihood_ratio_at_threshold",
  }


def test_second_class_is_the_positive_one():
  label, prediction = _binary()
  metrics = _few(BINARY, label, prediction)["metrics"]
  called = prediction["probs"].argmax(1)
  assert metrics["recall"]["value"] == pytest.approx(
    reference.recall_score(label, called)
  )
  assert metrics["auroc"]["value"] == pytest.approx(
    reference.roc_auc_score(label, prediction["probs"][:, 1])
  )


def test_several_classes_are_averaged_one_against_the_rest():
  label, prediction = _three()
  metrics = _few(THREE, label, prediction)["metrics"]
  called = prediction["probs"].argmax(1)
  expected = {
    "auroc": reference.roc_auc_score(
      label, prediction["probs"], multi_class="ovr"
    ),
    "average_precision": reference.average_precision_score(
      label, prediction["probs"]
    ),
    "accuracy": reference.accuracy_score(label, called),
    "balanced_accuracy": reference.balanced_accuracy_score(label, called),
    "precision": reference.precision_score(label, called, average="macro"),
    "recall": reference.recall_score(label, called, average="macro"),
    "f1": reference.f1_score(label, called, average="macro"),
    "f1[b]": reference.f1_score(label, called, average=None)[1],
    "recall[c]": reference.recall_score(label, called, average=None)[2],
    "auroc[a]": reference.roc_auc_score(label == 0, prediction["probs"][:, 0]),
  }
  values = {name: metrics[name]["value"] for name in expected}
  assert values == pytest.approx(expected, abs=1e-5)


def test_class_never_predicted_counts_zero_in_the_mean_precision():
  label, prediction = _three()
  prediction["probs"][:, 2] = 0
  metrics = _few(THREE, label, prediction)["metrics"]
  called = prediction["probs"].argmax(1)
  assert metrics["precision"]["value"] == pytest.approx(
    reference.precision_score(label, called, average="macro", zero_division=0)
  )
  assert "predicted positive" in metrics["precision[c]"]["reason"]


def test_absent_class_is_left_out_of_the_mean_and_named():
  label, prediction = _three()
  metrics = _few(THREE, np.minimum(label, 1), prediction)["metrics"]
  assert metrics["auroc[c]"]["reason"] == "no positive example"
  for name in ("auroc", "precision", "recall", "f1", "balanced_accuracy"):
    assert metrics[name]["left_out"] == ["c"]
    assert metrics[name]["value"] is not None


def test_labels_are_averaged_as_scikit_learn_and_medmnist_do():
  label, prediction = _labels()
  metrics = _few(LABELS, label, prediction)["metrics"]
  called = prediction["probs"] > 0.5
  values = {name: metrics[name]["value"] for name in ("auroc", "accuracy")}
  assert values == pytest.approx(
    {
      "auroc": reference.roc_auc_score(label, prediction["probs"]),
      "accuracy": np.mean(label == called),
    }
  )


def test_missing_labels_are_masked_label_by_label():
  label, prediction = _labels()
  label[:20, 0] = np.nan
  metrics = _few(LABELS, label, prediction)["metrics"]
  assert metrics["auroc[x]"]["value"] == pytest.approx(
    reference.roc_auc_score(label[20:, 0], prediction["probs"][20:, 0])
  )
  assert metrics["auroc[y]"]["value"] == pytest.approx(
    reference.roc_auc_score(label[:, 1], prediction["probs"][:, 1])
  )


def test_unknown_labels_are_left_out_and_counted():
  label, prediction = _binary()
  label[:30] = -1
  result = _few(BINARY, label, prediction)
  assert (result["n"], result["unlabelled"]) == (50, 30)
  assert np.sum(result["confusion"]["counts"]) == 50


def test_example_with_one_of_its_labels_counts():
  label, prediction = _labels()
  label[0, 0], label[1] = np.nan, np.nan
  result = _few(LABELS, label, prediction)
  assert (result["n"], result["unlabelled"]) == (59, 1)


def test_regression_of_one_target_has_plain_names():
  label, prediction = _values(ONE_TARGET)
  metrics = _few(ONE_TARGET, label, prediction)["metrics"]
  assert set(metrics) == {"rmse", "mae", "r2", "pearson"}
  assert metrics["r2"]["value"] == pytest.approx(
    reference.r2_score(label, prediction["value"])
  )


def test_errors_in_different_units_are_not_averaged():
  metrics = _few(TARGETS, *_values(TARGETS))["metrics"]
  assert "different units" in metrics["rmse"]["reason"]
  assert metrics["rmse[age]"]["value"] > 0
  assert metrics["r2"]["value"] == pytest.approx(
    (metrics["r2[age]"]["value"] + metrics["r2[height]"]["value"]) / 2
  )


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_scores_are_plain_json(info):
  label, prediction = _of(info)
  groups = {"sex": np.resize(["F", "M", ""], len(label))}
  result = _few(info, label, prediction, groups=groups)
  assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_empty_split_gives_reasons(info):
  label, prediction = _of(info)
  empty = {name: array[:0] for name, array in prediction.items()}
  result = _few(info, label[:0], empty)
  assert result["n"] == 0
  assert all(
    entry["value"] is None and entry["reason"]
    for entry in result["metrics"].values()
  )


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_nan_prediction_gives_reasons(info):
  label, prediction = _of(info)
  prediction["value" if "value" in prediction else "probs"][3] = np.nan
  result = _few(info, label, prediction)
  assert all(
    entry["value"] is None and entry["reason"]
    for entry in result["metrics"].values()
  )


def test_single_class_gives_reasons_and_not_a_half():
  label, prediction = _binary()
  metrics = _few(BINARY, 0 * label, prediction)["metrics"]
  assert metrics["auroc"] == {
    "value": None,
    "low": None,
    "high": None,
    "reason": "no positive example",
  }
  assert metrics["specificity"]["value"] is not None


def test_groups_have_their_own_scores():
  label, prediction = _binary()
  sex = np.resize(["F", "M"], 80)
  result = _few(BINARY, label, prediction, groups={"sex": sex})
  women = _few(
    BINARY, label[sex == "F"], {"probs": prediction["probs"][sex == "F"]}
  )
  assert result["groups"]["sex"]["F"]["metrics"] == women["metrics"]
  assert result["groups"]["sex"]["M"]["n"] == 40


def test_groups_show_no_metric_of_a_single_class():
  label, prediction = _three()
  groups = {"site": np.resize(["1", "2"], 90)}
  result = _few(THREE, label, prediction, groups=groups)
  names = result["groups"]["site"]["1"]["metrics"]
  assert "auroc" in names and "auroc[a]" not in names


def test_small_group_gives_a_reason():
  label, prediction = _binary()
  sex = np.array([""] * 9 + ["F"] * 71)
  result = _few(BINARY, label, prediction, groups={"sex": sex})
  table = result["groups"]["sex"]["unknown"]
  assert table["n"] == 9
  assert table["metrics"]["auroc"]["reason"] == "fewer than 10 examples"


def test_a_group_of_two_patients_has_values_and_no_interval():
  label, prediction = _binary()
  site = np.array(["rare"] * 20 + ["common"] * 60)
  patients = np.repeat(np.arange(8), 10).astype(str)
  patients[20:] = np.arange(60).astype(str)
  result = _few(
    BINARY, label, prediction, groups={"site": site}, patients=patients
  )
  rare, common = (result["groups"]["site"][k] for k in ("rare", "common"))
  assert (rare["n"], rare["patients"]) == (20, 2)
  for entry in rare["metrics"].values():
    assert entry["low"] is None and entry["reason"] == "fewer than 10 patients"
  assert rare["metrics"]["accuracy"]["value"] is not None
  assert common["metrics"]["accuracy"]["low"] is not None


def test_every_interval_says_how_it_was_made():
  metrics = _few(BINARY, *_binary())["metrics"]
  made = {e["method"] for e in metrics.values() if e["low"] is not None}
  assert made >= {"wilson", "logit_delong", "score_t", "jackknife", "gaps"}
  assert "bootstrap" not in made


def test_patients_are_counted_among_labelled_examples():
  label, prediction = _binary()
  label[0] = -1
  patients = np.array(["only unlabelled", *np.resize(["p", "q"], 79)])
  result = _few(BINARY, label, prediction, patients=patients)
  assert result["patients"] == 2


def test_split_without_patients_says_so():
  assert _few(BINARY, *_binary())["patients"] is None


def test_same_seed_gives_the_same_intervals():
  label, prediction = _binary()
  assert _few(BINARY, label, prediction) == _few(BINARY, label, prediction)
  assert _few(BINARY, label, prediction) != _few(
    BINARY, label, prediction, seed=1
  )


def test_confusion_has_labels_in_rows():
  prediction = {"probs": np.eye(2)[[1, 1, 0]]}
  result = _few(BINARY, np.array([0, 0, 0]), prediction)
  assert result["confusion"] == {
    "classes": ["benign", "malignant"],
    "counts": [[1, 2], [0, 0]],
  }


def test_prediction_of_another_shape_is_an_error():
  label, prediction = _three()
  with pytest.raises(ValueError, match="expected"):
    scores(BINARY, label, prediction)


def test_threshold_comes_from_validation_and_is_used_elsewhere():
  chosen = thresholds(BINARY, *_binary(seed=1))
  label, prediction = _binary(seed=2)
  result = _few(BINARY, label, prediction, decisions=chosen)
  called = (
    prediction["probs"][:, 1].astype(float)
    >= chosen["specificity_90[malignant]"]
  )
  assert result["metrics"]["sensitivity_at_specificity_90"][
    "value"
  ] == pytest.approx(reference.recall_score(label, called))
  assert result["thresholds"] == chosen


def test_threshold_reaches_its_specificity_where_it_was_chosen():
  label, prediction = _binary()
  chosen = thresholds(BINARY, label, prediction, specificity=0.8)
  metrics = _few(BINARY, label, prediction, decisions=chosen, specificity=0.8)[
    "metrics"
  ]
  assert metrics["specificity_at_threshold"]["value"] >= 0.8
  assert metrics["sensitivity_at_specificity_80"]["value"] > 0


def test_every_label_has_its_own_threshold():
  chosen = thresholds(LABELS, *_labels())
  assert set(chosen) == {"specificity_90[x]", "specificity_90[y]"}


def test_several_classes_have_no_threshold():
  assert thresholds(THREE, *_three()) == {}


def test_without_negatives_on_validation_there_is_no_threshold():
  label, prediction = _binary()
  chosen = thresholds(BINARY, np.ones_like(label), prediction)
  metrics = _few(BINARY, label, prediction, decisions=chosen)["metrics"]
  entry = metrics["sensitivity_at_specificity_90"]
  assert chosen == {} and "no threshold" in entry["reason"]


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_model_does_not_differ_from_itself(info):
  label, prediction = _of(info)
  table = difference(info, label, prediction, prediction, replicates=20)
  defined = [e for e in table.values() if e["value"] is not None]
  assert defined
  assert all(e["value"] == e["low"] == e["high"] == 0 for e in defined)


def test_difference_is_that_of_the_scores():
  label, a = _three()
  _, b = _three(seed=5)
  table = difference(THREE, label, a, b, replicates=20)
  tables = [_few(THREE, label, p)["metrics"] for p in (a, b)]
  for name, entry in table.items():
    assert entry["value"] == pytest.approx(
      tables[0][name]["value"] - tables[1][name]["value"]
    )


def test_mean_precision_differs_as_the_scores_do_if_a_class_is_ignored():
  label, a = _three()
  b = {"probs": a["probs"] * [1, 1, 0]}
  entry = difference(THREE, label, a, b, replicates=20)["precision"]
  values = [
    _few(THREE, label, p)["metrics"]["precision"]["value"] for p in (a, b)
  ]
  assert entry["value"] == pytest.approx(values[0] - values[1])


def test_few_patients_have_no_interval_of_a_difference():
  label, a = _binary()
  _, b = _binary(seed=3)
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
  label, a = _binary(300)
  noise = np.random.default_rng(1).normal(0, 0.02, 300)
  prob = np.clip(a["probs"][:, 1] + noise, 0, 1)
  b = {"probs": np.stack([1 - prob, prob], axis=1)}
  entry = difference(BINARY, label, a, b, replicates=200)["auroc"]
  alone = scores(BINARY, label, a, replicates=200)["metrics"]["auroc"]
  assert entry["high"] - entry["low"] < (alone["high"] - alone["low"]) / 3


def _of(info):
  for case, made in ((LABELS, _labels), (BINARY, _binary), (THREE, _three)):
    if info is case:
      return made()
  return _values(info)


def test_f1_over_all_labels_equals_the_library():
  label, prediction = _labels()
  label[3, 1] = np.nan
  known = ~np.isnan(label)
  expected = reference.f1_score(
    label[known], (prediction["probs"] > 0.5)[known]
  )
  found = _few(LABELS, label, prediction)["metrics"]["micro_f1"]
  assert found["value"] == pytest.approx(expected)
  assert found["low"] < found["value"] < found["high"]


def test_f1_weighted_by_class_equals_the_library():
  label, prediction = _three()
  expected = reference.f1_score(
    label, prediction["probs"].argmax(1), average="weighted"
  )
  found = _few(THREE, label, prediction)["metrics"]["weighted_f1"]
  assert found["value"] == pytest.approx(expected)
  assert found["low"] < found["value"] < found["high"]


def test_a_slope_nearer_to_one_is_told_apart_from_a_larger_one():
  label, made = _binary(300)
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
  label, a = _labels()
  _, b = _labels(seed=3)
  entries = difference(LABELS, label, a, b, replicates=20)
  each = [
    entries[f"calibration_slope[{name}]"]["closer"]["value"] for name in "xy"
  ]
  mean = entries["calibration_slope"]["closer"]["value"]
  assert mean == pytest.approx(np.mean(each))


def test_a_pair_of_a_near_metric_is_measured_once_a_resample(monkeypatch):
  label, a = _binary()
  measured = []
  slope = calibration.calibration_slope

  @functools.wraps(slope)
  def counted(*args):
    measured.append(1)
    return slope(*args)

  monkeypatch.setattr(binary, "OF_PROBS", (counted,))
  difference(BINARY, label, a, a, replicates=20)
  assert len(measured) == 4  # Two models: the whole, one block of weights.
