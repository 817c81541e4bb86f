"""What has no value says why, and never passes for 0.5."""

import numpy as np
import pytest

from medfm.metrics import (
  calibration,
  classification,
  ranking,
  regression,
)
from medfm.metrics.undefined import Undefined

ONES, ZEROS = np.ones(6), np.zeros(6)
MIXED = np.array([0, 1, 0, 1, 0, 1])
PROB = np.linspace(0.1, 0.9, 6)


@pytest.mark.parametrize(
  ("metric", "label", "values", "reason"),
  [
    (ranking.auroc, ONES, PROB, "no negative"),
    (ranking.auroc, ZEROS, PROB, "no positive"),
    (ranking.average_precision, ONES, PROB, "no negative"),
    (ranking.average_precision, ZEROS, PROB, "no positive"),
    (classification.recall, ZEROS, MIXED, "no positive"),
    (classification.f1, ZEROS, MIXED, "no positive"),
    (classification.specificity, ONES, MIXED, "no negative"),
    (classification.precision, MIXED, ZEROS, "predicted positive"),
    (classification.balanced_accuracy, ONES, MIXED, "a class has no"),
    (calibration.calibration_slope, ONES, PROB, "no negative"),
    (calibration.calibration_slope, ZEROS, PROB, "no positive"),
    (calibration.calibration_slope, MIXED, ONES / 3, "constant"),
    (calibration.calibration_slope, PROB > 0.5, PROB, "separate"),
    (calibration.calibration_slope, PROB < 0.5, PROB, "separate"),
    (calibration.calibration_intercept, ONES, PROB, "no negative"),
    (calibration.brier, MIXED, PROB + 1, "not a probability"),
    (classification.threshold_at_specificity, ONES, PROB, "no negative"),
    (regression.r2, ONES * 0.1, PROB, "labels are constant"),
    (regression.pearson, ONES * 0.1, PROB, "labels are constant"),
    (regression.pearson, PROB, ONES * 0.1, "predictions are constant"),
  ],
)
def test_value_that_does_not_exist_is_undefined(metric, label, values, reason):
  with pytest.raises(Undefined, match=reason):
    metric(label, values)


def test_constant_scores_rank_at_chance():
  assert ranking.auroc(MIXED, ONES) == 0.5


def test_touching_classes_still_separate():
  with pytest.raises(Undefined, match="separate"):
    calibration.calibration_slope([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9])


def test_slope_of_probabilities_zero_and_one_is_finite():
  prob = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
  label = np.array([0, 1, 0, 1, 0, 1, 0, 1])
  assert 0 < calibration.calibration_slope(label, prob) < 1


def test_slope_is_found_where_plain_newton_steps_diverge():
  prob = 1 / (1 + np.exp(-np.array([1.8, 0.3, -7.8, 6.8, 15.0])))
  label = np.array([1, 0, 1, 0, 0])
  # The common start is the fit to the sum, far from that of the first row.
  weight = np.array([[1, 3, 0, 0, 1], [39, 46, 67, 41, 52]])
  slopes = calibration.calibration_slope(label, prob, weight)
  assert slopes[0] == pytest.approx(
    calibration.calibration_slope(label, prob, weight[0]), abs=1e-6
  )


def test_bin_holds_its_upper_edge():
  # (0, .5] holds both and errs by |1 - .9|/2; apart they would err by .45.
  error = calibration.calibration_error([0, 1], [0.4, 0.5], bins=2)
  assert error == pytest.approx(abs(0.4 + 0.5 - 1) / 2)


def test_slope_halves_when_logits_are_doubled():
  generator = np.random.default_rng(0)
  z = generator.normal(size=200)
  label = generator.random(200) < 1 / (1 + np.exp(-z))
  single = calibration.calibration_slope(label, 1 / (1 + np.exp(-z)))
  double = calibration.calibration_slope(label, 1 / (1 + np.exp(-2 * z)))
  assert double == pytest.approx(single / 2, abs=1e-6)


def test_precision_stands_in_only_where_a_class_has_examples():
  assert classification.precision(MIXED, ZEROS, empty=0.0) == 0
  with pytest.raises(Undefined, match="no positive"):
    classification.precision(ZEROS, ZEROS, empty=0.0)


def test_label_outside_the_classes_is_an_error():
  with pytest.raises(ValueError, match=r"not one of 0\.\.1"):
    classification.confusion([0, -1], [0, 1], classes=2)


def test_binary_label_of_two_is_an_error():
  with pytest.raises(ValueError, match="0, 1 or NaN"):
    ranking.auroc([0, 2], [0.1, 0.2])


def test_threshold_goes_above_tied_negatives_at_the_top():
  label, score = [0, 0, 0, 1], [0.2, 0.9, 0.9, 0.9]
  threshold = classification.threshold_at_specificity(label, score)
  assert 0.9 < threshold < 0.9 + 1e-9
  specificity = classification.at_threshold(
    label, score, threshold=threshold, metric=classification.specificity
  )
  assert specificity == 1


def test_threshold_is_the_lowest_that_reaches_the_specificity():
  label = np.array([0] * 10 + [1])
  score = np.arange(11) / 10
  assert classification.threshold_at_specificity(label, score) == 0.9


def test_error_of_labels_far_from_zero_keeps_its_digits():
  generator = np.random.default_rng(0)
  label = generator.normal(size=50)
  value = label + 0.1 * generator.normal(size=50)
  assert regression.r2(label + 1e7, value + 1e7) == pytest.approx(
    regression.r2(label, value), abs=1e-6
  )
