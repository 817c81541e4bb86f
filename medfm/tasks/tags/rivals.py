"""What stands beside a model of tags: a dictionary.

It reads the pieces of words that the model reads, so that no other text has
to be kept.
"""

import numpy as np

from medfm.data.text import input as text_input
from medfm.types import Info, Split


def dictionary(
  train: Split, others: dict[str, Split], info: Info, seed: int
) -> dict[str, dict[str, np.ndarray]]:
  """Each word has the tag it has most often in training, O where unseen.

  An I- that would continue nothing becomes B-. Gives `tags` [N,L].
  """
  votes: dict[tuple[int, ...], np.ndarray] = {}
  label = np.asarray(train.arrays["label"])
  for row, start, word in text_input.words(train):
    tag = label[row, start]
    if tag >= 0:
      counts = votes.setdefault(word, np.zeros(len(info.target.names), int))
      counts[tag] += 1
  best = {word: int(counts.argmax()) for word, counts in votes.items()}
  return {
    name: {"tags": _looked_up(split, best, info)}
    for name, split in others.items()
  }


def _looked_up(split: Split, best: dict, info: Info) -> np.ndarray:
  names = info.target.names
  outside = names.index("O")
  tags = np.full(split.arrays["word"].shape, outside, np.int32)
  before, last = outside, -1
  for row, start, word in text_input.words(split):
    if row != last:
      before, last = outside, row
    tag = best.get(word, outside)
    prefix, _, kind = names[tag].partition("-")
    begin = f"B-{kind}"
    if prefix == "I" and names[before][2:] != kind and begin in names:
      tag = names.index(begin)
    tags[row, start] = before = tag
  return tags


RIVALS = {"dictionary": dictionary}
