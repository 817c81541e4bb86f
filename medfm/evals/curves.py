"""Curves over risk with their bands, as numbers that a page draws."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.evals.context import Settings
from medfm.metrics import risk_curves
from medfm.metrics.bootstrap import Entry
from medfm.metrics.undefined import Array
from medfm.tasks.binary import Question

PLACES = 41
PANELS = 6
"""How many questions are drawn, at most: those with most positives."""


class Asked(NamedTuple):
  """A question of a split's N examples, as the panel's metrics see them.

  cluster: [N] the patient of each. threshold: chosen on validation, or None.
  drawn: [R] thresholds that other validation patients would have given.
  """

  question: Question
  cluster: np.ndarray
  threshold: float | None
  drawn: np.ndarray = np.zeros(0)
  whom: str = "examples"

  @property
  def known(self) -> tuple[Array, Array]:
    """(label [n], prob [n]) of the examples with a known answer."""
    rows = np.isfinite(self.question.label)
    return self.question.label[rows], self.question.prob[rows]


def curve(
  function: Callable[..., Array],
  asked: Question,
  at: Array,
  cluster: Array,
  settings: Settings,
) -> list[Entry]:
  """A curve of `metrics.risk_curves` at [G] risks, with its band.

  cluster: [N], the patient of each example.
  """
  rows = np.isfinite(asked.label)
  label, prob = asked.label[rows], asked.prob[rows]
  stands_for = 1.0 if asked.weight is None else asked.weight[rows]

  def of(weight: Array) -> Array:
    return function(label, prob, at, weight[..., rows] * stands_for)

  values = of(np.ones(len(rows)))
  how = {"replicates": settings.replicates, "seed": settings.seed}
  edges = risk_curves.band(of, cluster, **how)
  low, high = edges or (np.full(len(values), np.nan),) * 2
  return [_entry(*point) for point in zip(values, low, high, strict=True)]


def line(name: str, at: Array, entries: Sequence[Entry]) -> dict[str, Any]:
  """A curve for `block`: its entries at risks [G]."""
  ends = {"y": "value", "low": "low", "high": "high"}
  points = {k: [entry[end] for entry in entries] for k, end in ends.items()}
  return {"name": name, "x": np.asarray(at).tolist(), **points}


def commonest(asked: Sequence[Question]) -> list[int]:
  """The places of the questions that are drawn, in their order; a question
  without both answers among its known ones has no curve."""
  positives = [np.nansum(each.label) for each in asked]
  known = [np.isfinite(each.label).sum() for each in asked]
  both = [k for k, count in enumerate(positives) if 0 < count < known[k]]
  return sorted(sorted(both, key=lambda k: -positives[k])[:PANELS])


def _entry(value: float, low: float, high: float) -> Entry:
  """A point of a curve; a number that is not finite becomes None."""
  numbers = {"value": value, "low": low, "high": high}
  return {k: float(x) if np.isfinite(x) else None for k, x in numbers.items()}
