"""Numbers in the cells of predictions.csv."""

from collections.abc import Mapping, Sequence

import numpy as np

from medfm.types import Arrays, Info

Rows = Sequence[Mapping[str, str]]


def written(
  prefix: str, names: Sequence[str], values: np.ndarray
) -> dict[str, list[str]]:
  """Columns `<prefix>_<name>` of predictions.csv; NaN is an empty cell."""
  columns = zip(names, np.asarray(values).T, strict=True)
  return {f"{prefix}_{name}": numbers(column) for name, column in columns}


def numbers(values: np.ndarray) -> list[str]:
  """The cells of values [N]."""
  return ["" if np.isnan(value) else f"{value:.9g}" for value in values]


def read(rows: Rows, prefix: str, names: Sequence[str]) -> np.ndarray:
  """[N,K] of the columns `<prefix>_<name>`, NaN where a cell is empty;
  KeyError where a column is missing."""
  for name in names if rows else ():
    if f"{prefix}_{name}" not in rows[0]:
      raise KeyError(f"no column {prefix}_{name}")
  cells = [[row[f"{prefix}_{name}"] for name in names] for row in rows]
  return np.array([[float(c or "nan") for c in row] for row in cells], "f4")


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
) -> tuple[Arrays, Arrays]:
  """`Task.table`: `label` and `name` of what `columns` wrote."""
  names = info.target.names
  values = read(rows, prefix, names)
  return {"label": read(rows, "label", names)}, {name: values}
