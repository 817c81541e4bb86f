"""Label columns of 0 and 1, or one of names, as a user's table has them."""

import dataclasses
from typing import Any

import numpy as np

from medfm.data.tables import labels
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Read, Truth
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.tasks import multilabel
from medfm.types import UserError

_BINARY = {
  "0": 0, "0.0": 0, "no": 0, "false": 0,
  "1": 1, "1.0": 1, "yes": 1, "true": 1,
}  # fmt: skip


target = multilabel.fitted


@dataclasses.dataclass(frozen=True)
class Columns:
  """Several columns of 0 and 1, or one of names: `label` float32 [N,K].

  classes: the order of the names, where not sorted.
  separator: between the names in the one column; "" where it is 0 or 1.
  none_if_empty: an empty cell of names says that there is none of them;
    else it is a missing label.
  missing_label: "error", or "drop" to leave out rows without any label.
  """

  label: tuple[str, ...] = ()
  classes: tuple[str, ...] = ()
  separator: str = ""
  none_if_empty: bool = False
  missing_label: str = "error"
  stratify = "label"
  target = staticmethod(target)

  @property
  def columns(self) -> tuple[str, ...]:
    return self.label

  @property
  def _named(self) -> bool:
    return bool(self.separator) and len(self.label) == 1

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    if self._named and self.none_if_empty:
      return table, []
    return labels.labelled(table, self.label, self.missing_label, every=False)

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    if self._named:
      return self._of_names(table, self.label[0], training)
    if self.classes:
      raise UserError("classes are for one column of names, not for several")
    label = np.full((len(table), len(self.label)), np.nan, np.float32)
    for index, column in enumerate(self.label):
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
    return {"label": label}, self.label

  def _of_names(
    self, table: Table, column: str, training: np.ndarray | None
  ) -> tuple[Truth, tuple[str, ...]]:
    cells = [
      [name.strip() for name in cell.split(self.separator) if name.strip()]
      for cell in table[column]
    ]
    rows = range(len(cells)) if training is None else np.flatnonzero(training)
    order = self.classes or tuple(
      sorted({name for row in rows for name in cells[row]})
    )
    if not order:
      raise UserError(f"{table.path}: the column {column!r} names no label")
    number = {name: code for code, name in enumerate(order)}
    label = np.zeros((len(table), len(order)), np.float32)
    for row, names in enumerate(cells):
      for name in names:
        if name not in number:
          raise table.error(
            row,
            column,
            f"{tables.shortened(name)} is none of the labels in training"
            f"{nearest(name, order)}",
          )
        label[row, number[name]] = 1
    return {"label": label}, order
