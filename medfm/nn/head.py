"""The last layer of every model."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


def with_logits(
  result: dict[str, jax.Array], outputs: int, x: jax.Array, **dense: Any
) -> dict[str, jax.Array]:
  """A model's result with `logits` [B,outputs] of x [B,E]; none for 0 outputs.

  Called within a compact method. dense: settings of the layer `head`.
  """
  if outputs:
    logits = nn.Dense(outputs, name="head", **dense)(x)
    result["logits"] = logits.astype(jnp.float32)
  return result
