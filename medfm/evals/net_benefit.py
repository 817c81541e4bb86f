"""The net benefit of deciding by a risk, against treating all and none."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from medfm.evals import curves
from medfm.evals.context import REVIEW, Block, Settings
from medfm.evals.curves import Asked
from medfm.metrics import risk_curves
from medfm.metrics.undefined import Array


def table(
  asked: Sequence[Asked], thresholds: Sequence[float], settings: Settings
) -> Block:
  """The model against treating all and none, by question and threshold."""
  rows, gained, cuts = [], [], np.array(thresholds)
  for each in asked:
    asks = each.question, cuts, each.cluster, settings
    model = curves.curve(risk_curves.net_benefit, *asks)
    treat_all = curves.curve(_treat_all, *asks)
    # Which of all and none is better is decided once, not by each resample.
    better = np.array([entry["value"] > 0 for entry in treat_all])
    gains = curves.curve(partial(_gain, better=better), *asks)
    name = [each.question.name] if len(asked) > 1 else []
    for cut, *cells in zip(thresholds, model, treat_all, gains, strict=True):
      rows.append([*name, f"{cut:g}", *cells[:2], cells[2] | {"signed": True}])
      gained += [cut] if (cells[2]["low"] or 0) > 0 else []
  name = ["Answer"] if len(asked) > 1 else []
  return {
    "kind": "table",
    "title": "Net benefit",
    "columns": [*name, "Threshold", "Model", "Treat all", "Gain"],
    "rows": rows,
    "note": "Net benefit: true positives minus false positives weighted by the "
    "odds of the threshold, per example (Vickers & Elkin 2006); treating "
    "nobody has 0. The threshold is the lowest risk at which somebody would be "
    "treated. Gain: the model minus the better of treating all and none.",
    "section": REVIEW,
    "headline": _gained(thresholds, gained) if len(asked) == 1 else "",
  }


def _treat_all(label: Array, prob: Array, at: Array, weight: Array) -> Array:
  return risk_curves.net_benefit(label, np.ones_like(prob), at, weight)


def _gain(
  label: Array, prob: Array, at: Array, weight: Array, *, better: Array
) -> Array:
  """Net benefit minus that of treating all, if `better`, or else none."""
  other = np.where(better, _treat_all(label, prob, at, weight), 0)
  return risk_curves.net_benefit(label, prob, at, weight) - other


def drawn(asked: Sequence[Asked], settings: Settings) -> Iterator[Block]:
  """Net benefit over all thresholds, for questions with weighted answers.

  Other questions are drawn from predictions.csv, which holds no weights.
  """
  asked = [each for each in asked if each.question.weight is not None]
  panels = []
  for place in curves.commonest([each.question for each in asked]):
    each = asked[place]
    (label, prob), weight = each.known, np.asarray(each.question.weight)
    weight = weight[np.isfinite(each.question.label)]
    share = float(np.average(label, weights=weight))
    highest = np.clip(max(prob.max(), 2 * share), 0.1, 0.99)
    at = np.linspace(0.005, highest, curves.PLACES)
    lines = [
      curves.line(
        name, at, curves.curve(worth, each.question, at, each.cluster, how)
      )
      for name, worth, how in (
        ("Model", risk_curves.net_benefit, settings),
        ("Treat all", _treat_all, settings._replace(replicates=0)),
      )
    ]
    title = f"{each.question.name} ({100 * share:.1f} %)"
    panels.append({"title": title, "lines": lines})
  if not panels:
    return
  yield {
    "kind": "curves",
    "title": "Decision curves",
    "panels": panels,
    "x": "Threshold of the risk",
    "y": "Net benefit",
    "beside": {"name": "Treat none", "slope": 0},
    "note": "Net benefit of treating everybody whose risk is at least the "
    "threshold, against treating all and none; the band is a pointwise "
    f"bootstrap over {asked[0].whom}. In brackets: the share with the event by "
    "then.",
    "section": REVIEW,
    "headline": "",
  }


def _gained(thresholds: Sequence[float], gained: Sequence[float]) -> str:
  every = ", ".join(f"{cut:g}" for cut in thresholds)
  where = ", ".join(f"{cut:g}" for cut in gained)
  if not gained:
    return f"Of the thresholds {every}, at none is a gain in net benefit shown."
  if len(gained) == len(thresholds):
    where = f"every one of {every}"
  return (
    "Deciding by the model is shown to have more net benefit than treating "
    f"all and than treating none at the thresholds {where}."
  )
