"""A run's figures, each with its caption and alternative text.

First the figures that several tasks share, then those of a stage and a study.
"""

import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.report import contrasts, figures, risks, style, wording
from medfm.report.contrasts import Row, Series
from medfm.report.curves import Binary
from medfm.report.reading import Run, Stage

_MOST_BASELINES = 4


class Plate(NamedTuple):
  """A figure as a page shows it.

  name: of its file, without `.png`.
  caption: how it was made and how to read it.
  alt: what it shows, for readers who cannot see it.
  png: the file's bytes.
  wide: whether it takes the page's whole width.
  """

  name: str
  caption: str
  alt: str
  png: bytes
  wide: bool = False


def file_name(*parts: str) -> str:
  """A file name of letters, digits, dashes and underscores."""
  return "_".join(re.sub(r"[^A-Za-z0-9-]+", "_", part) for part in parts)


def one_question(
  stage: Stage, split: str, question: Binary, rivals: Mapping[str, Binary]
) -> Iterator[Plate]:
  """ROC, precision-recall, calibration and net benefit of one question.

  rivals: the same question answered by others, by name; a few are drawn.
  """
  drawn = {
    name.removeprefix("baseline_"): rival
    for name, rival in rivals.items()
    if rival.both
  }
  rivals = dict(list(drawn.items())[:_MOST_BASELINES])
  share = wording.percent(question.prevalence)
  name = wording.short(question.name, 18)
  title = f"{split}, n = {len(question.truth):,}, {share} {name}"
  whom = stage.whom if question.patients is not None else "examples"
  cuts = [float(cut) for cut in stage.part(split, "thresholds").values()]
  roc = (
    f"curve. The band is a pointwise bootstrap over {whom}, shown if each "
    "class has at least five of them and the curve is not perfect; the circle "
    "is the decision threshold, chosen on validation."
  )
  other = "curve; the dotted line is guessing, at the prevalence."
  cut = cuts[0] if len(cuts) == 1 else None
  yield from _curves(stage, split, title, [question], roc, other, cut, rivals)
  axis = f"P({wording.short(question.name)})"
  yield calibration(stage, split, [question], title, axis)
  yield decision(stage, split, [question], title, rivals)


def several_questions(
  stage: Stage, split: str, asked: Sequence[Binary], total: str, how: str
) -> Iterator[Plate]:
  """ROC, precision-recall and decision curves, for each class or label.

  asked: the questions with positives and negatives.
  total: the number in the title: `5 labels`.
  how: one clause on what each question is.
  """
  title = title_of(split, asked, total)
  roc = f"curves, {how}, each with its prevalence and AUROC."
  other = "curves; guessing would stay at the given prevalence."
  yield from _curves(stage, split, title, asked, roc, other)
  yield decision(stage, split, asked, title)


def title_of(split: str, asked: Sequence[Binary], total: str) -> str:
  """`test, n = 40, 10 of 14 labels`."""
  drawn = min(len(asked), figures.SHOWN)
  some = "" if total.startswith(f"{drawn} ") else f"{drawn} of "
  n = max(len(question.truth) for question in asked)
  return f"{split}, n = {n:,}, {some}{total}"


def calibration(
  stage: Stage,
  split: str,
  asked: Sequence[Binary],
  title: str,
  axis: str = "Probability",
  how: str = "observed share against predicted probability",
) -> Plate:
  """Flexible calibration curves; a single question also gets its band."""
  caption = f"Calibration: {how}, as a smooth curve (loess)"
  if len(asked) == 1:
    whom = stage.whom if asked[0].patients is not None else "examples"
    caption += f" with its pointwise bootstrap over {whom}; hollow points are "
    caption += "ten bins of equal width, the histogram shows the predictions"
  asked = risks.shown(asked, figures.SHOWN)
  name = file_name(stage.name, split, "calibration")
  alt = f"Calibration curve of {stage.name} on {split}."
  figure = risks.calibration(asked, f"Calibration, {title}", axis)
  return Plate(name, f"{caption}.", alt, style.png(figure))


def decision(
  stage: Stage,
  split: str,
  asked: Sequence[Binary],
  title: str,
  rivals: Mapping[str, Binary] = {},
) -> Plate:
  """Decision curves for the answers with most positives."""
  asked = risks.shown(asked, risks.PANELS)
  whom = stage.whom if asked[0].patients is not None else "examples"
  caption = (
    "Decision curve: net benefit of treating everybody whose risk is at least "
    "the threshold, against treating all and none (Vickers & Elkin 2006); "
    f"the band is a pointwise bootstrap over {whom}."
  )
  name = file_name(stage.name, split, "decision")
  alt = f"Decision curves of {stage.name} on {split}."
  figure = risks.decision(asked, f"Net benefit, {title}", rivals)
  return Plate(name, caption, alt, style.png(figure), wide=len(asked) > 1)


def confusion(stage: Stage, split: str, caption: str) -> Iterator[Plate]:
  """The confusion matrix of a split, if its entry has one."""
  entry = stage.splits[split].get("confusion")
  if entry is None:
    return
  classes, counts = entry["classes"], np.asarray(entry["counts"], np.int64)
  right = f"{np.trace(counts):,} of {counts.sum():,} right"
  name = file_name(stage.name, split, "confusion")
  alt = f"Confusion matrix of {stage.name} on {split}: {right}."
  title = f"Confusion, {split}, n = {counts.sum():,}"
  drawn = style.png(figures.confusion(classes, counts, title))
  yield Plate(name, caption, alt, drawn, wide=len(classes) > 5)


def _curves(
  stage: Stage,
  split: str,
  title: str,
  asked: Sequence[Binary],
  roc: str,
  other: str,
  *more: Any,
) -> Iterator[Plate]:
  """ROC and precision-recall curves; roc and other end their captions."""
  ways = (
    (figures.roc, "ROC", "AUROC", roc),
    (figures.precision_recall, "Precision-recall", "average precision", other),
  )
  for draw, kind, metric, caption in ways:
    name = file_name(stage.name, split, draw.__name__)
    entry = stage.entry(split, metric.lower().replace(" ", "_"))
    reached = f"{metric} {wording.interval(entry)}"
    alt = f"{kind} curves of {stage.name} on {split}: {reached}."
    drawn = style.png(draw(asked, f"{kind}, {title}", *more))
    yield Plate(name, f"{kind} {caption}", alt, drawn)


def stage_plates(stage: Stage) -> Iterator[Plate]:
  """The figures of one stage: its training, then its final split."""
  if any("loss" in line for line in stage.history):
    yield _learning(stage)
  split = stage.final_split
  if split is not None:
    if hasattr(stage.figures, "plates"):
      yield from stage.figures.plates(stage, split)
    yield from _subgroups(stage, split)


def study_plates(run: Run) -> Iterator[Plate]:
  """The figures that set stages and baselines side by side."""
  yield from _label_efficiency(run)
  yield from _differences(run)


def _learning(stage: Stage) -> Plate:
  best = stage.result.get("best")
  kept, reached = "The last step's weights were kept.", ""
  if best:
    kept = "The dotted line marks the step whose weights were kept."
    value = wording.number(best["value"])
    reached = f"; best {best['metric']} {value} at step {best['step']:,}"
  name, caption = file_name(stage.name, "learning"), f"Learning curves. {kept}"
  length = f"{stage.last_step:,} steps{reached}"
  alt = f"Learning curves of {stage.name} over {length}."
  figure = figures.learning_curves(stage.history, best, stage.described)
  return Plate(name, caption, alt, style.png(figure), wide=True)


def _subgroups(stage: Stage, split: str) -> Iterator[Plate]:
  for metric in stage.main(stage.part(split, "metrics"))[:1]:
    whole = stage.entry(split, metric)
    rows = [Row("All", whole, f"n = {stage.splits[split]['n']:,}", bold=True)]
    rows += [
      Row(name, counted["metrics"].get(metric, {}), f"n = {counted['n']:,}")
      for name, counted in stage.levels(split).items()
    ]
    rows = [row for row in rows if row.entry.get("value") is not None]
    if whole.get("value") is None or len(rows) < 2:
      continue
    title, value = stage.title(metric), whole["value"]
    figure = contrasts.forest(
      rows, f"{title} by subgroup, {split}", title, value
    )
    yield Plate(
      file_name(stage.name, split, "subgroups"),
      "Subgroups with 95 % intervals; the dotted line is the overall value. "
      "Intervals are not corrected for the number of groups.",
      f"{title} of {stage.name} on {split} in {len(rows) - 1} subgroups.",
      style.png(figure),
      wide=True,
    )


def _label_efficiency(run: Run) -> Iterator[Plate]:
  """A figure for each data set with stages of several shares of labels."""
  by_data: dict[str, dict[str, list[Stage]]] = {}
  for stem, stages in _label_curves(run).items():
    data = stages[0].data.get("name") or run.name
    by_data.setdefault(data, {})[stem] = stages
  for data, curves in by_data.items():
    first = next(iter(curves.values()))[0]
    split = first.final_split
    for metric in first.main(first.part(split, "metrics"))[:1]:
      lines = list(_series(curves, split, metric))
      metric = first.title(metric)
      title = f"{metric}, {split}, by share of training labels"
      named = ", ".join(line.name for line in lines)
      yield Plate(
        file_name(data if len(by_data) > 1 else run.name, "label_efficiency"),
        "Label efficiency: what each way of training reaches with few labels. "
        "Points are moved sideways a little so that bars stay visible.",
        f"{metric} on {split} against label share for {named}.",
        style.png(contrasts.label_efficiency(lines, metric, title)),
        wide=True,
      )


def _label_curves(run: Run) -> dict[str, list[Stage]]:
  """Stages that differ in their share of labels, by their names' stem."""
  groups: dict[str, list[Stage]] = {}
  for stage in run.stages.values():
    if stage.finished and stage.supervised and stage.final_split:
      stem = re.sub(r"[_\-.]?(?:p|f|at)?_?\d[\d._]*%?$", "", stage.name)
      groups.setdefault(stem or stage.name, []).append(stage)
  return {
    stem: sorted(stages, key=lambda stage: stage.share)
    for stem, stages in groups.items()
    if len({stage.share for stage in stages}) > 1
  }


def _series(
  curves: Mapping[str, list[Stage]], split: str, metric: str
) -> Iterator[Series]:
  """The stages of each curve, then the baselines beside them."""
  rivals: dict[str, dict[float, Mapping[str, Any]]] = {}
  for stem, stages in curves.items():
    origin = pathlib.PurePath(stages[-1].origin).name  # Of a folder, its last.
    how = f"from {origin or 'fresh weights'}"
    points = [(stage.share, stage.entry(split, metric)) for stage in stages]
    yield Series(f"{stem} ({how})", points)
    for stage in stages:
      for rival, entry in stage.part(split, "baselines").items():
        value = entry["metrics"].get(metric) or {}
        rivals.setdefault(rival, {}).setdefault(stage.share, value)
  for rival, values in rivals.items():
    yield Series(f"baseline {rival}", sorted(values.items()), baseline=True)


def _differences(run: Run) -> Iterator[Plate]:
  """A figure for each main metric of paired differences."""
  differences = [
    (f"{pair['a']} − {pair['b']}", stage, pair["difference"])
    for pair in run.comparisons
    if (stage := run.stages.get(pair["a"]))
  ]
  differences += [
    (f"{stage.name} − baseline {name}", stage, rival["difference"])
    for stage in run.stages.values()
    for name, rival in stage.part(stage.final_split, "baselines").items()
  ]
  rows: dict[str, list[Row]] = {}
  described: dict[str, Any] = {}
  for name, stage, entries in differences:
    for metric in stage.main(entries)[:1]:
      entry = wording.judged(metric, entries[metric], stage.described)
      entry = entries[metric] if entry is None else entry
      if entry.get("value") is not None:
        described |= stage.described
        row = Row(name, entry, wording.interval(entry, signed=True))
        rows.setdefault(metric, []).append(row)
  for metric, lines in rows.items():
    ideal = wording.better(metric, described)
    side = {
      "more": "right of 0 favours the first named",
      "less": "left of 0 favours the first named",
      None: "left of 0 the first named has the lower value",
    }.get(ideal, f"left of 0 the first named is nearer to the ideal {ideal}")
    name = wording.title(metric, described)
    title, x = f"Paired differences in {name}", f"Difference in {name}"
    yield Plate(
      file_name(run.name, "differences", metric),
      f"Paired differences between two trained models, with 95 % "
      f"intervals; {side}. An interval that includes 0 shows no difference.",
      f"{len(lines)} paired differences in {name}.",
      style.png(contrasts.forest(lines, title, x, 0)),
      wide=True,
    )
