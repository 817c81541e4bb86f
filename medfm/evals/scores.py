"""The scores of one split: what `results.json` and the report show."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.described import Description
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.types import Arrays, Info, Task

UNKNOWN = "unknown"
MIN_GROUP = 10
"""How many patients (or examples, if patients are not known) a part of a split
needs to have intervals."""


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

  Gives n (rows of known truth), unlabelled (rows left out, if the task has a
  truth), patients (None if unknown), metrics, thresholds, groups and the task's
  `details`. Entries are those of `intervals.entries`.
  """
  rows, target, predicted = task.known(info, target, predicted)
  patients = None if patients is None else np.asarray(patients)[rows]
  decisions = dict(decisions or {})

  def measured(chosen: Any, replicates: int) -> dict[str, Any]:
    """n, patients and metrics of a part of the rows."""
    part = [
      {name: array[chosen] for name, array in arrays.items()}
      for arrays in (target, predicted)
    ]
    named = None if patients is None else patients[chosen]
    panel = task.panel(
      info, *part, decisions=decisions, specificity=specificity
    )
    count = len(next(iter(part[1].values())))
    cluster = bootstrap.clusters(named, count)
    whom = "examples" if named is None else "patients"
    sample = Sample(cluster, whom, replicates, seed)
    metrics = entries(panel.metrics, sample, means=panel.means)
    known = None if named is None else len(np.unique(cluster))
    return {"n": count, "patients": known, "metrics": metrics}

  result = {
    **measured(slice(None), replicates),
    "thresholds": decisions,
    "groups": {},
    **task.details(info, target, predicted, decisions),
  }
  if not task.TARGETS:
    return result
  result["unlabelled"] = int((~rows).sum())
  for group, levels in (groups or {}).items():
    levels = np.asarray(levels, str)[rows]
    levels = np.where(levels == "", UNKNOWN, levels)
    result["groups"][group] = {}
    for level in np.unique(levels):
      part = measured(levels == level, replicates)
      few = _few(part)
      part["metrics"] = {
        name: bootstrap.without(few, entry["value"]) if few else entry
        for name, entry in part["metrics"].items()
        if not name.endswith("]")
      }
      result["groups"][group][str(level)] = part
  return result


def _few(part: Mapping[str, Any]) -> str:
  """Why a part of a split has no intervals; "" if it has them."""
  known = part["patients"] is not None
  if part["patients" if known else "n"] >= MIN_GROUP:
    return ""
  return f"fewer than {MIN_GROUP} {'patients' if known else 'examples'}"


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
