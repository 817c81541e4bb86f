"""Which figures a run deserves, each with its caption and its words."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from medfm.report import contrasts, curves, figures, style, wording
from medfm.report.reading import Predictions, Run, Stage

_MOST_BASELINES, _MOST_TARGETS = 4, 6


@dataclasses.dataclass(frozen=True)
class Plate:
  """A figure as a page shows it.

  name: of its file, without `.png`.
  caption: how it was made and how to read it.
  alt: what it shows, for who cannot see it.
  png: the file's bytes.
  wide: whether it takes the page's whole width.
  """

  name: str
  caption: str
  alt: str
  png: bytes
  wide: bool = False


def stage_plates(stage: Stage) -> Iterator[Plate]:
  """The figures of one stage: its training, then its final split."""
  if any("loss" in line for line in stage.history):
    yield _learning(stage)
  split = stage.final_split
  if stage.task == "tokens" and split is not None:
    yield from _confusion(stage, split)
  predictions = stage.predictions.get(split)
  if predictions is None or not len(predictions.outputs):
    pass
  elif stage.task == "regression":
    yield from _regression(stage, split, predictions)
  else:
    yield from _classification(stage, split, predictions)
  if split is not None:
    yield from _subgroups(stage, split)


def study_plates(run: Run) -> Iterator[Plate]:
  """The figures that set stages and baselines side by side."""
  yield from _label_efficiency(run)
  yield from _differences(run)


def coefficients(run: Run) -> Iterator[Plate]:
  """Learnt beside exact coefficients, where a run compared them."""
  if run.coefficients:
    yield Plate(
      _file(run.name, "coefficients"),
      "Weights the network learnt beside those of the exact solution; they "
      "should coincide.",
      f"{len(run.coefficients)} coefficients, learnt and in closed form.",
      style.png(contrasts.coefficients(run.coefficients)),
      wide=True,
    )


def threshold(stage: Stage, split: str) -> float | None:
  """The decision threshold of a yes-or-no question, where one was chosen."""
  found = stage.splits.get(split, {}).get("thresholds")
  if isinstance(found, dict):
    values = [found[stage.classes[-1]]] if stage.classes[-1] in found else []
    values = values or list(found.values())
    found = values[0] if len(values) == 1 else None
  if isinstance(found, dict):
    found = found.get("value", found.get("threshold"))
  return float(found) if isinstance(found, int | float) else None


def curve_groups(run: Run) -> dict[str, list[Stage]]:
  """Stages that differ in their share of labels, by their names' stem."""
  groups: dict[str, list[Stage]] = {}
  for stage in run.stages.values():
    if stage.finished and stage.task != "none" and stage.final_split:
      stem = re.sub(r"[_\-.]?(?:p|f|at)?_?\d[\d._]*%?$", "", stage.name)
      groups.setdefault(stem or stage.name, []).append(stage)
  return {
    stem: sorted(stages, key=_fraction)
    for stem, stages in groups.items()
    if len({_fraction(stage) for stage in stages}) > 1
  }


def _learning(stage: Stage) -> Plate:
  best = stage.result.get("best")
  figure = figures.learning_curves(stage.history, best)
  said = (
    f"; best {best['metric']} {wording.number(best['value'])} at step "
    f"{best['step']:,}"
    if best
    else ""
  )
  return Plate(
    _file(stage.name, "learning"),
    "Learning curves. The dotted line marks the step whose weights were kept."
    if best
    else "Learning curves. The last step's weights were kept.",
    f"Learning curves of {stage.name} over {stage.last_step:,} steps{said}.",
    style.png(figure),
    wide=True,
  )


def _classification(
  stage: Stage, split: str, predictions: Predictions
) -> Iterator[Plate]:
  asked = [q for q in curves.questions(predictions) if q.both]
  if asked:
    yield from _curves(stage, split, predictions, asked)
  yield from _confusion(stage, split)


def _confusion(stage: Stage, split: str) -> Iterator[Plate]:
  entry = stage.splits[split].get("confusion")
  if entry is not None:
    n = int(np.sum(entry["counts"]))
    yield Plate(
      _file(stage.name, split, "confusion"),
      "Entities of exactly the same words, by type: counts, and the "
      "percentage of each true type. Beside `none`: true ones that were not "
      "found so, and predicted ones that are not true."
      if stage.task == "tokens"
      else "Confusion matrix of the likeliest class: counts, and the "
      "percentage of each true class.",
      f"Confusion matrix of {stage.name} on {split}: "
      f"{int(np.trace(np.asarray(entry['counts']))):,} of {n:,} right.",
      style.png(
        figures.confusion(
          entry["classes"], entry["counts"], f"Confusion, {split}, n = {n:,}"
        )
      ),
      wide=len(entry["classes"]) > 5,
    )


def _curves(stage, split, predictions, asked) -> Iterator[Plate]:
  single = len(predictions.classes) == 2 and predictions.task == "multiclass"
  cut = threshold(stage, split) if single else None
  rivals = _rivals(stage, split) if single else {}
  title = _title(split, predictions, asked, single)
  value = wording.interval(_metric(stage, split, "auroc"))
  yield Plate(
    _file(stage.name, split, "roc"),
    _roc_caption(stage, asked, single),
    f"ROC curves of {stage.name} on {split}: AUROC {value}.",
    style.png(figures.roc(asked, f"ROC, {title}", cut, rivals)),
  )
  value = wording.interval(_metric(stage, split, "average_precision"))
  yield Plate(
    _file(stage.name, split, "precision_recall"),
    "Precision-recall curve; guessing stays at the prevalence, dotted."
    if single
    else "Precision-recall curves; guessing stays at the shown prevalence.",
    f"Precision-recall curves of {stage.name} on {split}: average precision "
    f"{value}.",
    style.png(
      figures.precision_recall(asked, f"Precision-recall, {title}", cut, rivals)
    ),
  )
  if predictions.task == "multiclass" and not single:
    asked, x = [figures.confidence(predictions)], "Probability of likeliest"
    how = "whether the likeliest class is right against its probability"
  else:
    x = f"P({wording.short(asked[0].name)})" if single else "Probability"
    how = "observed share against predicted probability"
  yield Plate(
    _file(stage.name, split, "calibration"),
    f"Calibration: {how}, in ten bins of equal width"
    + (
      "; bars are Wilson intervals (rows taken as independent), figures the "
      "examples in a bin."
      if len(asked) == 1
      else "."
    ),
    f"Reliability diagram of {stage.name} on {split}.",
    style.png(figures.calibration(asked, f"Calibration, {title}", x)),
  )


def _regression(
  stage: Stage, split: str, predictions: Predictions
) -> Iterator[Plate]:
  units = list(stage.data.get("units") or ())
  for k, name in enumerate(predictions.classes[:_MOST_TARGETS]):
    observed, predicted = predictions.labels[:, k], predictions.outputs[:, k]
    known = np.isfinite(observed) & np.isfinite(predicted)
    if not known.any():
      continue
    n = int(known.sum())
    error = float(np.sqrt(np.mean((observed - predicted)[known] ** 2)))
    yield Plate(
      _file(stage.name, split, f"regression_{k}" if k else "regression"),
      "Predicted against observed, and errors with the range that holds 95 % "
      "of them if they are normal.",
      f"Predicted against observed {name} of {stage.name} on {split}: root "
      f"mean squared error {wording.number(error)}.",
      style.png(
        figures.regression(
          observed[known],
          predicted[known],
          f"{wording.short(name)}, {split}, n = {n:,}",
          units[k] if k < len(units) else "",
        )
      ),
      wide=True,
    )


def _subgroups(stage: Stage, split: str) -> Iterator[Plate]:
  result = stage.splits[split]
  metrics = result.get("metrics", {})
  for metric in wording.main(stage.task, metrics, stage.select)[:1]:
    whole = result["metrics"][metric]
    if whole.get("value") is None:
      continue
    n = f"n = {result['n']:,}"
    rows = [contrasts.Row("All", **_ends(whole), note=n, bold=True)]
    for group, levels in (result.get("groups") or {}).items():
      for level, found in levels.items():
        entry = found["metrics"].get(metric, {})
        if entry.get("value") is not None:
          name = f"{group}: {level or 'not recorded'}"
          note = f"n = {found['n']:,}"
          rows.append(contrasts.Row(name, **_ends(entry), note=note))
    if len(rows) > 1:
      title = wording.title(metric)
      yield Plate(
        _file(stage.name, split, "subgroups"),
        "Subgroups with 95 % intervals; the dotted line is the value of all. "
        "Intervals are not corrected for the number of groups.",
        f"{title} of {stage.name} on {split} in {len(rows) - 1} subgroups.",
        style.png(
          contrasts.forest(
            rows,
            f"{title} by subgroup, {split}",
            title,
            reference=whole["value"],
          )
        ),
        wide=True,
      )


def _label_efficiency(run: Run) -> Iterator[Plate]:
  by_data: dict[str, dict[str, list[Stage]]] = {}
  for stem, stages in curve_groups(run).items():
    name = stages[0].data.get("name") or run.name
    by_data.setdefault(name, {})[stem] = stages
  for name, groups in by_data.items():
    yield from _efficiency(name if len(by_data) > 1 else run.name, groups)


def _efficiency(name: str, groups: dict[str, list[Stage]]) -> Iterator[Plate]:
  """One data set's curves."""
  first = next(iter(groups.values()))[0]
  split = first.final_split
  metrics = first.splits[split]["metrics"]
  for metric in wording.main(first.task, metrics, first.select)[:1]:
    series, rivals = [], {}
    for stem, stages in groups.items():
      origin = stages[-1].origin
      how = f"from {origin}" if origin else "from fresh weights"
      points = [(_fraction(s), _metric(s, split, metric)) for s in stages]
      series.append(contrasts.Series(f"{stem} ({how})", points))
      for stage in stages:
        found = stage.splits.get(split, {}).get("baselines") or {}
        for rival, entry in found.items():
          value = entry["metrics"].get(metric) or {}
          rivals.setdefault(rival, {}).setdefault(_fraction(stage), value)
    for rival, points in rivals.items():
      line = contrasts.Series(f"baseline {rival}", sorted(points.items()), True)
      series.append(line)
    title = f"{wording.title(metric)}, {split}, by share of training labels"
    yield Plate(
      _file(name, "label_efficiency"),
      "Label efficiency: what each way of training reaches from few labels. "
      "Points are moved sideways a little so that bars stay visible.",
      f"{wording.title(metric)} on {split} against label share for "
      + ", ".join(line.name for line in series)
      + ".",
      style.png(contrasts.label_efficiency(series, metric, title)),
      wide=True,
    )


def _differences(run: Run) -> Iterator[Plate]:
  rows: dict[str, list[contrasts.Row]] = {}

  def add(stage, name: str, differences: dict[str, Any]) -> None:
    task, select = (stage.task, stage.select) if stage else ("none", "")
    for metric in wording.main(task, differences, select)[:1]:
      entry = differences[metric]
      if entry.get("value") is not None:
        note = wording.interval(entry, signed=True)
        row = contrasts.Row(name, **_ends(entry), note=note)
        rows.setdefault(metric, []).append(row)

  for found in run.comparisons:
    stage = run.stages.get(found["a"])
    add(stage, f"{found['a']} − {found['b']}", found["difference"])
  for stage in run.stages.values():
    split = stage.final_split
    baselines = stage.splits.get(split, {}).get("baselines") or {}
    for name, entry in baselines.items():
      title = f"{stage.name} − baseline {name}"
      add(stage, title, entry.get("difference") or {})
  for metric, lines in rows.items():
    better = "left" if wording.less_is_better(metric) else "right"
    title = wording.title(metric)
    yield Plate(
      _file(run.name, "differences", metric),
      f"Paired differences with 95 % intervals; {better} of 0 favours the "
      "first named. An interval that crosses 0 shows no difference.",
      f"{len(lines)} paired differences in {title}.",
      style.png(
        contrasts.forest(
          lines,
          f"Paired differences in {title}",
          f"Difference in {title}",
          reference=0,
        )
      ),
      wide=True,
    )


def _rivals(stage: Stage, split: str) -> dict[str, curves.Binary]:
  found = {}
  for name, rival in stage.baselines.get(split, {}).items():
    question = curves.questions(rival)[0]
    if question.both and len(found) < _MOST_BASELINES:
      found[name] = question
  return found


def _roc_caption(stage: Stage, asked, single: bool) -> str:
  if not single:
    how = (
      "one class against the rest"
      if stage.task == "multiclass"
      else "per label"
    )
    return f"ROC curves, {how}, each with its prevalence and AUROC."
  drawn = stage.whom if asked[0].patients is not None else "examples"
  return (
    f"ROC curve. The band is a pointwise bootstrap over {drawn}; the circle "
    "is the decision threshold, chosen on validation."
  )


def _title(split: str, predictions: Predictions, asked, single: bool) -> str:
  if single:
    share = wording.percent(asked[0].prevalence)
    name = wording.short(asked[0].name, 18)
    return f"{split}, n = {len(asked[0].truth):,}, {share} {name}"
  kind = "classes" if predictions.task == "multiclass" else "labels"
  total = len(predictions.classes)
  drawn = min(len(asked), figures.SHOWN)
  some = f"{drawn} of {total} {kind}" if drawn < total else f"{total} {kind}"
  return f"{split}, n = {len(predictions.labels):,}, {some}"


def _metric(stage: Stage, split: str, name: str) -> dict[str, Any]:
  return stage.splits.get(split, {}).get("metrics", {}).get(name) or {}


def _ends(entry: dict[str, Any]) -> dict[str, float | None]:
  return {key: entry.get(key) for key in ("value", "low", "high")}


def _fraction(stage: Stage) -> float:
  return float(stage.result.get("label_fraction") or 1.0)


def _file(*parts: str) -> str:
  """A file name of letters, digits, dashes and underscores."""
  return "_".join(re.sub(r"[^A-Za-z0-9-]+", "_", part) for part in parts)
