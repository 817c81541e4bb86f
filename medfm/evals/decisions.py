"""What decisions by a binary answer of the model are worth to patients.

Counts at the threshold, predictive values and likelihood ratios, how much the
threshold itself varies, net benefit, and observed against predicted risk.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.evals import curves, net_benefit, scores
from medfm.evals.context import REVIEW, Block, Context, Findings, Settings
from medfm.evals.curves import Asked
from medfm.metrics import (
  bootstrap,
  classification,
  diagnosis,
  risk_curves,
)
from medfm.metrics.bootstrap import Entry, Metric
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.tasks.binary import threshold_name

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5)
RISKS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BEYOND = 0.02
"""The share of predictions at either end that a curve leaves out."""
KEPT = np.linspace(0, 1, 41)
"""The quantiles of drawn thresholds that are kept for other cohorts."""
_RATES = {
  "Sensitivity": classification.recall,
  "Specificity": classification.specificity,
  "PPV": classification.precision,
  "NPV": diagnosis.negative_predictive_value,
  "Positive likelihood ratio": diagnosis.positive_likelihood_ratio,
  "Negative likelihood ratio": diagnosis.negative_likelihood_ratio,
}


def decisions(
  context: Context,
  *,
  thresholds: tuple[float, ...] = THRESHOLDS,
  risks: tuple[float, ...] = RISKS,
) -> Findings:
  """Blocks of each split, about every binary question that the task asks.

  thresholds: risks at which net benefit is given, each above 0 and below 1.
  risks: predicted risks at which the observed risk is given.
  """
  if not context.first or context.asked is not context.task:
    return Findings()
  settings = context.settings
  asked = {name: _asked(context, name) for name in context.splits}
  drawn = {
    _key(each, settings): _drawn(each, settings)
    for each in asked.get("validation", ())
    if each.threshold is not None
  }
  known = {k: np.array(v) for k, v in context.drawn.items()} | drawn
  blocks = {}
  for name, each in asked.items():
    moved = [
      a._replace(drawn=known.get(_key(a, settings), a.drawn)) for a in each
    ]
    made = (
      _at_threshold(moved, context, others=name != "validation"),
      net_benefit.table(moved, thresholds, settings),
      _calibration(moved, risks, settings),
    )
    blocks[name] = [block for block in made if block["rows"]]
    blocks[name] += net_benefit.drawn(moved, settings)
  kept = {
    key: np.quantile(values, KEPT).tolist()
    for key, values in drawn.items()
    if len(values)
  }
  return Findings(blocks=blocks, drawn=kept)


def _key(asked: Asked, settings: Settings) -> str:
  """Where the threshold of a question stands among the decisions."""
  return threshold_name(settings.specificity, asked.question.name)


def _asked(context: Context, name: str) -> list[Asked]:
  """The questions of a split to which both answers occur."""
  split, task = context.splits[name], context.task
  target = scores.target_of(task, split.arrays)
  if not task.TARGETS:
    return []
  rows, target, predicted = task.known(
    context.info, target, context.predicted[name]
  )
  patients = None if split.patients is None else split.patients[rows]
  cluster = bootstrap.clusters(patients, int(rows.sum()))
  asked = []
  for each in task.questions(context.info, target, predicted):
    key = threshold_name(context.settings.specificity, each.name)
    answers = np.unique(each.label[np.isfinite(each.label)])
    if len(answers) == 2 and np.isfinite(each.prob).all():
      whom = "examples" if patients is None else "patients"
      chosen = context.decisions.get(key)
      asked.append(Asked(each, cluster, chosen, whom=whom))
  return asked


def _drawn(asked: Asked, settings: Settings) -> np.ndarray:
  """[R] the thresholds that other validation patients would have given."""
  label, prob = asked.question.label, asked.question.prob
  replicates = min(settings.replicates, risk_curves.REPLICATES)
  pieces = [np.zeros(0)]
  for weight in bootstrap.resamples(asked.cluster, replicates, settings.seed):
    chosen = classification.threshold_at_specificity(
      label, prob, weight, specificity=settings.specificity
    )
    pieces.append(np.atleast_1d(chosen))
  drawn = np.concatenate(pieces)
  return drawn[np.isfinite(drawn)]


def _at_threshold(
  asked: Sequence[Asked], context: Context, *, others: bool
) -> Block:
  """Counts and rates at the threshold; a column for each question.

  others: whether the threshold was chosen on another split.
  """
  asked = [each for each in asked if each.threshold is not None]
  rates: dict[str, Metric] = {}
  if len(asked) == 1:  # Several labels have their own tables.
    rates |= _RATES
  if share := context.prevalence:
    at = f"at a prevalence of {100 * share:g} %"
    rates[f"PPV {at}"] = partial(diagnosis.positive_value_at, prevalence=share)
    rates[f"NPV {at}"] = partial(diagnosis.negative_value_at, prevalence=share)
  settings = context.settings
  columns = [dict(_rates(each, rates, settings, others)) for each in asked]
  names = list(dict.fromkeys(name for column in columns for name in column))
  varying = (
    "In brackets beside the threshold: the thresholds that other validation "
    "patients would have given (bootstrap)."
    if any(len(each.drawn) for each in asked)
    else "How much the threshold varies cannot be shown without the validation "
    "split."
  )
  return {
    "kind": "table",
    "title": "At the threshold chosen on validation",
    "columns": ["", *(each.question.name for each in asked)],
    "rows": [[n, *(column.get(n, {}) for column in columns)] for n in names],
    "note": "An example is called positive at or above the threshold, the "
    f"lowest with a specificity of {100 * settings.specificity:g} % on "
    f"validation. {varying}",
    "section": REVIEW,
    "headline": _in_words(asked[0], columns[0]) if len(asked) == 1 else "",
  }


def _rates(
  asked: Asked,
  rates: Mapping[str, Metric],
  settings: Settings,
  others: bool,
) -> Iterator[tuple[str, Any]]:
  """The numbers at a threshold, by their names in the table."""
  threshold, (label, prob) = asked.threshold, asked.known
  yield "Threshold", _spread(threshold, asked.drawn)
  (tn, fp), (fn, tp) = classification.confusion(
    label, prob >= threshold, classes=2
  )
  counts = {"True positives": tp, "False positives": fp}
  counts |= {"False negatives": fn, "True negatives": tn}
  yield from ((name, int(count)) for name, count in counts.items())
  every, called = asked.question.label, asked.question.prob >= threshold
  bound = {name: partial(m, every, called) for name, m in rates.items()}
  how = {"replicates": settings.replicates, "seed": settings.seed}
  yield from entries(bound, Sample(asked.cluster, asked.whom, **how)).items()
  if others and len(asked.drawn):
    for name, side in (("Sensitivity", 1), ("Specificity", 0)):
      scored = np.sort(prob[label == side])
      cuts = np.append(threshold, asked.drawn)
      share = np.searchsorted(scored, cuts, "left") / len(scored)
      share = share if side == 0 else 1 - share
      moved = _spread(float(share[0]), share[1:])
      yield f"{name}, as the threshold varies", moved


def _spread(value: float | None, drawn: np.ndarray) -> Entry:
  """A value with the middle 95 % of the drawn values, if there are any."""
  if not len(drawn):
    return {"value": value, "low": None, "high": None}
  low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
  return {"value": value, "low": low, "high": high}


def _in_words(asked: Asked, rates: Mapping[str, Any]) -> str:
  """The counts of one question as a sentence."""
  tp, fp = rates["True positives"], rates["False positives"]
  fn, tn = rates["False negatives"], rates["True negatives"]
  name = asked.question.name
  return (
    f"At the threshold {asked.threshold:.3g}, chosen on validation, the model "
    f"finds {tp:,} of {tp + fn:,} “{name}” (TP {tp:,}, FN {fn:,}) and calls "
    f"{fp:,} of {fp + tn:,} others “{name}” too (FP {fp:,}, TN {tn:,})."
  )


def _calibration(
  asked: Sequence[Asked], risks: Sequence[float], settings: Settings
) -> Block:
  """The observed share at predicted risks, a column for each question."""
  columns = [_observed(each, risks, settings) for each in asked]
  kept = [risk for risk in risks if any(risk in c for c in columns)]
  names = [each.question.name for each in asked]
  return {
    "kind": "table",
    "title": "Observed against predicted risk",
    "columns": ["Predicted", *(names if len(asked) > 1 else ["Observed"])],
    "rows": [[f"{r:g}", *(c.get(r, {}) for c in columns)] for r in kept],
    "note": "By the flexible calibration curve (loess; Van Calster et al. "
    f"2016). Risks beyond the middle {100 - 200 * BEYOND:g} % of the "
    "predictions are left out.",
    "section": REVIEW,
    "headline": "",
  }


def _observed(
  asked: Asked, risks: Sequence[float], settings: Settings
) -> dict[float, Entry]:
  """The flexible calibration curve at the risks that were predicted."""
  low, high = np.quantile(asked.known[1], [BEYOND, 1 - BEYOND])
  inside = [risk for risk in risks if low <= risk <= high]
  if not inside:
    return {}
  given = asked.question, np.array(inside), asked.cluster
  curve = curves.curve(risk_curves.observed, *given, settings)
  return dict(zip(inside, curve, strict=True))
