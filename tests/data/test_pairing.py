"""Joins of rows by equal numbers."""

import numpy as np

from medfm.data import pairing


def test_equal_finds_every_pair_and_no_other():
  generator = np.random.default_rng(0)
  a, b = (generator.integers(0, 30, size) for size in (80, 50))
  i, j = pairing.equal(a, b)
  expected = {(x, y) for x in range(80) for y in range(50) if a[x] == b[y]}
  assert len(i) == len(expected)
  assert set(zip(i.tolist(), j.tolist(), strict=True)) == expected


def test_a_number_that_is_too_common_is_passed_over():
  i, j = pairing.equal(np.array([1, 1, 1, 2, 2]), np.array([2, 1]), most=2)
  assert (i.tolist(), j.tolist()) == ([3, 4], [0, 0])


def test_spread_goes_through_ranges_of_any_length():
  which, place = pairing.spread(np.array([5, 0, 2]), np.array([7, 0, 3]))
  assert (which.tolist(), place.tolist()) == ([0, 0, 2], [5, 6, 2])


def test_hashes_are_equal_where_rows_are():
  generator = np.random.default_rng(0)
  rows = generator.integers(0, 4, (500, 6)).astype(np.uint64)
  hashes = pairing.hashed(rows)
  assert len(np.unique(hashes)) == len(np.unique(rows, axis=0))
  assert (pairing.hashed(rows[::-1]) == hashes[::-1]).all()
  assert (pairing.hashed(rows[:, ::-1]) != hashes).any()
