"""A few held-out texts with their tokens' attributions, for the report.

The surest right answers, the surest wrong ones and the least sure: what a
reader asks to see first. Texts are cut to `SHOWN` tokens. Of several labels
an answer is the set of those predicted, right where all of it is.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medfm import processes
from medfm.data import cuts, loader
from medfm.data.text.tokenizers import Tokenizer
from medfm.evals.context import Context, Findings, shows_data
from medfm.explain import attribution
from medfm.tasks.answers import Answers
from medfm.types import Info, Objective, Split, Task, Variables

HOW = (
  "Texts as the model's tokens. Orange tokens speak for "
  "the class named, blue ones against it: integrated gradients "
  "(Sundararajan et al. 2017) from the average token of the vocabulary, the "
  "strongest token of a line the darkest. They show what moved this model's "
  "answer, not why the answer would be true."
)
SHOWN = 100
MOST = 3
VIEWS = 3
"""The labels, of several, whose attributions are shown."""

LABELS = 12
"""The labels, of several, that are named."""

_ROWS = 4
POINTS = 32


@shows_data
def examples(context: Context, *, show: bool | None = None) -> Findings:
  """A few texts of the test split, where the run may show any.

  show: None shows those of published sets alone. Off, no text is written
    anywhere; the vocabulary of a tokenizer that was learnt here still holds
    single words.
  """
  data, task = context.data, context.task
  settings = data.encode.keywords if data.encode is not None else {}
  if not (not data.private if show is None else show):
    return Findings()
  if "tokenizer" not in settings or "test" not in context.splits:
    return Findings()
  if getattr(context.info.only, "prompts", None):
    return Findings()  # Answers are of the vocabulary, not of a head.
  whole, predicted = context.splits["test"], context.predicted["test"]
  answers = _answers(task, context.info, whole, predicted)
  if answers is None:
    return Findings()
  variables = processes.gathered(context.variables)
  if not context.first:
    return Findings()
  texts = described(
    context.objective,
    variables,
    context.info,
    data.splits["test"],
    whole,
    answers,
    Tokenizer(settings["tokenizer"]),
    context.decisions,
  )
  if not texts:
    return Findings()
  block = {"kind": "texts", "title": "Examples", "how": HOW, "examples": texts}
  return Findings(shown={"test": [block]})


def _answers(task: Task, info: Info, whole: Split, predicted) -> Answers | None:
  if not task.TARGETS or not set(task.TARGETS) <= whole.arrays.keys():
    return None
  target = {name: whole.arrays[name] for name in task.TARGETS}
  return task.answers(info, target, predicted)


def described(
  objective: Objective,
  variables: Variables,
  info: Info,
  split: Split,
  whole: Split,
  found: Answers,
  tokenizer: Tokenizer,
  thresholds: Mapping[str, float] = {},
) -> list[dict[str, Any]]:
  """The chosen texts, JSON-able.

  split: rows of tokens; whole: one row a text, as the task assembles them.
  found: the task's answers of `whole`.
  thresholds: of several labels, as `Task.decide` has chosen them.
  Each has kind (right, wrong, unsure), id, said, true, certainty, word (the
  place [start, stop) of the word asked about, else None), pieces (text and
  whether a space comes before), left_out (tokens) and views: for the answer,
  and the truth where it differs, class, values and gap, by how much the
  values miss the logit's difference from the baseline.
  Of several labels said and true are lists, and labels has, of those that are
  called or true, class, prob, cut, threshold, said and true.
  """
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


def _classes(found: Answers, index: int) -> list[int]:
  """Whose attributions are asked for: the answer's and the truth's.

  Of several labels the mistakes come first, then what is rightly called, the
  surest of each first; at most `VIEWS` of them.
  """
  said, true = found.answer[index], found.true[index]
  if found.probs is None:
    return list(dict.fromkeys((int(said), int(true))))
  return _named(found, index)[:VIEWS]


def _named(found: Answers, index: int) -> list[int]:
  """The labels that are called or true, mistakes first."""
  said, true = found.answer[index], found.true[index]
  sure = np.abs(found.probs[index] - found.cut)
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
      if taken < most and int(found.example[index]) not in seen:
        seen.add(int(found.example[index]))
        chosen.append((kind, index))
        taken += 1
  return chosen


def _row(split: Split, found: Answers, index: int) -> int:
  """The row of tokens that holds the word, or the text's first one."""
  document = np.asarray(split.arrays.get("document", np.arange(len(split))))
  rows = np.flatnonzero(document == np.unique(document)[found.example[index]])
  if found.place[index] < 0:
    return int(rows[0])
  holds = (np.asarray(split.arrays["word"])[rows] == found.place[index]).any(1)
  return int(rows[holds.argmax()])


def _attributed(objective, variables, info, split, found, asked):
  """Attributions of each (candidate, row, class): values, and what they miss.

  Rows are cut to the longest of them and go through in small batches.
  """
  rows = np.array([row for _, row, _ in asked])
  own = split.take(rows)
  arrays, lengths = dict(own.arrays), cuts.buckets(own)
  if lengths is not None:
    arrays = cuts.cut(arrays, own.lengths, int(lengths.max()))
  arrays["_class"] = np.array([k for *_, k in asked], np.int32)
  if "word" in arrays:
    word = np.array([found.place[index] for index, *_ in asked])
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
  if found.place[index] >= 0:
    places = np.flatnonzero(
      np.asarray(split.arrays["word"])[row] == found.place[index]
    )
    middle = int(places[0]) - SHOWN // 2
    start = int(np.clip(middle, 0, max(len(tokens) - SHOWN, 0)))
    window = slice(start, start + SHOWN)
    word = [int(places[0]) - start, int(places[-1]) + 1 - start]
  pieces = tokenizer.pieces(tokens[window])
  return {
    "kind": kind,
    "id": str(whole.ids[found.example[index]]),
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
  said, true = found.answer[index], found.true[index]
  if found.probs is None:
    return {
      "said": info.target.names[int(said)],
      "true": info.target.names[int(true)],
    }
  of_class = {key.partition("[")[2][:-1]: v for key, v in thresholds.items()}
  named = _named(found, index)
  labels = [
    {
      "class": info.target.names[k],
      "prob": round(float(found.probs[index][k]), 6),
      "cut": found.cut,
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
