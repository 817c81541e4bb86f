"""Rows that agree in nearly all columns, up to what rounding does."""

from typing import NamedTuple

import numpy as np

STEP = 0.1  # Standard deviations, by which numbers of a copy may differ.
_TOLERATED = 10  # Of so many columns one may be another.
_GRID = 0.5  # Standard deviations: the cells by which rows are looked up.
_LOOKS, _BITS = 16, 10  # Bits more than tell the rows apart, at each look.
_FIT, _COMMON, _PAIRS = 5000, 50, 1 << 16

Pairs = tuple[np.ndarray, np.ndarray]


class Rows(NamedTuple):
  """values [N,F]: numbers in standard deviations, and codes.

  coded: [F] bool, which columns are codes.
  """

  values: np.ndarray
  coded: np.ndarray


class Looks(NamedTuple):
  """What is looked at, each time: columns, and where their cells begin."""

  columns: list[np.ndarray]
  starts: list[np.ndarray]

  @classmethod
  def of(cls, train: Rows) -> "Looks":
    """So many random columns at a time that few rows agree by chance."""
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
  """Rows i of a, j of b that differ in no more than rounding may do.

  One column of ten may hold anything. Pairs are looked for among rows that lie
  in the same cells of some columns, at several looks: nearly all are found.
  """
  listed = [np.zeros((2, 0), int)]
  for columns, starts in zip(*looks, strict=True):
    keys = [_keys(_cells(rows, columns, starts)) for rows in (a, b)]
    order = np.argsort(keys[0], kind="stable")
    low = np.searchsorted(keys[0][order], keys[1], side="left")
    counts = np.searchsorted(keys[0][order], keys[1], side="right") - low
    counts = np.where(counts <= _COMMON, counts, 0)
    j = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(j)) - np.repeat(np.cumsum(counts) - counts, counts)
    listed.append(np.stack([order[low[j] + within], j]))
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


def _keys(cells: np.ndarray) -> np.ndarray:
  """[N] uint64, equal for rows in the same cells."""
  keys = np.zeros(len(cells), np.uint64)
  for column in cells.astype(np.uint64).T:
    keys = (keys ^ column) * np.uint64(0x9E3779B97F4A7C15)
    keys ^= keys >> np.uint64(29)
  return keys


def _entropy(cells: np.ndarray) -> np.ndarray:
  """[m] bits of each column."""
  bits = []
  for column in cells.T:
    _, counts = np.unique(column, return_counts=True)
    shares = counts / counts.sum()
    bits.append(-(shares * np.log2(shares)).sum())
  return np.array(bits)
