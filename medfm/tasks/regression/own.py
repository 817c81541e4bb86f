"""Label columns of numbers, as a user's table has them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data.tables import labels
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Read, Truth
from medfm.data.tables.table import Table
from medfm.tasks.regression import Numbers
from medfm.types import UserError


@dataclasses.dataclass(frozen=True)
class Columns:
  """One column of numbers or several: `label` float32 [N,T], raw units.

  units: of each; missing_label: "error", or "drop" to leave out rows that
  lack one of them.
  """

  label: tuple[str, ...] = ()
  units: tuple[str, ...] = ()
  missing_label: str = "error"
  stratify = "label"

  def __post_init__(self) -> None:
    if self.units and len(self.units) != len(self.label):
      raise UserError(f"units={self.units}: expected one for each target")

  @property
  def columns(self) -> tuple[str, ...]:
    return self.label

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    return labels.labelled(table, self.label, self.missing_label, every=True)

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    del training
    values = [tables.numbers(table, name) for name in self.label]
    return {"label": np.stack(values, 1)}, self.label

  def target(self, names: Sequence[str], truth: Truth) -> Numbers:
    return target(names, truth, self.units)


def target(
  names: Sequence[str], truth: Truth, units: Sequence[str] = ()
) -> Numbers:
  """The numbers, their mean and standard deviation in training."""
  values = np.asarray(truth["label"], np.float64)
  return Numbers(
    tuple(names),
    tuple(values.mean(0).tolist()),
    tuple(values.std(0).tolist()),
    tuple(units) or ("",) * len(names),
  )
