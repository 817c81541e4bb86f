"""The order in which a run visits its training examples.

A function of (split, strata, batch_size, seed) makes an order, which says which
rows of the split make up batch k: a pure function of these and k.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from medfm.data import cuts, rng
from medfm.types import Split, UserError

_KEPT = 4  # Epochs whose order is kept in memory.


class Order(NamedTuple):
  """Which rows make up each batch.

  rows: k -> (rows [n] of the split, visits [n]: how often each was visited
    before); n is the batch size, or less where the batch is padded.
  cut: whether batches are cut to the longest of their examples, if the split
    says how long each is.
  """

  rows: Callable[[int], tuple[np.ndarray, np.ndarray]]
  cut: bool = False


def per_epoch(n: int, batch_size: int) -> int:
  """Batches that hold every one of n examples once; the last may be ragged."""
  return -(-n // batch_size)


def uniform(
  split: Split, strata: np.ndarray | None, batch_size: int, seed: int
) -> Order:
  """Every example once an epoch, in a new order each epoch."""
  del strata
  return _by_epoch(len(split), batch_size, seed)


def balanced(
  split: Split, strata: np.ndarray | None, batch_size: int, seed: int
) -> Order:
  """All strata equally often, each in its own order.

  A stratum visits each of its examples once before any again; examples of
  stratum -1 (unlabelled) are left out. No batch is padded.

  strata: [N] int codes; without them UserError.
  """
  if strata is None or not len(strata):
    raise UserError(
      "order=orders.balanced needs one class per example: use orders.uniform"
    )
  if len(strata) != len(split):
    raise ValueError(f"{len(strata)} strata of {len(split)} examples")
  levels = np.unique(strata[strata >= 0])
  pools = [np.flatnonzero(strata == level) for level in levels]
  if not pools:
    raise UserError("order=orders.balanced: no training example has a label")
  sizes = np.array([len(pool) for pool in pools])

  @functools.lru_cache(maxsize=_KEPT * len(pools))
  def pool_order(index: int, visit: int) -> np.ndarray:
    pool = pools[index]
    return pool[rng.permutation(len(pool), seed, "balanced", index, visit)]

  def rows(k: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.arange(k * batch_size, (k + 1) * batch_size)
    turns, indices = np.divmod(places, len(pools))
    visits, within = np.divmod(turns, sizes[indices])
    chosen = [
      pool_order(int(index), int(visit))[place]
      for index, visit, place in zip(indices, visits, within, strict=True)
    ]
    return np.array(chosen), visits

  return Order(rows)


def by_length(
  split: Split, strata: np.ndarray | None, batch_size: int, seed: int
) -> Order:
  """Every example once an epoch, in batches of similar length.

  The epoch's order is sorted by length (stably) and divided into batches. These
  are visited in random order and cut to their longest example, which leaves
  little padding to compute.
  """
  del strata
  lengths = cuts.likeness(split)
  if lengths is None:
    raise UserError(
      "order=orders.by_length needs examples of different length, such as "
      "texts or signals: use orders.uniform"
    )
  return _by_epoch(len(split), batch_size, seed, lengths)


def _by_epoch(
  n: int, batch_size: int, seed: int, lengths: np.ndarray | None = None
) -> Order:
  """Every row once an epoch; with rows of its length, if lengths are given."""
  count = per_epoch(n, batch_size)

  @functools.lru_cache(maxsize=_KEPT)
  def epoch_order(epoch: int) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(n, seed, "order", epoch)
    if lengths is None:
      return order, np.arange(count)
    order = order[np.argsort(lengths[order], kind="stable")]
    return order, rng.permutation(count, seed, "batches", epoch)

  def rows(k: int) -> tuple[np.ndarray, np.ndarray]:
    epoch, place = divmod(k, count)
    order, turns = epoch_order(epoch)
    start = int(turns[place]) * batch_size
    chosen = order[start : start + batch_size]
    return chosen, np.full(len(chosen), epoch)

  return Order(rows, cut=lengths is not None)
