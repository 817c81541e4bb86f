"""predictions.csv: one row per example, split and model; written and read.

Columns: stage, split, id, patient, group_<name>..., then those of the task
(`Task.columns`). Rivals stand under the stage `<stage>:<kind>_<name>`, such
as `train:baseline_majority`.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from medfm.types import Arrays, Info, Split, Task

Row = dict[str, str]


def rows(
  stage: str,
  split_name: str,
  split: Split,
  task: Task,
  info: Info,
  predicted: Arrays,
) -> list[Row]:
  """The rows of one split; [] where the task writes none.

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


def text(rows: Iterable[Row]) -> str:
  """The rows as CSV, with the union of their columns."""
  rows = list(rows)
  columns = list(dict.fromkeys(name for row in rows for name in row))
  out = io.StringIO()
  writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
  writer.writeheader()
  writer.writerows(rows)
  return out.getvalue()


def read(path: Path) -> list[Row]:
  """The rows of a predictions.csv; [] where there is none yet."""
  if not path.exists():
    return []
  with path.open(newline="") as file:
    return list(csv.DictReader(file))


def held(
  rows: Iterable[Row], stage: str, split: str, task: Task, info: Info
) -> tuple[Split, Arrays] | None:
  """The units of a split and what a stage predicted; None without any rows."""
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
  patients = columns["patient"] if all(columns["patient"]) else None
  units = Split(dict(target or {}), columns["id"], patients, groups)
  return units, predicted
