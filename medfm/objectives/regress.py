"""Regression of one target or several."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from medfm.nn import forward
from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import backbone, expect_task, known_mean
from medfm.tasks import regression as regression_task
from medfm.types import Info, Objective


def regression(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
) -> Objective:
  """Squared error on `label` [B,T] in raw units; NaN is missing.

  The model learns targets standardised by the training split, so losses of
  different targets weigh alike; `predict` gives raw units again. An example's
  `loss` is the mean over its known targets and its `weight` the share known.
  Terms: `loss`, `weight`. `predict`: `value` [B,T], `embedding` [B,E].
  """
  expect_task(info, regression_task)
  mean = np.asarray(info.target.mean, np.float32)[None]
  std = np.asarray(info.target.std, np.float32)[None]
  std = np.where(std > 0, std, 1).astype(np.float32)
  net = backbone(info, model, outputs=mean.shape[1])

  def init(key, batch):
    return forward.init(net, key, inputs(batch, info))

  def loss(variables, batch, key):
    outputs, updates = forward.apply(
      net, variables, inputs(batch, info), train=True, key=key
    )
    target = (batch["label"] - mean) / std
    known = ~jnp.isnan(target)
    error = outputs["logits"] - jnp.where(known, target, 0)
    terms = {
      "loss": known_mean(jnp.square(error), known),
      "weight": known.mean(-1, dtype=jnp.float32),
    }
    return terms, updates

  def predict(variables, batch):
    outputs, _ = forward.apply(net, variables, inputs(batch, info))
    value = outputs["logits"] * std + mean
    return {"value": value, "embedding": outputs["embedding"]}

  return Objective(init, loss, predict, task=regression_task, net=net)
