"""Packing keeps every token once, and documents apart."""

import numpy as np
import pytest

from medfm.data.text import packing
from medfm.data.text.packing import Piece
from medfm.types import UserError


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


def test_rows_are_as_long_as_their_last_token_and_labels_are_cut_with_them():
  own = [Piece(p.tokens, {"label": p.tokens}) for p in pieces(50, longest=60)]
  arrays = packing.padded(own, 64)
  measured = packing.measured(arrays)
  assert measured.sizes.tolist() == [len(piece.tokens) for piece in own]
  assert measured.columns == ("tokens", "segment", "positions", "label")
  arrays["label"] = np.zeros((50, 30), np.float32)
  assert "label" not in packing.measured(arrays).columns


def test_full_windows_leave_the_rest_to_the_last():
  windows = packing.windows(10, 4, full=True)
  assert [part.stop - part.start for part in windows] == [4, 4, 2]
