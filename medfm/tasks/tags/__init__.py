"""A tag for each word: entities in a text."""

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data.text import input as text_input
from medfm.metrics import entities
from medfm.metrics.bootstrap import Mean
from medfm.tasks import absent, documents, labels
from medfm.tasks import panel as panels
from medfm.tasks.answers import Answers
from medfm.types import Arrays, Batch, Info, Rival, Split

TARGETS = ("label",)
STRATIFY = ""
OBJECTIVE = "language.token_labels"
PROBLEM_TYPE = ""
LINEAR = ""
decide = absent.nothing
questions = absent.unasked
strata = absent.none
events = absent.none
votes = absent.none
recalibration = absent.none
profile = absent.unseen
headline = partial(panels.chosen, main="f1")
_METRICS = (entities.f1, entities.precision, entities.recall)


@dataclasses.dataclass(frozen=True)
class Tags:
  """`label` [B,L] int: the number of a word's tag at its first token, else -1.

  names: the IOB2 tags, in the order of the numbers.
  counts: training words of each; () if they were not counted.
  """

  names: tuple[str, ...]
  counts: tuple[int, ...] = ()


def fitted(names: Sequence[str], truth: Arrays) -> Tags:
  """The tags, counted over the training labels [N,L] (-1 is not a word)."""
  return Tags(tuple(names), labels.counts(truth["label"], len(names)))


def recoded(arrays: Arrays, info: Info, trained: Info) -> Arrays:
  """Another cohort's tags as training numbered them.

  Types of entities that did not occur in training become O.
  """
  label = labels.renumbered(arrays, info, trained)["label"]
  is_word = np.asarray(arrays["label"]) >= 0
  outside = trained.target.names.index("O")
  return {"label": np.where(is_word & (label < 0), outside, label)}


def refitted(target: Tags, truth: Arrays) -> Tags:
  """The tags, counted again if they had been counted."""
  return fitted(target.names, truth) if target.counts else target


def condense(info: Info, batch: Batch, outputs: Arrays) -> Arrays:
  """`tags` [B,L] int, the most probable of `probs` [B,L,K], and their
  probability, `certainty` [B,L]; tags that were predicted directly stay."""
  if "tags" in outputs:
    return {"tags": outputs["tags"]}
  probs = np.asarray(outputs["probs"])
  return {"tags": probs.argmax(-1).astype(np.int32), "certainty": probs.max(-1)}


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, Arrays]:
  """One row per text and one column per word, [N,W], -1 beyond the last.

  predicted: `tags` and perhaps `certainty` [N,L] by token; a word takes those
  of its first token. Other outputs are left out. For a new file its `text` and
  the `spans` of words are added.

  A predicted I- that continues nothing begins an entity and becomes B-, as
  people would read it; `mended` [N] counts these.
  """
  word = np.asarray(split.arrays["word"])
  before = np.concatenate([np.full((len(word), 1), -1), word[:, :-1]], 1)
  starts = (word >= 0) & (word != before)
  arrays = {"words": _gathered(split, starts, word)}
  if "label" in split.arrays:
    arrays["label"] = _gathered(split, starts, split.arrays["label"])
  gathered = {
    name: _gathered(split, starts, predicted[name], kind)
    for name, kind in (("tags", np.int32), ("certainty", np.float32))
    if name in predicted
  }
  texts = split.take(documents.firsts(split))
  if "tags" in gathered:
    tags = _mended(gathered["tags"], info.target.names)
    gathered["mended"] = (tags != gathered["tags"]).sum(1)
    gathered |= {"tags": tags, **texts.source}
  return dataclasses.replace(texts, arrays=arrays), gathered


def _mended(tags: np.ndarray, names: Sequence[str]) -> np.ndarray:
  """Tags [N,W] in which every entity begins with B-, if there is such a tag.

  The type of a word is never changed.
  """
  parts = [name.partition("-") for name in names]
  kinds = np.unique([kind for *_, kind in parts], return_inverse=True)[1]
  kinds = np.append(kinds, -1)  # For -1, which is not a word.
  inside = np.array([prefix == "I" for prefix, *_ in parts] + [False])
  first = [
    names.index(begin) if (begin := f"B-{kind}") in names else number
    for number, (*_, kind) in enumerate(parts)
  ]
  before = np.concatenate([np.full((len(tags), 1), -1), tags[:, :-1]], 1)
  odd = inside[tags] & (kinds[tags] != kinds[before])
  return np.where(odd, np.array([*first, -1])[tags], tags).astype(tags.dtype)


def _gathered(
  split: Split, starts: np.ndarray, values: np.ndarray, kind: type = np.int32
) -> np.ndarray:
  """Values [N,L] at the words' first tokens, by text: [texts, W], else -1."""
  rows, columns = np.nonzero(starts)
  text = documents.of_rows(split)
  owner = text[rows]
  first = np.searchsorted(owner, owner)  # Rows of a text are adjacent.
  place = np.arange(len(owner)) - first
  width = int(place.max()) + 1 if len(place) else 1
  table = np.full((int(text.max()) + 1, width), -1, kind)
  table[owner, place] = np.asarray(values)[rows, columns]
  return table


def known(info: Info, target: Arrays, predicted: Arrays) -> labels.Known:
  """The texts with at least one labelled word; label and tags are [N,W]."""
  label, tags = np.asarray(target["label"]), np.asarray(predicted["tags"])
  if tags.shape != label.shape:
    raise ValueError(f"tags have shape {tags.shape}, expected {label.shape}")
  labels.require_codes(label, len(info.target.names))
  rows = np.asarray((label >= 0).any(1))
  kept = {"tags": tags[rows]}
  if "mended" in predicted:
    kept["mended"] = np.asarray(predicted["mended"])[rows]
  return rows, {"label": label[rows]}, kept


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Strict entity scores: over all types, of each type, and their mean."""
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
  -> outcome -> count (`metrics.entities.errors`); `mended` tags, if any."""
  label, tags = target["label"], predicted["tags"]
  if not len(label):
    return {}
  names = info.target.names
  kinds = list(entities.kinds(names))
  counts = entities.confusion(label, tags, names)
  outcomes = entities.errors(label, tags, names)
  mended = int(np.sum(predicted.get("mended", 0)))
  return ({"mended": mended} if mended else {}) | {
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

  Words without a label are left out of both. A new file also has `text` and
  `entities`, a JSON list of type, start, end (in characters of the text, from
  0, end exclusive) and text.
  """
  shown = {"predicted": np.asarray(predicted["tags"])}
  if target is not None:
    shown = {"label": np.asarray(target["label"]), **shown}
  counted = next(iter(shown.values())) >= 0
  names = info.target.names
  tags = {
    column: [
      " ".join(names[tag] for tag in row[here])
      for row, here in zip(numbers, counted, strict=True)
    ]
    for column, numbers in shown.items()
  }
  return tags | _spelt(predicted, names)


def _spelt(predicted: Arrays, names: Sequence[str]) -> dict[str, list[str]]:
  """`text` and `entities`, if the words of a new file are known."""
  if not {"text", "spans"} <= predicted.keys():
    return {}
  written = []
  for text, spans, tags in zip(
    predicted["text"], predicted["spans"], predicted["tags"], strict=True
  ):
    called = entities.entities([names[int(tag)] for tag in tags if tag >= 0])
    places = [(e.kind, spans[e.start][0], spans[e.stop - 1][1]) for e in called]
    marked = [
      {"type": kind, "start": start, "end": end, "text": text[start:end]}
      for kind, start, end in places
    ]
    written.append(json.dumps(marked, ensure_ascii=False))
  if mended := int(np.sum(predicted.get("mended", 0))):
    logging.warning("%d I- tags that began an entity became B-", mended)
  return {"text": list(predicted["text"]), "entities": written}


def table(info: Info, rows: labels.Rows) -> tuple[Arrays, Arrays]:
  """`label` and `tags` [N,W] of rows of predictions.csv."""
  names = info.target.names
  target = {"label": _numbered(rows, "label", names)}
  return target, {"tags": _numbered(rows, "predicted", names)}


def _numbered(
  rows: labels.Rows, column: str, names: Sequence[str]
) -> np.ndarray:
  """[N,W] numbers of the tags in a column, -1 beyond the last word."""
  number = {name: i for i, name in enumerate(names)}
  tags = [[number[tag] for tag in row[column].split()] for row in rows]
  numbers = np.full((len(tags), max(map(len, tags), default=0)), -1, np.int32)
  for row, of_text in enumerate(tags):
    numbers[row, : len(of_text)] = of_text
  return numbers


def rivals(info: Info) -> tuple[str, ...]:
  """The dictionary of the training words."""
  return ("dictionary",)


def answers(info: Info, target: Arrays, predicted: Arrays) -> Answers | None:
  """The tag of every word with a predicted or true tag other than O.

  None if the tags come without their certainty.
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


def dictionary(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Rival:
  """Each word gets its commonest tag in training, or O if it did not occur; an
  I- that would continue nothing becomes B-.

  It reads the pieces of words that the model reads, so the text itself need not
  be kept. Gives `tags` [N,L].
  """
  votes: dict[tuple[int, ...], np.ndarray] = {}
  label = np.asarray(train.arrays["label"])
  for row, start, word in text_input.words(train):
    tag = label[row, start]
    if tag >= 0:
      counts = votes.setdefault(word, np.zeros(len(info.target.names), int))
      counts[tag] += 1
  best = {word: int(counts.argmax()) for word, counts in votes.items()}
  return Rival(
    {
      name: {"tags": _looked_up(split, best, info)}
      for name, split in others.items()
    }
  )


def _looked_up(split: Split, best: dict, info: Info) -> np.ndarray:
  names = info.target.names
  outside = names.index("O")
  tags = np.full(split.arrays["word"].shape, outside, np.int32)
  before, last = outside, -1
  for row, start, word in text_input.words(split):
    if row != last:
      before, last = outside, row
    tag = best.get(word, outside)
    prefix, _, kind = names[tag].partition("-")
    begin = f"B-{kind}"
    if prefix == "I" and names[before][2:] != kind and begin in names:
      tag = names.index(begin)
    tags[row, start] = before = tag
  return tags


RIVALS = {"dictionary": dictionary}
