"""Numbers in the cells of predictions.csv."""

from collections.abc import Mapping, Sequence

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
  rows: Sequence[Mapping[str, str]], prefix: str, names: Sequence[str]
) -> np.ndarray:
  """[N,K] of the columns `<prefix>_<name>`, NaN where a cell is empty.

  Raises:
    KeyError: a column is missing.
  """
  for name in names if rows else ():
    if f"{prefix}_{name}" not in rows[0]:
      raise KeyError(f"no column {prefix}_{name}")
  cells = [[row[f"{prefix}_{name}"] for name in names] for row in rows]
  numbers = [[float(cell or "nan") for cell in row] for row in cells]
  return np.array(numbers, np.float32)
