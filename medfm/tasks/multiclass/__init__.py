"""One class of several."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from medfm.types import UserError


@dataclasses.dataclass(frozen=True)
class Classes:
  """`label` [B] int: the number of the class, -1 where it is not known.

  names: of the classes, in the order of the numbers.
  counts: training examples of each; () where they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], label: np.ndarray) -> Classes:
  """The classes, counted over the training labels [N] (-1 is not counted)."""
  label = np.asarray(label)
  counts = np.bincount(label[label >= 0], minlength=len(names))
  return Classes(tuple(names), tuple(counts.tolist()))


def require_every(target: Classes) -> None:
  """Raises UserError where a class has no training example."""
  for name, count in zip(target.names, target.counts, strict=True):
    if not count:
      raise UserError(
        f"no training example has the class {name!r}: merge it with another, "
        "drop it, or give more data"
      )
