"""How a report describes each `method` of an interval."""

from collections.abc import Iterable, Mapping
from typing import Any

from medfm.metrics import bootstrap
from medfm.metrics.intervals import (
  areas,
  gaps,
  jackknife,
  losses,
  means,
  proportions,
  quantiles,
)

WORDS = {
  proportions.METHOD: "shares have Wilson's interval for an effective number "
  "of examples",
  areas.METHOD: "areas and C-indices DeLong's on the logit (Obuchowski's for "
  "patients), or Newcombe's where that is wider",
  losses.LOG: "mean losses Student's t on the logarithm",
  losses.SCORE: "Brier scores a score interval with Student's t",
  gaps.METHOD: "calibration errors how far the gaps of bins can have moved",
  quantiles.METHOD: "medians Woodruff's, from the share of cases below",
  jackknife.METHOD: "others leave out one patient at a time (jackknife)",
  means.METHOD: "means combine the intervals of their parts",
  bootstrap.METHOD: "some are percentiles of a bootstrap over patients",
}
"""Clauses of one sentence, in this order."""


def sentence(entries: Iterable[Mapping[str, Any]]) -> str:
  """How the intervals of these entries were computed; "" without any."""
  used = {entry.get("method") for entry in entries}
  clauses = [words for name, words in WORDS.items() if name in used]
  clause = "; ".join(clauses)
  return f"How intervals are computed: {clause}." if clauses else ""
