"""What an interval is computed from, and how a metric names its interval.

A metric is marked with a function that computes its interval from the metric's
arguments, so that no other code knows metrics by name. An interval rests on
each cluster's (patient's) influence: how the metric changes with the cluster's
weight. The squares of the influences add up to the metric's variance.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

LEVEL = 0.95
FEW = 5
"""The fewest clusters for the interval of a share, or a side of a ranking."""

FEW_FOR_MEANS = 10
"""The fewest clusters for any other interval."""

ICC = 0.3
"""Correlation within a cluster, assumed if the data cannot show it."""

PRIOR = 5.0
"""How many clusters of evidence outweigh `ICC`."""

_Function = TypeVar("_Function", bound=Callable)


class Sample(NamedTuple):
  """The clusters of the examples, and how resamples of them are drawn.

  cluster: [N] integers from 0. whom: what clusters are called, "patients".
  """

  cluster: np.ndarray
  whom: str = "examples"
  replicates: int = 1000
  seed: int = 0

  def summed(self, values: np.ndarray) -> np.ndarray:
    """values [N] summed over each cluster: [G]."""
    count = int(self.cluster.max()) + 1
    return np.bincount(self.cluster, values, count)


class Bounds(NamedTuple):
  """An interval, the method that made it, and each cluster's influence [G].

  beside: numbers to read the value with, by name.
  """

  low: float
  high: float
  method: str
  influence: np.ndarray
  beside: Mapping[str, float] = {}


class NoBounds(Exception):
  """No interval can be trusted; the message is the reason."""


def measured_by(
  measured: Callable[..., Bounds],
) -> Callable[[_Function], _Function]:
  """Marks a metric: measured(sample, *given, **settings), as it was bound."""

  def mark(metric: _Function) -> _Function:
    setattr(metric, _MARK, measured)
    return metric

  return mark


def bounded(
  bounds: Callable[..., Bounds], parts: Callable[..., tuple], **settings: Any
) -> Callable[[_Function], _Function]:
  """Marks a metric: bounds(sample, *parts(*given), **settings)."""

  def measured(sample: Sample, *given: Any, **bound: Any) -> Bounds:
    return bounds(sample, *parts(*given, **bound), **settings)

  return measured_by(measured)


def of(metric: Callable) -> Callable[[Sample], Bounds] | None:
  """The function for the interval of a metric, bound or not, or None."""
  given, settings = (), {}
  while isinstance(metric, functools.partial):
    given = metric.args + given
    settings = metric.keywords | settings
    metric = metric.func
  measured = getattr(metric, _MARK, None)
  if measured is None:
    return None
  return lambda sample: measured(sample, *given, **settings)


def enough(count: int, least: int, whom: str, what: str = "") -> None:
  """Raises NoBounds if fewer clusters than `least` count."""
  if count < least:
    those = f"{whom} with {what}" if what else whom
    raise NoBounds(f"no interval: fewer than {least} {those}")


def effective(influence: np.ndarray) -> float:
  """How many equally influential clusters these [G] are worth; 0 if none has
  any influence."""
  squares = influence**2
  fourth = (squares**2).sum()
  return float(squares.sum() ** 2 / fourth) if fourth > 0 else 0.0


def freedom(influence: np.ndarray, least: float = 4.0) -> float:
  """Degrees of freedom of the variance that influences [G] give.

  The fewer clusters the variance depends on, the less well it is known: 1.5
  times the effective number of clusters (with normal influences a third are
  effective, which gives half of them), and at most their number less one.
  """
  return min(max(1.5 * effective(influence), least), len(influence) - 1)


def correlation(excess: float, size: float, evidence: float) -> float:
  """The correlation within clusters that an interval allows for, 0 to 1.

  excess: observed variance over that of independent examples, less one.
  size: examples of the cluster of an average example. evidence: clusters that
  show the correlation; with few, `ICC` is assumed.
  """
  seen = excess / (size - 1) if size > 1 else 0.0
  return min(max(seen, ICC * PRIOR / (evidence + PRIOR), 0.0), 1.0)


_MARK = "bounds"
