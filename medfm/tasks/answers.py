"""What a task gives for single examples: answers to show, votes to count."""

from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
  """Answers [M] that may be shown to a reader, beside the truth.

  example: the row of each answer.
  answer, true: class numbers; or for several labels [M,K], answer bool and true
    NaN if it is not known.
  certainty: how sure the answer was, 0..1. right: bool.
  place: the word of a text that is asked about, -1 for the whole text.
  probs: [M,K] for several labels, which are predicted above `cut`.
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
  """What each labelled training example votes for as a neighbour.

  rows: [N] bool, the rows that vote.
  values: [n,K] of those rows, NaN if a value is not known.
  fallback: [K] or a number, for when no neighbour's value is known.
  name: of the prediction that the mean of the votes gives.
  """

  rows: np.ndarray
  values: np.ndarray
  fallback: np.ndarray | float
  name: str
