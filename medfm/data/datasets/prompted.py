"""Any labelled set of texts as prompts for a causal model.

Zero-shot and few-shot classification: a text is followed by the words for each
class, and the likeliest answer gives the class (`objectives.prompted`). Shots
are drawn from the training split alone.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from medfm import spec
from medfm.data import splits
from medfm.data.datasets import pubmedqa
from medfm.data.tables import encoding
from medfm.data.text import (
  prompts,
  sequences,
  text_files,
  texts,
  token_rows,
  tokenizers,
)
from medfm.data.text.input import Tokens
from medfm.data.text.sequences import TooLong
from medfm.data.text.tokenizers import Tokenizer
from medfm.tasks import multiclass
from medfm.types import Dataset, Folders, Info, Split, UserError

CONTENT_FREE = ("N/A", "[MASK]", "")
"""Texts without content, from Zhao et al. 2021."""


@spec.forwards(prompts.drawn, "shots", "draws", "orders", "balanced", "seed")
def prompted(
  folders: Folders,
  *,
  source: Callable = pubmedqa.source,
  template: str = "{text}\nAnswer:",
  answers: tuple[str, ...] = (),
  between: str = "\n\n",
  content_free: tuple[str, ...] = CONTENT_FREE,
  tokenizer: Callable = tokenizers.byte_bpe,
  length: int = 1024,
  room: int = 256,
  too_long: TooLong = "windows",
  **drawing: Any,
) -> Dataset:
  """Texts of a set with one label each, as rows [N, room] of tokens.

  source: gives the recorded texts and their card, as `pubmedqa.source` does.
  template: how a text is written, with {text} and perhaps {pair}; the answer
    follows it.
  answers: the words for each class, in the order of the classes; by default a
    blank and the class's name.
  between: what follows the answer of each shot.
  shots: how many labelled texts come before the one to label. draws: how many
    sets of shots; orders: how many orders of each set, which makes draws *
    orders prompts.
  balanced: whether the shots take the classes in turn.
  content_free: texts that are put in place of the real one for calibration.
  length: tokens of the model's rows: shots, `room` for the text, and answers.
  too_long: whether a text longer than `room` is read in windows or is an error.
  seed: of the shots; the split's is `source.seed`.
  """
  recorded, card = source(folders)
  name = spec.function(source).__module__.rpartition(".")[2]
  train = next(iter(recorded.splits.values()))
  label = np.asarray(train.arrays.get("label"))
  if label.ndim != 1:
    raise UserError(
      f"{name}: prompts need a set of texts with one label (class) each"
    )
  if recorded.reading:
    return _as_trained(recorded, card, name)
  token = tokenizer(texts.plain(train), folders)
  words = tuple(answers) or tuple(f" {each}" for each in recorded.names)
  if len(words) != len(recorded.names):
    raise UserError(
      f"answers has {len(words)} words; expected one for each class of {name}: "
      + ", ".join(recorded.names)
    )
  settings = {"template": template, "room": room, "too_long": too_long}
  asked, drawn = _prompts(
    train, token, words, template, between, content_free,
    length=length, room=room, **drawing,
  )  # fmt: skip
  parts, changes = {}, list(recorded.changes)
  for part, split in recorded.splits.items():
    parts[part], new = _rows(split, token, **settings)
    changes += [{**e, "what": f"{part}: {e['what']}"} for e in new]
  notes = {"changes": changes, "split": recorded.how, "prompts": drawn}
  return token_rows.of_tokens(
    parts,
    token,
    name=name,
    target=multiclass.fitted(recorded.names, {"label": label}),
    card={**card, **notes},
    content=[recorded.fingerprint, token.sha256, settings, asked],
    encode=functools.partial(encoded, **settings),
    prompts=asked,
  )


def _as_trained(
  recorded: texts.Raw, card: Mapping[str, Any], name: str
) -> Dataset:
  """All texts, with the prompts and the tokenizer of a trained model."""
  reading, (split,) = recorded.reading, recorded.splits.values()
  asked = reading.only(Tokens, name).prompts
  if not asked or "tokenizer" not in reading.settings:
    raise UserError(
      f"{name} needs prompts, and the model was trained without any"
    )
  keys = ("template", "room", "too_long")
  settings = {key: reading.settings[key] for key in keys}
  token = Tokenizer(reading.settings["tokenizer"])
  whole, changes = _rows(split, token, **settings)
  label = np.asarray(split.arrays["label"])
  return token_rows.of_tokens(
    {splits.WHOLE: whole},
    token,
    name=name,
    target=multiclass.fitted(recorded.names, {"label": label}),
    card={**card, "changes": [*recorded.changes, *changes]},
    content=[recorded.fingerprint, token.sha256, settings, asked],
    encode=functools.partial(encoded, **settings),
    prompts=asked,
  )


@spec.forwards(prompts.rows)
def encoded(
  path: str, info: Info, *, tokenizer: str, template: str, **settings: Any
) -> Split:
  """New texts to label: a .txt (one a line), CSV or JSON lines file.

  Columns are `text` and, if the template has it, `pair`.
  """
  table = text_files.read(path)
  fields = {name: name for name in prompts.FIELDS if f"{{{name}}}" in template}
  strings = text_files.strings(table, **fields)
  arrays = {name: np.array(cells, object) for name, cells in strings.items()}
  split = Split(arrays, encoding.ids(table))
  return _rows(split, Tokenizer(tokenizer), template, **settings)[0]


def _rows(
  split: Split, token: Tokenizer, template: str, **settings: Any
) -> tuple[Split, list[dict[str, Any]]]:
  cut = prompts.rows(token, template, split.arrays, split.ids, **settings)
  return token_rows.of_rows(split, cut), cut.changes


def _prompts(
  train, token, words, template, between, content_free,
  *, length, room, **drawing,
) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
  """`Info.prompts`, and their part of the card."""
  answers = prompts.answers(token, words)
  label = np.asarray(train.arrays["label"])
  after = token.ids([between])[0]
  bodies = prompts.written(token, template, train.arrays)
  shot = [
    np.concatenate([body.whole, answers[max(k, 0)], after])
    for body, k in zip(bodies, label, strict=True)
  ]
  budget = prompts.fitting(length, room, answers, drawing.get("shots", 0))
  chosen, too_long = prompts.drawn(
    np.array([len(ids) for ids in shot]), label, budget=budget, **drawing
  )
  opening = sequences.ends(token)[0]
  blank = dict.fromkeys(prompts.FIELDS, content_free)
  free = prompts.written(token, template, blank) if content_free else []
  asked = {
    "names": [*chosen],
    "shots": [
      [opening, *(token for i in each for token in shot[i].tolist())]
      for each in chosen.values()
    ],
    "answers": [ids.tolist() for ids in answers],
    "content_free": [each.whole.tolist() for each in free],
  }
  named = [
    f"{name} ({words[k].strip()})"
    for name, k in zip(train.ids, label, strict=True)
  ]
  return asked, {
    "template": template,
    "tokens_of_a_shot": budget,
    "training_texts_too_long_for_a_shot": too_long,
    "shots": {name: [named[i] for i in each] for name, each in chosen.items()},
  }
