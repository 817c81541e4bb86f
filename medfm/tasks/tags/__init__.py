"""A tag for each word: entities in a text."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import entities
from medfm.metrics.bootstrap import Mean
from medfm.tasks import absent, labels
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers
from medfm.tasks.cells import Rows
from medfm.tasks.tags import rivals as _rivals
from medfm.tasks.tags import words
from medfm.types import Arrays, Batch, Info, Split

TARGETS = ("label",)
STRATIFY = ""
OBJECTIVE = "language.token_labels"
PROBLEM_TYPE = ""
RIVALS = _rivals.RIVALS
LINEAR = ""
decide = absent.nothing
strata = absent.none
recoded = labels.renumbered
votes = absent.none
headline = partial(panels.chosen, main="f1")
_METRICS = (entities.f1, entities.precision, entities.recall)


@dataclasses.dataclass(frozen=True)
class Tags:
  """`label` [B,L] int: the number of a word's tag at its first token, else -1.

  names: the IOB2 tags, in the order of the numbers.
  counts: training words of each; () where they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], truth: Arrays) -> Tags:
  """The tags, counted over the training labels [N,L] (-1 is no word)."""
  return Tags(tuple(names), labels.counts(truth["label"], len(names)))


def condense(info: Info, batch: Batch, outputs: Arrays) -> Arrays:
  """`tags` [B,L] int, the most probable of `probs` [B,L,K], whose probability
  is `certainty` [B,L]; tags that were predicted as such stay."""
  del info, batch
  if "tags" in outputs:
    return {"tags": outputs["tags"]}
  probs = np.asarray(outputs["probs"])
  return {"tags": probs.argmax(-1).astype(np.int32), "certainty": probs.max(-1)}


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, Arrays]:
  """One row per text and one column per word; see `words.assembled`."""
  del info
  return words.assembled(split, predicted)


def known(info: Info, target: Arrays, predicted: Arrays) -> labels.Known:
  """The texts of which a word has a label; label and tags are [N,W]."""
  label, tags = np.asarray(target["label"]), np.asarray(predicted["tags"])
  if tags.shape != label.shape:
    raise ValueError(f"tags have shape {tags.shape}, expected {label.shape}")
  labels.require_codes(label, len(info.target.names))
  rows = np.asarray((label >= 0).any(1))
  return rows, {"label": label[rows]}, {"tags": tags[rows]}


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Strict entity scores: of all types together, of each, and their mean."""
  del decided
  label, tags = target["label"], predicted["tags"]
  counts = entities.counts(label, tags, info.target.names)
  metrics = panels.bound(_METRICS, counts)
  metrics |= panels.bound([entities.token_accuracy], label, tags)
  kinds = entities.kinds(info.target.names)
  for t, kind in enumerate(kinds):
    column = panels.bound(_METRICS, counts[:, t : t + 1])
    metrics |= {f"{name}[{kind}]": metric for name, metric in column.items()}
  if len(kinds) < 2:
    return panels.panel(metrics)
  means = {"macro_f1": Mean({kind: f"f1[{kind}]" for kind in kinds})}
  return panels.panel(metrics, means, {"macro_f1": entities.MACRO_F1})


def details(
  info: Info, target: Arrays, predicted: Arrays, decisions: Mapping
) -> dict[str, Any]:
  """`confusion` of entities by true and predicted type, and `entities`: type
  -> outcome -> count (`metrics.entities.errors`)."""
  del decisions
  label, tags = target["label"], predicted["tags"]
  if not len(label):
    return {}
  names = info.target.names
  kinds = list(entities.kinds(names))
  counts = entities.confusion(label, tags, names)
  outcomes = entities.errors(label, tags, names)
  return {
    "confusion": {"classes": [*kinds, "none"], "counts": counts.tolist()},
    "entities": {
      kind: dict(zip(entities.ERRORS, row, strict=True))
      for kind, row in zip(kinds, outcomes.tolist(), strict=True)
    },
  }


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """label, predicted: the tags of the words, with blanks between.

  Words without a label are left out of both.
  """
  shown = {"predicted": np.asarray(predicted["tags"])}
  if target is not None:
    shown = {"label": np.asarray(target["label"]), **shown}
  counted = next(iter(shown.values())) >= 0
  names = info.target.names
  return {
    column: [
      " ".join(names[tag] for tag in row[here])
      for row, here in zip(numbers, counted, strict=True)
    ]
    for column, numbers in shown.items()
  }


def table(info: Info, rows: Rows) -> tuple[Arrays, Arrays]:
  """`label` and `tags` [N,W] of rows of predictions.csv."""
  names = info.target.names
  target = {"label": words.numbered(rows, "label", names)}
  return target, {"tags": words.numbered(rows, "predicted", names)}


def rivals(info: Info) -> tuple[str, ...]:
  """The dictionary of the training words."""
  del info
  return ("dictionary",)


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers | None:
  """The tag of every word where one is predicted or true.

  None where the tags come without their certainty.
  """
  if "certainty" not in predicted:
    return None
  label, tags = np.asarray(target["label"]), np.asarray(predicted["tags"])
  names = info.target.names
  outside = names.index("O") if "O" in names else -1
  shown = (label >= 0) & ((tags != outside) | (label != outside))
  rows, place = np.nonzero(shown)
  answer, true = tags[rows, place], label[rows, place]
  certainty = np.asarray(predicted["certainty"])[rows, place]
  right = answer == true
  return Answers(rows, answer, true, certainty, right, place.astype(int))
