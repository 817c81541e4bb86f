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
  outside = info.target.names.index("O")
  tags = np.full(split.arrays["word"].shape, outside, np.int32)
  before, last = outside, -1
  for row, start, word in text_input.words(split):
    if row != last:
      before, last = outside, row
    tag = best.get(word, outside)
    name = info.target.names[tag]
    kind = name[2:]
    if name.startswith("I-") and info.target.names[before][2:] != kind:
      tag = _index(info, f"B-{kind}", tag)
    tags[row, start] = before = tag
  return tags


def _index(info: Info, name: str, other: int) -> int:
  return info.target.names.index(name) if name in info.target.names else other


RIVALS = {"dictionary": dictionary}
