"""The pre-training corpus as pairs of texts: neighbours, or of two documents.

Next-sentence prediction of Devlin et al., "BERT: pre-training of deep
bidirectional transformers for language understanding", 2019: [CLS] a [SEP] b
[SEP], where b follows a in its document or is from another one.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np

from medfm.data import rng
from medfm.data.datasets import corpus
from medfm.data.text import packing, sequences, texts, tokenizers
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import Tokenizer
from medfm.types import Dataset, Folders, Split, UserError

FOLLOWS, RANDOM = 0, 1
"""The values of `next_sentence`, numbered as in BERT."""

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9(])")


def sentence_pairs(
  folders: Folders,
  *,
  sets: tuple[str, ...] = corpus.SETS,
  path: str = "",
  text: str = "text",
  tokenizer: Callable = tokenizers.wordpiece,
  length: int = 128,
  seed: int = 0,
  fractions: tuple[float, ...] = (0.96, 0.02, 0.02),
) -> Dataset:
  """Pairs [N, length] of the corpus, with `next_sentence` int32 [N].

  The documents, their parts and the settings are those of `corpus.corpus`;
  both texts of a pair are of one part. `token_type` tells them apart.
  """
  whole = corpus.corpus(
    folders,
    sets=sets,
    path=path,
    text=text,
    tokenizer=tokenizer,
    length=length,
    seed=seed,
    fractions=fractions,
  )
  documents = corpus.gathered(folders, sets, path, text, seed)
  parts = corpus.parts(documents, seed, fractions)
  training = [documents.text[i] for i in parts["train"]]
  token = tokenizer(training, folders)
  found = {}
  for name, rows in parts.items():
    cut = [_END.split(documents.text[i]) for i in rows]
    found[name] = _split(token, cut, name, length, seed)
  card = whole.card | {
    "pairs": {
      name: {
        "rows": len(split),
        "neighbours": int((split.arrays["next_sentence"] == FOLLOWS).sum()),
      }
      for name, split in found.items()
    },
    "changes": documents.account["removed"],
    "text": texts.measures(found, token),
    "fingerprint": hashlib.sha256(
      f"pairs {whole.card['fingerprint']}".encode()
    ).hexdigest(),
  }
  info = dataclasses.replace(whole.info, name="sentence_pairs")
  return Dataset(splits=found, info=info, card=card)


def pairs(
  documents: Sequence[Sequence[np.ndarray]], room: int, seed: int, name: str
) -> list[tuple[np.ndarray, np.ndarray, int]]:
  """(a, b, FOLLOWS or RANDOM) of documents, each a list of sentences' tokens.

  Sentences are gathered until `room` tokens are reached and divided at a
  random place; half the time the second part is that of another document,
  and its own sentences begin the next pair. Both are cut at their ends to
  fit. What is one sentence alone gets a random second part always, as in
  BERT, so that neighbours are fewer than half; the card counts them.
  """
  made = []
  for index, sentences in enumerate(documents):
    draw = rng.generator(seed, f"pairs {name}", index)
    start = 0
    while start < len(sentences):
      stop, size = start, 0
      while stop < len(sentences) and (size < room or stop == start):
        size += len(sentences[stop])
        stop += 1
      parting = start + 1
      if stop - start > 1:
        parting = start + 1 + int(draw.integers(stop - start - 1))
      first = np.concatenate(sentences[start:parting])
      alone = parting == stop
      if alone or draw.random() < 0.5:
        second = _from_another(documents, index, draw, room)
        start, kind = parting, RANDOM
      else:
        second = np.concatenate(sentences[parting:stop])
        start, kind = stop, FOLLOWS
      made.append((*_fitted(first, second, room), kind))
  return made


def _from_another(documents, index: int, draw, room: int) -> np.ndarray:
  """Sentences from a random place of a random other document."""
  other = int(draw.integers(len(documents) - 1))
  sentences = documents[other + (other >= index)]
  return np.concatenate(sentences[int(draw.integers(len(sentences))) :])[:room]


def _fitted(first, second, room: int) -> tuple[np.ndarray, np.ndarray]:
  """Both cut to `room` together: the longer one loses first."""
  least = min(len(first), len(second), room // 2)
  keep = max(room - min(len(second), room - least), least)
  first = first[:keep]
  return first, second[: room - len(first)]


def _split(
  token: Tokenizer,
  documents: Sequence[Sequence[str]],
  name: str,
  length: int,
  seed: int,
) -> Split:
  opening, closing = sequences.ends(token)
  flat = [sentence for sentences in documents for sentence in sentences]
  ids = iter(token.ids(flat))
  tokens = [[next(ids) for _ in sentences] for sentences in documents]
  tokens = [[t for t in sentences if len(t)] for sentences in tokens]
  tokens = [sentences for sentences in tokens if sentences]
  if len(tokens) < 2:
    raise UserError(f"{name}: pairs need two documents: change fractions")
  starts = token.starts()
  pieces, kinds = [], []
  for first, second, kind in pairs(tokens, length - 3, seed, name):
    row = np.concatenate([[opening], first, [closing], second, [closing]])
    side = np.zeros(len(row), np.int32)
    side[len(first) + 2 :] = 1
    start = starts[row].astype(np.int32)
    pieces.append(Piece(row, {"token_type": side, "word_start": start}))
    kinds.append(kind)
  arrays = packing.padded(pieces, length)
  arrays["next_sentence"] = np.array(kinds, np.int32)
  names = np.array([f"{name}:{row}" for row in range(len(pieces))])
  return Split(arrays, names, lengths=packing.measured(arrays))
