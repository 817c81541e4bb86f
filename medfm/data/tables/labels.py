"""Label columns of a table: classes, several 0/1 labels, or numbers."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.types import TaskName, UserError

Policy = Literal["error", "drop"]
_BINARY = {
  "0": 0, "0.0": 0, "no": 0, "false": 0,
  "1": 1, "1.0": 1, "yes": 1, "true": 1,
}  # fmt: skip


def labelled(
  table: Table, columns: Sequence[str], task: TaskName, missing: Policy
) -> tuple[Table, list[dict[str, Any]]]:
  """The rows with a label, and the change for the card.

  A row of several labels is labelled if one of them is observed, a row of
  several regression targets if all are.
  """
  if missing not in ("error", "drop"):
    raise UserError(f"missing_label={missing!r}: expected 'error' or 'drop'")
  cells = [table[name] for name in columns]
  enough = all if task == "regression" else any
  found = np.array([enough(row) for row in zip(*cells, strict=True)])
  if found.all():
    return table, []
  if missing == "error":
    raise table.error(
      int(found.argmin()),
      columns[0],
      f"the label is missing (as in {int((~found).sum())} rows); fill it in "
      f"or set missing_label='drop'",
    )
  if not found.any():
    raise UserError(f"{table.path}: no row has a label in {columns[0]!r}")
  change = {
    "what": f"dropped rows without a label ({', '.join(columns)})",
    "count": int((~found).sum()),
  }
  return table.take(np.flatnonzero(found)), [change]


def read(
  table: Table,
  columns: Sequence[str],
  task: TaskName,
  *,
  classes: Sequence[str] = (),
  positive: str = "",
) -> tuple[np.ndarray, tuple[str, ...]]:
  """The label array and its class, label or target names.

  multiclass: int32 [N]; the classes are sorted (numbers by value), those
    given, or `positive` last. multilabel: float32 [N,K], NaN where missing.
  regression: float32 [N,T].
  """
  if task == "multiclass":
    if len(columns) != 1:
      raise UserError(
        f"label={','.join(columns)!r}: multiclass needs one column; for "
        f"several 0/1 columns set task='multilabel'"
      )
    return _multiclass(table, columns[0], classes, positive)
  if classes or positive:
    raise UserError(f"classes and positive are for multiclass, not for {task}")
  if task == "multilabel":
    return _multilabel(table, columns), tuple(columns)
  if task == "regression":
    values = np.stack([tables.numbers(table, name) for name in columns], 1)
    for name, column in zip(columns, values.T, strict=True):
      if np.isnan(column).any():
        raise table.error(
          int(np.isnan(column).argmax()), name, "the target is missing"
        )
    return values, tuple(columns)
  raise UserError(
    f"task={task!r}: expected multiclass, multilabel or regression"
  )


def _multiclass(
  table: Table, column: str, classes: Sequence[str], positive: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  cells = table[column]
  names = {cell: _class(cell) for cell in set(cells)}
  classes, positive = [_class(name) for name in classes], _class(positive)
  order = sorted(set(names.values()))
  if all(map(tables.is_number, order)):
    order.sort(key=float)
  if len(order) < 2 and not classes:
    raise UserError(
      f"{table.path}: the label {column!r} has one class only "
      f"({tables.shortened(order[0])})"
    )
  if classes:
    if len(set(classes)) < max(2, len(classes)):
      raise UserError(f"classes={tuple(classes)}: expected two or more names")
    order = classes
  if positive:
    if positive not in order:
      raise UserError(
        f"positive={positive!r} is no class of {column!r}; they are: "
        f"{', '.join(order[:8])}{nearest(positive, order)}"
      )
    order = [name for name in order if name != positive] + [positive]
  if len(order) > max(20, len(cells) // 5):
    raise UserError(
      f"{table.path}: the label {column!r} has {len(order)} classes in "
      f"{len(cells)} rows; for numbers set task='regression'"
    )
  index = {name: code for code, name in enumerate(order)}
  for row, cell in enumerate(cells):
    if names[cell] not in index:
      raise table.error(
        row,
        column,
        f"{tables.shortened(cell)} is none of the classes "
        f"{', '.join(order[:8])}{nearest(cell, order)}",
      )
  return np.array([index[names[cell]] for cell in cells], np.int32), (
    tuple(order)
  )


def _class(cell: str) -> str:
  """A class by its cell: `1` and `1.0` are one."""
  if not tables.is_number(cell):
    return cell
  return np.format_float_positional(float(cell), trim="-")


def _multilabel(table: Table, columns: Sequence[str]) -> np.ndarray:
  label = np.full((len(table), len(columns)), np.nan, np.float32)
  for index, column in enumerate(columns):
    for row, cell in enumerate(table[column]):
      value = _BINARY.get(cell.lower())
      if value is not None:
        label[row, index] = value
      elif cell:
        raise table.error(
          row,
          column,
          f"{tables.shortened(cell)} is no label: expected 0, 1, no, yes, "
          f"false, true or a missing marker",
        )
  return label
