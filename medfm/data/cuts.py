"""Batches cut to their longest example, in few shapes, each compiled once."""

from collections.abc import Mapping

import numpy as np

from medfm.types import Lengths, Split


def sizes(length: int) -> tuple[int, ...]:
  """The few lengths that batches are cut to: L, 3/4 L, 1/2 L, 3/8 L, ...

  At most eight, since each is compiled once; none below 16.
  """
  chosen = {length}
  half = length
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
  """[N] the length that holds each example; None where all are of one."""
  if split.lengths is None:
    return None
  longest = split.arrays[split.lengths.columns[0]].shape[1]
  return holding(split.lengths.sizes, longest)


def cut(
  arrays: Mapping[str, np.ndarray], lengths: Lengths, length: int
) -> dict[str, np.ndarray]:
  """A batch cut to its first `length` places, which hold all that counts."""
  return {
    name: array[:, :length] if name in lengths.columns else array
    for name, array in arrays.items()
  }
