"""predictions.csv: one row per example, split and model; written and read.

Columns: stage, split, id, patient, group_<name>..., then those of the task
(`Task.columns`). Rivals have the stage `<stage>:<kind>_<name>`, such as
`train:baseline_majority`.

A cell that a spreadsheet would run as a formula (=1+1, +x, -x, @x, but not a
number) gets an apostrophe before it, which `read` removes.
"""

import csv
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medfm.types import Arrays, Info, Split, Task, UserError

Row = dict[str, str]

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_SHIELDED = re.compile(r"'+[=+\-@\t\r]")
_MENDING = (
  "remove it and the results.json beside it, and give the training command "
  "again, which evaluates without training again"
)
_LONGEST_CELL = 2**31 - 1  # Python's default limit refuses longer cells.


def rows(
  stage: str,
  split_name: str,
  split: Split,
  task: Task,
  info: Info,
  predicted: Arrays,
) -> list[Row]:
  """The rows of one split; [] if the task writes none.

  split, predicted: units as the task has assembled them.
  """
  target = None
  if set(task.TARGETS) <= split.arrays.keys():
    target = {name: np.asarray(split.arrays[name]) for name in task.TARGETS}
  columns = task.columns(info, target, predicted)
  if not columns:
    return []
  patients = [""] * len(split) if split.patients is None else split.patients
  groups = {f"group_{name}": cells for name, cells in split.groups.items()}
  columns = {"id": split.ids, "patient": patients, **groups, **columns}
  return [
    {"stage": stage, "split": split_name}
    | dict(zip(columns, map(str, cells), strict=True))
    for cells in zip(*columns.values(), strict=True)
  ]


def text(rows: Iterable[Mapping[str, Any]]) -> str:
  """The rows as CSV, with the union of their columns."""
  rows = list(rows)
  columns = list(dict.fromkeys(name for row in rows for name in row))
  lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
  return "".join(",".join(map(_written, line)) + "\n" for line in lines)


def read(path: Path) -> list[Row]:
  """The rows of a predictions.csv; [] if there is none yet.

  Raises: UserError if the file is damaged.
  """
  if not path.exists():
    return []
  csv.field_size_limit(_LONGEST_CELL)
  try:
    with path.open(newline="", encoding="utf-8") as file:
      header, *lines = [*csv.reader(file)] or [[]]
  except (UnicodeDecodeError, csv.Error) as error:
    raise UserError(f"{path} is damaged ({error}); {_MENDING}") from None
  # As in csv.DictReader, None is the name or content of a missing cell.
  header = [*map(_unshielded, header)]
  rows: list[Any] = [
    {None: line[len(header) :]} | dict(zip(header, line, strict=False))
    if len(line) > len(header)
    else dict(itertools.zip_longest(header, map(_unshielded, line)))
    for line in lines
    if line
  ]
  return rows


def _written(value: Any) -> str:
  """A cell as it is written to the file, quoted if necessary."""
  cell = "" if value is None else str(value)
  if _FORMULA.match(cell) and not _number(cell):
    cell = f"'{cell}"
  if any(sign in cell for sign in ',"\n\r'):
    cell = '"' + cell.replace('"', '""') + '"'
  return cell


def _unshielded(cell: str) -> str:
  return cell[1:] if _SHIELDED.match(cell) else cell


def _number(cell: str) -> bool:
  try:
    float(cell)
  except ValueError:
    return False
  return True


def held(
  rows: Iterable[Row], stage: str, split: str, task: Task, info: Info
) -> tuple[Split, Arrays] | None:
  """The units of a split and a stage's predictions; None without any rows."""
  chosen = [
    row for row in rows if row["stage"] == stage and row["split"] == split
  ]
  if not chosen:
    return None
  target, predicted = task.table(info, chosen)
  columns = {k: np.array([row[k] for row in chosen]) for k in chosen[0]}
  groups = {
    name.removeprefix("group_"): cells
    for name, cells in columns.items()
    if name.startswith("group_")
  }
  patients = columns["patient"] if any(columns["patient"]) else None
  units = Split(dict(target or {}), columns["id"], patients, groups)
  return units, predicted
