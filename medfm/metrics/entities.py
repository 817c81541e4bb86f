"""Entities found in text: strict precision, recall and F1 over IOB2 tags.

An entity counts as found if its first word, its last word and its type are
all right. In a prediction an I- that continues nothing is no entity (IOB2,
as in seqeval's strict mode).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from medfm.metrics.described import Description, described
from medfm.metrics.undefined import Value, ratio, settled


class Entity(NamedTuple):
  """A stretch [start, stop) of words of one type."""

  kind: str
  start: int
  stop: int


def entities(tags: Sequence[str]) -> list[Entity]:
  """Those of one sentence, in order.

  Raises: ValueError where a tag is none of O, B-<type> and I-<type>.
  """
  found: list[Entity] = []
  kind, start = "", 0  # Of the entity that is open.
  for place, tag in enumerate([*tags, "O"]):
    prefix, _, mine = tag.partition("-")
    if (prefix in "BI") != bool(mine) or prefix not in ("O", "B", "I"):
      raise ValueError(f"{tag!r} is no IOB2 tag")
    if kind and not (prefix == "I" and mine == kind):
      found.append(Entity(kind, start, place))
      kind = ""
    if prefix == "B":
      kind, start = mine, place
  return found


def kinds(classes: Iterable[str]) -> tuple[str, ...]:
  """The entity types among IOB2 tags, sorted."""
  return tuple(sorted({tag.partition("-")[2] for tag in classes} - {""}))


def counts(
  label: np.ndarray, tags: np.ndarray, classes: Sequence[str]
) -> np.ndarray:
  """[N,T,3] per sentence and type: entities found, predicted, true.

  label, tags: [N,W] numbers of `classes`; words with label -1 are left out,
  and the words on their two sides are then neighbours.
  """
  types = kinds(classes)
  number = {kind: t for t, kind in enumerate(types)}
  table = np.zeros((len(label), len(types), 3))
  for row, (gold, found) in enumerate(_pairs(label, tags, classes)):
    for column, group in enumerate((gold & found, found, gold)):
      for entity in group:
        table[row, number[entity.kind], column] += 1
  return table


def confusion(
  label: np.ndarray, tags: np.ndarray, classes: Sequence[str]
) -> np.ndarray:
  """[T+1,T+1] entities of exactly the same words: true by predicted type.

  The last column holds the true ones of whose words none is predicted, the
  last row those that are predicted where none is true. Arguments as `counts`.
  """
  types = kinds(classes)
  number = {kind: t for t, kind in enumerate(types)}
  table = np.zeros((len(types) + 1, len(types) + 1), int)
  for gold, found in _pairs(label, tags, classes):
    true = {(e.start, e.stop): number[e.kind] for e in gold}
    said = {(e.start, e.stop): number[e.kind] for e in found}
    for place in true.keys() | said.keys():
      table[true.get(place, -1), said.get(place, -1)] += 1
  return table


ERRORS = ("exact", "other type", "other words", "both", "missed", "invented")


def errors(
  label: np.ndarray, tags: np.ndarray, classes: Sequence[str]
) -> np.ndarray:
  """[T,6] entities by true type and by what became of them, as in `ERRORS`.

  other type: the same words, of another type; other words: one that overlaps
  is of the type; both: one overlaps; missed: none does. invented: predicted
  of this type where no true one overlaps.
  """
  number = {kind: t for t, kind in enumerate(kinds(classes))}
  table = np.zeros((len(number), len(ERRORS)), int)
  for gold, found in _pairs(label, tags, classes):
    for entity in gold:
      table[number[entity.kind], _outcome(entity, found)] += 1
    for entity in found:
      if not any(map(partial(_overlap, entity), gold)):
        table[number[entity.kind], ERRORS.index("invented")] += 1
  return table


@described(
  "Precision",
  "share of the predicted entities that are right in their first word, last"
  " word and type",
  "more",
)
def precision(table: np.ndarray, weight: np.ndarray | None = None) -> Value:
  """Of the entities predicted, the share that is right; table as in `counts`.

  Over all types together (micro), or of a table [N,1,3] of one. weight:
  [N] or [R,N], per sentence.

  Raises: Undefined where no entity is predicted.
  """
  right, said, _ = _totals(table, weight)
  return settled(ratio(right, said), (said == 0, "no entity is predicted"))


@described(
  "Recall",
  "share of the true entities that are found with the right first word, "
  "last word and type",
  "more",
)
def recall(table: np.ndarray, weight: np.ndarray | None = None) -> Value:
  """Of the true entities, the share that is found; else as `precision`."""
  right, _, true = _totals(table, weight)
  return settled(ratio(right, true), (true == 0, "there is no entity"))


@described(
  "F1",
  "harmonic mean of the entities' precision and recall",
  "more",
)
def f1(table: np.ndarray, weight: np.ndarray | None = None) -> Value:
  """2 found / (predicted + true): 0 where none is predicted.

  Raises: Undefined where there is no true entity.
  """
  right, said, true = _totals(table, weight)
  return settled(
    ratio(2 * right, said + true), (true == 0, "there is no entity")
  )


@described("Token accuracy", "share of words with the right tag", "more")
def token_accuracy(
  label: np.ndarray, tags: np.ndarray, weight: np.ndarray | None = None
) -> Value:
  """Share of the labelled words [N,W] whose tag is right; weight per row."""
  words = label >= 0
  right = ((tags == label) & words).sum(1)
  weight = np.ones(len(words)) if weight is None else weight
  total = weight @ words.sum(1)
  return settled(ratio(weight @ right, total), (total == 0, "no labelled word"))


MACRO_F1 = Description("Macro F1", "mean of the types' F1", "more")


def _pairs(
  label: np.ndarray, tags: np.ndarray, classes: Sequence[str]
) -> Iterator[tuple[set[Entity], set[Entity]]]:
  """The true and the predicted entities of each sentence."""
  for truth, said in zip(label, tags, strict=True):
    words = np.flatnonzero(truth >= 0)
    gold, found = (
      entities([classes[int(i)] for i in numbers[words]])
      for numbers in (truth, said)
    )
    yield set(gold), set(found)


def _outcome(entity: Entity, found: set[Entity]) -> int:
  """What became of a true entity, as a column of `errors`."""
  near = [other for other in found if _overlap(entity, other)]
  if entity in found:
    return ERRORS.index("exact")
  if any(other[1:] == entity[1:] for other in near):
    return ERRORS.index("other type")
  if any(other.kind == entity.kind for other in near):
    return ERRORS.index("other words")
  return ERRORS.index("both" if near else "missed")


def _overlap(a: Entity, b: Entity) -> bool:
  return a.start < b.stop and b.start < a.stop


def _totals(
  table: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """found, predicted, true: a number each, or [R]."""
  summed = np.asarray(table, float).sum(axis=1)
  if weight is None:
    weight = np.ones(len(summed))
  totals = np.asarray(weight, float) @ summed
  return totals[..., 0], totals[..., 1], totals[..., 2]
