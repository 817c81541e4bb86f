"""The metrics of a task, bound to the labels and predictions of a split."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from medfm.metrics import described
from medfm.metrics.bootstrap import Mean, Metric
from medfm.metrics.described import Description


class Panel(NamedTuple):
  """The metrics of one split, by name, and the means of some of them.

  `auroc[a]` is of the class a; a name that begins with "_" is only for means.
  described: stem (`auroc`) -> description, of all metrics and means.
  """

  metrics: dict[str, Metric]
  means: dict[str, Mean]
  described: dict[str, Description]


def panel(
  metrics: dict[str, Metric],
  means: dict[str, Mean] | None = None,
  named: Mapping[str, Description] | None = None,
) -> Panel:
  """A panel; its metrics are described by the functions that compute them.

  named: descriptions, by stem, in place of those of the functions.
  """
  by_stem, named = {}, named or {}
  for name, metric in metrics.items():
    key = stem(name)
    description = named.get(key) or described.of(metric)
    if description is not None and not name.startswith("_"):
      by_stem.setdefault(key, description)
  return Panel(metrics, means or {}, {**by_stem, **named})


def bound(
  functions: Iterable, *given: Any, **settings: Any
) -> dict[str, Metric]:
  """The functions bound to the given arguments, by their names."""
  return {f.__name__: partial(f, *given, **settings) for f in functions}


def stem(metric: str) -> str:
  """A metric's name without its class, label or target: `auroc[a]`."""
  return metric.partition("[")[0]


def mean(names: Sequence[str], key: str) -> Mean:
  """The mean of a metric over classes, labels or targets; in precision's, a
  class that is never predicted counts 0 (`classification.precision`)."""
  column = f"_{key}" if key.startswith("precision") else key
  return Mean({name: f"{column}[{name}]" for name in names})


def listed(
  metrics: Iterable[str], select: str, *, wanted: Sequence[str]
) -> list[str]:
  """The wanted metrics that exist, else as `chosen`."""
  names = list(metrics)
  return [name for name in wanted if name in names] or chosen(names, select)


def chosen(metrics: Iterable[str], select: str, main: str = "") -> list[str]:
  """The metric that answers a classifier's question: the one that chose the
  best step, else `main`, else the first."""
  names = list(metrics)
  return [name for name in (select, main) if name in names][:1] or names[:1]
