"""Percentile intervals from a bootstrap that resamples whole patients.

A patient's examples are drawn together, so that repeated images of few patients
are not taken for many independent ones (Field & Welsh 2007, Bootstrapping
clustered data). Replicate r is a function of (clusters, seed,
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
  enough,
)
from medfm.metrics.undefined import Undefined, Value, Weight

Metric = Callable[[Weight], Value]
"""Weight [N] or [R,N] (None = all ones) -> one value, or R."""

Entry = dict
"""{"value", "low", "high", "method"}, and "reason" if one of these is None."""

METHOD = "bootstrap"
SINGLE = "no interval: only one patient or example"
MAX_UNDEFINED = 0.1
BLOCK = 1 << 20
"""How many weights are drawn at a time: about eight megabytes."""


class Mean(NamedTuple):
  """A mean of other metrics, one per class, label or target.

  columns: class name -> name of its metric.
  reason: set if the mean has no meaning.
  """

  columns: dict[str, str]
  reason: str = ""


def clusters(patients: np.ndarray | None, count: int) -> np.ndarray:
  """The cluster of each of `count` examples: integers [N] from 0.

  A patient's examples form a cluster. An example without a patient, or with a
  patient named "", is a cluster of its own.
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

  All clusters are drawn with replacement `replicates` times; these are the
  replicates `first`, `first` + 1, ...
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
  """`weights` of all replicates, a few megabytes at a time."""
  size = max(1, BLOCK // max(1, len(cluster)))
  for start in range(0, replicates, size):
    yield weights(cluster, min(size, replicates - start), seed, start)


def without(reason: str, value: float | None = None) -> Entry:
  """The entry of a metric without an interval, or without a value."""
  return {"value": value, "low": None, "high": None, "reason": reason}


def percentile(metric: Metric, sample: Sample) -> Bounds:
  """The percentile interval of one metric.

  Up to a tenth of the replicates may be undefined and are ignored; `NoBounds`
  if more are, or if there are few clusters.
  """
  clusters = int(sample.cluster.max()) + 1
  enough(clusters, FEW_FOR_MEANS, sample.whom)
  draws = np.full(sample.replicates, np.nan)
  start = 0
  for weight in resamples(sample.cluster, sample.replicates, sample.seed):
    with contextlib.suppress(Undefined):
      draws[start : start + len(weight)] = metric(weight)
    start += len(weight)
  lost = float(np.isnan(draws).mean())
  if lost > MAX_UNDEFINED:
    raise NoBounds(f"no interval: undefined in {lost:.0%} of the resamples")
  tail = (1 - LEVEL) / 2
  low, high = np.nanquantile(draws, [tail, 1 - tail])
  return Bounds(float(low), float(high), METHOD, np.ones(clusters))
