"""What a task gives for single examples: answers to show, votes to count."""

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
  """Answers [M] that may be shown to a reader, beside the truth.

  example: [M] the row that an answer is of.
  answer, true: [M] the answer and the truth as class numbers. Of several
    labels [M,K]: answer is bool, true has NaN where the truth is not known.
  certainty: [M] how sure the answer was, 0..1.
  right: [M] bool.
  place: [M] the word of a text that is asked about, -1 for the whole.
  probs: [M,K] of several labels; else None.
  cut: the probability above which a label is called; None of a single class.
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
