"""Running linen modules side by side in one tree of variables.

`variables` is {collection: {scope: ...}} with the scope `model` for the
backbone in every objective, so parameter paths (`model/head/kernel`) are the
same wherever a backbone is used, and weights move from one to the other.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.types import Variables


def init(
  module: nn.Module, key: jax.Array, *inputs: Any, scope: str = "model"
) -> Variables:
  """Fresh variables of a module, each collection under `scope`.

  Only the shapes of the inputs are read. Nothing but the parameters is then
  compiled: XLA would otherwise compute a pass over constant inputs beforehand,
  which takes minutes for volumes.
  """
  shapes = jax.tree.map(
    lambda array: jax.ShapeDtypeStruct(
      jnp.shape(array), jnp.result_type(array)
    ),
    inputs,
  )
  return _scoped(module.lazy_init(key, *shapes), scope)


def apply(
  module: nn.Module,
  variables: Variables,
  *inputs: Any,
  scope: str = "model",
  train: bool = False,
  key: jax.Array | None = None,
) -> tuple[Any, Variables]:
  """The module's outputs and its new non-trained collections, scoped.

  train: whether collections other than `params` may change.
  key: the source of dropout; needed only by modules with dropout.
  """
  inner = {
    name: tree[scope] for name, tree in variables.items() if scope in tree
  }
  if not train:
    return module.apply(inner, *inputs), {}
  outputs, updates = module.apply(
    inner,
    *inputs,
    train=True,
    mutable=[name for name in inner if name != "params"],
    rngs=None if key is None else {"dropout": key},
  )
  return outputs, _scoped(updates, scope)


def with_decoder(
  variables: Variables, decoder: nn.Module, key: jax.Array, *inputs: Any
) -> Variables:
  """The variables, and fresh ones of a module under the scope `decoder`."""
  fresh = init(decoder, key, *inputs, scope="decoder")
  return variables | {
    name: {**variables.get(name, {}), **tree} for name, tree in fresh.items()
  }


def _scoped(collections: Mapping[str, Any], scope: str) -> Variables:
  return {name: {scope: tree} for name, tree in collections.items()}


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
