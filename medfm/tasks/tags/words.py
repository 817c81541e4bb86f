"""From tokens of windows back to the words of texts."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from medfm.tasks import documents
from medfm.tasks.cells import Rows
from medfm.types import Arrays, Split


def assembled(split: Split, predicted: Arrays) -> tuple[Split, Arrays]:
  """One row per text and one column per word, [N,W], -1 beyond the last.

  predicted: `tags` and perhaps `certainty` [N,L] by token; those of a word are
  those of its first token. What is not of tokens is left out.
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
  return dataclasses.replace(texts, arrays=arrays), gathered


def numbered(rows: Rows, column: str, names: Sequence[str]) -> np.ndarray:
  """[N,W] numbers of the tags in a column, -1 beyond the last word."""
  number = {name: i for i, name in enumerate(names)}
  tags = [[number[tag] for tag in row[column].split()] for row in rows]
  numbers = np.full((len(tags), max(map(len, tags), default=0)), -1, np.int32)
  for row, of_text in enumerate(tags):
    numbers[row, : len(of_text)] = of_text
  return numbers


def _gathered(
  split: Split, starts: np.ndarray, values: np.ndarray, kind: type = np.int32
) -> np.ndarray:
  """Values [N,L] at the words' first tokens, by text: [texts, W], else -1."""
  rows, columns = np.nonzero(starts)
  text = documents.of_rows(split)
  owner = text[rows]
  first = np.searchsorted(owner, owner)  # Rows of a text stand together.
  place = np.arange(len(owner)) - first
  width = int(place.max()) + 1 if len(place) else 1
  table = np.full((int(text.max()) + 1, width), -1, kind)
  table[owner, place] = np.asarray(values)[rows, columns]
  return table
