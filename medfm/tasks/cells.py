"""Numbers in the cells of predictions.csv."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np


def written(
  prefix: str, names: Sequence[str], values: np.ndarray
) -> dict[str, list[str]]:
  """Columns `<prefix>_<name>` of predictions.csv; NaN is an empty cell."""
  return {
    f"{prefix}_{name}": ["" if np.isnan(v) else f"{v:.9g}" for v in column]
    for name, column in zip(names, np.asarray(values).T, strict=True)
  }


def read(
  rows: Sequence[Mapping[str, str]], prefix: str, names: Iterable[str]
) -> np.ndarray:
  """[N,K] of the columns `<prefix>_<name>`, NaN where a cell is empty."""
  return np.array(
    [
      [float(row.get(f"{prefix}_{name}") or "nan") for name in names]
      for row in rows
    ],
    np.float32,
  )
