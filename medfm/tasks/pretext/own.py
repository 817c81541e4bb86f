"""No label column: the table names examples alone."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data.tables.labels import Read, Truth
from medfm.data.tables.table import Table
from medfm.tasks.pretext import Nothing


@dataclasses.dataclass(frozen=True)
class Columns:
  """Nothing is read; `label` names columns that are no features."""

  label: tuple[str, ...] = ()
  stratify = ""

  @property
  def columns(self) -> tuple[str, ...]:
    return self.label

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    return table, []

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    del table, training
    return {}, ()

  def target(self, names: Sequence[str], truth: Truth) -> Nothing:
    del names, truth
    return Nothing()
