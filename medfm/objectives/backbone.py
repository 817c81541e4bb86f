"""What all objectives share: building the model, checking the task."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm import spec, tasks
from medfm.nn import forward
from medfm.types import Info, Objective, Task, UserError

KEPT = ("embedding", "attention")
"""Outputs of a model that are predictions as they are, where it has them."""


def backbone(info: Info, model: Callable, *, outputs: int) -> nn.Module:
  """The model with this many outputs and the settings that the data need.

  model: a module's class with its configuration bound. It receives `outputs`
    and the settings of a single input (`levels`, `vocabulary`) or, for several
    inputs, `inputs`: the settings of each, by name.
  """
  chosen = spec.settings(model)
  if len(info.inputs) == 1:
    return model(outputs=outputs, **info.only.settings(chosen))
  encoders = chosen.get("encoders", {})
  if set(encoders) != set(info.inputs):
    raise UserError(
      f"objective: {info.name} holds {info.describe()}; use "
      "medfm.models.fusion.Fusion with an encoder for each"
    )
  settings = {
    name: each.settings(spec.settings(encoders[name]))
    for name, each in info.inputs.items()
  }
  return model(outputs=outputs, inputs=settings)


def expect_task(info: Info, task: Task) -> None:
  """Raises UserError if the task differs, and names the objective that fits."""
  given = tasks.of(info.target)
  if given is not task:
    data, taught = (each.__name__.rpartition(".")[2] for each in (given, task))
    raise UserError(
      f"objective: {info.name} is a {data} data set and this objective is "
      f"for {taught}; use medfm.objectives.{given.OBJECTIVE}"
    )


def supervised(
  info: Info,
  task: Task,
  model: Callable,
  inputs: Callable,
  terms: Callable,
  predicted: Callable,
  *,
  outputs: int,
) -> Objective:
  """An objective that reads the logits of one pass through a model.

  model: as for `backbone`. inputs: (batch, info) -> what the model sees.
  terms: (logits, batch) -> the terms of the loss.
  predicted: logits -> the predictions, without those of `KEPT`.
  """
  net = backbone(info, model, outputs=outputs)

  def init(key, batch):
    return forward.init(net, key, inputs(batch, info))

  def loss(variables, batch, key):
    outputs, updates = forward.apply(
      net, variables, inputs(batch, info), train=True, key=key
    )
    return terms(outputs["logits"], batch), updates

  def predict(variables, batch):
    outputs, _ = forward.apply(net, variables, inputs(batch, info))
    kept = {name: outputs[name] for name in KEPT if name in outputs}
    return predicted(outputs["logits"]) | kept

  return Objective(init, loss, predict, task=task, net=net)


def known_mean(values: jax.Array, known: jax.Array) -> jax.Array:
  """[B]: the mean of the values [B,K] that are known [B,K]; 0 without any."""
  total = jnp.where(known, values, 0).sum(-1)
  return total / jnp.maximum(known.sum(-1), 1)
