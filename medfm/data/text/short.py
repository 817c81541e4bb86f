"""Short texts that differ in one token alone."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from medfm.data import pairing
from medfm.data.pairing import Pairs

_COMMON = 200  # If more texts agree in all but one token, they are ignored.


class Left(NamedTuple):
  """Hashes of short texts, whole and without each of their tokens.

  hashes: [n] uint64, of what is left; row: [n] the text; whole: [N] uint64,
  the hash of each text, 0 for texts that are not short.
  """

  hashes: np.ndarray
  row: np.ndarray
  whole: np.ndarray


def left(texts: Iterable[np.ndarray], fewest: int, most: int) -> Left:
  """Of the texts [T] uint64 that have `fewest` to `most` tokens."""
  hashes, counts, whole = [np.zeros(0, np.uint64)], [], []
  for tokens in texts:
    distinct, itself = hashes[0], np.uint64(0)
    if fewest <= len(tokens) <= most:
      (itself,) = pairing.hashed(tokens[None])
      without = pairing.hashed(tokens[_without(len(tokens))])
      distinct = np.unique([*without, itself])
    hashes.append(distinct)
    counts.append(len(distinct))
    whole.append(itself)
  row = np.repeat(np.arange(len(whole)), np.array(counts, int))
  return Left(np.concatenate(hashes), row, np.array(whole, np.uint64))


def pairs(a: Left, b: Left) -> Pairs:
  """Rows i of a, j of b that differ in exactly one token."""
  places = pairing.equal(a.hashes, b.hashes, _COMMON)
  both = np.stack([a.row[places[0]], b.row[places[1]]])
  i, j = np.unique(both, axis=1)
  other = a.whole[i] != b.whole[j]
  return i[other], j[other]


@functools.cache
def _without(count: int) -> np.ndarray:
  """[count,count-1] the places of all tokens but each one."""
  places = np.tile(np.arange(count), (count, 1))
  return places[~np.eye(count, dtype=bool)].reshape(count, count - 1)
