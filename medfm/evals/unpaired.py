"""How one model does on two cohorts of different patients."""

from collections.abc import Mapping
from typing import Any

from medfm.evals.context import Block
from medfm.metrics.bootstrap import Entry
from medfm.metrics.intervals.differences import difference
from medfm.tasks.panel import stem

_SIDES = ("this cohort", "the run's test split")
_NOTE = (
  "The patients differ, so the differences are unpaired; their intervals "
  "combine both intervals (Zou & Donner 2008, Statistics in Medicine: "
  "MOVER). A cohort with another case mix can be harder without the model "
  "being worse."
)


def differences(
  here: Mapping[str, Entry], there: Mapping[str, Entry]
) -> dict[str, Entry]:
  """Metrics of two independent cohorts -> here - there, with intervals."""
  return {
    name: difference(entry, there[name], _SIDES)
    for name, entry in here.items()
    if name in there
  }


def block(
  results: Mapping[str, Any], here: Mapping[str, Entry], main: list[str]
) -> Block:
  """A row per metric of the whole split; a terminal shows the main ones, first.

  results: with `described` and, for the run's test split, `own_test` and
    `apart`, the differences. here: the metrics on this cohort.
  """
  described, apart = results["described"], results["apart"]
  main = [name for name in main if name in apart]
  rows = [
    [
      (described.get(stem(name)) or {}).get("title") or name,
      here[name],
      results["own_test"]["metrics"][name],
      apart[name] | {"signed": True},
    ]
    for name in dict.fromkeys([*main, *apart])
    if "[" not in name
  ]
  return {
    "kind": "table",
    "title": "This cohort against the run's own test split",
    "columns": ["Metric", "This cohort", "Run's test split", "Difference"],
    "rows": rows,
    "brief": list(range(len(main) or 1)),
    "note": _NOTE,
    "terminal": True,
  }
