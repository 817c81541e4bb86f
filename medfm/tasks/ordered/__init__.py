"""One class of several in an order, such as stages or grades of a tumour."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data.tables.labels import KEEP, Read, Truth
from medfm.data.tables.table import Table
from medfm.metrics import calibration, classification, ordinal, ranking
from medfm.tasks import absent, binary, classical, multiclass
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers
from medfm.tasks.ordered import odds
from medfm.types import Arrays, Info, Target, UserError

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "ordered.continuation_ratio"
PROBLEM_TYPE = ""
LINEAR = "logistic_regression"
condense = multiclass.condense
assembled = multiclass.assembled
known = multiclass.known
table = multiclass.table
strata = multiclass.strata
recoded = multiclass.recoded
votes = multiclass.votes
profile = multiclass.profile
recalibration = absent.none
decide = absent.nothing
events = absent.none

RIVALS = {
  **multiclass.RIVALS,
  "ordinal_logistic": partial(multiclass.one_class, fit=odds.ORDINAL_LOGISTIC),
}


@dataclasses.dataclass(frozen=True)
class Ordered:
  """`label` [B] int: the number of the class, -1 if it is not known.

  names: of the classes, from the lowest to the highest.
  counts: training examples of each; () if they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], truth: Arrays) -> Ordered:
  """The classes, counted over the training labels [N] (-1 is not counted)."""
  counted = multiclass.fitted(names, truth)
  return Ordered(counted.names, counted.counts)


def refitted(target: Ordered, truth: Arrays) -> Ordered:
  """The classes, counted again if they had been counted."""
  return fitted(target.names, truth) if target.counts else target


def median(probs: np.ndarray) -> np.ndarray:
  """[N] the class at which half of the probability [N,K] is reached.

  It is the class of least expected distance.
  """
  reached = np.cumsum(probs, 1)[:, :-1]
  return (reached < 0.5).sum(1).astype(np.int32)


def at_least(probs: np.ndarray, k: int) -> np.ndarray:
  """[N] the probability of class k or a higher one."""
  return np.clip(np.asarray(probs)[:, k:].sum(1), 0, 1)


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Distances and agreement of the median class; an AUROC for each threshold.

  A threshold asks whether an example is of a class or a higher one.
  """
  label, probs = target["label"], predicted["probs"]
  names = info.target.names
  called = np.where(np.isfinite(probs).all(1), median(probs), np.nan)
  metrics: dict[str, Any] = {
    "quadratic_kappa": partial(ordinal.quadratic_kappa, label, called),
    "classes_off": partial(ordinal.classes_off, label, called),
    "within_one": partial(ordinal.within_one, label, called),
    "accuracy": partial(classification.accuracy, label, called),
    "balanced_accuracy": partial(
      classification.balanced_accuracy, label, called, classes=len(names)
    ),
    "brier": partial(calibration.brier_multiclass, label, probs),
  }
  asked = thresholds(names)
  for k, name in asked.items():
    metrics[f"auroc[{name}]"] = partial(
      ranking.auroc, label >= k, at_least(probs, k)
    )
  return panels.panel(
    metrics, {"auroc": panels.mean([*asked.values()], "auroc")}
  )


def thresholds(names: Sequence[str]) -> dict[int, str]:
  """The class that a threshold begins at -> what it asks, in words."""
  last = len(names) - 1
  return {
    k: names[k] if k == last else f"{names[k]} or higher"
    for k in range(1, len(names))
  }


def details(
  info: Info, target: Arrays, predicted: Arrays, decisions: Mapping
) -> dict[str, Any]:
  """`confusion`: counts of label (row) by median class (column)."""
  label, probs = target["label"], predicted["probs"]
  if not len(label) or not np.isfinite(probs).all():
    return {}
  names = list(info.target.names)
  counts = classification.confusion(label, median(probs), classes=len(names))
  return {
    "confusion": {"classes": names, "counts": counts.astype(int).tolist()}
  }


def questions(
  info: Info, target: Arrays, predicted: Arrays
) -> list[binary.Question]:
  """One about each threshold."""
  label, probs = np.asarray(target["label"]), predicted["probs"]
  return [
    binary.Question(name, (label >= k).astype(float), at_least(probs, k))
    for k, name in thresholds(info.target.names).items()
  ]


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers:
  """The median class of every labelled example."""
  label, probs = np.asarray(target["label"]), np.asarray(predicted["probs"])
  rows = np.flatnonzero((label >= 0) & np.isfinite(probs).all(1))
  answer, true = median(probs[rows]), label[rows]
  certainty = probs[rows, answer]
  places = np.full(len(rows), -1)
  return Answers(rows, answer, true, certainty, answer == true, places)


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """label, predicted (the median class), prob_<class>..."""
  written = multiclass.columns(info, target, predicted)
  called = median(np.asarray(predicted["probs"]))
  return written | {"predicted": [info.target.names[k] for k in called]}


def rivals(info: Info) -> tuple[str, ...]:
  """As of classes; for linear models also one that knows the order."""
  names = classical.default_classifiers(info)
  if LINEAR not in names:
    return names
  return (*names, "ordinal_logistic")


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The metric that the best step was chosen by, else kappa."""
  return panels.chosen(metrics, select, "quadratic_kappa")


@dataclasses.dataclass(frozen=True)
class Columns(multiclass.Columns):
  """One column of class names: `label` int32 [N].

  classes: from the lowest to the highest; may be left out for numbers.
  missing_label: "error", or "drop" to leave out rows without a label.
  """

  def adopted(self, trained: Target) -> "Columns":
    """The column as a model with this target names its classes."""
    if not isinstance(trained, Ordered):
      return self
    return dataclasses.replace(
      self, classes=trained.names, positive="", missing_label=KEEP
    )

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    if self.positive:
      raise UserError("positive= is for classes without an order")
    truth, names = super().read(table, training)
    if not self.classes and not all(map(_number, names)):
      raise UserError(
        f"{table.path}: which order do {', '.join(names[:8])} have? set "
        "classes=lowest,...,highest"
      )
    return truth, names

  def target(self, names: Sequence[str], truth: Truth) -> Ordered:
    """The classes, counted in training; UserError if one has no example."""
    super().target(names, truth)  # Refuses a class without an example.
    return fitted(names, truth)


def _number(name: str) -> bool:
  try:
    float(name)
  except ValueError:
    return False
  return True
