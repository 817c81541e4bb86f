"""The scores of one split: what `results.json` and the report show."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.described import Description
from medfm.types import Info, Task

MIN_GROUP = 10
UNKNOWN = "unknown"

Arrays = Mapping[str, np.ndarray]


def scores(
  task: Task,
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  patients: np.ndarray | None = None,
  groups: Mapping[str, np.ndarray] | None = None,
  decisions: Mapping[str, float] | None = None,
  replicates: int = 1000,
  seed: int = 0,
  specificity: float = 0.9,
) -> dict[str, Any]:
  """Metrics with 95 % intervals, JSON-able, over the rows of known truth.

  target, predicted: of the task, one row per unit (`Task.assembled`).
  patients: [N], resampled as wholes; None resamples examples.
  groups: name -> [N] levels; "" is shown as "unknown". A task without a
    truth is not divided.
  decisions: of `Task.decide` on validation. Without them, metrics at a
    threshold are undefined, and say why.
  replicates: 0 leaves the intervals out (for monitoring while training).

  Gives n (rows of known truth), unlabelled (those left out, where the task
  has a truth), patients (None where unknown), metrics, thresholds, groups and
  the task's `details`. Entries are those of `bootstrap.intervals`.
  """
  rows, target, predicted = task.known(info, target, predicted)
  patients = None if patients is None else np.asarray(patients)[rows]
  settings = {
    "decisions": dict(decisions or {}),
    "replicates": replicates,
    "seed": seed,
    "specificity": specificity,
  }
  result = {
    **_table(task, info, target, predicted, patients, **settings),
    "thresholds": dict(decisions or {}),
    "groups": {},
    **task.details(info, target, predicted, settings["decisions"]),
  }
  if not task.TARGETS:
    return result
  result["unlabelled"] = int((~rows).sum())
  for name, levels in (groups or {}).items():
    levels = np.asarray(levels, str)[rows]
    levels = np.where(levels == "", UNKNOWN, levels)
    result["groups"][name] = {
      str(level): _group(
        task, info, target, predicted, patients, levels == level, settings
      )
      for level in np.unique(levels)
    }
  return result


def target_of(task: Task, arrays: Arrays) -> dict[str, np.ndarray]:
  """The truth among a split's arrays."""
  return {name: arrays[name] for name in task.TARGETS}


def described(
  task: Task,
  info: Info,
  target: Arrays,
  predicted: Arrays,
  specificity: float = 0.9,
) -> dict[str, Description]:
  """stem -> description of every metric that `scores` would give."""
  empty = [
    {name: array[:0] for name, array in arrays.items()}
    for arrays in (target, predicted)
  ]
  panel = task.panel(info, *empty, decisions={}, specificity=specificity)
  return panel.described


def _table(
  task,
  info,
  target,
  predicted,
  patients,
  *,
  decisions,
  replicates,
  seed,
  specificity,
  detail: bool = True,
) -> dict[str, Any]:
  """n, patients and metrics; without detail, no metric of a single class."""
  panel = task.panel(
    info, target, predicted, decisions=decisions, specificity=specificity
  )
  count = len(next(iter(predicted.values())))
  cluster = bootstrap.clusters(patients, count)
  entries = bootstrap.intervals(
    panel.metrics, cluster, means=panel.means, replicates=replicates, seed=seed
  )
  return {
    "n": count,
    "patients": None if patients is None else len(np.unique(cluster)),
    "metrics": {
      name: entry
      for name, entry in entries.items()
      if detail or not name.endswith("]")
    },
  }


def _group(task, info, target, predicted, patients, rows, settings):
  patients = None if patients is None else patients[rows]
  target, predicted = (
    {name: array[rows] for name, array in arrays.items()}
    for arrays in (target, predicted)
  )
  small = int(rows.sum()) < MIN_GROUP
  if small:
    settings = settings | {"replicates": 0}
  table = _table(
    task, info, target, predicted, patients, **settings, detail=False
  )
  if small:
    nothing = {
      "value": None,
      "low": None,
      "high": None,
      "reason": f"fewer than {MIN_GROUP} examples",
    }
    table["metrics"] = {name: dict(nothing) for name in table["metrics"]}
  return table
