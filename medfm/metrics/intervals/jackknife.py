"""Intervals of any metric, by leaving out one cluster at a time.

The jackknife's variance on a scale where the metric's error is nearly the
same everywhere, with Student's t (Efron & Stein 1981, Annals of Statistics).
With more than 200 clusters, 200 groups of them are left out in turn.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
from scipy import special

from medfm.metrics.bootstrap import BLOCK
from medfm.metrics.intervals import areas
from medfm.metrics.intervals.bounds import (
  FEW,
  FEW_FOR_MEANS,
  LEVEL,
  Bounds,
  NoBounds,
  Sample,
  enough,
  freedom,
  measured_by,
)
from medfm.metrics.undefined import Undefined, Value, Weight

METHOD = "jackknife"
GROUPS = 200
_TAIL = (1 - LEVEL) / 2
_Function = TypeVar("_Function", bound=Callable)

Scale = tuple[Callable, Callable, Callable]
"""A scale, its derivative, and the way back."""

PLAIN: Scale = (float, lambda x: 1.0, float)
LOG: Scale = (np.log, lambda x: 1 / x, np.exp)
LOGIT: Scale = (
  lambda x: np.log(x) - np.log1p(-x),
  lambda x: 1 / (x * (1 - x)),
  lambda x: 1 / (1 + np.exp(-np.clip(x, -700, 700))),
)
FISHER: Scale = (np.arctanh, lambda x: 1 / (1 - x**2), np.tanh)
UNEXPLAINED: Scale = (
  lambda x: -np.log1p(-x),
  lambda x: 1 / (1 - x),
  lambda x: -np.expm1(-x),
)
"""The scale of 1 minus a ratio, such as R²."""


def on(scale: Scale) -> Callable[[_Function], _Function]:
  """Marks a metric whose interval is the jackknife's on this scale."""

  def mark(metric: _Function) -> _Function:
    def measured(sample: Sample, *given: Any, **settings: Any) -> Bounds:
      return interval(sample, partial(metric, *given, **settings), scale=scale)

    return measured_by(measured)(metric)

  return mark


def of_differences(metric: _Function) -> _Function:
  """Marks a difference, which may stay 0 whichever cluster is left out."""

  def measured(sample: Sample, *given: Any, **settings: Any) -> Bounds:
    apart = partial(metric, *given, **settings)
    value, pull = _value(apart), influence(sample, apart)
    variance = len(pull) / (len(pull) - 1) * (pull**2).sum()
    reach = special.stdtrit(freedom(pull), 1 - _TAIL) * np.sqrt(variance)
    return Bounds(value - reach, value + reach, METHOD, pull)

  return measured_by(measured)(metric)


def ranked(
  sides: Callable[..., tuple[np.ndarray, np.ndarray, float]], what: str
) -> Callable[[_Function], _Function]:
  """Marks an area whose sides are sides(*given): (above, below, pairs).

  above, below: [N], how often each is ranked. what: what those above have in
  common, for messages.
  """

  def mark(metric: _Function) -> _Function:
    def measured(sample: Sample, *given: Any, **settings: Any) -> Bounds:
      above, below, pairs = sides(*given, **settings)
      ranks = areas.Sides(sample.summed(above), sample.summed(below), pairs)
      enough(int((ranks.above > 0).sum()), FEW, sample.whom, what)
      enough(int((ranks.below > 0).sum()), FEW, sample.whom, "anybody to rank")
      of = partial(metric, *given, **settings)
      return areas.ranked(_value(of), influence(sample, of), ranks)

    return measured_by(measured)(metric)

  return mark


def interval(
  sample: Sample, metric: Callable[[Weight], Value], *, scale: Scale
) -> Bounds:
  """The interval of a metric of weights [R,N]."""
  forth, slope, back = scale
  value = np.float64(_value(metric))
  pull = influence(sample, metric)
  variance = len(pull) / (len(pull) - 1) * (pull**2).sum()
  with np.errstate(all="ignore"):
    middle, error = forth(value), np.sqrt(variance) * slope(value)
  if not (np.isfinite(middle) and np.isfinite(error) and error > 0):
    raise NoBounds(
      f"no interval: leaving out any of the {sample.whom} changes nothing"
    )
  reach = special.stdtrit(freedom(pull), 1 - _TAIL) * error
  with np.errstate(over="ignore"):
    low, high = back(middle - reach), back(middle + reach)
  if not np.isfinite([low, high]).all():
    raise NoBounds(
      f"no interval: the value depends on too few of the {sample.whom}"
    )
  return Bounds(float(low), float(high), METHOD, pull)


def influence(sample: Sample, metric: Callable[[Weight], Value]) -> np.ndarray:
  """The influence of each cluster, or of 200 groups: [G]."""
  clusters = int(sample.cluster.max()) + 1
  enough(clusters, FEW_FOR_MEANS, sample.whom)
  count = min(clusters, GROUPS)
  try:
    left = [np.atleast_1d(metric(weight)) for weight in _left_out(sample)]
  except Undefined as error:
    raise NoBounds(f"no interval: {error}") from error
  left = np.concatenate(left)
  if np.isnan(left).any():
    singular = sample.whom.removesuffix("s")
    raise NoBounds(f"no interval: without one {singular} it has no value")
  return (left.mean() - left) * (count - 1) / count


def _left_out(sample: Sample) -> Iterable[np.ndarray]:
  """Weights [r,N], a few megabytes at a time; each leaves one cluster or group
  out."""
  clusters = int(sample.cluster.max()) + 1
  if min(clusters, GROUPS) * len(sample.cluster) > BLOCK:
    return _blocks(sample.cluster, sample.seed)
  return _kept(np.asarray(sample.cluster, np.int64).tobytes(), sample.seed)


@lru_cache(1)
def _kept(cluster: bytes, seed: int) -> list[np.ndarray]:
  """The same weights for all metrics of a sample, which may share work."""
  return list(_blocks(np.frombuffer(cluster, np.int64), seed))


def _blocks(cluster: np.ndarray, seed: int) -> Iterator[np.ndarray]:
  clusters = int(cluster.max()) + 1
  count = min(clusters, GROUPS)
  order = np.random.default_rng(seed).permutation(clusters)
  group = (order % count if count < clusters else order)[cluster]
  size = max(1, BLOCK // len(group))
  for first in range(0, count, size):
    out = np.arange(first, min(first + size, count))
    yield (group != out[:, None]).astype(float)


def _value(metric: Callable[[Weight], Value]) -> float:
  try:
    return float(metric(None))
  except Undefined as error:
    raise NoBounds(str(error)) from error
