"""A few held-out texts with their tokens' attributions, for the report.

These are the surest right answers, the surest wrong answers and the least sure
answers, which a reader wants to see first. Texts are cut to `SHOWN` tokens.
With several labels an answer is the set of predicted labels, and right only if
the whole set is.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from medfm import processes
from medfm.data import cuts, loader
from medfm.data.text.tokenizers import Tokenizer
from medfm.evals import scores
from medfm.evals.context import Context, Findings
from medfm.explain import attribution
from medfm.tasks.answers import Answers
from medfm.types import Info, Objective, Split, Variables

HOW = (
  "Texts as the model's tokens. Orange tokens count for "
  "the class named, blue ones against it: integrated gradients "
  "(Sundararajan et al. 2017) from the average token of the vocabulary, the "
  "strongest token of a line the darkest. They show what moved this model's "
  "answer, not why the answer would be true."
)
SHOWN = 100
MOST = 3
VIEWS = 3
"""Of how many labels, at most, attributions are shown."""

LABELS = 12
"""How many labels, at most, are named."""

_ROWS = 4


def examples(context: Context, *, show: bool | None = None) -> Findings:
  """A few texts of the test split, if the run may show any.

  show: None shows texts of published sets only. If False, no text is written
    anywhere; the vocabulary of a tokenizer learnt by the run still holds single
    words.
  """
  data, task, info = context.data, context.task, context.info
  settings = data.encode.keywords if data.encode is not None else {}
  hidden = data.private if show is None else not show
  if hidden or not ("tokenizer" in settings and "test" in data.splits):
    return Findings()
  if getattr(info.only, "prompts", None):
    return Findings()  # The model answers in words and has no head.
  whole = context.splits["test"]
  if not task.TARGETS or not set(task.TARGETS) <= whole.arrays.keys():
    return Findings()
  target = scores.target_of(task, whole.arrays)
  answers = task.answers(info, target, context.predicted["test"])
  if answers is None:
    return Findings()
  variables = processes.gathered(context.variables)
  if not context.first:
    return Findings()
  model = context.objective, variables, info
  rows, tokenizer = data.splits["test"], Tokenizer(settings["tokenizer"])
  texts = described(*model, rows, whole, answers, tokenizer, context.decisions)
  if not texts:
    return Findings()
  block = {"kind": "texts", "title": "Examples", "how": HOW, "examples": texts}
  return Findings(shown={"test": [block]})


def described(
  objective: Objective,
  variables: Variables,
  info: Info,
  split: Split,
  whole: Split,
  answers: Answers,
  tokenizer: Tokenizer,
  thresholds: Mapping[str, float] = {},
) -> list[dict[str, Any]]:
  """The chosen texts, JSON-able.

  split: rows of tokens; whole: one row a text, as the task assembles them.
  answers: the task's, of `whole`.
  thresholds: of several labels, as `Task.decide` has chosen them.
  Each has kind (right, wrong, unsure), id, said, true, certainty, word (the
  place [start, stop) of the word asked about, else None), pieces (text and
  whether a space comes before), left_out (tokens) and views: for the answer,
  and the truth where it differs, class, values and gap, by how much the
  values miss the logit's difference from the baseline.
  With several labels said and true are lists, and labels has, for those called
  or true, class, prob, cut, threshold, said and true.
  """
  chosen = choice(answers)
  asked = [(i, k) for _, i in chosen for k in _classes(answers, i)]
  if not asked:
    return []
  rows = {index: _row(split, answers, index) for _, index in chosen}
  views = _attributed(objective, variables, info, split, answers, asked, rows)
  texts = []
  for kind, index in chosen:
    mine = {k: views[index, k] for k in _classes(answers, index)}
    text = {
      "kind": kind,
      "id": str(whole.ids[answers.example[index]]),
      "certainty": round(float(answers.certainty[index]), 6),
    }
    text |= _shown(answers, index, info, split, rows[index], tokenizer, mine)
    texts.append(text | _answered(answers, index, info, thresholds))
  return texts


def _classes(answers: Answers, index: int) -> list[int]:
  """The classes whose attributions are shown: the answer and the truth.

  With several labels mistakes come first, then right answers, each with the
  surest first; at most `VIEWS` of them.
  """
  if answers.probs is not None:
    return _named(answers, index)[:VIEWS]
  both = int(answers.answer[index]), int(answers.true[index])
  return list(dict.fromkeys(both))


def _named(answers: Answers, index: int) -> list[int]:
  """The labels that are predicted or true, mistakes first."""
  called, true = answers.answer[index], answers.true[index]
  sure = np.abs(answers.probs[index] - answers.cut)
  wrong = np.isfinite(true) & (called != (true > 0.5))
  return sorted(
    np.flatnonzero(called | (true > 0.5)).tolist(),
    key=lambda k: (not wrong[k], -sure[k]),
  )


def choice(answers: Answers, most: int = MOST) -> list[tuple[str, int]]:
  """(kind, candidate): at most `most` of each kind, no text twice."""
  shown: set[int] = set()
  chosen = []
  for kind, pool, sign in (
    ("right", answers.right, -1),
    ("wrong", ~answers.right, -1),
    ("unsure", np.ones(len(answers.right), bool), 1),
  ):
    places = np.flatnonzero(pool)
    order = np.argsort(sign * answers.certainty[places], kind="stable")
    full = len(chosen) + most
    for index in places[order].tolist():
      if len(chosen) < full and answers.example[index] not in shown:
        shown.add(answers.example[index])
        chosen.append((kind, index))
  return chosen


def _row(split: Split, answers: Answers, index: int) -> int:
  """The row of tokens that holds the word, or the text's first one."""
  document = np.asarray(split.arrays.get("document", np.arange(len(split))))
  rows = np.flatnonzero(document == np.unique(document)[answers.example[index]])
  word = answers.place[index]
  if word < 0:
    return int(rows[0])
  holds = (np.asarray(split.arrays["word"])[rows] == word).any(1)
  return int(rows[holds.argmax()])


def _attributed(objective, variables, info, split, answers, asked, rows):
  """(candidate, class) -> (values, by how much they miss the logit).

  Rows are cut to the longest of them and go through in small batches.
  """
  texts = split.take(np.array([rows[index] for index, _ in asked]))
  arrays = cuts.cut(dict(texts.arrays), texts, cuts.buckets(texts))
  arrays["_class"] = np.array([k for _, k in asked], np.int32)
  if "word" in arrays:
    word = np.array([answers.place[index] for index, _ in asked])
    arrays["_place"] = (arrays["word"] == word[:, None]).argmax(1)

  @jax.jit
  def explained(variables, batch):
    batch = {name: jnp.asarray(array) for name, array in batch.items()}
    asked = batch.pop("_class"), batch.pop("_place", None)
    return attribution.integrated_gradients(
      objective, variables, batch, info, *asked
    )

  views = []
  for batch in loader.in_order(Split(arrays, texts.ids), _ROWS):
    result = jax.device_get(explained(variables, batch))
    gap = result.score - result.baseline - result.values.sum(1)
    views += zip(result.values, gap, strict=True)
  return dict(zip(asked, views, strict=False))  # Padding rows come last.


def _shown(answers, index, info, split, row, tokenizer, views):
  """At most `SHOWN` tokens: around the word asked about, or the strongest."""
  segment = np.asarray(split.arrays["segment"])[row]
  tokens = np.asarray(split.arrays["tokens"])[row][segment > 0]
  start, word = 0, None
  if answers.place[index] >= 0:
    words = np.asarray(split.arrays["word"])[row]
    places = np.flatnonzero(words == answers.place[index])
    middle = int(places[0]) - SHOWN // 2
    start = int(np.clip(middle, 0, max(len(tokens) - SHOWN, 0)))
    word = [int(places[0]) - start, int(places[-1]) + 1 - start]
  elif len(tokens) > SHOWN:
    pulls = np.abs(next(iter(views.values()))[0][: len(tokens)])
    start = int(np.convolve(pulls, np.ones(SHOWN), "valid").argmax())
  window = slice(start, min(start + SHOWN, len(tokens)))
  pieces = tokenizer.pieces(tokens[window])
  return {
    "word": word,
    "pieces": [[text, bool(spaced)] for text, spaced in pieces],
    "left_out": len(tokens) - len(pieces),
    "views": [
      {
        "class": info.target.names[k],
        "values": [round(float(v), 5) for v in values[window]],
        "gap": round(float(gap), 6),
      }
      for k, (values, gap) in views.items()
    ],
  }


def _answered(
  answers: Answers, index: int, info: Info, thresholds: Mapping[str, float]
) -> dict[str, Any]:
  """The answer and the truth by name; of several labels with their numbers."""
  names, answer = info.target.names, answers.answer[index]
  true = answers.true[index]
  if answers.probs is None:
    return {"said": names[int(answer)], "true": names[int(true)]}
  of_class = {key.partition("[")[2][:-1]: v for key, v in thresholds.items()}
  called = _named(answers, index)
  return {
    "said": [names[k] for k in np.flatnonzero(answer)[:LABELS]],
    "true": [names[k] for k in np.flatnonzero(true > 0.5)[:LABELS]],
    "labels": [
      {
        "class": names[k],
        "prob": round(float(answers.probs[index][k]), 6),
        "cut": answers.cut,
        "threshold": of_class.get(names[k]),
        "said": bool(answer[k]),
        "true": bool(true[k] > 0.5) if np.isfinite(true[k]) else None,
      }
      for k in called[:LABELS]
    ],
    "labels_left_out": max(len(called) - LABELS, 0),
  }
