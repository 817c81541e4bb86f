"""Percentile intervals from a bootstrap that resamples whole patients.

A patient's examples stand or fall together, so that repeated images of few
patients do not pass for many independent ones (Field & Welsh 2007,
Bootstrapping clustered data). Replicate r is a function of (clusters, seed,
r) alone.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from medfm.metrics.intervals.bounds import (
  FEW_FOR_MEANS,
  LEVEL,
  Bounds,
  NoBounds,
  Sample,
)
from medfm.metrics.undefined import Undefined, Value, Weight

Metric = Callable[[Weight], Value]
"""Weight [N] or [R,N] (None = all ones) -> one value, or R."""

Entry = dict
"""{"value", "low", "high", "method"}; where something is None, a "reason"."""

METHOD = "bootstrap"
SINGLE = "no interval: only one patient or example"
MAX_UNDEFINED = 0.1
BLOCK = 1 << 20
"""Weights drawn at a time: about eight megabytes."""


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


def resamples(
  cluster: np.ndarray, replicates: int, seed: int
) -> Iterator[np.ndarray]:
  """`weights` of all replicates, some megabytes at a time."""
  size = max(1, BLOCK // max(1, len(cluster)))
  for start in range(0, replicates, size):
    yield weights(cluster, min(size, replicates - start), seed, start)


def intervals(
  metrics: dict[str, Metric],
  cluster: np.ndarray,
  *,
  means: dict[str, Mean] | None = None,
  replicates: int = 1000,
  seed: int = 0,
) -> dict[str, Entry]:
  """All metrics and means with 95 % intervals, on the same resamples.

  Undefined replicates are ignored up to a tenth of them; beyond it the
  interval is None and `reason` says so. A mean is taken over the columns
  that are defined on the whole split, the same ones in every replicate; the
  others are named in the entry's `left_out`. A metric named "_..." serves
  means alone and has no entry. replicates = 0 gives values without intervals.
  """
  values, reasons = {}, {}
  for name, metric in metrics.items():
    try:
      values[name] = float(metric(None))
    except Undefined as error:
      reasons[name] = str(error)
  drawn = {name: np.full(replicates, np.nan) for name in values}
  start = 0
  for weight in resamples(cluster, replicates if values else 0, seed):
    for name, draws in drawn.items():
      with contextlib.suppress(Undefined):
        draws[start : start + len(weight)] = metrics[name](weight)
    start += len(weight)
  few = _few(cluster)
  entries = {}
  for name, mean in (means or {}).items():
    kept = [column for column in mean.columns.values() if column in values]
    lost = [k for k, column in mean.columns.items() if column in reasons]
    if mean.reason or not kept:
      why = [f"{label}: {reasons[mean.columns[label]]}" for label in lost]
      entries[name] = without(mean.reason or "".join(why[:1]))
      continue
    value = float(np.mean([values[column] for column in kept]))
    draws = np.mean([drawn[column] for column in kept], axis=0)
    left_out = {"left_out": lost} if lost else {}
    entries[name] = _entry(value, draws, few) | left_out
  for name in metrics:
    if name in reasons:
      entries[name] = without(reasons[name])
    else:
      entries[name] = _entry(values[name], drawn[name], few)
  return {k: entry for k, entry in entries.items() if not k.startswith("_")}


def without(reason: str, value: float | None = None) -> Entry:
  """The entry of what has no interval, or no value either."""
  return {"value": value, "low": None, "high": None, "reason": reason}


def percentile(metric: Metric, sample: Sample) -> Bounds:
  """The percentile interval of one metric; `NoBounds` where `intervals` gives
  a reason."""
  entry = intervals(
    {"metric": metric},
    sample.cluster,
    replicates=sample.replicates,
    seed=sample.seed,
  )["metric"]
  if entry["low"] is None:
    raise NoBounds(entry["reason"])
  clusters = int(sample.cluster.max()) + 1
  return Bounds(entry["low"], entry["high"], METHOD, np.ones(clusters))


def _few(cluster: np.ndarray) -> str:
  """Why so few clusters have no interval; "" where they are enough."""
  if not len(cluster) or cluster.max() == 0:
    return SINGLE
  if cluster.max() + 1 < FEW_FOR_MEANS:
    return f"no interval: fewer than {FEW_FOR_MEANS} patients or examples"
  return ""


def _entry(value: float, draws: np.ndarray, few: str) -> Entry:
  if not len(draws):
    return {"value": value, "low": None, "high": None}
  if few:
    return without(few, value)
  lost = float(np.isnan(draws).mean())
  if lost > MAX_UNDEFINED:
    return without(
      f"no interval: undefined in {lost:.0%} of the resamples", value
    )
  tail = (1 - LEVEL) / 2
  low, high = np.nanquantile(draws, [tail, 1 - tail])
  ends = {"low": float(low), "high": float(high)}
  return {"value": value, **ends, "method": METHOD}
