"""How much better one model is than another on the same examples."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.bootstrap import Mean, Metric
from medfm.tasks.panel import Panel, stem
from medfm.types import Info, Task

_CLOSER = "closer to the ideal: "


def difference(
  task: Task,
  info: Info,
  target: Mapping[str, np.ndarray],
  predicted_a: Mapping[str, np.ndarray],
  predicted_b: Mapping[str, np.ndarray],
  *,
  patients: np.ndarray | None = None,
  decisions_a: Mapping[str, float] | None = None,
  decisions_b: Mapping[str, float] | None = None,
  replicates: int = 1000,
  seed: int = 0,
  specificity: float = 0.9,
) -> dict[str, dict[str, Any]]:
  """Metric of a - metric of b, with 95 % intervals, by metric.

  Both are measured on the same resamples of patients, so that an easy or
  hard resample cancels; each model at its own thresholds. Means are taken
  over the classes that both can be measured on. Arguments as in `scores`.

  Of a metric that should be near an ideal value, `closer` has value, low and
  high of |a - ideal| - |b - ideal|: below 0 where a is nearer. Of a mean over
  classes it is the mean of the classes' differences of distances.
  """
  rows, known, predicted_a = task.known(info, target, predicted_a)
  _, _, predicted_b = task.known(info, target, predicted_b)
  patients = None if patients is None else np.asarray(patients)[rows]
  a, b = (
    task.panel(
      info,
      known,
      predicted,
      decisions=dict(decisions or {}),
      specificity=specificity,
    )
    for predicted, decisions in (
      (predicted_a, decisions_a),
      (predicted_b, decisions_b),
    )
  )
  metrics, means = _differences(a, b)
  entries = bootstrap.intervals(
    metrics,
    bootstrap.clusters(patients, int(rows.sum())),
    means=means,
    replicates=replicates,
    seed=seed,
  )
  plain = {k: e for k, e in entries.items() if not k.startswith(_CLOSER)}
  for name, entry in plain.items():
    if _CLOSER + name in entries:
      entry["closer"] = entries[_CLOSER + name]
  return plain


def _differences(a: Panel, b: Panel) -> tuple[dict[str, Metric], dict]:
  """The metrics and means of a minus those of b, and of their distances."""
  metrics, means = {}, dict(a.means)
  for name, metric in a.metrics.items():
    pair = _Pair(metric, b.metrics[name])
    metrics[name] = pair.difference
    description = a.described.get(stem(name))
    if description is not None and description.ideal is not None:
      metrics[_CLOSER + name] = pair.nearer(description.ideal)
  for name, mean in a.means.items():
    columns = {label: _CLOSER + key for label, key in mean.columns.items()}
    if set(columns.values()) <= metrics.keys():
      means[_CLOSER + name] = Mean(columns, mean.reason)
  return metrics, means


class _Pair:
  """One metric of two models, computed once for both of its differences."""

  def __init__(self, a: Metric, b: Metric):
    self._a, self._b = a, b
    self._weight: Any = self  # No weight yet.
    self._values: Any = None

  def difference(self, weight: np.ndarray | None):
    a, b = self._measured(weight)
    return a - b

  def nearer(self, ideal: float) -> Metric:
    """The distance of a from `ideal` minus that of b."""

    def distances(weight: np.ndarray | None):
      a, b = self._measured(weight)
      return abs(a - ideal) - abs(b - ideal)

    return distances

  def _measured(self, weight: np.ndarray | None):
    if self._weight is not weight:
      self._values = self._a(weight), self._b(weight)
      self._weight = weight
    return self._values
