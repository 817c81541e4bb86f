"""A prompted stage: every prompt's score, their spread, and calibration."""

from collections.abc import Iterator, Mapping
from typing import Any

from medfm.report import wording
from medfm.report.markup import Markup, join, table
from medfm.report.reading import Stage
from medfm.report.sections import value

SHOWN = ("accuracy", "f1")
"""What a terminal has room for."""


def section(stage: Stage) -> Markup | None:
  """A table for each split; None for a stage that was not prompted."""
  found = [
    _table(split, result["prompts"])
    for split, result in stage.splits.items()
    if result.get("prompts")
  ]
  return join(found) if found else None


def lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
  """(what, metric, value, difference) for the terminal's table.

  The difference of a baseline is the stage minus it; that of the calibrated
  scores is what calibration adds.
  """
  found = result.get("prompts") or {}
  for metric in SHOWN if found else ():
    title = wording.title(metric)
    for way, scores in found["ways"].items():
      together = wording.interval(scores["together"][metric])
      yield f"  {way}", title, together, _gain(found, way, metric)
      yield "    by prompt", title, spread(scores["spread"][metric]), ""
    for name, baseline in (result.get("baselines") or {}).items():
      yield (
        f"  {name}",
        title,
        wording.interval(baseline["metrics"].get(metric)),
        wording.interval(baseline["difference"].get(metric), signed=True),
      )


def spread(entry: Mapping[str, Any]) -> str:
  """`0.42 to 0.58, SD 0.05`, or the value of a single prompt."""
  low, high = (wording.number(entry[name]) for name in ("min", "max"))
  if entry["sd"] is None:
    return low
  return f"{low} to {high}, SD {wording.number(entry['sd'])}"


def _gain(found: Mapping[str, Any], way: str, metric: str) -> str:
  """What calibration adds, beside the calibrated scores."""
  if way != "calibrated" or "difference" not in found:
    return ""
  return wording.interval(found["difference"][metric], signed=True)


def _table(split: str, found: Mapping[str, Any]) -> Markup:
  rows = []
  for way, scores in found["ways"].items():
    metrics = list(scores["together"])
    together = f"{way}: mean of all prompts' probabilities"
    rows.append((together, *(value(scores["together"][m]) for m in metrics)))
    for name, own in zip(found["names"], scores["each"], strict=True):
      rows.append((f"{way}: {name}", *(value(own[m]) for m in metrics)))
    spreads = (spread(scores["spread"][m]) for m in metrics)
    rows.append((f"{way}: from prompt to prompt", *spreads))
  if "difference" in found:
    gains = (value(found["difference"][m], signed=True) for m in metrics)
    rows.append(("calibrated − uncalibrated, paired", *gains))
  return table(
    ("Prompts", *map(wording.title, metrics)),
    rows,
    f"Prompts, with 95 % bootstrap intervals: {split}",
  )
