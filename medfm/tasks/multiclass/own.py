"""A label column of classes, as a user's table has it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data.tables import labels
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Read, Truth
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.tasks import multiclass
from medfm.tasks.multiclass import Classes
from medfm.types import UserError


def target(names: Sequence[str], truth: Truth) -> Classes:
  """The classes, counted in training; UserError where one has no example."""
  classes = multiclass.fitted(names, truth)
  if 0 in classes.counts:
    name = names[classes.counts.index(0)]
    raise UserError(
      f"no training example has the class {name!r}: merge it with another, "
      "drop it, or give more data"
    )
  return classes


@dataclasses.dataclass(frozen=True)
class Columns:
  """One column of class names: `label` int32 [N].

  classes: their order, where not sorted (numbers by value).
  positive: the one to put last.
  missing_label: "error", or "drop" to leave out rows without a label.
  """

  label: tuple[str, ...] = ()
  classes: tuple[str, ...] = ()
  positive: str = ""
  missing_label: str = "error"
  stratify = "label"
  target = staticmethod(target)

  @property
  def columns(self) -> tuple[str, ...]:
    return self.label

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    if len(self.label) > 1:
      raise UserError(
        f"label={','.join(self.label)!r}: multiclass needs one column; for "
        f"several 0/1 columns set task='multilabel'"
      )
    return labels.labelled(table, self.label, self.missing_label, every=True)

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    (column,) = self.label
    cells = [_class(cell) for cell in table[column]]
    seen = cells
    if training is not None:
      seen = [cells[row] for row in np.flatnonzero(training)]
    where = f"{table.path}: the label {column!r}"
    order = self._ordered(where, set(seen))
    if len(order) > max(20, len(seen) // 5):
      raise UserError(
        f"{where} has {len(order)} classes in {len(seen)} rows; for numbers "
        "set task='regression'"
      )
    number = {name: code for code, name in enumerate(order)}
    for row, name in enumerate(cells):
      if name not in number:
        raise table.error(
          row,
          column,
          f"{tables.shortened(name)} is none of the classes "
          f"{', '.join(order[:8])}{nearest(name, order)}",
        )
    return {"label": np.array([number[n] for n in cells], np.int32)}, order

  def _ordered(self, where: str, seen: set[str]) -> tuple[str, ...]:
    """The classes as given, else sorted (numbers by value), `positive` last."""
    order, positive = sorted(seen), _class(self.positive)
    if all(map(tables.is_number, order)):
      order.sort(key=float)
    if self.classes:
      order = [_class(name) for name in self.classes]
      if len(set(order)) < max(2, len(order)):
        raise UserError(f"classes={self.classes}: expected two or more names")
    elif len(order) < 2:
      only = ", ".join(map(tables.shortened, order))
      raise UserError(f"{where} has one class only ({only})")
    if positive and positive not in order:
      raise UserError(
        f"positive={self.positive!r} is no class of {where}; they are: "
        f"{', '.join(order[:8])}{nearest(positive, order)}"
      )
    last = [positive] if positive else []
    return (*(name for name in order if name != positive), *last)


def _class(cell: str) -> str:
  """A class by its cell: `1` and `1.0` are one."""
  if not tables.is_number(cell):
    return cell
  return np.format_float_positional(float(cell), trim="-")
