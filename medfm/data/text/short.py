"""Short texts that differ in one token alone."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

_COMMON = 200  # Texts that agree but for one token, of which more say nothing.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Pairs = tuple[np.ndarray, np.ndarray]


class Left(NamedTuple):
  """What is left of texts: of each as it is, and without each of its tokens.

  hashes: [n] uint64, of what is left; row: [n] the text; whole: [N] uint64,
  the hash of each text, 0 of those that are not short.
  """

  hashes: np.ndarray
  row: np.ndarray
  whole: np.ndarray


def left(texts: Iterable[np.ndarray], fewest: int, most: int) -> Left:
  """Of texts of so many tokens [T] uint64."""
  hashes, counts, whole = [np.zeros(0, np.uint64)], [], []
  for tokens in texts:
    distinct, itself = hashes[0], np.uint64(0)
    if fewest <= len(tokens) <= most:
      (itself,) = _hashed(tokens[None])
      without = _hashed(tokens[_without(len(tokens))])
      distinct = np.unique([*without, itself])
    hashes.append(distinct)
    counts.append(len(distinct))
    whole.append(itself)
  row = np.repeat(np.arange(len(whole)), np.array(counts, int))
  return Left(np.concatenate(hashes), row, np.array(whole, np.uint64))


def pairs(a: Left, b: Left) -> Pairs:
  """Rows i of a, j of b that are not equal but for one token."""
  order = np.argsort(a.hashes, kind="stable")
  low = np.searchsorted(a.hashes[order], b.hashes, side="left")
  times = np.searchsorted(a.hashes[order], b.hashes, side="right") - low
  times = np.where(times <= _COMMON, times, 0)
  which = np.repeat(np.arange(len(times)), times)
  within = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
  both = np.stack([a.row[order[low[which] + within]], b.row[which]])
  i, j = np.unique(both, axis=1)
  other = a.whole[i] != b.whole[j]
  return i[other], j[other]


@functools.cache
def _without(count: int) -> np.ndarray:
  """[count,count-1] the places of all tokens but each one."""
  places = np.tile(np.arange(count), (count, 1))
  return places[~np.eye(count, dtype=bool)].reshape(count, count - 1)


def _hashed(tokens: np.ndarray) -> np.ndarray:
  """[n] uint64, of rows of tokens [n,T] in their order."""
  hashes = np.zeros(len(tokens), np.uint64)
  for column in tokens.T:
    hashes = (hashes ^ column) * _FACTOR
    hashes ^= hashes >> np.uint64(29)
  return hashes
