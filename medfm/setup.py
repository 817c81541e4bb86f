"""What train, evaluate and predict share: the objects a run is made of."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from medfm import mesh as meshes
from medfm import processes, rng, settings, tasks
from medfm import step as steps_
from medfm.data import leakage, loader, orders, splits
from medfm.types import (
  Batch,
  Dataset,
  Folders,
  Info,
  Objective,
  Split,
  UserError,
)

Condense = Callable[[Batch, Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""(batch, outputs of its rows) -> what is kept of them, [B, ...] each."""


@dataclasses.dataclass(frozen=True)
class Inference:
  """A run's model, ready to predict; there is nothing of training in it.

  mesh: the devices it predicts on.
  predict: (variables, batch) -> arrays, compiled.
  share: the rows of a batch that are this process's; None where it is alone.
  """

  run: settings.Run
  info: Info
  objective: Objective
  mesh: Mesh
  predict: Callable
  share: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Parts:
  """A run's objects, built for one dataset.

  steps, per_epoch: the run's length and an epoch's.
  learning_rate: step -> the rate there.
  initial: () -> TrainState, compiled and placed.
  abstract: the state's shapes, dtypes and shardings.
  """

  inference: Inference
  steps: int
  per_epoch: int
  learning_rate: Callable[[int], Any]
  initial: Callable[[], steps_.TrainState]
  abstract: steps_.TrainState
  step: steps_.Step


def folders(data_dir: str | None) -> Folders:
  """The machine's folders, from a flag, the environment, or their defaults."""
  home = Path.home() / ".cache" / "medfm"
  return Folders(
    raw=data_dir or os.environ.get("MEDFM_DATA_DIR"),
    cache=os.environ.get("MEDFM_CACHE_DIR") or str(home),
  )


def jax_settings(folders: Folders) -> None:
  """Before jax's first use of a device: what holds for the whole process.

  Compiled programs are kept between runs. One CPU runs a program where it is
  called: a step launched ahead of its turn would hold its temporaries beside
  those of the step under way, twice the memory or more, and only steps under
  a millisecond gain by it.
  """
  jax.config.update("jax_compilation_cache_dir", f"{folders.cache}/compiled")
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
  jax.config.update("jax_cpu_enable_async_dispatch", False)


def dataset(
  run: settings.Run, folders: Folders
) -> tuple[Dataset, dict[str, Any]]:
  """The run's data and its leakage report; refuses shared patients."""
  data = processes.in_turn(run.data, folders)
  report = leakage.leakage(data)
  leakage.refuse(report)
  return data, report


def training_split(run: settings.Run, data: Dataset) -> Split:
  """The training split, cut to the run's share of labels."""
  split = data.splits["train"]
  if not 0 < run.label_fraction <= 1:
    raise UserError(
      f"label_fraction is {run.label_fraction}; it must be above 0, up to 1"
    )
  if run.label_fraction == 1:
    return split
  stratify = tasks.of(data.info.target).STRATIFY
  return splits.fraction(split, run.label_fraction, run.seed, stratify)


def inference(run: settings.Run, info: Info) -> Inference:
  """The run's model, for data described by `info`; builds no optimizer."""
  objective = run.objective(info)
  mesh = run.devices.mesh()
  share = None
  if jax.process_count() > 1:
    share = meshes.share(mesh, _rows(run.batch_size, run, mesh))
  predict = _predict(objective, mesh)
  return Inference(run, info, objective, mesh, predict, share)


def sized(run: settings.Run, split: Split) -> settings.Run:
  """The run with a batch size, which is that of `split` where it has none.

  split: the training examples. Predictions that are to be equal to the last
    digit are made in batches of one size.
  """
  return dataclasses.replace(run, batch_size=run.batch_size or len(split))


def parts(run: settings.Run, info: Info, split: Split) -> Parts:
  """The run's objects.

  Args:
    run: the settings.
    info: of the dataset that is trained on.
    split: the training examples.
  """
  run = sized(run, split)
  model = inference(run, info)
  objective, mesh = model.objective, model.mesh
  rows = _rows(run.batch_size, run, mesh)
  example = _padded(next(loader.in_order(split, run.batch_size)), rows)
  total = length(run, len(split))
  init_key = rng.stream(run.seed, "init")
  params = jax.eval_shape(objective.init, init_key, example)["params"]
  optimizer, rate = run.optimizer(params, total)
  fresh = functools.partial(
    steps_.initial,
    objective,
    optimizer,
    ema_decay=run.ema_decay,
  )
  abstract = jax.eval_shape(fresh, init_key, example)
  if "batch_stats" in abstract.extra:
    _refuse_cuts(run)
  shardings = meshes.shardings(abstract, mesh, run.devices.sharding)
  abstract = jax.tree.map(
    lambda leaf, place: jax.ShapeDtypeStruct(
      leaf.shape, leaf.dtype, sharding=place
    ),
    abstract,
    shardings,
  )
  placed = jax.jit(fresh, out_shardings=shardings)
  return Parts(
    inference=model,
    steps=total,
    per_epoch=orders.per_epoch(len(split), run.batch_size),
    learning_rate=rate,
    initial=lambda: placed(init_key, dict(example)),
    abstract=abstract,
    step=_step(model, optimizer, shardings),
  )


def _step(
  model: Inference, optimizer: optax.GradientTransformation, shardings: Any
) -> steps_.Step:
  """The run's train step, compiled for its devices."""
  run = model.run
  step = functools.partial(
    steps_.train_step,
    model.objective,
    optimizer,
    seed=run.seed,
    gradients=run.gradients,
    augment=_augment(run, model.info),
    accumulate=run.accumulate,
    ema_decay=run.ema_decay,
  )
  return steps_.compiled(
    step,
    model.mesh,
    shardings,
    run.devices.parallel,
    onednn=run.devices.onednn,
  )


def _augment(run: settings.Run, info: Info) -> Callable | None:
  augment = run.augment
  if augment is None:
    return None
  return lambda batch, keys: augment(batch, info, keys)


def _refuse_cuts(run: settings.Run) -> None:
  """Refuses what would change the numbers of batch normalisation."""
  why = "would change what batch normalisation computes, which sees one"
  if run.accumulate > 1:
    raise UserError(
      f"accumulate {why} micro-batch at a time; choose accumulate=1 or group "
      "normalisation"
    )
  if steps_.of_examples(run.gradients):
    raise UserError(
      f"gradients of single examples {why} example at a time; choose "
      "gradients=step.gradients or group normalisation"
    )


def length(run: settings.Run, n: int) -> int:
  """The number of steps of a run over `n` training examples."""
  return run.steps or run.epochs * orders.per_epoch(n, run.batch_size)


def placed(model: Inference, batch: Mapping[str, np.ndarray]) -> Batch:
  """A batch on the mesh, padded so that its devices share it equally.

  Of several processes each gives the rows of `model.share`.
  """
  size = model.run.batch_size or len(batch["weight"])
  rows = _rows(size, model.run, model.mesh)
  if model.share is not None:
    return meshes.assembled(batch, model.share, model.mesh, rows)
  batch = _padded(batch, rows)
  if model.mesh.size == 1:
    return batch  # Compiled functions place it in a third of the time.
  return jax.device_put(batch, meshes.rows(model.mesh))


def predictions(
  model: Inference,
  variables: Any,
  split: Split,
  *,
  condense: Condense | None = None,
) -> dict[str, np.ndarray]:
  """`predict` over a whole split: name -> [N, ...], in the split's order.

  Predictions for each token are 0 beyond the end of the longest sequence.

  condense: called for every batch; only what it returns is held for the whole
    split. Without it, everything that the model predicts is held.
  """
  collected: dict[str, list[np.ndarray]] = {}
  size = model.run.batch_size or len(split)
  batches = loader.by_length(split, size, model.share)
  # `condense` needs all rows of a batch, not only those of this process.
  alone = condense is None or model.share is None
  whole = itertools.repeat({}) if alone else loader.by_length(split, size)
  for k, (batch, rows) in enumerate(zip(batches, whole, strict=False)):
    n = min(size, len(split) - k * size)
    outputs = jax.device_get(model.predict(variables, placed(model, batch)))
    outputs = {name: np.asarray(a)[:n] for name, a in outputs.items()}
    if condense is not None:
      rows = {name: a[:n] for name, a in (rows or batch).items()}
      outputs = condense(rows, outputs)
    for name, output in outputs.items():
      collected.setdefault(name, []).append(output)
  back = np.argsort(loader.length_order(split))
  return {name: _joined(cuts)[back] for name, cuts in collected.items()}


def _joined(cuts: Sequence[np.ndarray]) -> np.ndarray:
  """Batches one after another, those of shorter sequences padded with 0."""
  widths = [cut.shape[1] for cut in cuts if cut.ndim > 1]
  if len(set(widths)) > 1:
    cuts = [
      np.pad(
        cut,
        [(0, 0), (0, max(widths) - cut.shape[1])] + [(0, 0)] * (cut.ndim - 2),
      )
      for cut in cuts
    ]
  return np.concatenate(cuts)


def _predict(objective: Objective, mesh: Mesh) -> Callable:
  """Compiled; where there are several processes, each gets all rows."""
  whole = jax.process_count() > 1
  places = NamedSharding(mesh, PartitionSpec()) if whole else None
  return jax.jit(objective.predict, out_shardings=places)


def _rows(size: int, run: settings.Run, mesh: Mesh) -> int:
  """The rows of a batch, rounded up to what all devices share equally."""
  parts = mesh.shape["data"] * mesh.shape["fsdp"] * run.accumulate
  return -(-size // parts) * parts


def _padded(batch: Mapping[str, np.ndarray], rows: int) -> dict:
  """The batch with its last row repeated up to `rows`, with weight 0."""
  extra = rows - len(batch["weight"])
  if not extra:
    return dict(batch)
  more = {
    name: np.concatenate([array, np.repeat(array[-1:], extra, axis=0)])
    for name, array in batch.items()
  }
  more["weight"][-extra:] = 0
  more["id"][-extra:] = -1
  return more
