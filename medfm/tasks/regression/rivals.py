"""Classical models of numbers, each target a problem of its own."""

import functools
from collections.abc import Mapping

import numpy as np

from medfm.tasks import classical
from medfm.tasks.classical import Model
from medfm.types import Info, Split


def predictions(
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  *,
  model: Model,
) -> dict[str, dict[str, np.ndarray]]:
  """split -> {"value": [N,T]}.

  Raises:
    UserError: no training example has one of the targets known.
  """
  targets = list(np.asarray(train.arrays["label"], np.float64).T)
  classical.require_labels(info, targets, info.target.names)
  by_split = classical.values(model, targets, train, others, info, seed)
  return {name: {"value": values} for name, values in by_split.items()}


def of_numbers(info: Info) -> tuple[str, ...]:
  """Names of the models that stand beside a network by default."""
  if classical.has_text(info):
    return ("mean",)  # No classical model of texts gives numbers.
  if classical.has_columns(info):
    return ("mean", "least_squares", "gradient_boosting")
  return ("mean", "ridge")


RIVALS = {
  name: functools.partial(predictions, model=model)
  for name, model in classical.REGRESSORS.items()
}
"""mean: of the training split. least_squares, ridge: closed form; ridge with
the strength of the best leave-one-out error on the training split.
gradient_boosting: scikit-learn's histogram trees, its defaults."""
