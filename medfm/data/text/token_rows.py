"""Recorded or new texts as rows of tokens, and the dataset of such rows."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import records
from medfm.data.tables.labels import Truth
from medfm.data.text import packing, sequences
from medfm.data.text.input import Tokens
from medfm.data.text.tokenizers import Tokenizer
from medfm.types import (
  Dataset,
  Info,
  Split,
  Target,
)

STRINGS = ("text", "pair", "words", "tags")
SEPARATOR = "\t"
"""Between the words, and the tags, of a sentence as it is recorded."""


def tokenised(
  split: Split,
  tokenizer: Tokenizer,
  classes: Sequence[str] = (),
  **cutting: Any,
) -> tuple[Split, list[dict[str, Any]]]:
  """Recorded or new texts as rows of tokens, and changes for the card.

  classes: of the tags, if there are any.
  cutting: settings of `sequences.words` or `sequences.texts`.
  """
  arrays = split.arrays
  if "words" in arrays:
    number = {name: code for code, name in enumerate(classes)}
    tags = [line.split(SEPARATOR) for line in arrays.get("tags", ())]
    labels = [[number[tag] for tag in line] for line in tags] or None
    sentences = [line.split(SEPARATOR) for line in arrays["words"]]
    columns = (sentences, labels)
  else:
    columns = (arrays["text"], arrays.get("pair"))
  cutter = sequences.words if "words" in arrays else sequences.texts
  cut = cutter(tokenizer, *columns, split.ids, **cutting)
  return of_rows(split, cut), cut.changes


def of_rows(split: Split, cut: sequences.Rows) -> Split:
  """The split with the rows of tokens that its texts became."""
  facts = {name: array[cut.source] for name, array in truth(split).items()}
  arrays = cut.arrays | facts
  if len(cut.source) > len(split):
    arrays["document"] = cut.source.astype(np.int32)
  taken = split.take(cut.source)
  # All windows of a text are resampled together.
  patients = taken.patients
  if patients is None and "document" in arrays:
    patients = np.array(taken.ids, str)
  return dataclasses.replace(
    taken,
    arrays=arrays,
    ids=sequences.numbered(split.ids, cut.source),
    patients=patients,
    lengths=packing.measured(arrays),
  )


def truth(split: Split) -> Truth:
  """The truth of a recorded split's texts."""
  arrays = split.arrays.items()
  return {k: records.read(array) for k, array in arrays if k not in STRINGS}


def of_tokens(
  parts: dict[str, Split],
  token: Tokenizer,
  *,
  name: str,
  target: Target,
  card: Mapping[str, Any],
  content: Sequence[Any],
  encode: Callable[..., Split],
  prompts: Mapping[str, Any] = {},
  spelled: bool = False,
) -> Dataset:
  """The dataset of rows of tokens.

  content: what its fingerprint covers, JSON-able. prompts: for `Tokens`.
  spelled: whether `Tokens` keeps how each token is spelled.
  encode: reads a new file: `encode(path, info=, tokenizer=)`.
  """
  if any("document" in split.arrays for split in parts.values()):
    for split in parts.values():  # All splits have the same arrays.
      document = np.arange(len(split), dtype=np.int32)
      split.arrays.setdefault("document", document)
  tokens = Tokens(
    token.vocabulary,
    token.special,
    token.sha256,
    prompts or {},
    _spelling(token) if spelled else (),
  )
  info = Info(name=name, inputs={"text": tokens}, target=target)
  digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
  return Dataset(
    splits=parts,
    info=info,
    card={
      **card,
      "tokenizer": token.card(),
      "text": measures(parts, token),
      "fingerprint": digest,
    },
    encode=functools.partial(encode, info=info, tokenizer=token.text),
  )


def _spelling(token: Tokenizer) -> tuple[str, ...]:
  """The characters of each id; none of special tokens."""
  special = set(token.special.values())
  pieces = token.pieces(range(token.vocabulary))
  return tuple(
    "" if index in special else text for index, (text, _) in enumerate(pieces)
  )


def measures(
  parts: Mapping[str, Split], tokenizer: Tokenizer
) -> dict[str, Any]:
  """Tokens, unknown ones and padding of each split, for the card."""
  counts = {}
  for name, split in parts.items():
    segment = np.asarray(split.arrays["segment"])
    tokens = split.arrays["tokens"][segment > 0]
    unknown = tokens == tokenizer.special.get("unk", -1)
    counts[name] = {
      "rows": len(split),
      "tokens": len(tokens),
      "unknown": round(float(unknown.mean()), 5),
      "padding": packing.padding(segment),
    }
  return counts
