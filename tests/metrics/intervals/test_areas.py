"""Intervals of areas: published data, naive formulas, what is near 1."""

from functools import partial

import numpy as np
import pytest
from sklearn import metrics as reference

from medfm.metrics import ranking, survival
from medfm.metrics.intervals import areas, bounds, jackknife
from medfm.metrics.intervals.bounds import NoBounds, Sample

NORMAL = (33, 6, 6, 11, 2)
ABNORMAL = (3, 2, 2, 11, 33)
"""Ratings 1 to 5 of 109 CT images (Hanley & McNeil 1982, Radiology)."""


def ratings():
  label = np.repeat([0.0, 1.0], [58, 51])
  score = [np.repeat(np.arange(1, 6), side) for side in (NORMAL, ABNORMAL)]
  return label, np.concatenate(score).astype(float)


def of(metric, cluster, *given, **settings):
  return bounds.of(partial(metric, *given, **settings))(Sample(cluster))


def test_the_area_and_error_of_hanley_and_mcneil():
  label, score = ratings()
  area = ranking.auroc(label, score)
  assert area == pytest.approx(0.893, abs=5e-4)
  error = areas.hanley_mcneil(area, 51, 58) ** 0.5
  assert error == pytest.approx(0.032, abs=1e-3)


def test_the_variance_is_delongs():
  label, score = ratings()
  ends = of(ranking.auroc, np.arange(109), label, score)
  above, below = score[label == 1], score[label == 0]
  wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
  delong = wins.mean(1).var() / 51 + wins.mean(0).var() / 58
  assert (ends.influence**2).sum() == pytest.approx(delong)
  assert ends.low < 0.893 < ends.high


def test_the_variance_of_clusters_is_obuchowskis():
  generator = np.random.default_rng(0)
  cluster = np.repeat(np.arange(30), 5)
  label = generator.integers(0, 2, 150).astype(float)
  score = label + generator.normal(size=30)[cluster] + generator.random(150)
  ends = of(ranking.auroc, cluster, label, score)
  above, below = score[label == 1], score[label == 0]
  wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
  area = wins.mean()
  ten, one = np.zeros((2, 30))
  np.add.at(ten, cluster[label == 1], wins.mean(1) - area)
  np.add.at(one, cluster[label == 0], wins.mean(0) - area)
  m, n = wins.shape
  variance = (ten**2).sum() / m**2 + (one**2).sum() / n**2
  variance += 2 * (ten @ one) / (m * n)  # Obuchowski 1997, equation 3.
  assert (ends.influence**2).sum() == pytest.approx(variance)


def test_a_perfect_ranking_is_not_certain():
  label = np.arange(114) < 42
  ends = of(ranking.auroc, np.arange(114), label * 1.0, label * 1.0)
  assert ends.high == 1 and 0.9 < ends.low < 0.98


@pytest.mark.parametrize("area", [0.0, 0.3, 0.7, 0.99, 1.0])
def test_newcombes_ends_are_as_far_as_they_should_be(area):
  low, high = areas.newcombe(area, 20, 30)
  assert 0 <= low <= area <= high <= 1
  for end in (low, high):
    if 0 < end < 1:
      error = areas.hanley_mcneil(end, 20, 30) ** 0.5
      assert abs(end - area) == pytest.approx(1.96 * error, rel=1e-3)


def test_few_patients_of_a_class_have_no_interval():
  label = np.array([1.0] * 12 + [0.0] * 88)
  cluster = np.r_[np.repeat(np.arange(4), 3), np.arange(4, 92)]
  with pytest.raises(NoBounds, match="5 examples with a positive example"):
    of(ranking.auroc, cluster, label, np.arange(100.0))


def test_missing_labels_change_nothing():
  label, score = ratings()
  more = np.r_[label, np.full(7, np.nan)], np.r_[score, np.arange(7.0)]
  one = of(ranking.auroc, np.arange(109), label, score)
  two = of(ranking.auroc, np.arange(116), *more)
  assert one.low == pytest.approx(two.low, abs=1e-3)
  assert reference.roc_auc_score(label, score) > one.low


def test_the_influence_on_c_is_that_of_leaving_one_out():
  generator = np.random.default_rng(0)
  time = generator.exponential(size=120).round(1)
  event, risk = generator.integers(0, 3, 120), generator.normal(size=120)
  metric = partial(survival.concordance, time, event, risk.round(1))
  sample = Sample(np.arange(120))
  exact = bounds.of(metric)(sample).influence
  left = jackknife.influence(sample, metric)
  order = np.random.default_rng(0).permutation(120)
  np.testing.assert_allclose(left[order], exact, atol=0.05 * abs(exact).max())


def test_c_of_patients_without_an_event_has_no_interval():
  time, event = np.arange(50.0), np.arange(50) < 3
  with pytest.raises(NoBounds, match="fewer than 5 examples with the event"):
    of(survival.concordance, np.arange(50), time, event * 1, -time)
