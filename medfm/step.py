"""The train step: one function of (state, batch), on one device or many."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from medfm import mesh as meshes
from medfm import rng, spec
from medfm.nn import backend
from medfm.types import Batch, Objective, UserError, Variables

Step = Callable[["TrainState", Batch], tuple["TrainState", dict[str, Any]]]
Gradients = Callable[
  [Objective, Variables, Batch, jax.Array],
  tuple[Any, tuple[dict[str, Any], jax.Array, Variables]],
]
"""(objective, variables, batch, key) -> (gradient, (sums, weight, updates)).

The batch is whole, or a part if a step is divided into micro-batches or mapped
devices: all three sums are added up over the parts, and the gradient is then
divided by the weight. A function that looks at examples one by one has the
attribute `per_example = True`; it is refused for a coupled objective. Anything
drawn once per step, such as noise, belongs to the optimizer, which sees the
whole gradient.
"""


class TrainState(NamedTuple):
  """All that training changes; arrays only.

  step: int32, the number of steps taken, including skipped ones.
  params: what is trained.
  extra: other collections (`batch_stats`), `ema` of them and `params`, and the
    counts of non-finite steps: `skipped` in all, `skipped_in_row`.
  opt_state: optax's.
  """

  step: jax.Array
  params: Any
  extra: dict[str, Any]
  opt_state: Any


def initial(
  objective: Objective,
  optimizer: optax.GradientTransformation,
  key: jax.Array,
  batch: Batch,
  *,
  ema_decay: float = 0.0,
) -> TrainState:
  """A fresh state; jit it."""
  variables = dict(objective.init(key, batch))
  params = variables.pop("params")
  zero = jnp.zeros((), jnp.int32)
  extra = {**variables, "skipped": zero, "skipped_in_row": zero}
  if ema_decay:
    averaged = {"params": params, **variables}
    extra["ema"] = jax.tree.map(jnp.copy, averaged)
  return TrainState(zero, params, extra, optimizer.init(params))


def variables(state: TrainState) -> Variables:
  """The variables that `predict` reads: averages if the run keeps them.

  Batch statistics are averaged too, since those of the last steps do not fit
  the activations of averaged parameters.
  """
  live = {"params": state.params, **_collections(state)}
  return state.extra.get("ema", live)


def gradients(
  objective: Objective, variables: Variables, batch: Batch, key: jax.Array
) -> tuple[Any, tuple[dict[str, Any], jax.Array, Variables]]:
  """The gradient of the sum of weight * loss over a batch, by `params`.

  Beside it: the sum of weight * term for each term, the sum of the weights,
  and the updated collections.
  """

  def summed(params):
    terms, updates = objective.loss({**variables, "params": params}, batch, key)
    terms = dict(terms)
    weight = batch["weight"] * terms.pop("weight", 1.0)
    sums = {name: jnp.sum(weight * term) for name, term in terms.items()}
    return sums["loss"], (sums, jnp.sum(weight), updates)

  return jax.grad(summed, has_aux=True)(variables["params"])


def train_step(
  objective: Objective,
  optimizer: optax.GradientTransformation,
  *,
  seed: int,
  gradients: Gradients = gradients,
  augment: Callable[[Batch, jax.Array], Batch] | None = None,
  accumulate: int = 1,
  ema_decay: float = 0.0,
  axis: str | None = None,
) -> Step:
  """(state, batch) -> (state, scalars): one optimizer step.

  The loss is sum(weight * loss) / sum(weight) over the whole batch, however it
  is divided: into `accumulate` micro-batches, devices of a mesh, or the mapped
  axis `axis`. A step whose loss or gradient is not finite changes only the
  counts.

  augment: (batch, keys [B]) -> batch; an example's key depends only on the
    seed, its `visit` and its `id`.
  """
  if objective.coupled:
    what = "an objective that compares the examples of a batch with each other"
    refuse_cuts(what, gradients, accumulate, axis)

  def step(
    state: TrainState, batch: Batch
  ) -> tuple[TrainState, dict[str, Any]]:
    key = rng.stream(seed, "loss", state.step)
    first, *others = _parts(batch, accumulate)

    def summed(part: Batch, collections: Variables) -> tuple[Any, Variables]:
      if augment is not None:
        # By visit too, so that every epoch has new draws.
        visits = rng.per_example(rng.stream(seed, "augment"), part["visit"])
        keys = jax.vmap(jax.random.fold_in)(visits, part["id"])
        part = augment(part, keys)
      gradient, (sums, weight, updates) = gradients(
        objective, {"params": state.params, **collections}, part, key
      )
      return (gradient, sums, weight), {**collections, **updates}

    totals, collections = summed(first, _collections(state))
    for part in others:
      more, collections = summed(part, collections)
      totals = jax.tree.map(jnp.add, totals, more)
    if axis is not None:
      totals = jax.lax.psum(totals, axis)
    gradient, sums, weight = totals
    scale = 1.0 / jnp.maximum(weight, 1e-12)
    gradient = jax.tree.map(lambda g: g * scale.astype(g.dtype), gradient)
    scalars = {name: value * scale for name, value in sums.items()}
    scalars["grad_norm"] = optax.tree.norm(gradient)
    finite = jnp.isfinite(scalars["loss"]) & jnp.isfinite(scalars["grad_norm"])
    state = _updated(state, optimizer, gradient, collections, finite, ema_decay)
    counts = {name: state.extra[name] for name in ("skipped", "skipped_in_row")}
    return state, scalars | counts

  return step


def _updated(
  state: TrainState,
  optimizer: optax.GradientTransformation,
  gradient: Any,
  collections: Variables,
  finite: jax.Array,
  ema_decay: float,
) -> TrainState:
  """The state after a step; a step that is not finite is only counted."""
  updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  collections = dict(collections)
  if ema_decay:
    taken = state.step - state.extra["skipped"]
    # Otherwise the random start would keep decay^steps of the average.
    decay = jnp.minimum(ema_decay, (1.0 + taken) / (10.0 + taken))
    collections["ema"] = jax.tree.map(
      lambda mean, new: (
        decay.astype(mean.dtype) * mean + (1 - decay).astype(mean.dtype) * new
      ),
      state.extra["ema"],
      {"params": params, **collections},
    )
  old = {name: state.extra[name] for name in collections}
  params, opt_state, collections = jax.tree.map(
    lambda new, old: jnp.where(finite, new, old),
    (params, opt_state, collections),
    (state.params, state.opt_state, old),
  )
  bad = (~finite).astype(jnp.int32)
  extra = {
    **collections,
    "skipped": state.extra["skipped"] + bad,
    "skipped_in_row": (state.extra["skipped_in_row"] + 1) * bad,
  }
  return TrainState(state.step + 1, params, extra, opt_state)


def compiled(
  step: Callable[..., Step],
  mesh: Mesh,
  shardings: Any,
  parallel: str,
  onednn: bool = False,
) -> Step:
  """`step(axis=...)` compiled: jit over the mesh, or pmap over all devices.

  The state is donated. Both give the same numbers; pmap repeats the state on
  every device. `onednn` has no effect on pmap.
  """
  if parallel == "jit":
    return backend.compiled(
      step(axis=None),
      onednn=onednn,
      in_shardings=(shardings, meshes.rows(mesh)),
      out_shardings=(shardings, NamedSharding(mesh, PartitionSpec())),
      donate_argnums=0,
    )
  if parallel != "pmap":
    raise UserError(f"devices.parallel is {parallel!r}; choose jit or pmap")
  if jax.process_count() > 1:
    raise UserError(
      "devices.parallel='pmap' works in one process only; choose jit"
    )
  mapped = jax.pmap(
    step(axis="data"), axis_name="data", in_axes=(None, 0), out_axes=None
  )
  count = jax.local_device_count()

  def apply(state, batch):
    parts = jax.tree.map(lambda a: a.reshape(count, -1, *a.shape[1:]), batch)
    return mapped(state, parts)

  return apply


def _collections(state: TrainState) -> dict[str, Any]:
  """The collections of the model beside `params`, such as `batch_stats`."""
  counts = ("ema", "skipped", "skipped_in_row")
  return {k: v for k, v in state.extra.items() if k not in counts}


def refuse_cuts(
  what: str, gradients: Gradients, accumulate: int, axis: str | None = None
) -> None:
  """Refuses settings with which `what` would see only a part of a batch."""
  of_examples = getattr(spec.function(gradients), "per_example", False)
  for cut, part, choice in (
    (accumulate > 1, "one micro-batch", "accumulate=1"),
    (axis is not None, "the rows of one device", "devices.parallel='jit'"),
    (of_examples, "one example", "gradients=step.gradients"),
  ):
    if cut:
      raise UserError(
        f"{what} needs the whole batch, but would see {part} at a time: "
        f"choose {choice}"
      )


def _parts(batch: Batch, count: int) -> list[Mapping[str, Any]]:
  """The batch cut into `count` micro-batches, each with rows of all devices."""
  if count == 1:
    return [batch]
  size = len(batch["weight"])
  if size % count:
    raise UserError(
      f"accumulate={count} does not divide the {size} rows of a batch "
      "on each device: choose a divisor"
    )
  return [
    {name: array[i::count] for name, array in batch.items()}
    for i in range(count)
  ]
