"""Regression of one target or several."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import expect_task, known_mean, supervised
from medfm.tasks import regression as regression_task
from medfm.types import Info, Objective


def regression(
  info: Info, *, model: Callable, inputs: Callable = device_inputs.standard
) -> Objective:
  """Squared error on `label` [B,T] in raw units; NaN is missing.

  The model learns targets standardised by the training split, so that different
  targets have similar weight; `predict` gives raw units. An example's `loss` is
  the mean over its known targets and its `weight` the share known.
  Terms: `loss`, `weight`. `predict`: `value` [B,T], `embedding` [B,E].
  """
  expect_task(info, regression_task)
  mean = np.asarray(info.target.mean, np.float32)[None]
  std = np.asarray(info.target.std, np.float32)[None]
  std = np.where(std > 0, std, 1).astype(np.float32)

  def terms(logits, batch):
    target = (batch["label"] - mean) / std
    known = ~jnp.isnan(target)
    error = logits - jnp.where(known, target, 0)
    return {
      "loss": known_mean(jnp.square(error), known),
      "weight": known.mean(-1, dtype=jnp.float32),
    }

  def predicted(logits):
    return {"value": logits * std + mean}

  count = mean.shape[1]
  return supervised(
    info, regression_task, model, inputs, terms, predicted, outputs=count
  )
