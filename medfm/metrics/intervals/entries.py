"""Metrics with their 95 % intervals, as results.json has them."""

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.bootstrap import Entry, Mean, Metric, without
from medfm.metrics.intervals import bounds
from medfm.metrics.intervals.bounds import Bounds, NoBounds, Sample
from medfm.metrics.intervals.means import mover
from medfm.metrics.undefined import Undefined


def entries(
  metrics: dict[str, Metric],
  sample: Sample,
  *,
  means: dict[str, Mean] | None = None,
) -> dict[str, Entry]:
  """All metrics and means: {"value", "low", "high", "method"}.

  A metric has the interval that it is marked with, or else the percentile
  bootstrap; if none can be trusted, low and high are None and "reason" says
  why. A mean is taken over the columns that are defined on the whole split; the
  others are named in "left_out". A metric named "_..." is used only in means
  and has no entry. Without replicates there are only values.
  """
  values, reasons = _values(metrics)
  ends = {
    name: _ends(metrics[name], sample) if sample.replicates else None
    for name in values
  }
  table = {}
  for name, mean in (means or {}).items():
    kept = [column for column in mean.columns.values() if column in values]
    lost = [k for k, column in mean.columns.items() if column in reasons]
    if mean.reason or not kept:
      why = [f"{label}: {reasons[mean.columns[label]]}" for label in lost]
      table[name] = without(mean.reason or "".join(why[:1]))
      continue
    value = float(np.mean([values[column] for column in kept]))
    among = None
    if sample.replicates:
      labels = {column: label for label, column in mean.columns.items()}
      among = _mean(
        {labels[column]: (values[column], ends[column]) for column in kept}
      )
    left_out = {"left_out": lost} if lost else {}
    table[name] = _entry(value, among) | left_out
  for name in metrics:
    if name in reasons:
      table[name] = without(reasons[name])
    else:
      table[name] = _entry(values[name], ends[name])
  return {k: entry for k, entry in table.items() if not k.startswith("_")}


def _values(
  metrics: dict[str, Metric],
) -> tuple[dict[str, float], dict[str, str]]:
  """Values by name, and the reasons for missing values."""
  values, reasons = {}, {}
  for name, metric in metrics.items():
    try:
      values[name] = float(metric(None))
    except Undefined as error:
      reasons[name] = str(error)
  return values, reasons


def _ends(metric: Metric, sample: Sample) -> Bounds | str | None:
  """The interval of a metric, or the reason why it has none."""
  if not len(sample.cluster) or sample.cluster.max() == 0:
    return bootstrap.SINGLE
  measured = bounds.of(metric)
  try:
    if measured is not None:
      return measured(sample)
    return bootstrap.percentile(metric, sample)
  except NoBounds as error:
    return str(error)


def _mean(
  columns: dict[str, tuple[float, Bounds | str | None]],
) -> Bounds | str:
  """The interval of a mean of columns, or why it has none: by label."""
  for label, (_, ends) in columns.items():
    if isinstance(ends, str):
      return f"{ends} ({label})"
  values = [value for value, _ in columns.values()]
  parts = [ends for _, ends in columns.values() if isinstance(ends, Bounds)]
  return mover(values, parts)


def _entry(value: float, ends: Bounds | str | None) -> Entry:
  if ends is None:
    return {"value": value, "low": None, "high": None}
  if isinstance(ends, str):
    return without(ends, value)
  return {
    "value": value,
    "low": float(min(ends.low, value)),
    "high": float(max(ends.high, value)),
    "method": ends.method,
    **ends.beside,
  }
