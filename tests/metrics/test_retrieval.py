"""Ranks and recall against brute force, and the chance levels by drawing."""

from functools import partial

import numpy as np
import pytest

from medfm.metrics import described, retrieval
from medfm.metrics.bootstrap import clusters
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.metrics.undefined import Undefined


def made(count=40, groups=12):
  generator = np.random.default_rng(0)
  queries, candidates = generator.normal(size=(2, count, 5))
  return queries, candidates, generator.integers(0, groups, count)


def test_ranks_are_those_of_sorting(monkeypatch):
  monkeypatch.setattr(retrieval, "CHUNK", 7)
  queries, candidates, group = made()
  expected = []
  for query, mine in zip(queries, group, strict=True):
    order = np.argsort(-(candidates @ query))
    expected.append(1 + np.flatnonzero(group[order] == mine)[0])
  told = retrieval.ranks(queries, candidates, group, group)
  np.testing.assert_array_equal(told, expected)


def test_equal_scores_for_all_are_the_worst_answer():
  flat, group = np.ones((6, 2)), np.array([0, 0, 1, 2, 3, 3])
  told = retrieval.ranks(flat, flat, group, group)
  np.testing.assert_array_equal(told, [5, 5, 6, 6, 5, 5])
  lost = retrieval.ranks(np.nan * flat, flat, group, group)
  np.testing.assert_array_equal(lost, told)


def test_recall_and_median_are_those_of_repeated_ranks():
  rank = np.array([1, 7, 3, 2, 11, 4])
  weight = np.array([[1, 1, 1, 1, 1, 1], [2, 0, 3, 1, 0, 1.0]])
  often = np.repeat(rank, weight[1].astype(int))
  for k in (1, 3, 10):
    told = retrieval.recall_at(rank, weight, k=k)
    np.testing.assert_allclose(told, [(rank <= k).mean(), (often <= k).mean()])
  told = retrieval.median_rank(rank, weight)
  lower = [np.sort(each)[(len(each) - 1) // 2] for each in (rank, often)]
  np.testing.assert_array_equal(told, lower)


def test_chance_is_what_random_orders_score():
  generator = np.random.default_rng(1)
  group = np.array([0] * 5 + [1] * 3 + list(range(2, 14)))
  right = np.bincount(group)[group]
  drawn = []
  for _ in range(400):
    order = generator.permutation(len(group))
    place = np.empty(len(group), int)
    place[order] = np.arange(1, len(group) + 1)
    drawn.append([place[group == mine].min() for mine in group])
  drawn = np.array(drawn)
  for k in (1, 5, 10, 20):
    told = retrieval.chance_recall(right, len(group), k=k)
    assert told == pytest.approx((drawn <= k).mean(), abs=0.01)
  told = retrieval.chance_median_rank(right, len(group))
  assert told == pytest.approx(np.median(drawn), abs=1)


def test_intervals_hold_the_value_and_widen_with_clusters():
  generator = np.random.default_rng(2)
  rank = np.repeat(generator.integers(1, 20, 20), 4)
  bound = {
    "recall": partial(retrieval.recall_at, rank, k=5),
    "median": partial(retrieval.median_rank, rank),
  }
  wide, narrow = (
    entries(bound, Sample(clusters(patients, 80), replicates=200))
    for patients in (np.repeat(np.arange(20), 4).astype(str), None)
  )
  for each in wide.values():
    assert each["low"] <= each["value"] <= each["high"]
  spans = [
    each["recall"]["high"] - each["recall"]["low"] for each in (wide, narrow)
  ]
  assert spans[0] > spans[1]


def test_no_query_is_undefined_and_both_numbers_are_described():
  for metric in (partial(retrieval.recall_at, k=1), retrieval.median_rank):
    with pytest.raises(Undefined, match="there is no query"):
      metric(np.zeros(0, int))
    assert described.of(metric).clause
