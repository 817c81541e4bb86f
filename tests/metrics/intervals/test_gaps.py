"""The calibration error's interval, and what chance makes of it."""

from functools import partial

import numpy as np
import pytest

from medfm.metrics import calibration
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries


def drawn(count, seed, extreme=1.0):
  """Labels, and probabilities that are right where `extreme` is 1."""
  generator = np.random.default_rng(seed)
  logit = 1.5 * generator.normal(size=count)
  risk = 1 / (1 + np.exp(-logit / extreme))
  label = (generator.random(count) < risk).astype(float)
  return label, 1 / (1 + np.exp(-logit))


def error(*given):
  metric = partial(calibration.calibration_error, *given)
  return entries({"e": metric}, Sample(np.arange(len(given[0]))))["e"]


@pytest.mark.parametrize("count", [60, 400])
def test_a_calibrated_model_is_not_said_to_err(count):
  made = [error(*drawn(count, seed)) for seed in range(60)]
  assert all(e["low"] <= e["value"] <= e["high"] for e in made)
  assert np.mean([e["low"] == 0 for e in made]) >= 0.93
  values, chance = (
    np.mean([e[key] for e in made]) for key in ("value", "if_calibrated")
  )
  assert values == pytest.approx(chance, rel=0.1)


def test_an_extreme_model_errs_by_more_than_chance():
  truth = calibration.calibration_error(*drawn(200_000, 0, extreme=3.0))
  made = [error(*drawn(1000, seed, extreme=3.0)) for seed in range(30)]
  assert all(e["low"] > 0 and e["value"] > 2 * e["if_calibrated"] for e in made)
  assert sum(e["low"] <= truth <= e["high"] for e in made) >= 27


def test_missing_labels_are_left_out():
  label, prob = drawn(100, 0)
  more = np.r_[label, [np.nan] * 5], np.r_[prob, [0.1] * 5]
  made = error(*more)
  assert made["value"] == error(label, prob)["value"]
  assert made["if_calibrated"] == pytest.approx(
    error(label, prob)["if_calibrated"], rel=0.05
  )
