"""From rows of tokens back to what they are of: texts and their words.

Models see windows and pieces of words; scores and predictions.csv are of
whole texts, and of words.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from medfm.types import Info, Split


def whole(info: Info, split: Split) -> Split:
  """The split with one row per text: what its scores are of.

  For labelled words `label` becomes [N,W], one column a word, -1 beyond the
  last. A split whose rows are no windows stays as it is.
  """
  if info.task == "tokens":
    firsts, starts = _texts(split), _starts(split)
    own = split.take(firsts)
    arrays = {
      "words": _gathered(split, starts, np.asarray(split.arrays["word"]))
    }
    if "label" in split.arrays:
      label = np.asarray(split.arrays["label"])
      arrays["label"] = _gathered(split, starts, label)
    return dataclasses.replace(own, arrays=arrays, lengths=None)
  if "document" not in split.arrays:
    return split
  return split.take(_texts(split))


def outputs(
  info: Info, split: Split, predicted: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
  """Predictions per row of tokens as predictions per text of `whole`.

  Numbers of a text are the mean over its windows. For labelled words,
  `tags` [N,W] are those of each word's first piece, from `tags` [N,L] or as
  the most probable of `probs` [N,L,K], whose probability is `certainty`.
  """
  if info.task == "tokens":
    starts = _starts(split)
    if predicted.get("tags") is not None:
      return {"tags": _gathered(split, starts, np.asarray(predicted["tags"]))}
    probs = np.asarray(predicted["probs"])
    return {
      "tags": _gathered(split, starts, probs.argmax(-1)),
      "certainty": _gathered(split, starts, probs.max(-1), np.float32),
    }
  if "document" not in split.arrays:
    return dict(predicted)
  _, place, times = np.unique(
    split.arrays["document"], return_inverse=True, return_counts=True
  )
  merged = {}
  for name, values in predicted.items():
    values = np.asarray(values)
    total = np.zeros((len(times), *values.shape[1:]), np.float64)
    np.add.at(total, place, values)
    shape = (-1,) + (1,) * (values.ndim - 1)
    merged[name] = (total / times.reshape(shape)).astype(values.dtype)
  return merged


def _texts(split: Split) -> np.ndarray:
  """The first row of each text."""
  if "document" not in split.arrays:
    return np.arange(len(split))
  return np.unique(split.arrays["document"], return_index=True)[1]


def _starts(split: Split) -> np.ndarray:
  """[N,L] whether a token is the first of a word."""
  word = np.asarray(split.arrays["word"])
  before = np.concatenate([np.full((len(word), 1), -1), word[:, :-1]], 1)
  return (word >= 0) & (word != before)


def _gathered(
  split: Split, starts: np.ndarray, values: np.ndarray, kind: type = np.int32
) -> np.ndarray:
  """Values [N,L] at the words' first tokens, by text: [texts, W], else -1."""
  rows, columns = np.nonzero(starts)
  document = np.asarray(split.arrays.get("document", np.arange(len(starts))))
  _, text = np.unique(document, return_inverse=True)
  owner = text[rows]
  first = np.searchsorted(owner, owner)  # Rows of a text stand together.
  place = np.arange(len(owner)) - first
  width = int(place.max()) + 1 if len(place) else 1
  found = np.full((int(text.max()) + 1, width), -1, kind)
  found[owner, place] = values[rows, columns]
  return found
