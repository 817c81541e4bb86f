"""How much better one model is than another on the same examples."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.bootstrap import Mean, Metric
from medfm.metrics.intervals import jackknife
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.tasks.panel import Panel, stem
from medfm.types import Arrays, Info, Task

_CLOSER = "closer to the ideal: "


def difference(
  task: Task,
  info: Info,
  target: Arrays,
  predicted_a: Arrays,
  predicted_b: Arrays,
  *,
  patients: np.ndarray | None = None,
  decisions_a: Mapping[str, float] | None = None,
  decisions_b: Mapping[str, float] | None = None,
  replicates: int = 1000,
  seed: int = 0,
  specificity: float = 0.9,
) -> dict[str, dict[str, Any]]:
  """Metric of a - metric of b, with 95 % intervals, by metric.

  Both models are measured with the same patient left out in turn (the
  jackknife), so that easy and hard patients cancel; each model at its own
  thresholds. Means are taken over the classes on which both can be measured.
  Arguments as in `scores`.

  For a metric that should be near an ideal value, `closer` has value, low and
  high of |a - ideal| - |b - ideal|: below 0 if a is nearer. For a mean over
  classes it is the mean of the classes' differences of distances.
  """
  panels = []
  models = (predicted_a, decisions_a), (predicted_b, decisions_b)
  for predicted, decisions in models:
    rows, known, predicted = task.known(info, target, predicted)
    how = {"decisions": dict(decisions or {}), "specificity": specificity}
    panels.append(task.panel(info, known, predicted, **how))
  metrics, means = _differences(*panels)
  patients = None if patients is None else np.asarray(patients)[rows]
  cluster = bootstrap.clusters(patients, int(rows.sum()))
  whom = "examples" if patients is None else "patients"
  sample = Sample(cluster, whom, replicates, seed)
  table = entries(metrics, sample, means=means)
  plain = {k: e for k, e in table.items() if not k.startswith(_CLOSER)}
  for name, entry in plain.items():
    if _CLOSER + name in table:
      entry["closer"] = table[_CLOSER + name]
  return plain


def _differences(a: Panel, b: Panel) -> tuple[dict[str, Metric], dict]:
  """The metrics and means of a minus those of b, and of their distances."""
  metrics, means = {}, dict(a.means)
  for name, metric in a.metrics.items():
    both = _once(metric, b.metrics[name])
    metrics[name] = partial(_apart, both, None)
    ideal = getattr(a.described.get(stem(name)), "better", None)
    if isinstance(ideal, int | float):
      metrics[_CLOSER + name] = partial(_apart, both, ideal)
  for name, mean in a.means.items():
    columns = {label: _CLOSER + key for label, key in mean.columns.items()}
    if set(columns.values()) <= metrics.keys():
      means[_CLOSER + name] = Mean(columns, mean.reason)
  return metrics, means


def _once(a: Metric, b: Metric) -> Callable[[Any], tuple[Any, Any]]:
  """Both metrics of a weight, measured once for all their differences."""
  last: dict[bool, tuple[Any, Any]] = {}

  def both(weight: np.ndarray | None) -> tuple[Any, Any]:
    whole = weight is None
    if whole not in last or last[whole][0] is not weight:
      last[whole] = weight, (a(weight), b(weight))
    return last[whole][1]

  return both


@jackknife.of_differences
def _apart(both: Callable, ideal: float | None, weight: np.ndarray | None):
  """a - b, or the distance of a from `ideal` minus that of b."""
  a, b = both(weight)
  return a - b if ideal is None else abs(a - ideal) - abs(b - ideal)
