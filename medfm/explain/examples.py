"""A few held-out texts with their tokens' attributions, for the report.

The surest right answers, the surest wrong ones and the least sure: what a
reader asks to see first. Texts are cut to `SHOWN` tokens. Of several labels
an answer is the set of those predicted, right where all of it is.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from medfm.data import loader
from medfm.data.text import packing
from medfm.data.text.tokenizers import Tokenizer
from medfm.evals import panel, words
from medfm.explain import attribution
from medfm.types import Info, Objective, Split, Variables

SHOWN = 100
MOST = 3
VIEWS = 3
"""The labels, of several, whose attributions are shown."""

LABELS = 12
"""The labels, of several, that are named."""

_ROWS = 4
POINTS = 32


class Answers(NamedTuple):
  """Candidates [M]: which text, the answer and the truth by class, how sure
  the answer was, whether it is right, and the word asked about (-1: none).

  Of several labels said is [M,K] bool, true [M,K] with NaN where the truth is
  not known, and probs [M,K].
  """

  text: np.ndarray
  said: np.ndarray
  true: np.ndarray
  certainty: np.ndarray
  right: np.ndarray
  word: np.ndarray
  probs: np.ndarray | None = None


def examples(
  objective: Objective,
  variables: Variables,
  info: Info,
  split: Split,
  outputs: Mapping[str, np.ndarray],
  tokenizer: Tokenizer,
  thresholds: Mapping[str, float] = {},
) -> list[dict[str, Any]]:
  """The chosen texts, JSON-able.

  split: rows of tokens; outputs: of `words.outputs`, one row a text.
  thresholds: of several labels, as `evals.thresholds` has chosen them.
  Each has kind (right, wrong, unsure), id, said, true, certainty, word (the
  place [start, stop) of the word asked about, else None), pieces (text and
  whether a space comes before), left_out (tokens) and views: for the answer,
  and the truth where it differs, class, values and gap, by how much the
  values miss the logit's difference from the baseline.
  Of several labels said and true are lists, and labels has, of those that are
  called or true, class, prob, cut, threshold, said and true.
  """
  whole = words.whole(info, split)
  found = answers(info, whole, outputs)
  chosen = choice(found)
  if not chosen:
    return []
  asked = [
    (index, _row(split, found, index), k)
    for _, index in chosen
    for k in _classes(found, index)
  ]
  views = _attributed(objective, variables, info, split, found, asked)
  return [
    _described(kind, index, found, whole, split, info, tokenizer, asked, views)
    | _answered(found, index, info, thresholds)
    for kind, index in chosen
  ]


def answers(
  info: Info, whole: Split, outputs: Mapping[str, np.ndarray]
) -> Answers:
  """Every answer that may be shown: one a text or word.

  Texts of several labels, and words, of which nothing is called or true do
  not count.
  """
  label = np.asarray(whole.arrays.get("label", np.zeros(0)))
  if info.task == "multiclass" and "probs" in outputs:
    probs = np.asarray(outputs["probs"])
    text = np.flatnonzero((label >= 0) & np.isfinite(probs).all(1))
    said, true, word = probs[text].argmax(1), label[text], -np.ones(len(text))
    certainty = probs[text].max(1)
  elif info.task == "multilabel" and "probs" in outputs:
    return _label_sets(label, np.asarray(outputs["probs"]))
  elif info.task == "tokens" and "certainty" in outputs:
    tags = outputs["tags"]
    outside = info.target.names.index("O") if "O" in info.target.names else -1
    known = (label >= 0) & ((tags != outside) | (label != outside))
    text, word = np.nonzero(known)
    said, true = tags[text, word], label[text, word]
    certainty = outputs["certainty"][text, word]
  else:
    text = said = true = word = np.zeros(0, int)
    certainty = np.zeros(0)
  return Answers(text, said, true, certainty, said == true, word.astype(int))


def _label_sets(label: np.ndarray, probs: np.ndarray) -> Answers:
  """A right set is as sure as its least sure label, a wrong one as its surest
  mistake."""
  known, called = np.isfinite(label), probs > panel.MULTILABEL_CUT
  wrong = known & (called != (label > 0.5))
  sure = np.maximum(probs, 1 - probs)
  certainty = np.where(
    wrong.any(1),
    np.where(wrong, sure, 0).max(1),
    np.where(known, sure, 1).min(1),
  )
  counts = (known & (called | (label > 0.5))).any(1)
  text = np.flatnonzero(counts & np.isfinite(probs).all(1))
  return Answers(
    text,
    called[text],
    label[text],
    certainty[text],
    ~wrong[text].any(1),
    np.full(len(text), -1),
    probs[text],
  )


def _classes(found: Answers, index: int) -> list[int]:
  """Whose attributions are asked for: the answer's and the truth's.

  Of several labels the mistakes come first, then what is rightly called, the
  surest of each first; at most `VIEWS` of them.
  """
  said, true = found.said[index], found.true[index]
  if found.probs is None:
    return list(dict.fromkeys((int(said), int(true))))
  return _named(found, index)[:VIEWS]


def _named(found: Answers, index: int) -> list[int]:
  """The labels that are called or true, mistakes first."""
  said, true = found.said[index], found.true[index]
  sure = np.abs(found.probs[index] - panel.MULTILABEL_CUT)
  wrong = np.isfinite(true) & (said != (true > 0.5))
  return sorted(
    np.flatnonzero(said | (true > 0.5)).tolist(),
    key=lambda k: (not wrong[k], -sure[k]),
  )


def choice(found: Answers, most: int = MOST) -> list[tuple[str, int]]:
  """(kind, candidate): at most `most` of each kind, no text twice."""
  seen: set[int] = set()
  chosen = []
  for kind, pool, sign in (
    ("right", found.right, -1),
    ("wrong", ~found.right, -1),
    ("unsure", np.ones(len(found.right), bool), 1),
  ):
    places = np.flatnonzero(pool)
    order = np.argsort(sign * found.certainty[places], kind="stable")
    taken = 0
    for index in places[order].tolist():
      if taken < most and int(found.text[index]) not in seen:
        seen.add(int(found.text[index]))
        chosen.append((kind, index))
        taken += 1
  return chosen


def _row(split: Split, found: Answers, index: int) -> int:
  """The row of tokens that holds the word, or the text's first one."""
  document = np.asarray(split.arrays.get("document", np.arange(len(split))))
  rows = np.flatnonzero(document == np.unique(document)[found.text[index]])
  if found.word[index] < 0:
    return int(rows[0])
  holds = (np.asarray(split.arrays["word"])[rows] == found.word[index]).any(1)
  return int(rows[holds.argmax()])


def _attributed(objective, variables, info, split, found, asked):
  """Attributions of each (candidate, row, class): values, and what they miss.

  Rows are cut to the longest of them and go through in small batches.
  """
  rows = np.array([row for _, row, _ in asked])
  own = split.take(rows)
  length = int(packing.buckets(np.asarray(own.arrays["segment"])).max())
  arrays = packing.trimmed(own.arrays, length)
  arrays["_class"] = np.array([k for *_, k in asked], np.int32)
  if "word" in arrays:
    word = np.array([found.word[index] for index, *_ in asked])
    arrays["_place"] = (arrays["word"] == word[:, None]).argmax(1)
  explain = jax.jit(
    functools.partial(_explained, objective=objective, info=info)
  )
  views = []
  for batch in loader.in_order(Split(arrays, own.ids), _ROWS):
    result = jax.device_get(explain(variables, batch))
    gap = result.score - result.baseline - result.values.sum(1)
    views += zip(result.values, gap, strict=True)
  return views[: len(asked)]


def _explained(variables, batch, *, objective, info):
  batch = {name: jnp.asarray(array) for name, array in batch.items()}
  places = batch.pop("_place", None)
  target = attribution.Target(batch.pop("_class"), places)
  return attribution.integrated_gradients(
    objective, variables, batch, info, target, points=POINTS
  )


def _described(
  kind, index, found, whole, split, info, tokenizer, asked, views
) -> dict[str, Any]:
  mine = [place for place, (i, *_) in enumerate(asked) if i == index]
  row = asked[mine[0]][1]
  segment = np.asarray(split.arrays["segment"])[row]
  tokens = np.asarray(split.arrays["tokens"])[row][segment > 0]
  values = np.stack([views[place][0][: len(tokens)] for place in mine])
  window = _window(values[0], SHOWN)
  word = None
  if found.word[index] >= 0:
    places = np.flatnonzero(
      np.asarray(split.arrays["word"])[row] == found.word[index]
    )
    middle = int(places[0]) - SHOWN // 2
    start = int(np.clip(middle, 0, max(len(tokens) - SHOWN, 0)))
    window = slice(start, start + SHOWN)
    word = [int(places[0]) - start, int(places[-1]) + 1 - start]
  pieces = tokenizer.pieces(tokens[window])
  return {
    "kind": kind,
    "id": str(whole.ids[found.text[index]]),
    "certainty": round(float(found.certainty[index]), 6),
    "word": word,
    "pieces": [[text, bool(spaced)] for text, spaced in pieces],
    "left_out": len(tokens) - len(pieces),
    "views": [
      {
        "class": info.target.names[asked[place][2]],
        "values": [round(float(v), 5) for v in own[window]],
        "gap": round(float(views[place][1]), 6),
      }
      for place, own in zip(mine, values, strict=True)
    ],
  }


def _answered(
  found: Answers, index: int, info: Info, thresholds: Mapping[str, float]
) -> dict[str, Any]:
  """The answer and the truth by name; of several labels with their numbers."""
  said, true = found.said[index], found.true[index]
  if found.probs is None:
    names = info.target.names
    return {"said": names[int(said)], "true": names[int(true)]}
  of_class = {key.partition("[")[2][:-1]: v for key, v in thresholds.items()}
  named = _named(found, index)
  labels = [
    {
      "class": info.target.names[k],
      "prob": round(float(found.probs[index][k]), 6),
      "cut": panel.MULTILABEL_CUT,
      "threshold": of_class.get(info.target.names[k]),
      "said": bool(said[k]),
      "true": bool(true[k] > 0.5) if np.isfinite(true[k]) else None,
    }
    for k in named[:LABELS]
  ]
  return {
    "said": [info.target.names[k] for k in np.flatnonzero(said)[:LABELS]],
    "true": [info.target.names[k] for k in np.flatnonzero(true > 0.5)[:LABELS]],
    "labels": labels,
    "labels_left_out": len(named) - len(labels),
  }


def _window(values: np.ndarray, shown: int) -> slice:
  """The stretch of at most `shown` tokens with the most attribution."""
  if len(values) <= shown:
    return slice(0, len(values))
  sums = np.convolve(np.abs(values), np.ones(shown), "valid")
  start = int(sums.argmax())
  return slice(start, start + shown)
