"""Entities found in text: strict precision, recall and F1 over IOB2 tags.

An entity counts as found if its first word, its last word and its type are
all right. In a prediction an I- that continues nothing is no entity (IOB2,
as in seqeval's strict mode).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from medfm.metrics.undefined import ratio, settled


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
  for row, (truth, said) in enumerate(zip(label, tags, strict=True)):
    words = np.flatnonzero(truth >= 0)
    gold = set(entities([classes[i] for i in truth[words]]))
    found = set(entities([classes[i] for i in said[words]]))
    for column, group in enumerate((gold & found, found, gold)):
      for entity in group:
        table[row, number[entity.kind], column] += 1
  return table


def precision(table: np.ndarray, weight: np.ndarray | None = None):
  """Of the entities predicted, the share that is right; table as in `counts`.

  Over all types together (micro), or of a table [N,1,3] of one. weight:
  [N] or [R,N], per sentence.

  Raises: Undefined where no entity is predicted.
  """
  right, said, _ = _totals(table, weight)
  return settled(ratio(right, said), (said == 0, "no entity is predicted"))


def recall(table: np.ndarray, weight: np.ndarray | None = None):
  """Of the true entities, the share that is found; else as `precision`."""
  right, _, true = _totals(table, weight)
  return settled(ratio(right, true), (true == 0, "there is no entity"))


def f1(table: np.ndarray, weight: np.ndarray | None = None):
  """2 found / (predicted + true): 0 where none is predicted.

  Raises: Undefined where there is no true entity.
  """
  right, said, true = _totals(table, weight)
  return settled(
    ratio(2 * right, said + true), (true == 0, "there is no entity")
  )


def _totals(table: np.ndarray, weight: np.ndarray | None):
  """found, predicted, true: a number each, or [R]."""
  summed = np.asarray(table, float).sum(axis=1)
  if weight is None:
    weight = np.ones(len(summed))
  totals = np.asarray(weight, float) @ summed
  return totals[..., 0], totals[..., 1], totals[..., 2]
