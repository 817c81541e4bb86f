"""LoRA: low-rank changes of frozen kernels, around any objective."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from medfm import tree
from medfm.types import Info, Objective, UserError

SCOPE = "lora"
TRAINED = (r"(^|/)(head|pooler)/", r"^decoder/", r"^lora/")
"""What is trained beside the adapters: heads, poolers and decoders."""

LR_RULES = (("|".join(TRAINED), 1.0), (".*", 0.0))
"""Freezes everything else; also as the optimizer's `lr_rules`, so that it
keeps no state for what is frozen and decays no weight of it."""


def lora(
  info: Info,
  *,
  objective: Callable,
  targets: tuple[str, ...] = (r"attention/.*kernel$",),
  rank: int = 8,
  alpha: float = 16.0,
) -> Objective:
  """Another objective with kernels W + alpha / rank * A B (Hu et al. 2022).

  A kernel is read as the matrix of its inputs and outputs: a convolution's
  window belongs to its inputs, and the fused queries, keys and values of an
  attention share one A. A begins normal with variance 1 / inputs, B at zero:
  training starts from the frozen model exactly. Blocks that are stacked
  (`scan_layers`) have an A and a B each.

  Adapters are `params/lora/<path of the kernel>/a` and `b`. What neither is
  one nor matches `TRAINED` gets a zero gradient; set the optimizer's
  `lr_rules` to `LR_RULES` and a run's `init_fresh` to include "^lora/".

  objective: a factory of an objective, called with info.
  targets: regexes of paths of kernels; each must match one.
  """
  if rank < 1:
    raise UserError(f"lora: rank={rank} must be 1 or more")
  inner = objective(info)

  def init(key, batch):
    key, other = jax.random.split(key)
    variables = dict(inner.init(key, batch))
    fresh = adapters(variables["params"], targets, rank, other)
    variables["params"] = {**variables["params"], SCOPE: fresh}
    return variables

  def loss(variables, batch, key):
    params = merged(_frozen(variables["params"]), alpha)
    return inner.loss({**variables, "params": params}, batch, key)

  def predict(variables, batch):
    params = merged(variables["params"], alpha)
    return inner.predict({**variables, "params": params}, batch)

  return Objective(init, loss, predict, task=inner.task)


def adapters(
  params: Any, targets: Sequence[str], rank: int, key: jax.Array
) -> dict[str, Any]:
  """Fresh A and B, by the path of each targeted kernel.

  Raises:
    UserError: a target that matches no kernel of two dimensions or more.
  """
  leaves = tree.paths(params)
  chosen = {}
  for target in targets:
    matching = [
      path
      for path, leaf in leaves.items()
      if re.search(target, path) and len(_matrix(path, leaf)) == 2
    ]
    if not matching:
      raise UserError(
        f"lora: the target {target!r} matches no kernel; the parameters are: "
        + ", ".join(list(leaves)[:8])
      )
    chosen |= dict.fromkeys(matching)
  found: dict[str, Any] = {}
  for index, path in enumerate(chosen):
    inputs, outputs = _matrix(path, leaves[path])
    stack = leaves[path].shape[:1] if _stacked(path) else ()
    a = jax.random.normal(
      jax.random.fold_in(key, index), (*stack, inputs, rank)
    )
    here = found
    for part in path.split("/"):
      here = here.setdefault(part, {})
    here["a"] = a / math.sqrt(inputs)
    here["b"] = jnp.zeros((*stack, rank, outputs))
  return found


def merged(params: Mapping[str, Any], alpha: float) -> dict[str, Any]:
  """The parameters of the inner objective, adapters added to their kernels.

  Its `predict` with these is that of the adapted model, exactly.
  """
  found = tree.paths(params[SCOPE])

  def changed(path, leaf):
    path = tree.name(path)
    if f"{path}/a" not in found:
      return leaf
    a, b = found[f"{path}/a"], found[f"{path}/b"]
    change = (alpha / a.shape[-1]) * (a @ b)
    return leaf + change.reshape(leaf.shape).astype(leaf.dtype)

  rest = {name: part for name, part in params.items() if name != SCOPE}
  return jax.tree_util.tree_map_with_path(changed, rest)


def trained(params: Mapping[str, Any]) -> dict[str, Any]:
  """The adapters, heads and decoders alone, by path: all a run has changed."""
  return {
    path: leaf
    for path, leaf in tree.paths(params).items()
    if any(re.search(pattern, path) for pattern in TRAINED)
  }


def _frozen(params):
  """The parameters, with no gradient to what is not trained."""

  def stopped(path, leaf):
    if any(re.search(pattern, tree.name(path)) for pattern in TRAINED):
      return leaf
    return jax.lax.stop_gradient(leaf)

  return jax.tree_util.tree_map_with_path(stopped, params)


def _stacked(path: str) -> bool:
  return re.search(r"(^|/)blocks/", path) is not None


def _matrix(path: str, leaf: Any) -> tuple[int, ...]:
  """Inputs and outputs of a kernel; () for what is no matrix."""
  shape = leaf.shape[1:] if _stacked(path) else leaf.shape
  if len(shape) < 2:
    return ()
  # Attention's fused kernel is [inputs, 3, heads, D]; others end in outputs.
  cut = 1 if path.endswith("qkv/kernel") else len(shape) - 1
  return math.prod(shape[:cut]), math.prod(shape[cut:])
