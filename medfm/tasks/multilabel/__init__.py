"""Several labels at once, each true or not."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data import spelling
from medfm.data.tables import table as tables
from medfm.data.tables.labels import KEEP, Read, labelled, refuse_strangers
from medfm.data.tables.table import Table
from medfm.metrics import classification
from medfm.spec import nearest
from medfm.tasks import absent, binary, classical, counted, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks import recalibration as recalibrations
from medfm.tasks.answers import Answers, Votes
from medfm.types import Arrays, Info, Profile, Target, UserError

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
events = absent.none
recoded = labels.reordered
rivals = classical.default_classifiers
headline = partial(panels.chosen, main="auroc")
recalibration = recalibrations.of_labels
CUT = 0.5
"""A label is predicted if its probability is above this."""


@dataclasses.dataclass(frozen=True)
class Labels:
  """`label` [B,K] in {0, 1}, NaN if a label is not known.

  names: of the labels, in the order of the columns.
  counts: training examples that have each; () if they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], truth: Arrays) -> Labels:
  """The labels, counted over the training labels [N,K] (NaN is unknown)."""
  counts = (np.asarray(truth["label"]) == 1).sum(0)
  return Labels(tuple(names), tuple(counts.tolist()))


def refitted(target: Labels, truth: Arrays) -> Labels:
  """The labels, counted again if they had been counted."""
  return fitted(target.names, truth) if target.counts else target


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """Every label as a binary question, their means, and all pairs together.

  decisions: from `decide` on validation.
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
  means = {key: panels.mean(names, key) for key in binary.averaged(column)}
  return panels.panel(metrics, means, binary.described(specificity))


def decide(
  info: Info, target: Arrays, predicted: Arrays, *, specificity: float
) -> dict[str, float]:
  """The lowest threshold with this specificity of each label.

  Keys are `specificity_90[label]`.
  """
  _, target, predicted = known(info, target, predicted)
  asked = questions(info, target, predicted)
  columns = [(each.name, each.label, each.prob) for each in asked]
  return binary.thresholds(columns, specificity)


def questions(
  info: Info, target: Arrays, predicted: Arrays
) -> list[binary.Question]:
  """One for each label."""
  columns = zip(
    info.target.names, target["label"].T, predicted["probs"].T, strict=True
  )
  return [binary.Question(*column) for column in columns]


def profile(info: Info, target: Arrays) -> Profile:
  """How often each label is set."""
  label = np.asarray(target["label"], np.float64)
  codes = np.where(np.isnan(label), -1, label).astype(int)
  columns = zip(info.target.names, codes.T, strict=True)
  return Profile(levels={name: (("no", "yes"), c) for name, c in columns})


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers:
  """The set of predicted labels, right only if the whole set is.

  A right set is as certain as its least certain label, a wrong set as its most
  certain mistake. Examples without a predicted or true label do not count.
  """
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
  label = np.asarray(target["label"])
  return Votes(np.ones(len(label), bool), label, 0.5, "probs")


RIVALS = {
  key: partial(classical.of_columns, fit=fit, name="probs", classes=2)
  for key, fit in counted.CLASSIFIERS.items()
}


_BINARY = {
  "0": 0, "no": 0, "false": 0,
  "1": 1, "yes": 1, "true": 1, "": np.nan,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Columns(labels.Columns):
  """Several columns of 0 and 1, or one of names: `label` float32 [N,K].

  classes: the order of the names, if not sorted.
  separator: between the names in the one column; "" for columns of 0 and 1.
  none_if_empty: whether an empty cell means that there is no label; else it is
    a missing label.
  missing_label: "error", or "drop" to leave out rows without any label.
  """

  classes: tuple[str, ...] = ()
  separator: str = ""
  none_if_empty: bool = False
  missing_label: str = "error"
  target = staticmethod(fitted)

  @property
  def _named(self) -> bool:
    return bool(self.separator) and len(self.label) == 1

  def adopted(self, trained: Target) -> "Columns":
    """The columns as a model with this target names its labels."""
    if not isinstance(trained, Labels):
      return self
    return dataclasses.replace(self, classes=trained.names, missing_label=KEEP)

  def labelled(self, table: Table) -> tuple[Table, list[dict[str, Any]]]:
    changes, columns = [], self.label
    if self.missing_label == KEEP:
      what, columns = self._other_than_training(table)
      changes = [{"what": w, "count": n} for w, n in what.items() if n]
    if self._named and self.none_if_empty:
      return table, changes
    table, lost = labelled(table, columns, self.missing_label, every=False)
    return table, lost + changes

  def _other_than_training(
    self, table: Table
  ) -> tuple[dict[str, int], tuple[str, ...]]:
    """The differences from training with counts, and the columns to read."""
    names = self.label
    if self._named:
      cells = [self._names(cell) for cell in table[self.label[0]]]
      names = tuple(sorted({name for held in cells for name in held}))
    refuse_strangers(f"{table.path}: label", names, self.classes)
    others = [n for n in names if spelling.matcher(self.classes)(n) < 0]
    what = f"labels unknown to training, not read ({', '.join(others[:8])})"
    if self._named:  # A row without a label is an answer too.
      return {what: len(others)}, self.label
    columns = self._trained_columns()
    lacks = [name for name in self.classes if name not in columns]
    without = f"labels of training without a column, not scored: {lacks[:8]}"
    respelt = sum(name != column for name, column in columns.items())
    spelled = "columns of labels spelled otherwise than in training"
    changes = {what: len(others), without: len(lacks), spelled: respelt}
    return changes, tuple(columns.values())

  def _trained_columns(self) -> dict[str, str]:
    """Trained name -> the column that spells it; an equal name comes first."""
    place = spelling.matcher(self.classes)
    spelt = sorted(self.label, key=self.classes.__contains__)
    return {self.classes[place(c)]: c for c in spelt if place(c) >= 0}

  def _names(self, cell: str) -> list[str]:
    parts = map(str.strip, cell.split(self.separator))
    return list(filter(None, parts))

  def read(self, table: Table, training: np.ndarray | None = None) -> Read:
    if self._named:
      return self._of_names(table, self.label[0], training)
    if self.classes and self.missing_label != KEEP:
      raise UserError(
        "classes can be set for one label column of names, not for several "
        "columns of 0 and 1"
      )
    expected = (
      "no label: expected 0, 1, no, yes, false, true or a missing marker"
    )
    names = self.classes or self.label
    held = self._trained_columns() if self.classes else {n: n for n in names}
    columns = [
      tables.coded(table, held[name], _BINARY, expected, spelling.folded)
      if name in held
      else [np.nan] * len(table)
      for name in names
    ]
    return {"label": np.array(columns, np.float32).T.copy()}, names

  def _of_names(
    self, table: Table, column: str, training: np.ndarray | None
  ) -> Read:
    cells = [self._names(cell) for cell in table[column]]
    every = spelling.unified(list(itertools.chain(*cells)), spelling.plain)
    cells = [[every.merged.get(name, name) for name in row] for row in cells]
    if not self.classes:
      where = f"{table.path}: the label {column!r}"
      every_name = itertools.chain(*cells)
      spelling.refuse_cases(where, every_name, spelling.IN_CLASSES)
    rows = range(len(cells)) if training is None else np.flatnonzero(training)
    order = self.classes or tuple(
      sorted({name for row in rows for name in cells[row]})
    )
    if not order:
      raise UserError(f"{table.path}: no cell of {column!r} names a label")
    place = spelling.matcher(order)
    number = {name: place(name) for row in cells for name in row}
    label = np.zeros((len(table), len(order)), np.float32)
    keeps = self.missing_label == KEEP
    for row, names in enumerate(cells):
      if keeps and not self.none_if_empty and not names:
        label[row] = np.nan
      for name in names:
        if number[name] < 0 and keeps:
          continue
        if number[name] < 0:
          raise table.error(
            row,
            column,
            f"{tables.shortened(name)} is none of the labels in training"
            f"{nearest(name, order)}",
          )
        label[row, number[name]] = 1
    return {"label": label}, order
