"""Host randomness: by position, and the same for ever."""

import numpy as np
import pytest

from medfm.data import rng


def test_the_same_place_draws_the_same_numbers():
  draws = [rng.generator(3, "shift", 5).random(4) for _ in range(2)]
  np.testing.assert_array_equal(*draws)


def test_a_moved_generator_draws_what_a_new_one_would():
  used = rng.generator(9)
  used.integers(5, size=3, dtype=np.uint32)
  moved, new = rng.moved(used, 3, "shift", 5), rng.generator(3, "shift", 5)
  for _ in range(3):
    assert moved.random() == new.random()
    assert moved.integers(9, dtype=np.uint32) == new.integers(
      9, dtype=np.uint32
    )


@pytest.mark.parametrize(
  "other", [(4, 1, 2), (3, 2, 1), (3, 1, 2, 0), (3, 1), (3, "a", 2)]
)
def test_another_place_draws_other_numbers(other):
  here, there = rng.generator(3, 1, 2), rng.generator(*other)
  assert not np.isin(there.random(50), here.random(50)).any()


def test_an_order_holds_every_number_once():
  assert sorted(rng.permutation(100, 0, 1)) == list(range(100))


def test_the_orders_of_a_seed_stay_as_they_are():
  assert rng.permutation(8, 0, "order", 0).tolist() == [7, 1, 6, 4, 2, 3, 5, 0]


def test_negative_places_are_refused():
  with pytest.raises(ValueError, match="negative"):
    rng.generator(0, -1)
