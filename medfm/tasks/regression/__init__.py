"""One number or several."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Numbers:
  """`label` [B,T] in raw units, NaN where a target is not known.

  names: of the targets, in the order of the columns.
  mean, std: [T], of the training split.
  units: of each target; "" where not known.
  """

  names: tuple[str, ...]
  mean: tuple[float, ...] = ()
  std: tuple[float, ...] = ()
  units: tuple[str, ...] = ()


def fitted(
  names: Sequence[str], label: np.ndarray, units: Sequence[str] = ()
) -> Numbers:
  """Mean and standard deviation over the training labels [N,T]."""
  values = np.asarray(label, np.float64)
  return Numbers(
    tuple(names),
    tuple(values.mean(0).tolist()),
    tuple(values.std(0).tolist()),
    tuple(units) or ("",) * len(names),
  )
