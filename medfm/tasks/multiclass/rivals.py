"""Classical models of one class of several, tuned on the training split."""

import functools
from collections.abc import Mapping

import numpy as np

from medfm.tasks import classical, counted
from medfm.tasks.classical import Model
from medfm.types import Info, Split, UserError

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
    UserError: no training example has a label, or all have the same class.
  """
  target, classes = _target(train, info), len(info.target.names)
  by_split = classical.probabilities(
    model, [target], train, others, info, seed, classes=classes
  )
  return {name: {"probs": probs[:, 0]} for name, probs in by_split.items()}


def counted_words(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Predictions:
  """`counted.tfidf`."""
  label, classes = _label(train), len(info.target.names)
  by_split = counted.tfidf([label], train, others, info, seed, classes=classes)
  return {name: {"probs": probs[:, 0]} for name, probs in by_split.items()}


def _label(train: Split) -> np.ndarray:
  """[N] float, NaN where the class is not known."""
  label = np.asarray(train.arrays["label"], np.float64)
  return np.where(label < 0, np.nan, label)


def _target(train: Split, info: Info) -> np.ndarray:
  target = _label(train)
  classical.require_labels(info, [target], [""])
  seen = np.unique(target[~np.isnan(target)])
  if len(seen) == 1:
    raise UserError(
      f"{info.name}: every training label is "
      f"{info.target.names[int(seen[0])]!r}; a baseline needs two classes, so "
      "change the split or take the baselines out of `evaluators`"
    )
  return target


RIVALS = {
  name: functools.partial(predictions, model=model)
  for name, model in classical.CLASSIFIERS.items()
} | {"tfidf_logistic_regression": counted_words}
"""majority: training frequencies for everyone. logistic_regression: L2,
standardised columns; C from 0.01, 0.1, 1, 10 by the log-loss of 5 folds of
the training split (whole patients) up to 5,000 rows, 1 beyond, where it
hardly matters. gradient_boosting: scikit-learn's histogram trees, its
defaults. tfidf_logistic_regression: of texts."""
