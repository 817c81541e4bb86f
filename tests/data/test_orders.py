"""Orders: pure functions of a batch's number, in balance or by length."""

import numpy as np
import pytest

from medfm.data import cuts, loader, orders
from medfm.types import Lengths, Split, UserError


def padded(count=50, longest=64, seed=0):
  """Signals of a length each, filled with their row's number from 1 on."""
  generator = np.random.default_rng(seed)
  sizes = generator.integers(1, longest - 3, count)
  filled = np.arange(longest)[None] < sizes[:, None]
  signal = np.where(filled, np.arange(1, count + 1)[:, None], 0)
  return Split(
    {"signal": signal, "label": np.arange(count) % 2},
    np.arange(count).astype(str),
    lengths=Lengths(sizes, ("signal",)),
  )


@pytest.fixture
def split():
  return padded()


def drawn(split, **settings):
  return loader.batches(
    split, batch_size=8, steps=14, seed=3, order=orders.by_length, **settings
  )


def test_an_epoch_by_length_visits_every_row_once(split):
  found = drawn(split)
  for epoch in range(2):
    ids = np.concatenate(
      [found[k]["id"] for k in range(7 * epoch, 7 * epoch + 7)]
    )
    assert sorted(ids[ids >= 0]) == list(range(50))


def test_epochs_by_length_have_orders_of_their_own(split):
  found = drawn(split)
  assert not np.array_equal(found[0]["id"], found[7]["id"])


def test_a_batch_by_length_is_a_function_of_its_number(split):
  one, two = drawn(split), drawn(split)
  _ = one[9], one[0]
  for name, array in one[5].items():
    np.testing.assert_array_equal(array, two[5][name])


def test_a_batch_by_length_is_cut_to_what_holds_its_signals(split):
  full = split.arrays["signal"]
  for batch in drawn(split):
    length = batch["signal"].shape[1]
    assert length in cuts.sizes(64)
    rows = batch["id"][batch["weight"] > 0]
    np.testing.assert_array_equal(
      batch["signal"][batch["weight"] > 0], full[rows, :length]
    )
    assert not full[rows, length:].any()


def test_batches_of_other_orders_are_not_cut(split):
  found = loader.batches(split, batch_size=8, steps=2, seed=3)
  assert found[0]["signal"].shape == (8, 64)


def test_batches_by_length_compute_little_padding():
  many = padded(400)
  found = loader.batches(
    many, batch_size=8, steps=50, seed=3, order=orders.by_length
  )
  share = np.mean([(batch["signal"] == 0).mean() for batch in found])
  assert share < 0.25 < 0.5 < (many.arrays["signal"] == 0).mean()


def test_an_order_by_length_needs_lengths():
  split = Split({"features": np.zeros((9, 2))}, np.arange(9).astype(str))
  with pytest.raises(UserError, match="different length"):
    drawn(split)


def balanced(strata, steps=9):
  split = Split(
    {"x": np.zeros(len(strata))}, np.arange(len(strata)).astype(str)
  )
  return loader.batches(
    split,
    batch_size=4,
    steps=steps,
    seed=0,
    order=orders.balanced,
    strata=np.array(strata),
  )


def test_balanced_batches_hold_every_stratum_equally():
  strata = np.array([0] * 8 + [5] * 2)
  batches = balanced(strata)
  for k in range(9):
    assert np.bincount(strata[batches[k]["id"]]).tolist() == [2, 0, 0, 0, 0, 2]
    assert batches[k]["weight"].all()


def test_a_balanced_order_visits_each_evenly_and_none_without_stratum():
  batches = balanced([0] * 6 + [1] * 2 + [-1] * 2, steps=3)
  ids = np.concatenate([batches[k]["id"] for k in range(3)])
  assert np.bincount(ids, minlength=10).tolist() == [1] * 6 + [3] * 2 + [0] * 2


def test_a_balanced_order_is_refused_where_nothing_is_labelled():
  with pytest.raises(UserError, match="no training example has a label"):
    balanced([-1] * 5)


def test_strata_are_one_for_each_example():
  split = Split({"x": np.zeros(3)}, np.arange(3).astype(str))
  with pytest.raises(ValueError, match="2 strata of 3"):
    orders.balanced(split, np.array([0, 1]), 2, 0)
