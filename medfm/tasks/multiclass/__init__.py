"""One class of several."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data import spelling
from medfm.data.tables import numerals
from medfm.data.tables import table as tables
from medfm.data.tables.labels import (
  KEEP,
  Read,
  Truth,
  by_trained_names,
  labelled,
)
from medfm.data.tables.table import Table
from medfm.metrics import calibration, classification, described
from medfm.spec import nearest
from medfm.tasks import binary, classical, counted, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks import recalibration as recalibrations
from medfm.tasks.answers import Answers, Votes
from medfm.types import (
  Arrays,
  Info,
  Profile,
  Rival,
  Split,
  Target,
  UserError,
)

TARGETS = ("label",)
STRATIFY = "label"
OBJECTIVE = "classify.multiclass"
PROBLEM_TYPE = "single_label_classification"
LINEAR = "logistic_regression"
condense = labels.condense
assembled = documents.assembled
recoded = labels.renumbered
rivals = classical.default_classifiers
headline = partial(panels.chosen, main="auroc")
recalibration = recalibrations.of_classes
NEGATIVE = ("none", "negative", "no relation")
"""Names of a first class that mean "none of the others"."""


@dataclasses.dataclass(frozen=True)
class Classes:
  """`label` [B] int: the number of the class, -1 if it is not known.

  names: of the classes, in the order of the numbers.
  counts: training examples of each; () if they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], truth: Arrays) -> Classes:
  """The classes, counted over the training labels [N] (-1 is not counted)."""
  return Classes(tuple(names), labels.counts(truth["label"], len(names)))


def refitted(target: Classes, truth: Arrays) -> Classes:
  """The classes, counted again if they had been counted."""
  return fitted(target.names, truth) if target.counts else target


def known(info: Info, target: Arrays, predicted: Arrays) -> labels.Known:
  """The rows whose label is not -1; probabilities in float64."""
  label = np.asarray(target["label"])
  values = labels.shaped(info, len(label), predicted, "probs")
  labels.require_codes(label, values.shape[1])
  rows = label >= 0
  return rows, {"label": label[rows]}, {"probs": values[rows]}


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """With two classes the second is positive; else each against the rest.

  decisions: from `decide` on validation.
  """
  label, probs = target["label"], predicted["probs"]
  names = list(info.target.names)
  if len(names) > 2:
    return _several(names, label, probs)
  threshold = decisions.get(binary.threshold_name(specificity, names[1]))
  metrics = binary.metrics(
    label, probs[:, 1], probs.argmax(1), threshold, specificity
  )
  return panels.panel(metrics, named=binary.described(specificity))


def _several(
  names: Sequence[str], label: np.ndarray, probs: np.ndarray
) -> panels.Panel:
  called = np.where(np.isfinite(probs).all(1), probs.argmax(1), np.nan)
  right, top = label == called, probs.max(1)
  metrics: dict[str, Any] = {
    "accuracy": partial(classification.accuracy, label, called),
    "brier": partial(calibration.brier_multiclass, label, probs),
    "calibration_error": partial(calibration.calibration_error, right, top),
  }
  for k, name in enumerate(names):
    positive, hit = label == k, np.where(np.isnan(called), called, called == k)
    column: dict[str, Any] = panels.bound(binary.RANKING, positive, probs[:, k])
    column |= panels.bound(binary.OF_CALLS[2:], positive, hit)
    column["_precision"] = partial(column["precision"], empty=0.0)
    metrics |= {f"{key}[{name}]": metric for key, metric in column.items()}
  metrics["weighted_f1"] = partial(classification.weighted_f1, label, called)
  if names[0] in NEGATIVE:
    metrics["micro_f1"] = partial(classification.positive_f1, label, called)
  keys = ("auroc", "average_precision", "precision", "recall", "specificity")
  means = {key: panels.mean(names, key) for key in (*keys, "f1")}
  means["balanced_accuracy"] = means["recall"]
  balanced = described.of(classification.balanced_accuracy)
  named = {"balanced_accuracy": balanced} if balanced else {}
  return panels.panel(metrics, means, named)


def details(
  info: Info, target: Arrays, predicted: Arrays, decisions: Mapping
) -> dict[str, Any]:
  """`confusion`: counts of label (row) by most probable class (column)."""
  label, probs = target["label"], predicted["probs"]
  if not len(label) or not np.isfinite(probs).all():
    return {}
  names = list(info.target.names)
  counts = classification.confusion(label, probs.argmax(1), classes=len(names))
  return {
    "confusion": {"classes": names, "counts": counts.astype(int).tolist()}
  }


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """The lowest threshold that reaches a specificity, for two classes.

  Its key is `specificity_90[malignant]`, after the second class; more classes
  have no threshold.
  """
  if len(info.target.names) != 2:
    return {}
  _, target, predicted = known(info, target, predicted)
  positive = (target["label"] == 1).astype(float)
  question = (info.target.names[1], positive, predicted["probs"][:, 1])
  return binary.thresholds([question], specificity)


def events(info: Info, target: Arrays) -> np.ndarray | None:
  """Which examples have the second of two classes."""
  if len(info.target.names) != 2:
    return None
  return np.asarray(target["label"]) == 1


def questions(
  info: Info, target: Arrays, predicted: Arrays
) -> list[binary.Question]:
  """With two classes about the second; else each against the rest."""
  label, probs = np.asarray(target["label"]), predicted["probs"]
  names = info.target.names
  asked = [1] if len(names) == 2 else range(len(names))
  return [
    binary.Question(names[k], (label == k).astype(float), probs[:, k])
    for k in asked
  ]


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """label, predicted, prob_<class>...; an unknown label is an empty cell."""
  names, probs = info.target.names, np.asarray(predicted["probs"])
  written = {"predicted": [names[k] for k in probs.argmax(1)]}
  if target is not None:
    label = [names[k] if 0 <= k < len(names) else "" for k in target["label"]]
    written = {"label": label, **written}
  return written | labels.written("prob", names, probs)


def table(info: Info, rows: labels.Rows) -> tuple[Arrays, Arrays]:
  """`label`, -1 if there is none, and `probs` of rows of predictions.csv."""
  names = info.target.names
  position = {name: i for i, name in enumerate(names)}
  label = [position.get(row.get("label", ""), -1) for row in rows]
  target = {"label": np.array(label, np.int32)}
  return target, {"probs": labels.read(rows, "prob", names)}


def strata(info: Info, arrays: Arrays) -> np.ndarray | None:
  """[N] the class numbers."""
  return np.asarray(arrays["label"]) if "label" in arrays else None


def profile(info: Info, target: Arrays) -> Profile:
  """How often each class occurs."""
  codes = np.asarray(target["label"])
  return Profile(levels={"class": (tuple(info.target.names), codes)})


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers:
  """The most probable class of every labelled example."""
  label, probs = np.asarray(target["label"]), np.asarray(predicted["probs"])
  rows = np.flatnonzero((label >= 0) & np.isfinite(probs).all(1))
  answer, true = probs[rows].argmax(1), label[rows]
  places, certainty = np.full(len(rows), -1), probs[rows].max(1)
  return Answers(rows, answer, true, certainty, answer == true, places)


def votes(info: Info, target: Arrays) -> Votes:
  """Every labelled example votes for its class."""
  label = np.asarray(target["label"])
  rows = label >= 0
  classes = np.eye(len(info.target.names))[label[rows]]
  return Votes(rows, classes, 0.5, "probs")


def one_class(
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  *,
  fit: Callable[..., classical.Fitted],
) -> Rival:
  """Predicts {"probs": [N,K]}."""
  label, names = np.array(train.arrays["label"], float), info.target.names
  label[label < 0] = np.nan
  classical.require_labels(info, [label], [""])
  classes = np.unique(label[~np.isnan(label)])
  if len(classes) == 1:
    raise UserError(
      f"{info.name}: every training label is {names[int(classes[0])]!r}; a "
      "baseline needs two classes, so change the split or take the baselines "
      "out of `evaluators`"
    )
  learnt = fit([label], train, others, info, seed, len(names))
  return Rival(
    {name: {"probs": probs[:, 0]} for name, probs in learnt.values.items()},
    {"": words} if (words := learnt.chosen[0]) else {},
  )


RIVALS = {
  name: partial(one_class, fit=fit) for name, fit in counted.CLASSIFIERS.items()
}


@dataclasses.dataclass(frozen=True)
class Columns(labels.Columns):
  """One column of class names: `label` int32 [N].

  classes: their order, if not sorted (numbers by value).
  positive: the class to put last.
  missing_label: "error", or "drop" to leave out rows without a label.
  """

  classes: tuple[str, ...] = ()
  positive: str = ""
  missing_label: str = "error"

  def adopted(self, trained: Target) -> "Columns":
    """The column as a model with this target names its classes."""
    if not isinstance(trained, Classes):
      return self
    return dataclasses.replace(
      self, classes=trained.names, positive="", missing_label=KEEP
    )

  def target(self, names: Sequence[str], truth: Truth) -> Target:
    """The classes, counted in training; UserError if one has no example."""
    classes = fitted(names, truth)
    if self.missing_label != KEEP and 0 in classes.counts:
      name = names[classes.counts.index(0)]
      raise UserError(
        f"no training example has the class {name!r}: merge it with another, "
        "drop it, or give more data"
      )
    return classes

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    if len(self.label) > 1:
      raise UserError(
        f"label={','.join(self.label)!r}: multiclass needs one column; for "
        f"several 0/1 columns set task='multilabel'"
      )
    table, changes = labelled(table, self.label, self.missing_label, every=True)
    if self.missing_label != KEEP:
      return table, changes
    column = next(iter(self.label))
    table, unknown = by_trained_names(table, column, self.classes, _class)
    return table, changes + unknown

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    (column,) = self.label
    if self.missing_label == KEEP:
      codes = {name: code for code, name in enumerate(self.classes)}
      codes |= {"": -1}
      label = tables.coded(table, column, codes, read=_class)
      return {"label": np.array(label, np.int32)}, self.classes
    rows = slice(None) if training is None else training
    seen = [_class(cell) for cell in np.array(table[column], object)[rows]]
    where = f"{table.path}: the label {column!r}"
    if not self.classes:
      spelling.refuse_cases(where, table[column], spelling.IN_CLASSES)
    order = self._ordered(where, set(seen))
    if len(order) > max(20, len(seen) // 5):
      raise UserError(
        f"{where} has {len(order)} classes in {len(seen)} rows; if it holds "
        "numbers, set task='regression'"
      )
    number = {spelling.plain(name): code for code, name in enumerate(order)}
    expected = f"none of the classes {', '.join(order[:8])}"
    codes = tables.coded(table, column, number, expected, _spelt)
    return {"label": np.array(codes, np.int32)}, order

  def _ordered(self, where: str, seen: set[str]) -> tuple[str, ...]:
    """The classes as given, else sorted (numbers by value), `positive` last."""
    order, positive = sorted(seen), _class(self.positive)
    if all(map(numerals.is_number, order)):
      order.sort(key=float)
    if self.classes:
      order = [_class(name) for name in self.classes]
      if len(set(order)) < max(2, len(order)):
        raise UserError(f"classes={self.classes}: expected two or more names")
    elif len(order) < 2:
      only = ", ".join(map(tables.shortened, order))
      raise UserError(
        f"{where} has only one class ({only}); training needs two or more"
      )
    match = spelling.matcher(order)(positive) if positive else -1
    positive = order[match] if match >= 0 else positive
    if positive and positive not in order:
      raise UserError(
        f"positive={self.positive!r} is not a class of {where}; they are: "
        f"{', '.join(order[:8])}{nearest(positive, order)}"
      )
    last = [positive] if positive else []
    return (*(name for name in order if name != positive), *last)


def _class(cell: str) -> str:
  """The class of a cell: `1` and `1.0` are the same class."""
  if not numerals.is_number(cell):
    return cell
  return np.format_float_positional(float(cell), trim="-")


def _spelt(cell: str) -> str:
  return spelling.plain(_class(cell))
