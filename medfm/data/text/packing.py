"""Token sequences of all lengths as arrays [N,L] that waste little room.

Two ways. Pre-training packs pieces of documents into rows, each a segment of
its own: attention stays within a segment and positions begin anew, so that
packing changes no prediction. Fine-tuning keeps one example a row and draws
its batches by length (`orders.by_length`).
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
  all but the last are filled, which leaves less room unused when packed.
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
  """Rows of `length` tokens that hold every piece once, and which ones each.

  Best fit, longest piece first; equal input gives equal rows. `segment`
  counts the pieces of a row from 1 and is 0 on padding, `positions` count
  from 0 within each, `tokens` are 0 on padding. Further columns are filled
  with -1.

  Raises: UserError where a piece is longer than a row.
  """
  sizes = [len(piece.tokens) for piece in pieces]
  rows = _placed(sizes, length)
  shape = (len(rows), length)
  arrays = {
    name: np.zeros(shape, np.int32)
    for name in ("tokens", "segment", "positions")
  }
  for name in pieces[0].columns if len(pieces) else ():
    arrays[name] = np.full(shape, -1, np.int32)
  for row, members in enumerate(rows):
    start = 0
    for segment, index in enumerate(members, 1):
      place = slice(start, start + sizes[index])
      arrays["tokens"][row, place] = pieces[index].tokens
      arrays["segment"][row, place] = segment
      arrays["positions"][row, place] = np.arange(sizes[index])
      for name, column in pieces[index].columns.items():
        arrays[name][row, place] = column
      start = place.stop
  return arrays, rows


def padded(pieces: Sequence[Piece], length: int) -> Arrays:
  """One piece a row, [N,L]; columns as in `packed`."""
  shape = (len(pieces), length)
  arrays = {name: np.zeros(shape, np.int32) for name in ("tokens", "segment")}
  for name in pieces[0].columns if len(pieces) else ():
    fill = 0 if name == "token_type" else -1
    arrays[name] = np.full(shape, fill, np.int32)
  for row, piece in enumerate(pieces):
    n = len(piece.tokens)
    if n > length:
      raise UserError(f"a sequence has {n} tokens, more than {length}")
    arrays["tokens"][row, :n] = piece.tokens
    arrays["segment"][row, :n] = 1
    for name, column in piece.columns.items():
      arrays[name][row, :n] = column
  arrays["positions"] = np.where(
    arrays["segment"] > 0, np.arange(length, dtype=np.int32), 0
  )
  return arrays


def lengths(segment: np.ndarray) -> np.ndarray:
  """[N] tokens of each row of segment [N,L]: the last one's place + 1."""
  real = np.asarray(segment) > 0
  last = real.shape[1] - real[:, ::-1].argmax(axis=1)
  return np.where(real.any(axis=1), last, 0)


def measured(arrays: Arrays) -> Lengths:
  """How long each row of `packed` or `padded` arrays is, and what is cut.

  A `label` for each token is cut with the tokens.
  """
  shape = arrays["tokens"].shape
  columns = [name for name in SEQUENCES if name in arrays]
  if "label" in arrays and arrays["label"].shape == shape:
    columns.append("label")
  return Lengths(lengths(arrays["segment"]), tuple(columns))


def padding(segment: np.ndarray, batch_size: int = 32) -> dict[str, float]:
  """The share of places that hold no token, for the data card.

  fixed: rows as they are stored. by_length: in batches drawn by length.
  """
  n, length = segment.shape
  real = float((np.asarray(segment) > 0).sum())
  ordered = np.sort(cuts.holding(lengths(segment), length))
  cost = sum(
    int(ordered[start : start + batch_size].max())
    * len(ordered[start : start + batch_size])
    for start in range(0, n, batch_size)
  )
  return {
    "length": length,
    "fixed": round(1 - real / (n * length), 4),
    "by_length": round(1 - real / max(cost, 1), 4),
  }


def _placed(sizes: Sequence[int], length: int) -> list[list[int]]:
  """Rows of piece numbers: each into the fullest row that has room."""
  order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
  rows: list[list[int]] = []
  room: list[list[int]] = [[] for _ in range(length + 1)]  # Rows by room left.
  for index in order:
    size = sizes[index]
    if size > length:
      raise UserError(f"a piece has {size} tokens, more than {length}")
    left = next((r for r in range(size, length + 1) if room[r]), None)
    if left is None:
      row, left = len(rows), length
      rows.append([])
    else:
      row = heapq.heappop(room[left])
    rows[row].append(index)
    heapq.heappush(room[left - size], row)
  return rows
