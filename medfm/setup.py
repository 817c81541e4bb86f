"""The objects that a run is made of, to train with and to predict with."""

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
from medfm.data import cards, copied, leakage, loader, orders, splits
from medfm.nn import backend
from medfm.types import (
  Batch,
  Dataset,
  Folders,
  Info,
  Objective,
  Split,
  Task,
  UserError,
)

ROWS = 1024
"""How many new rows are predicted at a time, if a run has no batch size."""


@dataclasses.dataclass(frozen=True)
class Inference:
  """A run's model, ready to predict, without anything for training.

  mesh: the devices it predicts on.
  predict: (variables, batch) -> arrays, compiled.
  share: this process's rows of a batch; None if there is only one process.
  """

  run: settings.Run
  info: Info
  objective: Objective
  mesh: Mesh
  predict: Callable
  share: np.ndarray | None

  @property
  def task(self) -> Task:
    """The task that the objective names, else that of the data's target."""
    return self.objective.task or tasks.of(self.info.target)


@dataclasses.dataclass(frozen=True)
class Job:
  """A run that is ready to train.

  split: the examples it learns from.
  steps, per_epoch: the steps of the run and of an epoch.
  learning_rate: step -> its learning rate.
  initial: () -> TrainState, compiled and placed.
  abstract: the state's shapes, dtypes and shardings.
  """

  model: Inference
  data: Dataset
  split: Split
  batches: loader.Batches
  steps: int
  per_epoch: int
  learning_rate: Callable[[int], Any]
  initial: Callable[[], steps_.TrainState]
  abstract: steps_.TrainState
  step: steps_.Step

  @property
  def run(self) -> settings.Run:
    """The settings, with the batch size that is used for these data."""
    return self.model.run


def folders(data_dir: str | None) -> Folders:
  """The machine's folders, from a flag, the environment, or their defaults."""
  raw = data_dir or os.environ.get("MEDFM_DATA_DIR")
  cache = os.environ.get("MEDFM_CACHE_DIR") or "~/.cache/medfm"
  try:
    return Folders(
      raw=raw and str(Path(raw).expanduser()),
      cache=str(Path(cache).expanduser()),
    )
  except RuntimeError:  # No HOME, and a user unknown to the system.
    raise UserError(
      f"the home folder in {cache} or {raw} is not known: set "
      "MEDFM_CACHE_DIR, and MEDFM_DATA_DIR if it begins with ~"
    ) from None


def jax_settings(folders: Folders) -> None:
  """Sets jax up for the whole process; call it before jax uses a device.

  Compiled programs are kept between runs. On one CPU a program runs in the
  thread that calls it: a step launched ahead would hold its temporaries beside
  those of the current step, and only very short steps would be faster
  (benchmarks/README.md).
  """
  jax.config.update("jax_compilation_cache_dir", f"{folders.cache}/compiled")
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
  jax.config.update("jax_cpu_enable_async_dispatch", False)


def dataset(
  run: settings.Run, folders: Folders
) -> tuple[Dataset, dict[str, Any]]:
  """The run's data and its leakage report; refuses shared patients.

  What may be leakage but is not certain becomes a warning in the card.
  """
  data = processes.in_turn(run.data, folders)
  report = leakage.leakage(data)
  leakage.refuse(report)
  targets = tasks.of(data.info.target).TARGETS
  copies = copied.lines(data.splits["train"], data.info, targets)
  if warnings := [*leakage.warnings(report), *copies]:
    known = data.card.get(cards.WARNINGS, [])
    card = {**data.card, cards.WARNINGS: [*known, *warnings]}
    data = dataclasses.replace(data, card=card)
  return data, report


def seen(run: settings.Run, data: Dataset) -> Dataset:
  """The data with only the labels that the run may see.

  Training and validation are cut to their shares, and the target is fitted
  again on the labels that are left. With all labels it is `data` itself.
  """
  shares = {"train": run.label_fraction, "validation": choosing(run)}
  task, parts = tasks.of(data.info.target), dict(data.splits)
  for name, share in shares.items():
    if name in parts:
      parts[name] = splits.fraction(parts[name], share, run.seed, task.STRATIFY)
  if all(parts[name] is split for name, split in data.splits.items()):
    return data
  info = data.info
  if parts["train"] is not data.splits["train"]:
    target = task.refitted(info.target, parts["train"].arrays)
    info = dataclasses.replace(info, target=target)
  encode: Any = data.encode
  encode = encode and functools.partial(encode, info=info)
  return dataclasses.replace(data, splits=parts, info=info, encode=encode)


def choosing(run: settings.Run) -> float:
  """The share of validation that chooses the step and the thresholds."""
  return run.validation_fraction or run.label_fraction


def used(run: settings.Run, data: Dataset, whole: Dataset) -> str:
  """A line on how many of all labels the run sees (`data`), or ""."""
  if data is whole:
    return ""

  def count(name: str) -> str:
    few, all_ = len(data.splits[name]), len(whole.splits[name])
    return f"all {few:,}" if few == all_ else f"{few:,} of {all_:,}"

  words = f"the run learns from {count('train')} training examples"
  if "validation" in whole.splits:
    by = (
      "the step and any threshold" if run.schedule.select else "any threshold"
    )
    words += f"; {count('validation')} validation examples choose {by}"
  return words


def inference(run: settings.Run, info: Info) -> Inference:
  """The run's model, for data described by `info`; builds no optimizer."""
  objective, mesh = run.objective(info), run.devices.mesh()
  share = whole = None
  if jax.process_count() > 1:
    share = meshes.share(mesh, _rows(run.batch_size, run, mesh))
    whole = NamedSharding(mesh, PartitionSpec())  # Each gets all predictions.
  predict = backend.compiled(objective.predict, out_shardings=whole)
  return Inference(run, info, objective, mesh, predict, share)


def sized(run: settings.Run, split: Split, info: Info) -> settings.Run:
  """The run with a batch size: its own, that of the data's plan, or else all
  of the training examples.

  Predictions are equal to the last digit only in batches of the same size.
  """
  size = run.batch_size or info.batch_size or len(split)
  return dataclasses.replace(run, batch_size=size)


def for_new_rows(model: Inference) -> Inference:
  """The model for new rows.

  Without a batch size they come in batches of `ROWS`, so that a row's
  prediction does not depend on how many others there are.
  """
  rows = model.run.batch_size or model.info.batch_size or ROWS
  run = dataclasses.replace(model.run, batch_size=rows)
  return dataclasses.replace(model, run=run)


def judged(model: Inference, **evaluation: Any) -> Inference:
  """The model with other settings of `settings.Evaluation`, by name."""
  chosen = dataclasses.replace(model.run.evaluation, **evaluation)
  return dataclasses.replace(
    model, run=dataclasses.replace(model.run, evaluation=chosen)
  )


def job(run: settings.Run, data: Dataset) -> Job:
  """Checks a run's settings against its data; computes nothing yet.

  data: as from `seen`.
  """
  split = data.splits["train"]
  run = sized(run, split, data.info)
  model = inference(run, data.info)
  objective, mesh = model.objective, model.mesh
  per_epoch = orders.per_epoch(len(split), run.batch_size)
  total = run.steps or run.epochs * per_epoch
  rows = _rows(run.batch_size, run, mesh)
  example = _padded(next(loader.in_order(split, run.batch_size)), rows)
  key = rng.stream(run.seed, "init")
  params = jax.eval_shape(objective.init, key, example)["params"]
  optimizer, rate = run.optimizer(params, total)
  fresh = functools.partial(
    steps_.initial, objective, optimizer, ema_decay=run.ema_decay
  )
  abstract = jax.eval_shape(fresh, key, example)
  if "batch_stats" in abstract.extra:
    what = "batch normalisation (unlike group normalisation)"
    steps_.refuse_cuts(what, run.gradients, run.accumulate)
  shardings = meshes.shardings(abstract, mesh, run.devices.sharding)
  placed = jax.jit(fresh, out_shardings=shardings)
  return Job(
    model=model,
    data=data,
    split=split,
    batches=loader.batches(
      split,
      batch_size=run.batch_size,
      steps=total,
      seed=run.seed,
      order=run.order,
      strata=model.task.strata(data.info, split.arrays),
      transforms=[_informed(each, data.info) for each in run.transforms],
      share=model.share,
      rows_alone=run.devices.resident,
    ),
    steps=total,
    per_epoch=per_epoch,
    learning_rate=rate,
    initial=lambda: placed(key, dict(example)),
    abstract=jax.tree.map(
      lambda leaf, place: leaf.update(sharding=place), abstract, shardings
    ),
    step=_step(model, optimizer, shardings),
  )


def _informed(transform: Callable, info: Info) -> loader.Transform:
  """A transform of `Run.transforms` for a loader, which knows no data."""
  return lambda example, generator: transform(example, info, generator)


def _step(
  model: Inference, optimizer: optax.GradientTransformation, shardings: Any
) -> steps_.Step:
  """The run's train step, compiled for its devices."""
  run, moved = model.run, model.run.augment
  augment = moved and (lambda batch, keys: moved(batch, model.info, keys))
  step = functools.partial(
    steps_.train_step,
    model.objective,
    optimizer,
    seed=run.seed,
    gradients=run.gradients,
    augment=augment,
    accumulate=run.accumulate,
    ema_decay=run.ema_decay,
  )
  devices = run.devices
  return steps_.compiled(
    step, model.mesh, shardings, devices.parallel, devices.onednn
  )


def placed(model: Inference, batch: Mapping[str, np.ndarray]) -> Batch:
  """A batch on the mesh, padded so that its devices share it equally.

  With several processes each gives the rows of `model.share`.
  """
  size = model.run.batch_size or len(batch["weight"])
  rows = _rows(size, model.run, model.mesh)
  if model.share is not None:
    return meshes.assembled(batch, model.share, model.mesh, rows)
  batch = _padded(batch, rows)
  if model.mesh.size == 1:
    return batch  # Compiled functions place it three times as fast.
  return jax.device_put(batch, meshes.rows(model.mesh))


def predictions(
  model: Inference, variables: Any, split: Split, keeps: Sequence[str] = ()
) -> dict[str, np.ndarray]:
  """The outputs for a split that the task needs, and those of `keeps`.

  In the split's order; predictions per token are 0 beyond the end of the
  longest sequence. If there are several processes, all must call it.
  """
  collected: dict[str, list[np.ndarray]] = {}
  size = model.run.batch_size or len(split)
  order = loader.length_order(split)
  batches = loader.in_order(split, size, model.share, order)
  whole = itertools.repeat({})
  if model.share is not None:  # Condense all rows, not those of this process.
    whole = loader.in_order(split, size, order=order)
  for k, (batch, rows) in enumerate(zip(batches, whole, strict=False)):
    n = min(size, len(split) - k * size)
    seen = _inputs(model.info, batch) if model.task.TARGETS else batch
    outputs = jax.device_get(model.predict(variables, placed(model, seen)))
    rows = {name: a[:n] for name, a in (rows or batch).items()}
    outputs = {name: np.asarray(a)[:n] for name, a in outputs.items()}
    kept = {name: outputs[name] for name in keeps if name in outputs}
    kept |= model.task.condense(model.info, rows, outputs)
    for name, output in kept.items():
      collected.setdefault(name, []).append(output)
  back = np.argsort(order)
  return {name: _joined(cuts)[back] for name, cuts in collected.items()}


def _inputs(info: Info, batch: loader.HostBatch) -> loader.HostBatch:
  """What a batch holds of a model's inputs: no answers, as in a new file."""
  read = {name for each in info.inputs.values() for name in each.arrays}
  if len(info.inputs) > 1:  # Whose arrays are called `input/array`.
    read = set(info.inputs)
  rest = ("id", "weight")
  return {
    name: array
    for name, array in batch.items()
    if name in rest or name.partition("/")[0] in read
  }


def _joined(cuts: Sequence[np.ndarray]) -> np.ndarray:
  """Batches one after another; shorter sequences are padded with 0."""
  longest = np.max([cut.shape[1:] for cut in cuts], axis=0)
  whole = np.zeros((sum(map(len, cuts)), *longest), cuts[0].dtype)
  start = 0
  for cut in cuts:
    place = tuple(slice(extent) for extent in cut.shape)
    whole[start:][place] = cut
    start += len(cut)
  return whole


def _rows(size: int, run: settings.Run, mesh: Mesh) -> int:
  """The rows of a batch, rounded up so that devices share them equally."""
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
