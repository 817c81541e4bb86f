"""From windows of a text back to the whole text, which is scored.

Models see windows of long texts; scores and predictions.csv are of whole
texts. The windows of a text share a number in the array `document`.
"""

import numpy as np

from medfm.types import Arrays, Info, Split


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, Arrays]:
  """One row per text; numbers of a text are the mean over its windows.

  A split whose rows are not windows stays as it is.
  """
  if split.documents is None:
    return split, dict(predicted)
  _, place, times = np.unique(
    split.documents, return_inverse=True, return_counts=True
  )
  merged = {}
  for name, values in predicted.items():
    values = np.asarray(values)
    total = np.zeros((len(times), *values.shape[1:]), np.float64)
    np.add.at(total, place, values)
    shape = (-1,) + (1,) * (values.ndim - 1)
    merged[name] = (total / times.reshape(shape)).astype(values.dtype)
  return split.take(firsts(split)), merged


def firsts(split: Split) -> np.ndarray:
  """The first row of each text."""
  if split.documents is None:
    return np.arange(len(split))
  return np.unique(split.documents, return_index=True)[1]


def of_rows(split: Split) -> np.ndarray:
  """[N] the number of the text that each row is a window of."""
  numbers = split.documents
  if numbers is None:
    return np.arange(len(split))
  return np.unique(np.asarray(numbers), return_inverse=True)[1]
