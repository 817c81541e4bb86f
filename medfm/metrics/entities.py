"""Entities found in text: strict precision, recall and F1 over IOB2 tags.

An entity counts as found if its first word, its last word and its type are
all right. An I- that continues nothing is not an entity (IOB2, as in
seqeval's strict mode); `tasks.tags` has made it a B- before.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from medfm.metrics.described import Description, described
from medfm.metrics.intervals import proportions
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import Array, Value, Weight, ratio, settled, share

_NONE = "there is no entity"


class Entity(NamedTuple):
  """A stretch [start, stop) of words of one type."""

  kind: str
  start: int
  stop: int


def entities(tags: Sequence[str]) -> list[Entity]:
  """The entities of a sentence, in order; ValueError for a tag not in IOB2."""
  whole: list[Entity] = []
  kind, start = "", 0  # Of the current entity.
  for place, tag in enumerate([*tags, "O"]):
    prefix, _, mine = tag.partition("-")
    if (prefix in "BI") != bool(mine) or prefix not in ("O", "B", "I"):
      raise ValueError(f"{tag!r} is not an IOB2 tag")
    if kind and not (prefix == "I" and mine == kind):
      whole.append(Entity(kind, start, place))
      kind = ""
    if prefix == "B":
      kind, start = mine, place
  return whole


def kinds(classes: Iterable[str]) -> tuple[str, ...]:
  """The entity types among IOB2 tags, sorted."""
  return tuple(sorted({tag.partition("-")[2] for tag in classes} - {""}))


def counts(label: Array, tags: Array, classes: Sequence[str]) -> Array:
  """[N,T,3] per sentence and type: entities found, predicted, true.

  label, tags: [N,W] numbers of `classes`; words with label -1 are left out,
  and the words on their two sides are then neighbours.
  """
  types = kinds(classes)
  table = np.zeros((len(label), len(types), 3))
  for row, (true, called) in enumerate(_pairs(label, tags, classes)):
    for column, group in enumerate((true & called, called, true)):
      for entity in group:
        table[row, types.index(entity.kind), column] += 1
  return table


def confusion(label: Array, tags: Array, classes: Sequence[str]) -> Array:
  """[T+1,T+1] entities of exactly the same words: true by predicted type.

  The last column holds true entities whose words are not predicted as any
  entity, the last row predicted entities whose words are not any true entity.
  Arguments as in `counts`.
  """
  types = kinds(classes)
  table = np.zeros((len(types) + 1, len(types) + 1), int)
  for pair in _pairs(label, tags, classes):
    true, called = (
      {(e.start, e.stop): types.index(e.kind) for e in side} for side in pair
    )
    for place in true.keys() | called.keys():
      table[true.get(place, -1), called.get(place, -1)] += 1
  return table


ERRORS = ("exact", "other type", "other words", "both", "missed", "invented")


def errors(label: Array, tags: Array, classes: Sequence[str]) -> Array:
  """[T,6] entities by true type and by outcome, as in `ERRORS`.

  other type: the same words are predicted as another type; other words: an
  overlapping entity of this type is predicted; both: an overlapping entity of
  another type is; missed: no predicted entity overlaps. invented: predicted of
  this type, and no true entity overlaps.
  """
  types = kinds(classes)
  table = np.zeros((len(types), len(ERRORS)), int)
  for true, called in _pairs(label, tags, classes):
    for entity in true:
      outcome = ERRORS.index(_outcome(entity, called))
      table[types.index(entity.kind), outcome] += 1
    for entity in called:
      if not any(map(partial(_overlap, entity), true)):
        table[types.index(entity.kind), ERRORS.index("invented")] += 1
  return table


def _called(table: Array) -> tuple[Array, Array]:
  right, called, _ = _by_row(table)
  return right, called


def _true(table: Array) -> tuple[Array, Array]:
  right, _, true = _by_row(table)
  return right, true


def _agreed(table: Array) -> tuple[Array, Array]:
  right, called, true = _by_row(table)
  return right, called + true - right


def _by_row(table: Array) -> Array:
  """Found, predicted, true: [3,N]."""
  return np.asarray(table, float).sum(axis=1).T


@bounded(proportions.interval, _called, of="a predicted entity")
@described(
  "Precision",
  "share of the predicted entities that are right in their first word, last"
  " word and type",
  "more",
)
def precision(table: Array, weight: Weight = None) -> Value:
  """The share of the predicted entities that are right; table as in `counts`.

  Over all types together (micro), or over one type in a table [N,1,3]. weight:
  [N] or [R,N], per sentence.
  """
  right, called, _ = _totals(table, weight)
  return share(right, called, "no entity is predicted")


@bounded(proportions.interval, _true, of="an entity")
@described(
  "Recall",
  "share of the true entities that are found with the right first word, "
  "last word and type",
  "more",
)
def recall(table: Array, weight: Weight = None) -> Value:
  """The share of the true entities that are found; else as `precision`."""
  right, _, true = _totals(table, weight)
  return share(right, true, _NONE)


@bounded(
  proportions.interval,
  _agreed,
  of="a true or predicted entity",
  value=proportions.f1_of,
)
@described("F1", "harmonic mean of the entities' precision and recall", "more")
def f1(table: Array, weight: Weight = None) -> Value:
  """2 found / (predicted + true); 0 if no entity is predicted."""
  right, called, true = _totals(table, weight)
  return settled(ratio(2 * right, called + true), (true == 0, _NONE))


def _words(label: Array, tags: Array) -> tuple[Array, Array]:
  words = label >= 0
  right = (tags == label) & words
  return right.sum(1).astype(float), words.sum(1).astype(float)


@bounded(proportions.interval, _words)
@described("Token accuracy", "share of words with the right tag", "more")
def token_accuracy(label: Array, tags: Array, weight: Weight = None) -> Value:
  """Share of the labelled words [N,W] whose tag is right; weight per row."""
  words = label >= 0
  right = ((tags == label) & words).sum(1)
  weight = np.ones(len(words)) if weight is None else weight
  return share(weight @ right, weight @ words.sum(1), "no labelled word")


MACRO_F1 = Description("Macro F1", "mean of the types' F1", "more")


def _pairs(
  label: Array, tags: Array, classes: Sequence[str]
) -> Iterator[tuple[set[Entity], set[Entity]]]:
  """The true and the predicted entities of each sentence."""
  for rows in zip(label, tags, strict=True):
    words = np.flatnonzero(rows[0] >= 0)
    true, called = (
      set(entities([classes[int(i)] for i in row[words]])) for row in rows
    )
    yield true, called


def _outcome(entity: Entity, called: set[Entity]) -> str:
  """The outcome of a true entity, one of `ERRORS`."""
  near = [other for other in called if _overlap(entity, other)]
  if entity in called:
    return "exact"
  if any(other[1:] == entity[1:] for other in near):
    return "other type"
  if any(other.kind == entity.kind for other in near):
    return "other words"
  return "both" if near else "missed"


def _overlap(a: Entity, b: Entity) -> bool:
  return a.start < b.stop and b.start < a.stop


def _totals(table: Array, weight: Weight) -> Array:
  """Found, predicted, true: [3], or [3,R]."""
  summed = np.asarray(table, float).sum(axis=1)
  weight = np.ones(len(summed)) if weight is None else weight
  return np.moveaxis(np.asarray(weight, float) @ summed, -1, 0)
