"""Classical models of several labels, each label a problem of its own."""

import functools
from collections.abc import Mapping

import numpy as np

from medfm.tasks import classical, counted
from medfm.tasks.classical import Model
from medfm.types import Info, Split

Predictions = dict[str, dict[str, np.ndarray]]
"""split -> {"probs": [N,K]}."""


def predictions(
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  *,
  model: Model,
) -> Predictions:
  """The predictions of a model of columns or pixels.

  Raises:
    UserError: no training example has one of the labels known.
  """
  targets = _targets(train)
  classical.require_labels(info, targets, info.target.names)
  by_split = classical.probabilities(
    model, targets, train, others, info, seed, classes=2
  )
  return {name: {"probs": probs[:, :, 1]} for name, probs in by_split.items()}


def counted_words(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Predictions:
  """`counted.tfidf`."""
  by_split = counted.tfidf(
    _targets(train), train, others, info, seed, classes=2
  )
  return {name: {"probs": probs[:, :, 1]} for name, probs in by_split.items()}


def _targets(train: Split) -> list[np.ndarray]:
  return list(np.asarray(train.arrays["label"], np.float64).T)


RIVALS = {
  name: functools.partial(predictions, model=model)
  for name, model in classical.CLASSIFIERS.items()
} | {"tfidf_logistic_regression": counted_words}
"""As those of one class of several (`multiclass.rivals`)."""
