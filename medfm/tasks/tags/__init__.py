"""A tag for each word: entities in a text."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.metrics import entities
from medfm.metrics.bootstrap import Mean
from medfm.tasks import absent, labels
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers
from medfm.tasks.tags import rivals as _rivals
from medfm.tasks.tags import words
from medfm.types import Batch, Info, Split

Arrays = Mapping[str, np.ndarray]

TARGETS = ("label",)
STRATIFY = ""
OBJECTIVE = "language.token_labels"
PROBLEM_TYPE = ""
RIVALS = _rivals.RIVALS
LINEAR = ""
decide = absent.decide
strata = absent.strata
recoded = labels.renumbered
votes = absent.votes
_METRICS = {
  "f1": entities.f1,
  "precision": entities.precision,
  "recall": entities.recall,
}


@dataclasses.dataclass(frozen=True)
class Tags:
  """`label` [B,L] int: the number of a word's tag at its first token, else -1.

  names: the IOB2 tags, in the order of the numbers.
  counts: training words of each; () where they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], label: np.ndarray) -> Tags:
  """The tags, counted over the training labels [N,L] (-1 is no word)."""
  label = np.asarray(label)
  counts = np.bincount(label[label >= 0], minlength=len(names))
  return Tags(tuple(names), tuple(counts.tolist()))


def condense(info: Info, batch: Batch, outputs: Arrays) -> dict:
  """`tags` [B,L] int, the most probable of `probs` [B,L,K], whose probability
  is `certainty` [B,L]; tags that were predicted as such stay."""
  del info, batch
  if "tags" in outputs:
    return {"tags": outputs["tags"]}
  probs = np.asarray(outputs["probs"])
  return {"tags": probs.argmax(-1).astype(np.int32), "certainty": probs.max(-1)}


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, dict[str, np.ndarray]]:
  """One row per text and one column per word, [N,W], -1 beyond the last.

  A word's tag and certainty are those of its first token. What is not of
  tokens is left out.
  """
  del info
  return words.assembled(split, predicted)


def known(
  info: Info, target: Arrays, predicted: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
  """The texts of which a word has a label; label and tags are [N,W].

  Raises:
    ValueError: the shapes do not fit, or a label is out of range.
  """
  label, tags = np.asarray(target["label"]), np.asarray(predicted["tags"])
  if tags.shape != label.shape:
    raise ValueError(f"tags have shape {tags.shape}, expected {label.shape}")
  count = len(info.target.names)
  if label.size and not -1 <= label.min() <= label.max() < count:
    raise ValueError(f"a label is not one of -1..{count - 1}")
  rows = np.asarray((label >= 0).any(1))
  return rows, {"label": label[rows]}, {"tags": tags[rows]}


def panel(
  info: Info,
  target: Arrays,
  predicted: Arrays,
  *,
  decisions: Mapping[str, float],
  specificity: float,
) -> panels.Panel:
  """Strict entity scores: of all types together, of each, and their mean.

  Nothing is decided, so decisions and specificity change nothing.
  """
  del decisions, specificity
  label, tags = target["label"], predicted["tags"]
  counts = entities.counts(label, tags, info.target.names)
  metrics: dict[str, Any] = {
    name: partial(function, counts) for name, function in _METRICS.items()
  }
  metrics["token_accuracy"] = partial(entities.token_accuracy, label, tags)
  kinds = entities.kinds(info.target.names)
  for t, kind in enumerate(kinds):
    metrics |= {
      f"{name}[{kind}]": partial(function, counts[:, t : t + 1])
      for name, function in _METRICS.items()
    }
  if len(kinds) < 2:
    return panels.panel(metrics)
  means = {"macro_f1": Mean({kind: f"f1[{kind}]" for kind in kinds})}
  return panels.panel(metrics, means, {"macro_f1": entities.MACRO_F1})


def details(info: Info, target: Arrays, predicted: Arrays) -> dict[str, Any]:
  """`confusion` of entities by true and predicted type, and `entities`: type
  -> outcome -> count (`metrics.entities.errors`)."""
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
  tags = np.asarray(predicted["tags"])
  shown = {"predicted": tags}
  counted = tags >= 0
  if target is not None:
    shown = {"label": np.asarray(target["label"]), **shown}
    counted = shown["label"] >= 0
  names = info.target.names
  return {
    column: [
      " ".join(names[tag] for tag in row[here])
      for row, here in zip(numbers, counted, strict=True)
    ]
    for column, numbers in shown.items()
  }


def table(
  info: Info, rows: Sequence[Mapping[str, str]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """`label` and `tags` [N,W] of rows of predictions.csv."""
  names = info.target.names
  target = {"label": words.numbered(rows, "label", names)}
  return target, {"tags": words.numbered(rows, "predicted", names)}


def rivals(info: Info) -> tuple[str, ...]:
  """The dictionary of the training words."""
  del info
  return ("dictionary",)


def headline(metrics: Iterable[str], select: str) -> list[str]:
  """The metric that the best step was chosen by, else the entities' F1."""
  return panels.chosen(metrics, select, "f1")


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
