"""The table of scores of a split, per task."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from tests.evals.answers import (
  BINARY,
  LABELS,
  ONE_TARGET,
  TARGETS,
  THREE,
  few,
  of,
  of_labels,
  of_numbers,
  of_three,
  of_two,
  scores,
)


def test_two_classes_have_the_metrics_of_the_design():
  result = few(BINARY, *of_two())
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
  label, prediction = of_two()
  metrics = few(BINARY, label, prediction)["metrics"]
  called = prediction["probs"].argmax(1)
  assert metrics["recall"]["value"] == pytest.approx(
    reference.recall_score(label, called)
  )
  assert metrics["auroc"]["value"] == pytest.approx(
    reference.roc_auc_score(label, prediction["probs"][:, 1])
  )


def test_several_classes_are_averaged_one_against_the_rest():
  label, prediction = of_three()
  metrics = few(THREE, label, prediction)["metrics"]
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
  label, prediction = of_three()
  prediction["probs"][:, 2] = 0
  metrics = few(THREE, label, prediction)["metrics"]
  called = prediction["probs"].argmax(1)
  assert metrics["precision"]["value"] == pytest.approx(
    reference.precision_score(label, called, average="macro", zero_division=0)
  )
  assert "predicted positive" in metrics["precision[c]"]["reason"]


def test_absent_class_is_left_out_of_the_mean_and_named():
  label, prediction = of_three()
  metrics = few(THREE, np.minimum(label, 1), prediction)["metrics"]
  assert metrics["auroc[c]"]["reason"] == "no positive example"
  for name in ("auroc", "precision", "recall", "f1", "balanced_accuracy"):
    assert metrics[name]["left_out"] == ["c"]
    assert metrics[name]["value"] is not None


def test_labels_are_averaged_as_scikit_learn_and_medmnist_do():
  label, prediction = of_labels()
  metrics = few(LABELS, label, prediction)["metrics"]
  called = prediction["probs"] > 0.5
  values = {name: metrics[name]["value"] for name in ("auroc", "accuracy")}
  assert values == pytest.approx(
    {
      "auroc": reference.roc_auc_score(label, prediction["probs"]),
      "accuracy": np.mean(label == called),
    }
  )


def test_missing_labels_are_masked_label_by_label():
  label, prediction = of_labels()
  label[:20, 0] = np.nan
  metrics = few(LABELS, label, prediction)["metrics"]
  assert metrics["auroc[x]"]["value"] == pytest.approx(
    reference.roc_auc_score(label[20:, 0], prediction["probs"][20:, 0])
  )
  assert metrics["auroc[y]"]["value"] == pytest.approx(
    reference.roc_auc_score(label[:, 1], prediction["probs"][:, 1])
  )


def test_unknown_labels_are_left_out_and_counted():
  label, prediction = of_two()
  label[:30] = -1
  result = few(BINARY, label, prediction)
  assert (result["n"], result["unlabelled"]) == (50, 30)
  assert np.sum(result["confusion"]["counts"]) == 50


def test_example_with_one_of_its_labels_counts():
  label, prediction = of_labels()
  label[0, 0], label[1] = np.nan, np.nan
  result = few(LABELS, label, prediction)
  assert (result["n"], result["unlabelled"]) == (59, 1)


def test_regression_of_one_target_has_plain_names():
  label, prediction = of_numbers(ONE_TARGET)
  metrics = few(ONE_TARGET, label, prediction)["metrics"]
  assert set(metrics) == {"rmse", "mae", "r2", "pearson"}
  assert metrics["r2"]["value"] == pytest.approx(
    reference.r2_score(label, prediction["value"])
  )


def test_errors_in_different_units_are_not_averaged():
  metrics = few(TARGETS, *of_numbers(TARGETS))["metrics"]
  assert "different units" in metrics["rmse"]["reason"]
  assert metrics["rmse[age]"]["value"] > 0
  assert metrics["r2"]["value"] == pytest.approx(
    (metrics["r2[age]"]["value"] + metrics["r2[height]"]["value"]) / 2
  )


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_scores_are_plain_json(info):
  label, prediction = of(info)
  groups = {"sex": np.resize(["F", "M", ""], len(label))}
  result = few(info, label, prediction, groups=groups)
  assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_empty_split_gives_reasons(info):
  label, prediction = of(info)
  empty = {name: array[:0] for name, array in prediction.items()}
  result = few(info, label[:0], empty)
  assert result["n"] == 0
  assert all(
    entry["value"] is None and entry["reason"]
    for entry in result["metrics"].values()
  )


@pytest.mark.parametrize("info", [BINARY, THREE, LABELS, ONE_TARGET, TARGETS])
def test_nan_prediction_gives_reasons(info):
  label, prediction = of(info)
  prediction["value" if "value" in prediction else "probs"][3] = np.nan
  result = few(info, label, prediction)
  assert all(
    entry["value"] is None and entry["reason"]
    for entry in result["metrics"].values()
  )


def test_single_class_gives_reasons_and_not_a_half():
  label, prediction = of_two()
  metrics = few(BINARY, 0 * label, prediction)["metrics"]
  assert metrics["auroc"] == {
    "value": None,
    "low": None,
    "high": None,
    "reason": "no positive example",
  }
  assert metrics["specificity"]["value"] is not None


def test_groups_have_their_own_scores():
  label, prediction = of_two()
  sex = np.resize(["F", "M"], 80)
  result = few(BINARY, label, prediction, groups={"sex": sex})
  women = few(
    BINARY, label[sex == "F"], {"probs": prediction["probs"][sex == "F"]}
  )
  assert result["groups"]["sex"]["F"]["metrics"] == women["metrics"]
  assert result["groups"]["sex"]["M"]["n"] == 40


def test_groups_show_no_metric_of_a_single_class():
  label, prediction = of_three()
  groups = {"site": np.resize(["1", "2"], 90)}
  result = few(THREE, label, prediction, groups=groups)
  names = result["groups"]["site"]["1"]["metrics"]
  assert "auroc" in names and "auroc[a]" not in names


def test_small_group_gives_a_reason():
  label, prediction = of_two()
  sex = np.array([""] * 9 + ["F"] * 71)
  result = few(BINARY, label, prediction, groups={"sex": sex})
  table = result["groups"]["sex"]["unknown"]
  assert table["n"] == 9
  assert table["metrics"]["auroc"]["reason"] == "fewer than 10 examples"


def test_a_group_of_two_patients_has_values_and_no_interval():
  label, prediction = of_two()
  site = np.array(["rare"] * 20 + ["common"] * 60)
  patients = np.repeat(np.arange(8), 10).astype(str)
  patients[20:] = np.arange(60).astype(str)
  result = few(
    BINARY, label, prediction, groups={"site": site}, patients=patients
  )
  rare, common = (result["groups"]["site"][k] for k in ("rare", "common"))
  assert (rare["n"], rare["patients"]) == (20, 2)
  for entry in rare["metrics"].values():
    assert entry["low"] is None and entry["reason"] == "fewer than 10 patients"
  assert rare["metrics"]["accuracy"]["value"] is not None
  assert common["metrics"]["accuracy"]["low"] is not None


def test_every_interval_says_how_it_was_made():
  metrics = few(BINARY, *of_two())["metrics"]
  made = {e["method"] for e in metrics.values() if e["low"] is not None}
  assert made >= {"wilson", "logit_delong", "score_t", "jackknife", "gaps"}
  assert "bootstrap" not in made


def test_patients_are_counted_among_labelled_examples():
  label, prediction = of_two()
  label[0] = -1
  patients = np.array(["only unlabelled", *np.resize(["p", "q"], 79)])
  result = few(BINARY, label, prediction, patients=patients)
  assert result["patients"] == 2


def test_split_without_patients_says_so():
  assert few(BINARY, *of_two())["patients"] is None


def test_same_seed_gives_the_same_intervals():
  label, prediction = of_two()
  assert few(BINARY, label, prediction) == few(BINARY, label, prediction)
  assert few(BINARY, label, prediction) != few(
    BINARY, label, prediction, seed=1
  )


def test_confusion_has_labels_in_rows():
  prediction = {"probs": np.eye(2)[[1, 1, 0]]}
  result = few(BINARY, np.array([0, 0, 0]), prediction)
  assert result["confusion"] == {
    "classes": ["benign", "malignant"],
    "counts": [[1, 2], [0, 0]],
  }


def test_prediction_of_another_shape_is_an_error():
  label, prediction = of_three()
  with pytest.raises(ValueError, match="expected"):
    scores(BINARY, label, prediction)


def test_f1_over_all_labels_equals_the_library():
  label, prediction = of_labels()
  label[3, 1] = np.nan
  known = ~np.isnan(label)
  expected = reference.f1_score(
    label[known], (prediction["probs"] > 0.5)[known]
  )
  found = few(LABELS, label, prediction)["metrics"]["micro_f1"]
  assert found["value"] == pytest.approx(expected)
  assert found["low"] < found["value"] < found["high"]


def test_f1_weighted_by_class_equals_the_library():
  label, prediction = of_three()
  expected = reference.f1_score(
    label, prediction["probs"].argmax(1), average="weighted"
  )
  found = few(THREE, label, prediction)["metrics"]["weighted_f1"]
  assert found["value"] == pytest.approx(expected)
  assert found["low"] < found["value"] < found["high"]
