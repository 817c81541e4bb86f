"""Columns whose examples differ in shape, by row and by rows."""

import numpy as np
import pytest

from medfm.types import Ragged, Split

SIGNALS = [np.arange(n * 2.0).reshape(n, 2) + n for n in (3, 1, 5, 2)]


def signals():
  values = np.concatenate(SIGNALS)
  return Ragged(values, np.cumsum([len(signal) for signal in SIGNALS]))


def volumes():
  cubes = [
    np.arange(n * 2 * 3).reshape(n, 2, 3).repeat(n, 2) for n in (1, 3, 2)
  ]
  values = np.concatenate([cube.reshape(-1) for cube in cubes])
  shapes = np.array([cube.shape for cube in cubes])
  return cubes, Ragged(values, np.cumsum(shapes.prod(1)), shapes)


def test_a_row_is_the_array_of_its_example():
  column = signals()
  assert len(column) == 4
  for row, signal in enumerate(SIGNALS):
    np.testing.assert_array_equal(column[row], signal)
  np.testing.assert_array_equal(column[np.int64(2)], SIGNALS[2])
  with pytest.raises(IndexError):
    column[4]


@pytest.mark.parametrize("rows", [[2, 0], [3], [1, 1, 2]])
def test_rows_are_a_column_again_of_the_same_values(rows):
  column = signals()
  part = column[np.array(rows)]
  assert part.values is column.values
  for place, row in enumerate(rows):
    np.testing.assert_array_equal(part[place], SIGNALS[row])
  again = part[::-1]
  np.testing.assert_array_equal(again[0], SIGNALS[rows[-1]])
  np.testing.assert_array_equal(column[1:3][1], SIGNALS[2])


def test_examples_may_differ_in_every_extent():
  cubes, column = volumes()
  for row, cube in enumerate(cubes):
    np.testing.assert_array_equal(column[row], cube)
  np.testing.assert_array_equal(column[np.array([2])][0], cubes[2])
  assert column.extents.tolist() == [[1, 2, 3], [3, 2, 9], [2, 2, 6]]


def test_a_split_takes_its_ragged_columns_along():
  split = Split({"signal": signals()}, np.array(list("abcd")))
  part = split.take(np.array([3, 1]))
  np.testing.assert_array_equal(part[0]["signal"], SIGNALS[3])
  assert part.arrays["signal"].extents.tolist() == [[2], [1]]
