"""Labels as arrays: which are known, how another cohort's are recoded, and how
predictions.csv holds them."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from medfm.data import spelling
from medfm.types import Arrays, Batch, Info

Rows = Sequence[Mapping[str, str]]

Known = tuple[np.ndarray, Arrays, Arrays]
"""What `Task.known` gives."""


@dataclasses.dataclass(frozen=True)
class Columns:
  """The columns of a table that hold labels; a base for a task's `Columns`."""

  label: tuple[str, ...] = ()
  stratify = "label"

  @property
  def columns(self) -> tuple[str, ...]:
    return self.label


def condense(
  info: Info, batch: Batch, outputs: Arrays, *, name: str = "probs"
) -> Arrays:
  """Only the output of this name [B,K]."""
  return {name: outputs[name]}


def known_columns(
  info: Info, target: Arrays, predicted: Arrays, *, name: str
) -> Known:
  """`Task.known` of `label` [N,K] and predicted[name] [N,K].

  A row is unknown if all its labels are NaN.
  """
  label = np.asarray(target["label"])
  values = shaped(info, len(label), predicted, name)
  if label.shape != values.shape:
    raise ValueError(f"label has shape {label.shape}, expected {values.shape}")
  label = label.astype(np.float64)
  rows = np.asarray(~np.isnan(label).all(1))
  return rows, {"label": label[rows]}, {name: values[rows]}


def shaped(info: Info, count: int, predicted: Arrays, name: str) -> np.ndarray:
  """predicted[name] in float64; checks that it is [count,K]."""
  values = np.asarray(predicted[name], np.float64)
  shape = (count, len(info.target.names))
  if values.shape != shape:
    raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
  return values


def require_codes(label: np.ndarray, count: int) -> None:
  """Raises ValueError if a label is not in -1 (not known) .. count - 1."""
  if label.size and not -1 <= label.min() <= label.max() < count:
    raise ValueError(f"a label is not one of -1..{count - 1}")


def counts(label: np.ndarray, classes: int) -> tuple[int, ...]:
  """How often each of the class numbers occurs; -1 is not counted."""
  label = np.asarray(label)
  return tuple(np.bincount(label[label >= 0], minlength=classes).tolist())


def reordered(arrays: Arrays, info: Info, trained: Info) -> Arrays:
  """Another cohort's `label` [N,K] in the order of the trained names.

  NaN (not known) if the cohort has no such name.
  """
  label = np.asarray(arrays["label"])
  unknown = np.full((len(label), 1), np.nan, label.dtype)
  places = map(spelling.matcher(info.target.names), trained.target.names)
  columns = [np.hstack([label, unknown])[:, place] for place in places]
  return {"label": np.stack(columns, axis=1)}


def renumbered(arrays: Arrays, info: Info, trained: Info) -> Arrays:
  """Another cohort's `label` of class numbers as training numbered them.

  -1 (not known) stays -1.
  """
  place = spelling.matcher(trained.target.names)
  codes = [*map(place, info.target.names), -1]
  return {"label": np.array(codes, np.int32)[arrays["label"]]}


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
  """[N,K] of the columns `<prefix>_<name>`, NaN for an empty cell; KeyError if
  a column is missing."""
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
  """`Task.table`: `label` and `name`, read from what `columns` wrote."""
  names = info.target.names
  values = read(rows, prefix, names)
  return {"label": read(rows, "label", names)}, {name: values}
