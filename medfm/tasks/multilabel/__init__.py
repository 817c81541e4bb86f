"""Several labels at once, each had or not."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Labels:
  """`label` [B,K] in {0, 1}, NaN where a label is not known.

  names: of the labels, in the order of the columns.
  counts: training examples that have each; () where they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], label: np.ndarray) -> Labels:
  """The labels, counted over the training labels [N,K] (NaN is unknown)."""
  counts = (np.asarray(label) == 1).sum(0)
  return Labels(tuple(names), tuple(counts.tolist()))
