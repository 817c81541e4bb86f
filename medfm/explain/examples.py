"""A few held-out texts with their tokens' attributions, for the report.

The surest right answers, the surest wrong ones and the least sure: what a
reader asks to see first. Texts are cut to `SHOWN` tokens.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from medfm.data import loader, packing
from medfm.data.tokenizers import Tokenizer
from medfm.evals import words
from medfm.explain import attribution
from medfm.types import Info, Objective, Split, Variables

SHOWN = 100
MOST = 3
_ROWS = 4
POINTS = 32


class Answers(NamedTuple):
  """Candidates [M]: which text, the answer and the truth by class, how sure
  the answer was, whether it is right, and the word asked about (-1: none)."""

  text: np.ndarray
  said: np.ndarray
  true: np.ndarray
  certainty: np.ndarray
  right: np.ndarray
  word: np.ndarray


def examples(
  objective: Objective,
  variables: Variables,
  info: Info,
  split: Split,
  outputs: Mapping[str, np.ndarray],
  tokenizer: Tokenizer,
) -> list[dict[str, Any]]:
  """The chosen texts, JSON-able.

  split: rows of tokens; outputs: of `words.outputs`, one row a text.
  Each has kind (right, wrong, unsure), id, said, true, certainty, word (the
  place [start, stop) of the word asked about, else None), pieces (text and
  whether a space comes before), left_out (tokens) and views: for the answer,
  and the truth where it differs, class, values and gap, by how much the
  values miss the logit's difference from the baseline.
  """
  whole = words.whole(info, split)
  found = answers(info, whole, outputs)
  chosen = choice(found)
  if not chosen:
    return []
  asked = [
    (index, _row(split, found, index), k)
    for _, index in chosen
    for k in dict.fromkeys((int(found.said[index]), int(found.true[index])))
  ]
  views = _attributed(objective, variables, info, split, found, asked)
  return [
    _described(kind, index, found, whole, split, info, tokenizer, asked, views)
    for kind, index in chosen
  ]


def answers(
  info: Info, whole: Split, outputs: Mapping[str, np.ndarray]
) -> Answers:
  """Every answer that may be shown: one a text, label or word.

  Of several labels and of words those that are called or are true count.
  """
  label = np.asarray(whole.arrays.get("label", np.zeros(0)))
  if info.task == "multiclass" and "probs" in outputs:
    probs = np.asarray(outputs["probs"])
    text = np.flatnonzero((label >= 0) & np.isfinite(probs).all(1))
    said, true, word = probs[text].argmax(1), label[text], -np.ones(len(text))
    certainty = probs[text].max(1)
  elif info.task == "tokens" and "certainty" in outputs:
    tags = outputs["tags"]
    outside = info.classes.index("O") if "O" in info.classes else -1
    known = (label >= 0) & ((tags != outside) | (label != outside))
    text, word = np.nonzero(known)
    said, true = tags[text, word], label[text, word]
    certainty = outputs["certainty"][text, word]
  else:
    text = said = true = word = np.zeros(0, int)
    certainty = np.zeros(0)
  return Answers(text, said, true, certainty, said == true, word.astype(int))


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
    "said": info.classes[int(found.said[index])],
    "true": info.classes[int(found.true[index])],
    "certainty": round(float(found.certainty[index]), 6),
    "word": word,
    "pieces": [[text, bool(spaced)] for text, spaced in pieces],
    "left_out": len(tokens) - len(pieces),
    "views": [
      {
        "class": info.classes[asked[place][2]],
        "values": [round(float(v), 5) for v in own[window]],
        "gap": round(float(views[place][1]), 6),
      }
      for place, own in zip(mine, values, strict=True)
    ],
  }


def _window(values: np.ndarray, shown: int) -> slice:
  """The stretch of at most `shown` tokens with the most attribution."""
  if len(values) <= shown:
    return slice(0, len(values))
  sums = np.convolve(np.abs(values), np.ones(shown), "valid")
  start = int(sums.argmax())
  return slice(start, start + shown)
