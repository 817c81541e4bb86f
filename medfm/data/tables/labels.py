"""Label columns of a table: what is common to all tasks."""

import collections
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from medfm.data import cards, spelling
from medfm.data.tables.table import Table, shortened
from medfm.types import Reading, Target, UserError

Policy = Literal["error", "drop"]
KEEP = "keep"
"""Instead of a `Policy`: rows without a label stay but are not scored."""

Truth = dict[str, np.ndarray]
"""The truth of each row, by the names of a split's arrays."""

Read = tuple[Truth, tuple[str, ...]]
"""The truth of a table's rows, and the names of what is predicted."""


class Labels(Protocol):
  """How columns of a table say what is to be predicted.

  Each task has its own, a frozen dataclass `medfm.tasks.<task>.Columns` with
  the user's settings as fields. Its method `adopted(trained)`, if any, gives
  the `Columns` for reading another cohort for a model with the target
  `trained`: by the names of training, and without leaving out rows (`KEEP`).
  """

  @property
  def columns(self) -> tuple[str, ...]:
    """The columns that hold labels, which are not features."""

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


def adopted(labels: Labels, reading: Reading | None) -> Labels:
  """The labels, by the names of the model that they are read for, if any."""
  target = reading and reading.target
  if target is None or not hasattr(labels, "adopted"):
    return labels
  return labels.adopted(target)


def labelled(
  table: Table,
  columns: Sequence[str],
  missing: str,
  *,
  every: bool,
  what: str = "a label",
) -> tuple[Table, list[dict[str, Any]]]:
  """The rows with a label, and the change for the card.

  every: whether all of the columns must be observed, or at least one of them.
  missing: what happens to rows without a label, a `Policy` or `KEEP`.
  """
  noun = what.removeprefix("a ")
  setting = f"missing_{noun.replace('-', '_')}"
  if not columns:
    raise UserError(
      f"{table.path}: which column is the label? set label= to one of "
      f"{', '.join(table.columns)}"
    )
  if missing not in ("error", "drop", KEEP):
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
      f"the {noun} is missing (as in {cards.amount(lost, 'row')}); fill it in "
      f"or set {setting}='drop'",
    )
  where = ", ".join(columns)
  if not known.any():
    fix = "; --mode=predict needs none" if missing == KEEP else ""
    raise UserError(f"{table.path}: no row has {what} in {where}{fix}")
  if missing == KEEP:
    kept = f"rows without {what} ({where}), predicted and not scored"
    return table, [{"what": kept, "count": lost}]
  change = {"what": f"dropped rows without {what} ({where})", "count": lost}
  return table.take(np.flatnonzero(known)), [change]


def by_trained_names(
  table: Table,
  column: str,
  trained: Sequence[str],
  read: Callable[[str], str] = str,
) -> tuple[Table, list[dict[str, Any]]]:
  """The table with a column's labels as training named them, and the changes.

  A label that did not occur in training becomes missing. read: cell -> name.

  Raises the UserError of `refuse_strangers`.
  """
  place = spelling.matcher(trained)
  cells = {cell: read(cell) for cell in dict.fromkeys(table[column]) if cell}
  places = {cell: place(name) for cell, name in cells.items()}
  refuse_strangers(f"{table.path}: {column!r}", cells.values(), trained)
  others = [cell for cell, at in places.items() if at < 0]
  shown = ", ".join(map(shortened, others[:8]))
  counts = collections.Counter(table[column])
  respelt = [
    c for c, at in places.items() if cells[c] != trained[at] and at >= 0
  ]
  what = {
    f"labels of {column!r} spelled otherwise than in training, taken for one": (
      sum(counts[cell] for cell in respelt)
    ),
    f"rows with a label unknown to training ({column}: {shown}), predicted and "
    "not scored": sum(counts[cell] for cell in others),
  }
  names = {cell: trained[at] if at >= 0 else "" for cell, at in places.items()}
  changes = [{"what": w, "count": n} for w, n in what.items() if n]
  return table.mapped(column, names.__getitem__), changes


def refuse_strangers(
  where: str, names: Iterable[str], trained: Sequence[str]
) -> None:
  """Raises UserError if unknown names may be trained names spelt differently.

  That is assumed if fewer than two names are known, or if an unknown name
  resembles a trained name that is missing.
  """
  place = spelling.matcher(trained)
  places = {name: place(name) for name in names}
  others = [name for name, at in places.items() if at < 0]
  held = {*places.values()} - {-1}
  lacks = [name for at, name in enumerate(trained) if at not in held]
  alike = [n for n in others if difflib.get_close_matches(n, lacks, 1, 0.8)]
  if others and lacks and (alike or len(held) < 2):
    shown, missed = (
      ", ".join(map(shortened, each[:8])) for each in (alike or others, lacks)
    )
    raise UserError(
      f"{where} has {shown}, which the model was not trained on, but lacks "
      f"{missed}: spell names as in training, and leave other labels empty"
    )


def names(value: str | Sequence[str]) -> tuple[str, ...]:
  """Column names given as a tuple or separated by commas."""
  if isinstance(value, str):
    value = value.split(",")
  words = (str(name).strip() for name in value)
  return tuple(word for word in words if word)
