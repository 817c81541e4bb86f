"""Differences between methods that were each trained with several seeds."""

import numpy as np
import pytest
from scipy import stats

from medfm.metrics import seeds

VALUES = np.array([0.03, 0.01, 0.05, 0.02])


def drawn(shared, own=0.0, k=4, count=100_000):
  generator = np.random.default_rng(0)
  common = shared * generator.standard_normal(count)
  return common + own * generator.standard_normal((k, count))


def test_where_patients_tell_all_seeds_alike_nothing_it_is_the_paired_t_test():
  """Each seed's own way with the patients is in the seeds' spread already."""
  entry = seeds.difference(VALUES, drawn(0), 1000)
  expected = stats.ttest_1samp(VALUES, 0)
  assert entry["p"] == pytest.approx(expected.pvalue, rel=1e-6)
  low, high = expected.confidence_interval(0.95)
  assert (entry["low"], entry["high"]) == pytest.approx((low, high), rel=1e-6)
  assert entry["sd"] == pytest.approx(VALUES.std(ddof=1))


def test_seeds_that_agree_leave_the_patients():
  entry = seeds.difference(np.full(4, 0.03), drawn(0.01), 1000)
  assert entry["p"] == pytest.approx(2 * stats.t.sf(3, 999), rel=0.05)
  assert entry["high"] - entry["value"] == pytest.approx(0.0196, rel=0.02)


def test_few_patients_widen_the_interval_as_few_seeds_do():
  wide, narrow = (
    seeds.difference(VALUES, drawn(0.01), patients) for patients in (4, 1000)
  )
  assert wide["high"] - wide["low"] > 1.2 * (narrow["high"] - narrow["low"])


def test_patients_and_seeds_add_up_and_own_ways_are_not_counted_twice():
  """By simulation: D = a T1 + b T2."""
  generator = np.random.default_rng(1)
  patients = 0.01 * generator.standard_t(49, 1_000_000)
  spread = VALUES.std(ddof=1) / 2 * generator.standard_t(3, 1_000_000)
  entry = seeds.difference(VALUES, drawn(0.01, own=0.02), 50)
  p = np.mean(np.abs(patients + spread) >= VALUES.mean())
  assert entry["p"] == pytest.approx(p, rel=0.04)
  half = np.quantile(np.abs(patients + spread), 0.95)
  assert entry["high"] - entry["value"] == pytest.approx(half, rel=0.03)


def test_no_variance_at_all_is_survived():
  entry = seeds.difference(np.zeros(3), np.zeros((3, 1000)), 1)
  assert (entry["value"], entry["low"], entry["p"]) == (0, 0, 1)


def test_a_table_tells_a_difference_of_methods():
  entry = seeds.of_table(-0.014, (-0.028, -0.001), (0.026, 0.020), 5)
  assert entry["low"] == pytest.approx(-0.057, abs=5e-4)
  assert entry["high"] == pytest.approx(0.029, abs=5e-4)
  assert entry["p"] == pytest.approx(0.437, abs=5e-4)
