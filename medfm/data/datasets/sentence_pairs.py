"""The pre-training corpus as pairs of texts: neighbours, or of two documents.

Next-sentence prediction of Devlin et al., "BERT: pre-training of deep
bidirectional transformers for language understanding", 2019: [CLS] a [SEP] b
[SEP], where b follows a in its document or is from another one.
"""

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data import rng
from medfm.data.datasets import corpus
from medfm.data.text import packing, sequences
from medfm.data.text.packing import Piece
from medfm.data.text.tokenizers import Tokenizer
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

FOLLOWS, RANDOM = 0, 1
"""The values of `next_sentence`, numbered as in BERT."""

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9(])")


@forwards(corpus.corpus)
def sentence_pairs(folders: Folders, **settings: Any) -> Dataset:
  """Pairs [N, length] of the corpus, with `next_sentence` int32 [N].

  The documents, their parts and the settings are those of `corpus.corpus`;
  both texts of a pair are of one part. `token_type` tells them apart.
  """
  whole = corpus.corpus(folders, _rows, **settings)
  kinds = {
    name: split.arrays["next_sentence"] for name, split in whole.splits.items()
  }
  content = f"pairs {whole.card['fingerprint']}"
  card = whole.card | {
    "pairs": {
      name: {"rows": len(kind), "neighbours": int((kind == FOLLOWS).sum())}
      for name, kind in kinds.items()
    },
    "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
  }
  info = dataclasses.replace(whole.info, name="sentence_pairs")
  return Dataset(splits=whole.splits, info=info, card=card)


def pairs(
  documents: Sequence[Sequence[np.ndarray]], room: int, seed: int, part: str
) -> list[tuple[np.ndarray, np.ndarray, int]]:
  """(a, b, FOLLOWS or RANDOM) of documents, each a list of sentences' tokens.

  Sentences are gathered until `room` tokens are reached and divided at a
  random place. Half the time the second text is replaced by one of another
  document, and the replaced sentences begin the next pair. Both texts are cut
  at their ends to fit. A sentence that is left alone always gets a random
  second text, as in BERT, so that fewer than half are neighbours; the card
  counts them.
  """
  made = []
  for index, sentences in enumerate(documents):
    draw = rng.generator(seed, f"pairs {part}", index)
    start = 0
    while start < len(sentences):
      stop, size = start, 0
      while stop < len(sentences) and (size < room or stop == start):
        size += len(sentences[stop])
        stop += 1
      middle = start + 1
      if stop - start > 1:
        middle = start + 1 + int(draw.integers(stop - start - 1))
      first = np.concatenate(sentences[start:middle])
      if middle == stop or draw.random() < 0.5:
        # Sentences from a random place of a random other document.
        other = int(draw.integers(len(documents) - 1))
        others = documents[other + (other >= index)]
        place = int(draw.integers(len(others)))
        second = np.concatenate(others[place:])[:room]
        start, kind = middle, RANDOM
      else:
        second = np.concatenate(sentences[middle:stop])
        start, kind = stop, FOLLOWS
      made.append((*_fitted(first, second, room), kind))
  return made


def _fitted(first, second, room: int) -> tuple[np.ndarray, np.ndarray]:
  """Both cut to `room` tokens in all; the longer one is cut first."""
  least = min(len(first), len(second), room // 2)
  keep = max(room - min(len(second), room - least), least)
  first = first[:keep]
  return first, second[: room - len(first)]


def _rows(
  token: Tokenizer, texts: list[str], part: str, length: int, seed: int
) -> tuple[packing.Arrays, list[dict[str, Any]]]:
  """The pairs of a part's documents; no changes for the card."""
  opening, closing = sequences.ends(token)
  documents = [_END.split(text) for text in texts]
  ids = iter(token.ids([s for sentences in documents for s in sentences]))
  tokens = [
    [piece for piece in itertools.islice(ids, len(sentences)) if len(piece)]
    for sentences in documents
  ]
  tokens = [sentences for sentences in tokens if sentences]
  if len(tokens) < 2:
    raise UserError(f"{part}: pairs need two documents: change fractions")
  starts = token.starts()
  pieces, kinds = [], []
  for first, second, kind in pairs(tokens, length - 3, seed, part):
    row = np.concatenate([[opening], first, [closing], second, [closing]])
    side = np.zeros(len(row), np.int32)
    side[len(first) + 2 :] = 1
    start = starts[row].astype(np.int32)
    pieces.append(Piece(row, {"token_type": side, "word_start": start}))
    kinds.append(kind)
  arrays = packing.padded(pieces, length)
  arrays["next_sentence"] = np.array(kinds, np.int32)
  return arrays, []
