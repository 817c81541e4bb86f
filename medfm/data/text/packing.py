"""Token sequences of all lengths as arrays [N,L] with little padding.

Pre-training packs pieces of documents into rows, each piece in its own segment:
attention stays within it and positions start again, so that packing changes no
prediction. Fine-tuning has one example per row and batches by length
(`orders.by_length`).
"""

import heapq
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from medfm.data import cuts
from medfm.types import Lengths, UserError

Arrays = dict[str, np.ndarray]
SEQUENCES = (
  "tokens", "segment", "positions", "token_type", "word", "word_start",
)  # fmt: skip
"""The arrays [N,L] whose second axis is the place in the sequence."""


class Piece(NamedTuple):
  """A sequence to place: tokens [n], and n-long columns beside them."""

  tokens: np.ndarray
  columns: dict[str, np.ndarray] = {}


def windows(n: int, capacity: int, *, full: bool = False) -> list[slice]:
  """The fewest windows of at most `capacity` that hold n, nearly equal.

  Together they hold each of the n places exactly once, in order. With `full`
  all windows but the last are filled, which wastes less room when packed.
  """
  if capacity < 1:
    raise UserError(f"a window of {capacity} tokens holds nothing")
  count = max(1, -(-n // capacity))
  edges = [n * i // count for i in range(count + 1)]
  if full:
    edges = [*range(0, count * capacity, capacity), n]
  return [slice(a, b) for a, b in itertools.pairwise(edges)]


def packed(
  pieces: Sequence[Piece], length: int
) -> tuple[Arrays, list[list[int]]]:
  """Rows of `length` tokens that hold every piece once; each row's pieces.

  Best fit, longest piece first. `segment` counts the pieces of a row from 1,
  `positions` the tokens of each from 0; on padding they, `tokens` and
  `token_type` are 0 and other columns -1. A piece longer than a row is a
  UserError.
  """
  rows = _placed([len(piece.tokens) for piece in pieces], length)
  return _filled(pieces, rows, length), rows


def padded(pieces: Sequence[Piece], length: int) -> Arrays:
  """One piece a row, [N,L]; columns and errors as in `packed`."""
  return _filled(pieces, [[row] for row in range(len(pieces))], length)


def measured(arrays: Arrays) -> Lengths:
  """How long each row of `packed` or `padded` arrays is, and which are cut.

  A `label` for each token is cut with the tokens.
  """
  shape = arrays["tokens"].shape
  columns = (*SEQUENCES, "label")
  return Lengths(
    (arrays["segment"] > 0).sum(1),
    tuple(n for n in columns if n in arrays and arrays[n].shape == shape),
  )


def padding(segment: np.ndarray, batch_size: int = 32) -> dict[str, float]:
  """The share of places that hold no token, for the data card.

  fixed: rows as they are stored. by_length: in batches drawn by length.
  """
  n, length = segment.shape
  sizes = (np.asarray(segment) > 0).sum(1)
  ordered = np.sort(cuts.holding(sizes, length))
  batches = np.split(ordered, range(batch_size, n, batch_size))
  cost = sum(int(batch[-1]) * len(batch) for batch in batches)
  real = float(sizes.sum())
  return {
    "length": length,
    "fixed": round(1 - real / (n * length), 4),
    "by_length": round(1 - real / max(cost, 1), 4),
  }


def _placed(sizes: Sequence[int], length: int) -> list[list[int]]:
  """Rows of piece numbers: each piece goes into the fullest row with room."""
  rows: list[list[int]] = []
  room: list[list[int]] = [[] for _ in range(length + 1)]  # Rows by room left.
  for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
    size = sizes[index]
    left = next((r for r in range(size, length + 1) if room[r]), length)
    if not room[left]:
      room[left].append(len(rows))
      rows.append([])
    row = heapq.heappop(room[left])
    rows[row].append(index)
    heapq.heappush(room[max(left - size, 0)], row)
  return rows


def _filled(
  pieces: Sequence[Piece], rows: Sequence[Sequence[int]], length: int
) -> Arrays:
  shape = (len(rows), length)
  kinds = ("tokens", "segment", "positions")
  arrays = {name: np.zeros(shape, np.int32) for name in kinds}
  for name in pieces[0].columns if len(pieces) else ():
    fill = 0 if name == "token_type" else -1
    arrays[name] = np.full(shape, fill, np.int32)
  for row, members in enumerate(rows):
    start = 0
    for segment, index in enumerate(members, 1):
      tokens, columns = pieces[index]
      place = slice(start, start + len(tokens))
      if place.stop > length:
        raise UserError(
          f"a sequence has {len(tokens)} tokens, more than {length}"
        )
      arrays["tokens"][row, place] = tokens
      arrays["segment"][row, place] = segment
      arrays["positions"][row, place] = np.arange(len(tokens))
      for name, column in columns.items():
        arrays[name][row, place] = column
      start = place.stop
  return arrays
