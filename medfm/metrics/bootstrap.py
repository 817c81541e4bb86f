"""Percentile intervals from a bootstrap that resamples whole patients.

A patient's examples stand or fall together, so that repeated images of few
patients do not pass for many independent ones (Field & Welsh 2007,
Bootstrapping clustered data). Replicate r is a function of (clusters, seed,
r) alone.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from medfm.metrics.undefined import Undefined

Metric = Callable[[np.ndarray | None], float | np.ndarray]
"""Weight [N] or [R,N] (None = all ones) -> one value, or R."""

Entry = dict
"""{"value", "low", "high"}; None where undefined, and then a "reason"."""

MAX_UNDEFINED = 0.1
_BLOCK = 1 << 20


class Mean(NamedTuple):
  """A mean of other metrics, one per class, label or target.

  columns: class name -> name of its metric.
  reason: set where the mean has no meaning.
  """

  columns: dict[str, str]
  reason: str = ""


def clusters(patients: np.ndarray | None, count: int) -> np.ndarray:
  """Whom each of `count` examples belongs to: integers [N] from 0.

  Without patients, and for a patient named "", every example is its own.
  """
  if patients is None:
    return np.arange(count)
  names, cluster = np.unique(np.asarray(patients, str), return_inverse=True)
  unnamed = names[cluster] == ""
  cluster[unnamed] = len(names) + np.arange(unnamed.sum())
  return np.unique(cluster, return_inverse=True)[1]


def weights(
  cluster: np.ndarray, replicates: int, seed: int, first: int = 0
) -> np.ndarray:
  """How often each example is drawn: [R,N] in float64, whole numbers.

  As many clusters as there are, drawn with replacement, `replicates` times;
  these are the replicates `first`, `first` + 1, ...
  """
  count = int(cluster.max()) + 1
  drawn = np.empty((replicates, len(cluster)))
  for row in range(replicates):
    generator = np.random.default_rng((seed, first + row))
    times = np.bincount(generator.integers(count, size=count), minlength=count)
    drawn[row] = times[cluster]
  return drawn


def interval(
  metric: Metric,
  cluster: np.ndarray,
  *,
  replicates: int = 1000,
  seed: int = 0,
  level: float = 0.95,
) -> Entry:
  """The metric with its percentile interval; see `intervals`."""
  return intervals(
    {"it": metric}, cluster, replicates=replicates, seed=seed, level=level
  )["it"]


def intervals(
  metrics: dict[str, Metric],
  cluster: np.ndarray,
  *,
  means: dict[str, Mean] | None = None,
  replicates: int = 1000,
  seed: int = 0,
  level: float = 0.95,
) -> dict[str, Entry]:
  """All metrics and means on the same resamples.

  Undefined replicates are ignored up to a tenth of them; beyond it the
  interval is None and `reason` says so. A mean is taken over the columns
  that are defined on the whole split, the same ones in every replicate; the
  others are named in the entry's `left_out`. A metric named "_..." serves
  means alone and has no entry. replicates = 0 gives values without intervals.
  """
  points = {name: _point(metric) for name, metric in metrics.items()}
  drawn = {name: np.full(replicates, np.nan) for name in metrics}
  live = [name for name, (value, _) in points.items() if value is not None]
  for start, weight in _blocks(cluster, replicates if live else 0, seed):
    for name in live:
      drawn[name][start : start + len(weight)] = _values(metrics[name], weight)
  single = not len(cluster) or cluster.max() == 0
  entries = {}
  for name, mean in (means or {}).items():
    entries[name] = _mean(mean, points, drawn, level, single)
  for name, (value, reason) in points.items():
    if name.startswith("_"):
      continue
    entries[name] = _entry(value, reason, drawn[name], level, single)
  return entries


def _blocks(
  cluster: np.ndarray, replicates: int, seed: int
) -> Iterator[tuple[int, np.ndarray]]:
  """(first replicate, weights) in blocks of about eight megabytes."""
  size = max(1, _BLOCK // max(1, len(cluster)))
  for start in range(0, replicates, size):
    rows = min(size, replicates - start)
    yield start, weights(cluster, rows, seed, start)


def _point(metric: Metric) -> tuple[float | None, str]:
  try:
    return float(metric(None)), ""
  except Undefined as error:
    return None, error.reason


def _values(metric: Metric, weight: np.ndarray) -> np.ndarray | float:
  try:
    return metric(weight)
  except Undefined:
    return np.nan


def _mean(
  mean: Mean,
  points: Mapping[str, tuple[float | None, str]],
  drawn: Mapping[str, np.ndarray],
  level: float,
  single: bool,
) -> Entry:
  values, rows, left_out, reason = [], [], [], ""
  for label, name in mean.columns.items():
    value, why = points[name]
    if value is None:
      left_out.append(label)
      reason = reason or f"{label}: {why}"
    else:
      values.append(value)
      rows.append(drawn[name])
  if mean.reason or not values:
    return _entry(None, mean.reason or reason, np.zeros(0), level, single)
  entry = _entry(
    float(np.mean(values)), "", np.mean(rows, axis=0), level, single
  )
  return entry | ({"left_out": left_out} if left_out else {})


def _entry(
  value: float | None,
  reason: str,
  drawn: np.ndarray,
  level: float,
  single: bool,
) -> Entry:
  entry = {"value": value, "low": None, "high": None}
  if value is None:
    return entry | {"reason": reason}
  if not len(drawn):
    return entry
  if single:
    return entry | {"reason": "no interval: only one patient or example"}
  lost = float(np.isnan(drawn).mean())
  if lost > MAX_UNDEFINED:
    return entry | {
      "reason": f"no interval: undefined in {lost:.0%} of the resamples"
    }
  tail = (1 - level) / 2
  low, high = np.nanquantile(drawn, [tail, 1 - tail])
  return entry | {"low": float(low), "high": float(high)}
