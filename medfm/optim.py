"""Optimizers from config: any of optax's, with schedule, clipping and rules."""

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import optax

from medfm import spec, tree
from medfm.types import UserError

_SPARED = re.compile(
  r"(^|/)(\w*bias|scale|embedding|positions|cls|mask|missing\w*|level|column)$"
)
"""Parameters that add, scale or are looked up, by their path's last word."""


def learning_rate(
  steps: int,
  *,
  lr: float = 1e-3,
  schedule: str = "constant",
  warmup: float = 0.0,
  drops: Sequence[float] = (),
  drop_factor: float = 0.1,
  end_factor: float = 0.0,
) -> optax.Schedule:
  """The learning rate at each of `steps` steps.

  schedule: constant; cosine or linear, falling to `end_factor` of `lr`; steps,
    multiplied by `drop_factor` at each of `drops` (fractions of the run).
  warmup: fraction of the run over which the rate rises linearly from zero.
  """
  rising = math.ceil(warmup * steps)
  falling = max(steps - rising, 1)
  schedules = {
    "constant": lambda: optax.constant_schedule(lr),
    "cosine": lambda: optax.cosine_decay_schedule(lr, falling, end_factor),
    "linear": lambda: optax.linear_schedule(lr, lr * end_factor, falling),
    "steps": lambda: optax.piecewise_constant_schedule(
      lr, {round(drop * steps) - rising: drop_factor for drop in drops}
    ),
  }
  after = spec.chosen("optimizer.schedule", schedule, schedules)()
  if not rising:
    return after
  return optax.join_schedules(
    [optax.linear_schedule(0.0, lr, rising), after], [rising]
  )


@spec.forwards(learning_rate)
def optimizer(
  params: Any,
  steps: int,
  *,
  name: str = "adamw",
  clip_norm: float = 0.0,
  weight_decay: float = 0.0,
  lr_rules: Sequence[tuple[str, float]] = (),
  decay_rules: Sequence[tuple[str, float]] = (),
  options: Mapping[str, Any] = {},
  **curve: Any,
) -> tuple[optax.GradientTransformation, optax.Schedule]:
  """An optax optimizer over `params`, and its learning-rate schedule.

  name: any optimizer of optax; gradient_descent is another name for sgd.
  options: further arguments of that optimizer, such as {"momentum": 0.9}.
  clip_norm: gradients are scaled down to this global norm; 0 turns it off.
  weight_decay: added to the gradient before the optimizer (L2), but handed to
    optimizers that have their own decoupled decay (adamw, lamb, lion, ...).
  lr_rules: (regex, multiplier) on the paths of the parameters; the first match
    wins, others keep 1; a multiplier of 0 freezes parameters.
  decay_rules: the same for weight decay; any multiplier but 0 means decay.
    Parameters that they do not name decay only if they are matrices that
    multiply: norms, biases, embeddings, positions and class tokens do not, as
    with BERT (Devlin et al. 2019), GPT-2 and DeiT. `((".*", 1.0),)` lets
    everything decay.
  curve: the settings of `learning_rate`.
  """
  rate = learning_rate(steps, **curve)
  rest = ((".*", 1.0),)
  factors = tree.select(params, (*lr_rules, *rest))
  decayed = _decayed(params, decay_rules)
  parts = [_named(name, rate, weight_decay, decayed, options)]
  if clip_norm:
    parts.insert(0, optax.clip_by_global_norm(clip_norm))
  if lr_rules:
    parts.append(_scaled(factors))
  chain = optax.chain(*parts)
  frozen = jax.tree.map(
    lambda factor: "frozen" if factor == 0 else "trained", factors
  )
  if "frozen" in jax.tree.leaves(frozen):
    chain = optax.multi_transform(
      {"trained": chain, "frozen": optax.set_to_zero()}, frozen
    )
  return chain, rate


def layerwise(
  *, groups: Sequence[str], decay: float
) -> tuple[tuple[str, float], ...]:
  """`lr_rules` that lower the rate layer by layer towards the input.

  Of n groups the last gets the multiplier decay, the one before it decay^2,
  ..., the first decay^n. Parameters in no group (heads, last norms) keep the
  full rate (Howard and Ruder 2018, Clark et al. 2020).

  groups: regexes on paths, from the input on; `transformer_layers(12)`, or
    for a ResNet (r"/(conv1|norm1)/", "layer1_", "layer2_", ...).
  """
  if not 0 < decay <= 1:
    raise UserError(f"layerwise: decay={decay}: expected above 0, at most 1")
  powers = range(len(groups), 0, -1)
  return tuple((g, decay**k) for g, k in zip(groups, powers, strict=True))


def transformer_layers(depth: int) -> tuple[str, ...]:
  """Groups for `layerwise`: embeddings, then each of `depth` blocks.

  For models with separate blocks; stacked blocks share one rate.
  """
  embedding = r"(^|/)(embed_\w+|cls|positions|tokens)(/|$)"
  return (embedding, *(rf"(^|/)block{index}/" for index in range(depth)))


def _decayed(params: Any, rules: Sequence[tuple[str, float]]) -> Any:
  """Whether weight decay applies to each leaf."""
  unnamed = -1.0
  named = tree.select(params, (*rules, (".*", unnamed)))

  def falls(path, leaf, factor):
    if factor != unnamed:
      return bool(factor)
    return leaf.ndim > 1 and not _SPARED.search(tree.name(path))

  return jax.tree_util.tree_map_with_path(falls, params, named)


def _named(name, rate, weight_decay, decayed, options):
  """An optimizer of optax, with weight decay added in the right place."""
  factory = getattr(optax, "sgd" if name == "gradient_descent" else name, None)
  if not callable(factory):
    raise UserError(
      f"optax has no optimizer {name!r}{spec.nearest(name, dir(optax))}"
    )
  known = inspect.signature(factory).parameters
  if "learning_rate" not in known:
    raise UserError(f"optax.{name} is not an optimizer with a learning rate")
  for option in options:
    if option not in known:
      raise UserError(
        f"optax.{name} has no option {option!r}{spec.nearest(option, known)}"
      )
  if {"weight_decay", "mask"} <= known.keys():
    options = {**options, "weight_decay": weight_decay, "mask": decayed}
    return factory(learning_rate=rate, **options)
  chosen = factory(learning_rate=rate, **options)
  if not weight_decay:
    return chosen
  before = optax.add_decayed_weights(weight_decay, mask=decayed)
  return optax.chain(before, chosen)


def _scaled(factors: Any) -> optax.GradientTransformation:
  """Updates times a factor per leaf: a learning rate per parameter."""

  def update(updates, state, params=None):
    # Leaves masked out by another transformation are not arrays here.
    def scale(update, factor):
      return update * factor if hasattr(update, "dtype") else update

    is_masked = lambda leaf: isinstance(leaf, optax.MaskedNode)  # noqa: E731
    return jax.tree.map(scale, updates, factors, is_leaf=is_masked), state

  return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
