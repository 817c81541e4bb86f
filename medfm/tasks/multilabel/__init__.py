"""Several labels at once, each had or not."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import classification
from medfm.tasks import absent, binary, cells, classical, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers, Votes
from medfm.tasks.multilabel import rivals as _rivals
from medfm.types import Info

Arrays = Mapping[str, np.ndarray]

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "classify.multilabel"
PROBLEM_TYPE = "multi_label_classification"
RIVALS = _rivals.RIVALS
LINEAR = "logistic_regression"
condense = labels.condense
assembled = documents.assembled
details = absent.details
columns = partial(cells.columns, name="probs", prefix="prob")
table = partial(cells.table, name="probs", prefix="prob")
strata = absent.strata
recoded = labels.reordered
rivals = classical.default_classifiers
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


def fitted(names: Sequence[str], label: np.ndarray) -> Labels:
  """The labels, counted over the training labels [N,K] (NaN is unknown)."""
  counts = (np.asarray(label) == 1).sum(0)
  return Labels(tuple(names), tuple(counts.tolist()))


def known(
  info: Info, target: Arrays, predicted: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """The rows with a known label; see `labels.known_columns`."""
  return labels.known_columns(info, target, predicted, "probs")


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
  label, probs = target["label"], predicted["probs"]
  names = info.target.names
  metrics: dict[str, Any] = {}
  column: dict[str, Any] = {}
  for k, name in enumerate(names):
    threshold = binary.threshold(decisions, specificity, name)
    called = (probs[:, k] > CUT).astype(float)
    column = binary.metrics(
      label[:, k], probs[:, k], called, threshold, specificity
    )
    metrics |= {f"{key}[{name}]": metric for key, metric in column.items()}
    for key in ("precision", "precision_at_threshold"):
      metrics[f"_{key}[{name}]"] = partial(column[key], empty=0.0)
  called = np.where(np.isfinite(probs), probs > CUT, np.nan)
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


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The metric that the best step was chosen by, else the mean AUROC."""
  return panels.chosen(metrics, select, "auroc")


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
