"""LoRA: low-rank changes of frozen kernels, around any objective."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util

from medfm import tree
from medfm.types import Info, Objective, UserError

SCOPE = "lora"
_TRAINED = r"(^|/)(head|pooler)/|^decoder/|^lora/"
"""What is trained: adapters, heads, poolers and decoders."""

LR_RULES = ((_TRAINED, 1.0), (".*", 0.0))
"""For the optimizer: no state for what is frozen, and no weight decay."""


def lora(
  info: Info,
  *,
  objective: Callable,
  targets: tuple[str, ...] = (r"attention/.*kernel$",),
  rank: int = 8,
  alpha: float = 16.0,
) -> Objective:
  """Another objective with kernels W + alpha / rank * A B (Hu et al. 2022).

  A kernel is read as a matrix of inputs by outputs: a convolution's window
  belongs to its inputs, and the fused queries, keys and values of an attention
  share one A. A is initially normal with variance 1 / inputs and B zero, so
  training starts exactly from the frozen model. Stacked blocks (`scan_layers`)
  have an A and a B each.

  Adapters are `params/lora/<path of the kernel>/a` and `b`. Only adapters,
  heads, poolers and decoders get a gradient; set the optimizer's `lr_rules` to
  `LR_RULES` and a run's `start.fresh` to include "^lora/".

  targets: regexes of paths of kernels; each must match at least one.
  """
  if rank < 1:
    raise UserError(f"lora: rank={rank}: expected 1 or more")
  inner = objective(info)
  merge = Merge(alpha)

  def init(key, batch):
    key, other = jax.random.split(key)
    variables = inner.init(key, batch)
    params = variables["params"]
    fresh = adapters(params, targets, rank, other)
    return {**variables, "params": {**params, SCOPE: fresh}}

  def frozen(path, leaf):
    kept = re.search(_TRAINED, tree.name(path))
    return leaf if kept else jax.lax.stop_gradient(leaf)

  def loss(variables, batch, key):
    params = jax.tree_util.tree_map_with_path(frozen, variables["params"])
    params = merge(params)
    return inner.loss({**variables, "params": params}, batch, key)

  def predict(variables, batch):
    params = merge(variables["params"])
    return inner.predict({**variables, "params": params}, batch)

  return inner._replace(
    init=init, loss=loss, predict=predict, inner=inner, to_inner=merge
  )


@dataclasses.dataclass(frozen=True)
class Merge:
  """The parameters of the inner objective, with adapters added to the kernels.

  With these its `predict` gives exactly that of the adapted model.
  """

  alpha: float

  def __call__(self, params: Mapping[str, Any]) -> dict[str, Any]:
    adapters = tree.paths(params[SCOPE])

    def changed(path, leaf):
      path = tree.name(path)
      if f"{path}/a" not in adapters:
        return leaf
      a, b = adapters[f"{path}/a"], adapters[f"{path}/b"]
      change = (self.alpha / a.shape[-1]) * (a @ b)
      return leaf + change.reshape(leaf.shape).astype(leaf.dtype)

    rest = {name: part for name, part in params.items() if name != SCOPE}
    return jax.tree_util.tree_map_with_path(changed, rest)


def adapters(
  params: Any, targets: Sequence[str], rank: int, key: jax.Array
) -> dict[str, Any]:
  """Fresh A and B of each targeted kernel; UserError if a target has none."""
  leaves = tree.paths(params)
  matrices = {path: _matrix(path, leaf.shape) for path, leaf in leaves.items()}
  chosen = {}
  for target in targets:
    kernels = [
      path for path in leaves if re.search(target, path) and matrices[path]
    ]
    if not kernels:
      raise UserError(
        f"lora: the target {target!r} matches no kernel; the parameters are: "
        + ", ".join(list(leaves)[:8])
      )
    chosen |= dict.fromkeys(kernels)
  fresh = {}
  for index, path in enumerate(chosen):
    stack, inputs, outputs = matrices[path]
    fold = jax.random.fold_in(key, index)
    a = jax.random.normal(fold, (*stack, inputs, rank))
    fresh[f"{path}/a"] = a / math.sqrt(inputs)
    fresh[f"{path}/b"] = jnp.zeros((*stack, rank, outputs))
  return traverse_util.unflatten_dict(fresh, sep="/")


def trained(params: Mapping[str, Any]) -> dict[str, Any]:
  """The adapters, heads and decoders, by path: all that a run changes."""
  leaves = tree.paths(params).items()
  return {path: leaf for path, leaf in leaves if re.search(_TRAINED, path)}


def _matrix(path: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
  """The stack, inputs and outputs of a kernel; () if it is not a matrix."""
  depth = 1 if re.search(r"(^|/)blocks/", path) else 0
  stack, shape = shape[:depth], shape[depth:]
  if len(shape) < 2:
    return ()
  # The fused kernel of attention is [inputs, 3, heads, D].
  cut = 1 if path.endswith("qkv/kernel") else len(shape) - 1
  return stack, math.prod(shape[:cut]), math.prod(shape[cut:])
