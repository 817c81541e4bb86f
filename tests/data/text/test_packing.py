"""Packing keeps every token once, and documents apart; batches by length."""

import numpy as np
import pytest

from medfm.data import loader
from medfm.data.text import packing
from medfm.data.text.packing import Piece
from medfm.types import Split, UserError


def pieces(count=60, longest=20, seed=0):
  """Pieces whose tokens are all different, from 1."""
  generator = np.random.default_rng(seed)
  ends = np.cumsum(generator.integers(1, longest + 1, count))
  starts = np.concatenate([[0], ends[:-1]])
  return [Piece(np.arange(a, b) + 1) for a, b in zip(starts, ends, strict=True)]


def test_every_token_is_packed_exactly_once():
  own = pieces()
  arrays, _ = packing.packed(own, 32)
  found = arrays["tokens"][arrays["segment"] > 0]
  np.testing.assert_array_equal(
    np.sort(found), np.concatenate([piece.tokens for piece in own])
  )


def test_a_segment_is_one_piece_and_nothing_else():
  own = pieces()
  arrays, rows = packing.packed(own, 32)
  for row, members in enumerate(rows):
    for segment, index in enumerate(members, 1):
      mine = arrays["segment"][row] == segment
      np.testing.assert_array_equal(
        arrays["tokens"][row, mine], own[index].tokens
      )
      np.testing.assert_array_equal(
        arrays["positions"][row, mine], np.arange(mine.sum())
      )


def test_no_attention_crosses_documents():
  own = pieces()
  arrays, _ = packing.packed(own, 32)
  owner = np.zeros(1 + sum(len(p.tokens) for p in own), int)
  for index, piece in enumerate(own, 1):
    owner[piece.tokens] = index
  segment = arrays["segment"]
  sees = (segment[:, :, None] == segment[:, None]) & (segment > 0)[:, None]
  document = owner[arrays["tokens"]]
  same = document[:, :, None] == document[:, None]
  np.testing.assert_array_equal(
    sees, same & (document > 0)[:, None] & (document > 0)[:, :, None]
  )


def test_padding_is_zero_everywhere_and_at_the_end():
  arrays, _ = packing.packed(pieces(7), 32)
  empty = arrays["segment"] == 0
  assert not arrays["tokens"][empty].any()
  assert not arrays["positions"][empty].any()
  assert (np.diff(empty.astype(int), axis=1) >= 0).all()


def test_packing_wastes_little():
  arrays, _ = packing.packed(pieces(500), 64)
  assert packing.padding(arrays["segment"])["fixed"] < 0.03


def test_packing_is_the_same_each_time():
  one, two = (packing.packed(pieces(), 32)[0]["tokens"] for _ in range(2))
  np.testing.assert_array_equal(one, two)


def test_a_piece_longer_than_a_row_is_refused():
  with pytest.raises(UserError, match="33"):
    packing.packed([Piece(np.arange(33))], 32)


@pytest.mark.parametrize("n, capacity", [(1, 5), (5, 5), (6, 5), (99, 7)])
@pytest.mark.parametrize("full", [False, True])
def test_windows_hold_every_place_once_and_are_few(n, capacity, full):
  windows = packing.windows(n, capacity, full=full)
  places = np.concatenate([np.arange(n)[part] for part in windows])
  np.testing.assert_array_equal(places, np.arange(n))
  assert len(windows) == -(-n // capacity)
  assert max(part.stop - part.start for part in windows) <= capacity


def test_sizes_are_few_and_end_with_the_full_length():
  assert packing.sizes(128) == (16, 24, 32, 48, 64, 96, 128)
  assert all(packing.sizes(n)[-1] == n for n in (8, 50, 100, 512, 1000))
  assert all(len(packing.sizes(n)) <= 8 for n in (512, 1024, 4096))


@pytest.fixture
def split():
  own = [Piece(p.tokens) for p in pieces(50, longest=60)]
  arrays = packing.padded(own, 64)
  arrays["label"] = np.arange(50, dtype=np.int32) % 2
  return Split(arrays, np.arange(50).astype(str))


def drawn(split, **settings):
  return loader.batches(
    split, batch_size=8, steps=14, seed=3, sampling="length", **settings
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


def test_a_batch_is_cut_to_what_holds_its_tokens(split):
  full = split.arrays["tokens"]
  for batch in drawn(split):
    length = batch["tokens"].shape[1]
    assert length in packing.sizes(64)
    assert batch["segment"].shape == batch["positions"].shape == (8, length)
    rows = batch["id"][batch["weight"] > 0]
    np.testing.assert_array_equal(
      batch["tokens"][batch["weight"] > 0], full[rows, :length]
    )
    assert not full[rows, length:].any()


def test_batches_by_length_compute_little_padding():
  arrays = packing.padded(pieces(400, longest=60), 64)
  many = Split(arrays, np.arange(400).astype(str))
  found = loader.batches(
    many, batch_size=8, steps=50, seed=3, sampling="length"
  )
  share = np.mean([(batch["segment"] == 0).mean() for batch in found])
  assert share < 0.25 < 0.5 < (arrays["segment"] == 0).mean()


def test_labels_of_tokens_are_cut_with_them_and_others_are_not(split):
  arrays = {**split.arrays, "label": split.arrays["tokens"]}
  assert packing.trimmed(arrays, 16)["label"].shape == (50, 16)
  wide = {**split.arrays, "label": np.zeros((50, 30), np.float32)}
  assert packing.trimmed(wide, 16)["label"].shape == (50, 30)


def test_sampling_by_length_needs_tokens():
  split = Split({"features": np.zeros((9, 2))}, np.arange(9).astype(str))
  with pytest.raises(UserError, match="length"):
    drawn(split)


def test_full_windows_leave_the_rest_to_the_last():
  windows = packing.windows(10, 4, full=True)
  assert [part.stop - part.start for part in windows] == [4, 4, 2]
