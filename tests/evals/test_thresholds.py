"""Thresholds that validation chooses and the test split is scored at."""

import numpy as np
import pytest
from sklearn import metrics as reference

from tests.evals.answers import (
  BINARY,
  LABELS,
  THREE,
  few,
  of_labels,
  of_three,
  of_two,
  thresholds,
)


def test_threshold_comes_from_validation_and_is_used_elsewhere():
  chosen = thresholds(BINARY, *of_two(seed=1))
  label, prediction = of_two(seed=2)
  result = few(BINARY, label, prediction, decisions=chosen)
  called = (
    prediction["probs"][:, 1].astype(float)
    >= chosen["specificity_90[malignant]"]
  )
  assert result["metrics"]["sensitivity_at_specificity_90"][
    "value"
  ] == pytest.approx(reference.recall_score(label, called))
  assert result["thresholds"] == chosen


def test_threshold_reaches_its_specificity_where_it_was_chosen():
  label, prediction = of_two()
  chosen = thresholds(BINARY, label, prediction, specificity=0.8)
  metrics = few(BINARY, label, prediction, decisions=chosen, specificity=0.8)[
    "metrics"
  ]
  assert metrics["specificity_at_threshold"]["value"] >= 0.8
  assert metrics["sensitivity_at_specificity_80"]["value"] > 0


def test_every_label_has_its_own_threshold():
  chosen = thresholds(LABELS, *of_labels())
  assert set(chosen) == {"specificity_90[x]", "specificity_90[y]"}


def test_several_classes_have_no_threshold():
  assert thresholds(THREE, *of_three()) == {}


def test_without_negatives_on_validation_there_is_no_threshold():
  label, prediction = of_two()
  chosen = thresholds(BINARY, np.ones_like(label), prediction)
  metrics = few(BINARY, label, prediction, decisions=chosen)["metrics"]
  entry = metrics["sensitivity_at_specificity_90"]
  assert chosen == {} and "no threshold" in entry["reason"]
