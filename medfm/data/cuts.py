"""Batches in a few shapes, each compiled once.

Sequences padded to one length are cut to the longest in the batch; arrays that
differ in shape (`Ragged`) are padded to a shape that holds them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from medfm.types import Ragged, Split


def sizes(length: int) -> tuple[int, ...]:
  """The few lengths that batches are cut to: L, 3/4 L, 1/2 L, 3/8 L, ...

  At most eight, since each is compiled once; none below 16.
  """
  chosen, half = {length}, length
  while len(chosen) < 7 and half >= 32:
    if half % 4 == 0:
      chosen.add(half * 3 // 4)
    half //= 2
    chosen.add(half)
  return tuple(sorted(chosen))


def holding(lengths: np.ndarray, longest: int) -> np.ndarray:
  """[N] the least of `sizes(longest)` that holds each of lengths [N]."""
  allowed = np.array(sizes(longest))
  return allowed[np.searchsorted(allowed, lengths)]


def buckets(split: Split) -> np.ndarray | None:
  """[N] the length that holds each example; None if all are equal."""
  if split.lengths is None:
    return None
  longest = split.arrays[split.lengths.columns[0]].shape[1]
  return holding(split.lengths.sizes, longest)


def cut(
  arrays: dict[str, np.ndarray],
  split: Split,
  lengths: np.ndarray | None,
  rows: np.ndarray | slice = slice(None),
) -> dict[str, np.ndarray]:
  """A batch cut to the longest of `buckets` [N] at these rows; None: uncut."""
  if lengths is None or split.lengths is None:
    return arrays
  end = int(lengths[rows].max())
  columns = split.lengths.columns
  return {k: a[:, :end] if k in columns else a for k, a in arrays.items()}


class Padding(NamedTuple):
  """The few shapes that a ragged column is padded to.

  shapes: [S,R], from the smallest to one that holds every example.
  levels: [N], the number of the first shape that holds each example.
  """

  shapes: np.ndarray
  levels: np.ndarray

  def shape(self, rows: np.ndarray) -> tuple[int, ...]:
    """The shape of a batch of these rows of the split."""
    return tuple(self.shapes[self.levels[rows].max()].tolist())


def padding(column: Ragged) -> Padding:
  """At most eight shapes, whose extents grow together, each as `sizes` say.

  The largest is a multiple of 16, so that more sizes divide it.
  """
  extents = np.asarray(column.extents)
  allowed = [
    sizes(n if n <= 16 else -(-n // 16) * 16) for n in extents.max(0).tolist()
  ]
  count = max(map(len, allowed))
  shapes = np.array(
    [[few[0]] * (count - len(few)) + list(few) for few in allowed]
  ).T
  levels = [
    np.searchsorted(axis, extent)
    for axis, extent in zip(shapes.T, extents.T, strict=True)
  ]
  return Padding(shapes, np.max(levels, axis=0))


def paddings(split: Split) -> dict[str, Padding]:
  """The padding of each ragged column of a split, by name."""
  columns = split.arrays.items()
  return {k: padding(a) for k, a in columns if isinstance(a, Ragged)}


def filled(
  examples: Sequence[np.ndarray], shape: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
  """Arrays [*extents,...] padded with 0 to one [B,*shape,...]; and extents.

  The extents are int32, [B] if there is one axis, else [B,R].
  """
  rank, first = len(shape), examples[0]
  batch = np.zeros((len(examples), *shape, *first.shape[rank:]), first.dtype)
  for row, example in zip(batch, examples, strict=True):
    row[tuple(slice(extent) for extent in example.shape[:rank])] = example
  extents = np.array([each.shape[:rank] for each in examples], np.int32)
  return batch, extents[:, 0] if rank == 1 else extents


def likeness(split: Split) -> np.ndarray | None:
  """[N] int, equal for examples of similar size; None if all are equal."""
  if split.lengths is not None:
    return buckets(split)
  levels = [each.levels for each in paddings(split).values()]
  return np.max(levels, axis=0) if levels else None
