"""Several labels at once, each true or not."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import classification
from medfm.tasks import (
  absent,
  binary,
  classical,
  counted,
  documents,
  labels,
)
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers, Votes
from medfm.types import Arrays, Info

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "classify.multilabel"
PROBLEM_TYPE = "multi_label_classification"
LINEAR = "logistic_regression"
condense = labels.condense
assembled = documents.assembled
known = partial(labels.known_columns, name="probs")
details = absent.nothing
columns = partial(labels.columns, name="probs", prefix="prob")
table = partial(labels.table, name="probs", prefix="prob")
strata = absent.none
recoded = labels.reordered
rivals = classical.default_classifiers
headline = partial(panels.chosen, main="auroc")
CUT = 0.5
"""A label is predicted where its probability is above it."""


@dataclasses.dataclass(frozen=True)
class Labels:
  """`label` [B,K] in {0, 1}, NaN where a label is not known.

  names: of the labels, in the order of the columns.
  counts: training examples that have each; () where they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], truth: Arrays) -> Labels:
  """The labels, counted over the training labels [N,K] (NaN is unknown)."""
  counts = (np.asarray(truth["label"]) == 1).sum(0)
  return Labels(tuple(names), tuple(counts.tolist()))


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """Every label as a binary question, their means, and all pairs together.

  decisions: of `decide` on validation.
  """
  label, probs, names = target["label"], predicted["probs"], info.target.names
  called = np.where(np.isfinite(probs), probs > CUT, np.nan)
  metrics: dict[str, Any] = {}
  column: dict[str, Any] = {}
  for k, name in enumerate(names):
    threshold = decisions.get(binary.threshold_name(specificity, name))
    column = binary.metrics(
      label[:, k], probs[:, k], called[:, k], threshold, specificity
    )
    metrics |= {f"{key}[{name}]": metric for key, metric in column.items()}
    for key in ("precision", "precision_at_threshold"):
      metrics[f"_{key}[{name}]"] = partial(column[key], empty=0.0)
  metrics["micro_f1"] = partial(classification.pooled_f1, label, called)
  means = {key: panels.mean(names, key) for key in column}
  return panels.panel(metrics, means, binary.described(specificity))


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """The lowest threshold with this specificity of each label.

  Keys are `specificity_90[label]`.
  """
  _, target, predicted = known(info, target, predicted)
  questions = zip(
    info.target.names, target["label"].T, predicted["probs"].T, strict=True
  )
  return binary.thresholds(questions, specificity)


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers:
  """The set of labels called, right where all of it is.

  A right set is as sure as its least sure label, a wrong one as its surest
  mistake. Examples of which no label is called or true do not count.
  """
  del info
  label, probs = np.asarray(target["label"]), np.asarray(predicted["probs"])
  known, called = np.isfinite(label), probs > CUT
  wrong = known & (called != (label > 0.5))
  sure = np.maximum(probs, 1 - probs)
  certainty = np.where(
    wrong.any(1),
    np.where(wrong, sure, 0).max(1),
    np.where(known, sure, 1).min(1),
  )
  counts = (known & (called | (label > 0.5))).any(1)
  rows = np.flatnonzero(counts & np.isfinite(probs).all(1))
  return Answers(
    rows,
    called[rows],
    label[rows],
    certainty[rows],
    ~wrong[rows].any(1),
    np.full(len(rows), -1),
    probs[rows],
    CUT,
  )


def votes(info: Info, target: Arrays) -> Votes:
  """Every example votes for the labels it is known to have."""
  del info
  label = np.asarray(target["label"])
  return Votes(np.ones(len(label), bool), label, 0.5, "probs")


RIVALS = {
  key: partial(classical.of_columns, fit=fit, name="probs", classes=2)
  for key, fit in counted.CLASSIFIERS.items()
}
