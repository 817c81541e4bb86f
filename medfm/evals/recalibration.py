"""Calibration on a cohort as it is, and after recalibration on a part of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import splits
from medfm.evals import curves, scores
from medfm.evals.context import Block, Context, Findings, Settings
from medfm.metrics import bootstrap, risk_curves
from medfm.metrics.undefined import Undefined
from medfm.tasks import recalibration as recalibrations
from medfm.tasks.binary import Question
from medfm.tasks.panel import stem
from medfm.tasks.recalibration import Fitted, Recalibration
from medfm.types import Arrays, Split

AS_IT_IS = "As it is"


def recalibration(context: Context, *, folds: int = 5) -> Findings:
  """Each split's calibration as it is, and recalibrated by cross-fitting.

  The split's patients are dealt to `folds` parts (`splits.folds`); each part is
  recalibrated with parameters fitted on the others, so that no row is scored
  with parameters that have seen its patient.
  """
  about = context.task.recalibration(context.info)
  if about is None or not context.first:
    return Findings()
  blocks = {}
  for name, split in context.splits.items():
    truth = scores.target_of(context.task, split.arrays)
    rows, truth, predicted = context.task.known(
      context.info, truth, context.predicted[name]
    )
    if rows.any():
      units = split.take(np.flatnonzero(rows))
      shown = _split(context, about, units, truth, predicted, folds)
      blocks[name] = shown
  return Findings(blocks=blocks)


def cross_fitted(
  fit: Callable[[Arrays, Arrays], Fitted],
  part: np.ndarray,
  target: Arrays,
  predicted: Arrays,
) -> tuple[Arrays, list[Fitted]]:
  """Predictions for all rows, each with parameters fitted on other parts.

  Also gives the fits. Raises `Undefined` if one of them cannot be made.
  """
  moved: dict[str, Any] = {}
  fits = []
  for held in np.unique(part):
    rows = part == held
    fits.append(fit(_take(target, ~rows), _take(predicted, ~rows)))
    for name, values in fits[-1].applied(_take(predicted, rows)).items():
      whole = moved.setdefault(name, np.array(predicted[name], values.dtype))
      whole[rows] = values
  return moved, fits


def _split(
  context: Context,
  about: Recalibration,
  split: Split,
  target: Arrays,
  predicted: Arrays,
  folds: int,
) -> list[Block]:
  """The blocks of a split's rows of known truth."""
  part = splits.folds(split, folds, context.task.STRATIFY)
  whom = "examples" if split.patients is None else "patients"
  owners = len(np.unique(bootstrap.clusters(split.patients, len(split))))
  measured = {AS_IT_IS: _metrics(context, about, split, target, predicted)}
  asked = {AS_IT_IS: context.task.questions(context.info, target, predicted)}
  fits, left, listed = {}, [], []
  for way, fit in about.ways.items():

    def bound(target: Arrays, predicted: Arrays, fit: Callable = fit) -> Fitted:
      return fit(context.info, target, predicted)

    try:
      recalibrations.require(owners, whom)
      whole = bound(target, predicted)
      moved, fits[way] = cross_fitted(bound, part, target, predicted)
    except Undefined as error:
      measured[way] = str(error)
      continue
    measured[way] = _metrics(context, about, split, target, moved)
    asked[way] = context.task.questions(context.info, target, moved)
    listed += _parameters(way, whole, fits[way])
    left += [n for each in (whole, *fits[way]) for n in each.left]
  note = about.how
  if about.ways:
    note += (
      f" Cross-fitted: the {whom} are dealt to {folds} parts, class by class "
      "in the order of a hash of their names, and each part is recalibrated "
      "with parameters fitted on the others, so that no row is scored with "
      "parameters that have seen it. The intervals do not include the "
      "uncertainty of the parameters."
    )
  if left:
    names = ", ".join(dict.fromkeys(left))
    note += f" Not recalibrated in some parts, for lack of examples: {names}."
  shown: list[Block] = [_table(context, target, predicted, measured, note)]
  if listed:
    shown += _figure(asked, split, context.settings)
    columns = ("Parameter", "Fitted on all rows", "Over the parts")
    shown.append(
      {
        "kind": "table",
        "title": "Recalibration parameters",
        "columns": columns,
        "rows": listed,
      }
    )
  return shown


def _figure(
  asked: Mapping[str, Sequence[Question]], split: Split, settings: Settings
) -> Iterator[Block]:
  """Flexible calibration curves: a panel per question, a line per way."""
  cluster = bootstrap.clusters(split.patients, len(split))
  first, *_, last = asked
  panels = []
  for k in curves.commonest(asked[first]):
    lines = []
    for way, questions in asked.items():
      scores = questions[k].prob[np.isfinite(questions[k].label)]
      at = np.linspace(scores.min(), scores.max(), curves.PLACES)
      banded = way in (first, last)  # Three bands would hide each other.
      how = settings if banded else settings._replace(replicates=0)
      curve = curves.curve(risk_curves.observed, questions[k], at, cluster, how)
      lines.append(curves.line(way, at, curve))
    panels.append({"title": asked[first][k].name, "lines": lines})
  if panels:
    whom = "examples" if split.patients is None else "patients"
    yield {
      "kind": "curves",
      "title": "Calibration before and after recalibration",
      "panels": panels,
      "x": "Probability",
      "y": "Observed share",
      "beside": {"name": "Ideal", "slope": 1},
      "note": "The flexible calibration curve (loess) as it is and "
      "recalibrated, cross-fitted as in the table; bands, of the first and "
      f"the last, are a pointwise bootstrap over {whom}.",
      "terminal": True,
    }


def _table(
  context: Context,
  target: Arrays,
  predicted: Arrays,
  measured: Mapping[str, Any],
  note: str,
) -> Block:
  """A row per metric, a column per way; a failed way says why in each cell."""
  described = scores.described(
    context.task, context.info, target, predicted, context.settings.specificity
  )
  rows = []
  for metric in measured[AS_IT_IS]:
    name, _, inside = metric.partition("[")
    title = described[name].title if name in described else name
    title += f", {inside.removesuffix(']')}" if inside else ""
    cells = [
      {"value": None, "low": None, "high": None, "reason": each}
      if isinstance(each, str)
      else each.get(metric)
      for each in measured.values()
    ]
    rows.append([title, *cells])
  return {
    "kind": "table",
    "title": "Calibration, as it is and recalibrated",
    "columns": ["Metric", *measured],
    "rows": rows,
    "note": note,
    "terminal": True,
  }


def _metrics(
  context: Context,
  about: Recalibration,
  split: Split,
  target: Arrays,
  predicted: Arrays,
) -> dict[str, Any]:
  """The metrics that recalibration is about, with their intervals."""
  whole = scores.scores(
    context.task,
    context.info,
    target,
    predicted,
    patients=split.patients,
    replicates=context.settings.replicates,
    seed=context.settings.seed,
    specificity=context.settings.specificity,
  )
  return {k: e for k, e in whole["metrics"].items() if stem(k) in about.metrics}


def _parameters(
  way: str, whole: Fitted, fits: Sequence[Fitted]
) -> list[list[Any]]:
  """A row per parameter: fitted on all rows, and its range over the parts."""
  rows = []
  for name, value in whole.parameters.items():
    values = [f.parameters[name] for f in fits if name in f.parameters]
    word, _, inside = name.partition("[")
    title = f"{way}: {word}" + (f", {inside[:-1]}" if inside else "")
    spread = f"{min(values):.3f} to {max(values):.3f}" if values else ""
    rows.append([title, value, spread])
  return rows


def _take(arrays: Arrays, rows: Any) -> dict[str, np.ndarray]:
  return {name: np.asarray(array)[rows] for name, array in arrays.items()}
