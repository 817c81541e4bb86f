"""Label columns of a table, as far as every task reads them alike."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from medfm.data.tables.table import Table
from medfm.types import Target, UserError

Policy = Literal["error", "drop"]
Truth = dict[str, np.ndarray]
"""What is true of each row, by the names of a split's arrays."""

Read = tuple[Truth, tuple[str, ...]]
"""The truth of a table's rows, and the names of what is predicted."""


class Labels(Protocol):
  """How columns of a table tell what is to be predicted.

  Each task has its own, a frozen dataclass `medfm.tasks.<task>.Columns`
  with the user's settings as fields.
  """

  @property
  def columns(self) -> tuple[str, ...]:
    """The columns that are read, which are therefore no features."""

  @property
  def stratify(self) -> str:
    """The array of the truth that splits keep in proportion; "" for none."""

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    """The rows whose truth is known, and the change for the data card."""

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    """The truth of every row, and the names of what is predicted.

    training: [N] bool, the rows whose names count; None for all.
    """

  def target(self, names: Sequence[str], truth: Truth) -> Target:
    """The description of the target, fitted on the truth in training."""


def labelled(
  table: Table,
  columns: Sequence[str],
  missing: str,
  *,
  every: bool,
  what: str = "a label",
) -> tuple[Table, list[dict[str, Any]]]:
  """The rows with a label, and the change for the card.

  every: whether all of the columns must be observed, or one of them.
  missing: what happens to the others, a `Policy`.
  """
  noun = what.removeprefix("a ")
  setting = f"missing_{noun.replace('-', '_')}"
  if not columns:
    raise UserError(
      f"{table.path}: which column is the label? set label= to one of "
      f"{', '.join(table.columns)}"
    )
  if missing not in ("error", "drop"):
    raise UserError(f"{setting}={missing!r}: expected 'error' or 'drop'")
  observed = np.array([[cell != "" for cell in table[n]] for n in columns])
  known = observed.all(0) if every else observed.any(0)
  lost = int((~known).sum())
  if not lost:
    return table, []
  if missing == "error":
    row = int(known.argmin())
    raise table.error(
      row,
      columns[int(observed[:, row].argmin())],
      f"the {noun} is missing (as in {lost} rows); fill it in or set "
      f"{setting}='drop'",
    )
  where = ", ".join(columns)
  if not known.any():
    raise UserError(f"{table.path}: no row has {what} in {where}")
  change = {"what": f"dropped rows without {what} ({where})", "count": lost}
  return table.take(np.flatnonzero(known)), [change]


def names(value: str | Sequence[str]) -> tuple[str, ...]:
  """Column names given as a tuple or separated by commas."""
  if isinstance(value, str):
    value = value.split(",")
  return tuple(name.strip() for name in value if name.strip())
