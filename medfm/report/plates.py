"""Figures with their captions, of what several tasks draw alike."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.report import figures, style, wording
from medfm.report.curves import Binary
from medfm.report.reading import Stage

_MOST_BASELINES = 4


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


def file_name(*parts: str) -> str:
  """A file name of letters, digits, dashes and underscores."""
  return "_".join(re.sub(r"[^A-Za-z0-9-]+", "_", part) for part in parts)


def one_question(
  stage: Stage, split: str, question: Binary, rivals: Mapping[str, Binary]
) -> Iterator[Plate]:
  """ROC, precision-recall and calibration of one yes-or-no question.

  rivals: the same question put to others, by name; the first few are drawn.
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
  yield from _curves(
    stage,
    split,
    title,
    [question],
    f"curve. The band is a pointwise bootstrap over {whom}; the circle is the "
    "decision threshold, chosen on validation.",
    "curve; guessing stays at the prevalence, dotted.",
    threshold(stage, split),
    rivals,
  )
  axis = f"P({wording.short(question.name)})"
  yield calibration(stage, split, [question], title, axis)


def several_questions(
  stage: Stage, split: str, asked: Sequence[Binary], total: str, how: str
) -> Iterator[Plate]:
  """ROC and precision-recall curves of one question for each class or label.

  asked: those with positives and negatives.
  total: what a title counts: `5 labels`.
  how: one clause on what each question is.
  """
  yield from _curves(
    stage,
    split,
    title_of(split, asked, total),
    asked,
    f"curves, {how}, each with its prevalence and AUROC.",
    "curves; guessing stays at the shown prevalence.",
  )


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
  """A reliability diagram; of one question with its intervals and counts."""
  bars = (
    "; bars are Wilson intervals (rows taken as independent), figures the "
    "examples in a bin."
    if len(asked) == 1
    else "."
  )
  return Plate(
    file_name(stage.name, split, "calibration"),
    f"Calibration: {how}, in ten bins of equal width{bars}",
    f"Reliability diagram of {stage.name} on {split}.",
    style.png(figures.calibration(asked, f"Calibration, {title}", axis)),
  )


def confusion(stage: Stage, split: str, caption: str) -> Iterator[Plate]:
  """The confusion matrix of a split, where its entry has one."""
  entry = stage.splits[split].get("confusion")
  if entry is None:
    return
  n, right = int(np.sum(entry["counts"])), int(np.trace(entry["counts"]))
  yield Plate(
    file_name(stage.name, split, "confusion"),
    caption,
    f"Confusion matrix of {stage.name} on {split}: {right:,} of {n:,} right.",
    style.png(
      figures.confusion(
        entry["classes"], entry["counts"], f"Confusion, {split}, n = {n:,}"
      )
    ),
    wide=len(entry["classes"]) > 5,
  )


def threshold(stage: Stage, split: str) -> float | None:
  """The decision threshold of a split that has exactly one."""
  cuts = list((stage.splits[split].get("thresholds") or {}).values())
  return float(cuts[0]) if len(cuts) == 1 else None


def _curves(
  stage: Stage,
  split: str,
  title: str,
  asked: Sequence[Binary],
  roc: str,
  precision_recall: str,
  *beside: Any,
) -> Iterator[Plate]:
  """Both curves; roc and precision_recall end their captions."""
  for draw, name, metric, caption in (
    (figures.roc, "ROC", "AUROC", roc),
    (
      figures.precision_recall,
      "Precision-recall",
      "average precision",
      precision_recall,
    ),
  ):
    value = stage.entry(split, metric.lower().replace(" ", "_"))
    yield Plate(
      file_name(stage.name, split, draw.__name__),
      f"{name} {caption}",
      f"{name} curves of {stage.name} on {split}: {metric} "
      f"{wording.interval(value)}.",
      style.png(draw(asked, f"{name}, {title}", *beside)),
    )
