"""What every objective does with its dataset's description and its model."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm import spec, tasks
from medfm.types import Info, Task, UserError


def backbone(info: Info, model: Callable, *, outputs: int) -> nn.Module:
  """The model with as many outputs, and the settings, that the data ask for.

  model: a module's class with its configuration bound. It receives `outputs`
    and what the sole input says of itself (`levels`, `vocabulary`); where
    there are several inputs, `inputs`: what each says of itself, by name.
  """
  chosen = spec.settings(model)
  if len(info.inputs) == 1:
    return model(outputs=outputs, **info.only.settings(chosen))
  encoders = chosen.get("encoders", {})
  if set(encoders) != set(info.inputs):
    raise UserError(
      f"objective: {info.name} holds {info.describe()}; give "
      "medfm.models.fusion.Fusion an encoder for each"
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


def known_mean(values: jax.Array, known: jax.Array) -> jax.Array:
  """[B]: the mean of values [B,K] where known [B,K]; 0 where nothing is."""
  total = jnp.where(known, values, 0).sum(-1)
  return total / jnp.maximum(known.sum(-1), 1)
