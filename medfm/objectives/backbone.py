"""What every objective does with its dataset's description and its model."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm import spec
from medfm.types import Info, UserError

_FACTORY = {
  "multiclass": "classify.multiclass",
  "multilabel": "classify.multilabel",
  "regression": "regress.regression",
  "tokens": "language.token_labels",
}


def backbone(info: Info, model: Callable, *, outputs: int) -> nn.Module:
  """The model with as many outputs, levels and token ids as the data has.

  model: a module's class with its configuration bound. It receives `outputs`
    and, only where the data has categorical columns, `levels`, or where it
    has tokens, `vocabulary`: the data's, or its own where that is larger.
  """
  settings: dict[str, Any] = {}
  if info.categorical:
    levels = tuple(len(values) for values in info.categorical.values())
    settings["levels"] = levels
  if info.vocabulary:
    # Public weights may have rows beyond the tokenizer's last id.
    own = spec.settings(model).get("vocabulary", 0)
    settings["vocabulary"] = max(info.vocabulary, own)
  return model(outputs=outputs, **settings)


def expect_task(info: Info, task: str) -> None:
  """Raises UserError, naming the objective that fits, if the task differs."""
  if info.task != task:
    fit = _FACTORY.get(info.task, "masked_features.masked_features")
    raise UserError(
      f"objective: {info.name} is a {info.task} data set and this objective "
      f"is for {task}; use medfm.objectives.{fit}"
    )


def known_mean(values: jax.Array, known: jax.Array) -> jax.Array:
  """[B]: the mean of values [B,K] where known [B,K]; 0 where nothing is."""
  total = jnp.where(known, values, 0).sum(-1)
  return total / jnp.maximum(known.sum(-1), 1)
