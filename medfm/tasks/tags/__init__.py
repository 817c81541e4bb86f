"""A tag for each word: entities in a text."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Tags:
  """`label` [B,L] int: the number of a word's tag at its first token, else -1.

  names: the IOB2 tags, in the order of the numbers.
  counts: training words of each; () where they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], label: np.ndarray) -> Tags:
  """The tags, counted over the training labels [N,L] (-1 is no word)."""
  label = np.asarray(label)
  counts = np.bincount(label[label >= 0], minlength=len(names))
  return Tags(tuple(names), tuple(counts.tolist()))
