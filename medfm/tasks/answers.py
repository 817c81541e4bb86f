"""What a task gives for single examples: answers to show, votes to count."""

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
  """Answers [M] that may be shown to a reader, beside the truth.

  example: the row that an answer is of.
  answer, true: class numbers; or of several labels [M,K], bool, and true with
    NaN where it is not known.
  certainty: how sure the answer was, 0..1. right: bool.
  place: the word of a text that is asked about, -1 for the whole.
  probs: [M,K] of several labels, which are called above the probability `cut`.
  """

  example: np.ndarray
  answer: np.ndarray
  true: np.ndarray
  certainty: np.ndarray
  right: np.ndarray
  place: np.ndarray
  probs: np.ndarray | None = None
  cut: float | None = None


class Votes(NamedTuple):
  """What each labelled training example votes for, as its neighbours do.

  rows: [N] bool, those that vote.
  values: [n,K] of those rows, NaN where one is not known.
  fallback: [K] or a number, where no neighbour knows.
  name: of the prediction that a mean of votes is.
  """

  rows: np.ndarray
  values: np.ndarray
  fallback: np.ndarray | float
  name: str
