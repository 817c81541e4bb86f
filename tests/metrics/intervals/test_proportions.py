"""Wilson's interval, and what clusters of examples make of it."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from medfm.metrics import classification, shares
from medfm.metrics.intervals import bounds, proportions
from medfm.metrics.intervals.bounds import NoBounds, Sample


@pytest.mark.parametrize(
  ("hits", "n", "low", "high"),
  [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
  ],
)
def test_wilson_gives_the_worked_examples_of_newcombe(hits, n, low, high):
  # 1998, Statistics in Medicine 17, table I, method 3.
  ends = proportions.wilson(hits / n, n, stats.norm.ppf(0.975))
  assert ends == pytest.approx((low, high), abs=5e-5)


def interval(hits, cluster=None, counted=None, **settings):
  hits = np.asarray(hits, float)
  counted = np.ones(len(hits)) if counted is None else counted
  cluster = np.arange(len(hits)) if cluster is None else cluster
  return proportions.interval(Sample(cluster), hits, counted, **settings)


def test_a_perfect_share_is_not_certain():
  ends = interval(np.ones(60))
  assert ends.high == 1 and ends.low == pytest.approx(0.937, abs=0.001)


def test_independent_shares_are_covered_whatever_their_size():
  shares = np.linspace(0.5, 0.99, 50)
  for n in (5, 12, 20, 60, 150):
    ends = [interval(np.arange(n) < hits) for hits in range(n + 1)]
    chance = stats.binom.pmf(np.arange(n + 1), n, shares[:, None])
    low = np.array([each.low for each in ends])
    high = np.array([each.high for each in ends])
    inside = (low <= shares[:, None]) & (shares[:, None] <= high)
    assert (chance * inside).sum(1).min() > 0.93


def test_copies_of_an_example_tell_no_more_than_one():
  hits = np.arange(40) < 30
  once, copied = (
    interval(hits),
    interval(np.repeat(hits, 9), np.repeat(np.arange(40), 9)),
  )
  assert copied.low == pytest.approx(once.low, abs=0.01)
  assert copied.high == pytest.approx(once.high, abs=0.01)


def test_perfect_clusters_are_feared_to_be_alike():
  cluster = np.repeat(np.arange(10), 20)
  alone, together = interval(np.ones(200)), interval(np.ones(200), cluster)
  assert together.low < 0.86 < 0.97 < alone.low


def test_few_clusters_have_no_interval():
  cluster = np.repeat(np.arange(4), 50)
  with pytest.raises(NoBounds, match="fewer than 5 examples with a label"):
    interval(np.ones(200), cluster, of="a label")


def test_clusters_that_are_not_counted_do_not_help():
  label = np.array([1.0] * 4 + [0.0] * 96)
  measured = bounds.of(partial(classification.recall, label, label))
  with pytest.raises(NoBounds, match="5 patients with a positive example"):
    measured(Sample(np.arange(100), "patients"))


def test_f1_is_a_share_of_those_positive_or_called():
  generator = np.random.default_rng(0)
  label = generator.integers(0, 2, 200).astype(float)
  called = np.where(generator.random(200) < 0.8, label, 1 - label)
  hits, counted = shares.agreed(label, called)
  share = hits.sum() / counted.sum()
  assert proportions.f1_of(share) == pytest.approx(
    classification.f1(label, called)
  )
