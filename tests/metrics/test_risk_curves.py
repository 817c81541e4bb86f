"""Calibration and decision curves against independent arithmetic."""

import numpy as np
import pytest
import sklearn.metrics as reference

from medfm.metrics import risk_curves


def _naive(label, prob, at, weight, span):
  """Local lines by numpy's own least squares, one place at a time."""
  curve = []
  for place in at:
    distance = abs(prob - place)
    reach = np.sort(distance)[int(np.ceil(span * len(prob))) - 1]
    tricube = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3
    # numpy's weights multiply residuals, not their squares.
    root = np.sqrt(tricube * weight)
    curve.append(np.polyval(np.polyfit(prob, label, 1, w=root), place))
  return np.clip(curve, 0, 1)


def _drawn(count=120):
  generator = np.random.default_rng(3)
  prob = generator.beta(1, 2, count)
  label = (generator.random(count) < prob**2).astype(float)
  weight = generator.integers(0, 4, (5, count)).astype(float)
  return label, prob, weight


def test_calibration_is_the_local_line_of_least_squares():
  label, prob, weight = _drawn()
  at = np.linspace(prob.min(), prob.max(), 9)
  curve = risk_curves.observed(label, prob, at, span=0.6)
  ones = np.ones(len(label))
  expected = _naive(label, prob, at, ones, 0.6)
  np.testing.assert_allclose(curve, expected, atol=1e-5)
  curves = risk_curves.observed(label, prob, at, weight, span=0.6)
  for row, each in zip(weight, curves, strict=True):
    expected = _naive(label, prob, at, row, 0.6)
    np.testing.assert_allclose(each, expected, atol=1e-5)


def test_a_line_stays_a_line():
  prob = np.linspace(0, 1, 50)
  curve = risk_curves.observed(0.2 + 0.5 * prob, prob, prob)
  np.testing.assert_allclose(curve, 0.2 + 0.5 * prob, atol=1e-7)


def test_tied_probabilities_have_their_share():
  prob, label = np.repeat([0.2, 0.8], 10), np.tile([0, 0, 0, 1, 1], 4)
  label[10:] = [1] * 9 + [0]
  curve = risk_curves.observed(label, prob, np.array([0.2, 0.8]), span=0.4)
  assert curve == pytest.approx([0.4, 0.9])


def test_a_resample_with_nobody_near_has_no_value_there():
  label, prob, _ = _drawn()
  weight = np.where(prob < np.median(prob), 1.0, 0.0)
  place = prob[[prob.argmax()]]
  curve = risk_curves.observed(label, prob, place, weight, span=0.1)
  assert np.isnan(curve).all()


def test_net_benefit_is_that_of_the_counts():
  label, prob, weight = _drawn()
  at = np.array([0.1, 0.3, 0.5])
  curves = risk_curves.net_benefit(label, prob, at, weight)
  for row, curve in zip(weight, curves, strict=True):
    for cut, value in zip(at, curve, strict=True):
      table = reference.confusion_matrix(label, prob >= cut, sample_weight=row)
      (_, wrong), (_, right) = table / table.sum()
      assert value == pytest.approx(right - wrong * cut / (1 - cut))


def test_net_benefit_by_hand():
  # At 20 %: 3 of 10 found, 2 treated for nothing, at a quarter of the worth.
  label = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
  prob = np.array([0.9, 0.5, 0.2, 0.1, 0.3, 0.2, 0.1, 0.1, 0, 0])
  at = np.array([0.2])
  assert risk_curves.net_benefit(label, prob, at) == pytest.approx([0.25])
  everybody = risk_curves.net_benefit(label, np.ones(10), at)
  assert everybody == pytest.approx([0.4 - 0.6 / 4])
  assert risk_curves.net_benefit(label, np.zeros(10), at) == 0


def test_a_band_resamples_whole_patients():
  label, prob, _ = _drawn()
  label, prob = np.tile(label, 4), np.tile(prob, 4)
  at = np.array([0.2, 0.4])

  def width(cluster):
    low, high = risk_curves.band(
      lambda weight: risk_curves.net_benefit(label, prob, at, weight), cluster
    )
    return high - low

  single, patients = np.arange(480), np.tile(np.arange(120), 4)
  assert (width(patients) > 1.6 * width(single)).all()


def test_of_one_patient_there_is_no_band():
  assert risk_curves.band(lambda weight: weight, np.zeros(5, int)) is None
