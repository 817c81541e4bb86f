"""Numbers in the cells of predictions.csv."""

from collections.abc import Mapping, Sequence

import numpy as np

from medfm.types import Info

Arrays = Mapping[str, np.ndarray]
Rows = Sequence[Mapping[str, str]]


def written(
  prefix: str, names: Sequence[str], values: np.ndarray
) -> dict[str, list[str]]:
  """Columns `<prefix>_<name>` of predictions.csv; NaN is an empty cell."""
  return {
    f"{prefix}_{name}": ["" if np.isnan(v) else f"{v:.9g}" for v in column]
    for name, column in zip(names, np.asarray(values).T, strict=True)
  }


def read(rows: Rows, prefix: str, names: Sequence[str]) -> np.ndarray:
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


def columns(
  info: Info,
  target: Arrays | None,
  predicted: Arrays,
  *,
  name: str,
  prefix: str,
) -> dict[str, list[str]]:
  """`Task.columns` of predicted[name] [N,K]: label_<name>...,
  <prefix>_<name>...; an unknown label is an empty cell."""
  names = info.target.names
  labels = {} if target is None else written("label", names, target["label"])
  return labels | written(prefix, names, predicted[name])


def table(
  info: Info, rows: Rows, *, name: str, prefix: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """`Task.table`: `label` and `name` of what `columns` wrote."""
  names = info.target.names
  values = read(rows, prefix, names)
  return {"label": read(rows, "label", names)}, {name: values}
