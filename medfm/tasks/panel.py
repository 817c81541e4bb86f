"""Which metrics a task has, bound to the labels and predictions of a split."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from medfm.metrics import described
from medfm.metrics.bootstrap import Mean, Metric
from medfm.metrics.described import Description


class Panel(NamedTuple):
  """The metrics of one split, by name, and the means of some of them.

  `auroc[a]` is of the class a; a name with "_" before it serves means alone.
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
  """The metrics that these functions are of what is given, by their names."""
  return {f.__name__: partial(f, *given, **settings) for f in functions}


def stem(metric: str) -> str:
  """A metric's name without its class, label or target: `auroc[a]`."""
  return metric.partition("[")[0]


def mean(names: Sequence[str], key: str) -> Mean:
  """The mean of a metric over classes, labels or targets; of precision, a
  class that is never predicted counts 0 (`classification.precision`)."""
  column = f"_{key}" if key.startswith("precision") else key
  return Mean({name: f"{column}[{name}]" for name in names})


def listed(
  metrics: Iterable[str], select: str, *, wanted: Sequence[str]
) -> list[str]:
  """The wanted metrics that there are, else as `chosen`."""
  names = list(metrics)
  return [name for name in wanted if name in names] or chosen(names, select)


def chosen(metrics: Iterable[str], select: str, main: str = "") -> list[str]:
  """The metric that answers a classifier's question: the one that chose the
  best step, else `main`, else the first."""
  names = list(metrics)
  return [name for name in (select, main) if name in names][:1] or names[:1]
