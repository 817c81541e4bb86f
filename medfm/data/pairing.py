"""Pairs of rows that hold equal numbers: the join behind every search for
near copies."""

import numpy as np

Pairs = tuple[np.ndarray, np.ndarray]


def equal(a: np.ndarray, b: np.ndarray, most: int | None = None) -> Pairs:
  """Places i of a [N], j of b [M] that hold the same number, in order of j.

  most: a number that occurs in a more often than this is skipped.
  """
  order = np.argsort(a, kind="stable")
  held = a[order]
  low = np.searchsorted(held, b, side="left")
  high = np.searchsorted(held, b, side="right")
  if most is not None:
    high = np.where(high - low <= most, high, low)
  j, place = spread(low, high)
  return order[place], j


def spread(low: np.ndarray, high: np.ndarray) -> Pairs:
  """k and each of low[k] to high[k] - 1, for ranges [N] one after another."""
  counts = high - low
  which = np.repeat(np.arange(len(counts)), counts)
  begins = np.cumsum(counts) - counts
  return which, np.arange(len(which)) - (begins - low)[which]


def scattered(values: np.ndarray) -> np.ndarray:
  """A bijection that scatters uint64 numbers (splitmix64's finalizer)."""
  for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
    values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
  return values ^ (values >> np.uint64(31))


def hashed(rows: np.ndarray) -> np.ndarray:
  """[N] uint64 of rows [N,T] uint64: equal where the rows are."""
  hashes = np.zeros(len(rows), np.uint64)
  for column in rows.T:
    hashes = scattered((hashes ^ column) + np.uint64(0x9E3779B97F4A7C15))
  return hashes
