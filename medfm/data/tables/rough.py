"""Rows that agree in nearly all columns, up to rounding."""

from typing import NamedTuple

import numpy as np

from medfm.data import pairing
from medfm.data.pairing import Pairs

STEP = 0.1  # By how many standard deviations numbers of a copy may differ.
_TOLERATED = 10  # One in so many columns may differ in any way.
_GRID = 0.5  # Standard deviations: the cells by which rows are looked up.
_LOOKS, _BITS = 16, 10  # Looks; bits of each beyond those that rows need.
_FIT, _COMMON, _PAIRS = 5000, 50, 1 << 16


class Rows(NamedTuple):
  """values [N,F]: numbers in standard deviations, and codes.

  coded: [F] bool, which columns are codes.
  """

  values: np.ndarray
  coded: np.ndarray


class Looks(NamedTuple):
  """For each look, its columns and where their cells begin."""

  columns: list[np.ndarray]
  starts: list[np.ndarray]

  @classmethod
  def of(cls, train: Rows) -> "Looks":
    """Random columns for each look, so many that few rows agree by chance."""
    generator = np.random.Generator(np.random.Philox(0))
    some = np.linspace(0, len(train.values) - 1, min(_FIT, len(train.values)))
    part = Rows(train.values[some.astype(int)], train.coded)
    count = part.values.shape[1]
    every = np.arange(count)
    bits = _entropy(_cells(part, every, np.zeros(count)))
    wanted = np.log2(len(train.values)) + _BITS
    looks = cls([], [])
    for _ in range(_LOOKS):
      order = generator.permutation(count)
      enough = np.searchsorted(np.cumsum(bits[order]), wanted) + 1
      looks.columns.append(np.sort(order[:enough]))
      looks.starts.append(generator.random(len(looks.columns[-1])))
    return looks


def pairs(looks: Looks, a: Rows, b: Rows) -> Pairs:
  """Rows i of a, j of b that differ by no more than rounding.

  One column of ten may hold anything. Each look compares rows that lie in the
  same cells of a few columns; after all looks nearly every pair is found.
  """
  listed = [np.zeros((2, 0), int)]
  for columns, starts in zip(*looks, strict=True):
    cells = [_cells(rows, columns, starts) for rows in (a, b)]
    keys = [pairing.hashed(each.astype(np.uint64)) for each in cells]
    listed.append(np.stack(pairing.equal(*keys, _COMMON)))
  both = np.unique(np.concatenate(listed, axis=1), axis=1)
  kept = [np.zeros((2, 0), int)]
  steps = np.where(a.coded, 0.5, STEP)
  for start in range(0, both.shape[1], _PAIRS):
    part = both[:, start : start + _PAIRS]
    left, right = a.values[part[0]], b.values[part[1]]
    others = (np.abs(left - right) > steps).sum(axis=1)
    kept.append(part[:, others <= a.values.shape[1] // _TOLERATED])
  i, j = np.concatenate(kept, 1)
  return i, j


def _cells(rows: Rows, columns: np.ndarray, starts: np.ndarray) -> np.ndarray:
  """[N,m] int64: the cell of each value."""
  values = rows.values[:, columns]
  coded = rows.coded[columns]
  places = np.floor(np.where(coded, values, values / _GRID + starts))
  return places.clip(-1e9, 1e9).astype(np.int64)


def _entropy(cells: np.ndarray) -> np.ndarray:
  """[m] bits of each column."""
  bits = []
  for column in cells.T:
    _, counts = np.unique(column, return_counts=True)
    shares = counts / counts.sum()
    bits.append(-(shares * np.log2(shares)).sum())
  return np.array(bits)
