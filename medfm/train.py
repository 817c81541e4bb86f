"""The loop: one for every modality, objective and stage."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from medfm import (
  host,
  log,
  processes,
  resident,
  scoring,
  settings,
  setup,
  workdir,
)
from medfm import step as steps
from medfm import tree as trees
from medfm.checkpoint import Checkpoints
from medfm.data import loader
from medfm.interrupt import Interrupted
from medfm.types import Batch, Dataset, Split, UserError
from medfm.weights import transfer

Weights = Mapping[str, Any]


class Diverged(UserError):
  """Too many steps in a row had a loss or gradient that is not finite."""

  exit_code = 76


@dataclasses.dataclass(frozen=True)
class Job:
  """A run that is ready to train: its parts, its examples, its batches."""

  parts: setup.Parts
  data: Dataset
  split: Split
  batches: loader.Batches

  @property
  def run(self) -> settings.Run:
    """The settings, with the batch size that is used for these data."""
    return self.parts.inference.run


def job(run: settings.Run, data: Dataset) -> Job:
  """Checks a run's settings against its data; nothing is computed yet."""
  split = setup.training_split(run, data)
  parts = setup.parts(run, data.info, split)
  model = parts.inference
  batches = loader.batches(
    split,
    batch_size=model.run.batch_size,
    steps=parts.steps,
    seed=run.seed,
    order=run.order,
    strata=scoring.task_of(model.objective, data.info).strata(
      data.info, split.arrays
    ),
    transforms=run.transforms,
    share=model.share,
    rows_alone=run.devices.resident,
  )
  return Job(parts, data, split, batches)


def train(
  job: Job, folder: Path, name: str, weights: Callable[[], Weights] | None
) -> tuple[steps.TrainState, dict[str, Any]]:
  """Trains one stage from wherever it stands to its last step.

  Args:
    job: what is trained.
    folder: the stage's folder: checkpoints, metrics.jsonl, event files.
    name: the stage's name, for messages.
    weights: loads start weights; called only where there is no checkpoint.

  Returns:
    The state to evaluate (of the best step, where one is selected), and the
    notes kept with it: `best` and the account of start weights.
  """
  folder.mkdir(parents=True, exist_ok=True)
  parts = job.parts
  saved = Checkpoints(folder / "checkpoints", keep=job.run.schedule.keep)
  try:
    state, notes = _start(job, saved, weights)
    first = int(state.step)
    print(
      f"{name}: {trees.count(state.params):,} parameters, "
      f"{len(job.split):,} training examples, {parts.steps:,} steps of "
      f"{job.run.batch_size}" + (f", from step {first}" if first else ""),
      flush=True,
    )
    metrics = (log.Unwritten if host.index else log.Metrics)(folder, first)
    try:
      state, notes = _loop(job, name, saved, metrics, state, notes)
    finally:
      metrics.close()
    best = notes["best"]
    if best and best["step"] != int(state.step):
      state = saved.restore(best["step"], parts.abstract)
  finally:
    saved.close()
  return state, notes


def _start(
  job: Job, saved: Checkpoints, weights: Callable[[], Weights] | None
) -> tuple[steps.TrainState, dict[str, Any]]:
  """This run's newest checkpoint, else start weights, else fresh ones."""
  parts, data = job.parts, job.data
  newest = saved.newest()
  if newest is not None:
    state = saved.restore(newest, parts.abstract)
    notes = saved.notes(newest)
    if notes["fingerprint"] != data.card["fingerprint"]:
      raise UserError(
        f"the data of {data.info.name} have changed since the checkpoint in "
        f"{saved.folder}; choose another --workdir"
      )
    return state, notes
  state = parts.initial()
  notes = {
    "fingerprint": data.card["fingerprint"],
    "best": None,
    "init": None,
  }
  if weights is None:
    return state, notes
  source = job.run.start.weights
  state, account = begun(job.run, state, weights())
  print(account.text(source), flush=True)
  notes["init"] = {
    "from": source,
    "loaded": account.loaded,
    "fresh": account.fresh,
    "unused": account.unused,
  }
  placed = jax.tree.map(
    lambda leaf, like: jax.device_put(leaf, like.sharding),
    state,
    parts.abstract,
  )
  return placed, notes


def begun(
  run: settings.Run, state: steps.TrainState, start: Weights
) -> tuple[steps.TrainState, transfer.Account]:
  """The state with the leaves of start weights, and what became of each.

  Given an abstract state it checks that they fit, before anything runs.
  """
  names = ["params", *sorted(state.extra.keys() & start.keys())]
  old = {"params": state.params, **state.extra}
  new, accounts = {}, {}
  for name in names:
    new[name], accounts[name] = transfer.transferred(
      old[name],
      start[name],
      may_be_fresh=run.start.fresh,
      may_be_unused=run.start.unused,
      source=run.start.weights,
    )
  params = new.pop("params")
  extra = {**state.extra, **new}
  if "ema" in extra:
    extra["ema"] = params
  account = transfer.together(accounts)
  return state._replace(params=params, extra=extra), account


def _loop(
  job: Job,
  name: str,
  saved: Checkpoints,
  metrics: log.Metrics | log.Unwritten,
  state: steps.TrainState,
  notes: dict[str, Any],
) -> tuple[steps.TrainState, dict[str, Any]]:
  parts = job.parts
  run, model, total = job.run, parts.inference, parts.steps
  first = int(state.step)
  evaluate_every = run.schedule.evaluate_every or parts.per_epoch
  checkpoint_every = run.schedule.checkpoint_every or parts.per_epoch
  progress = log.Progress(name, total, first, run.batch_size)
  # Gathering a whole batch costs less than passing it between threads.
  threads = 1 if run.transforms else 0
  fed = _feed(job)
  waiting = None  # A step's scalars are read once the next one is running.

  def report(step: int, scalars: Mapping[str, Any]) -> None:
    scalars = {key: float(v) for key, v in jax.device_get(scalars).items()}
    scalars["lr"] = float(parts.learning_rate(step - 1))
    rate = progress.line(step, scalars["loss"], scalars["lr"])
    metrics.write(step, scalars | {"examples_per_s": round(rate, 1)})
    if scalars["skipped_in_row"] >= run.schedule.skip_limit:
      _stop_diverged(metrics.path.parent, step, scalars, job)

  if not total and saved.newest() is None:
    scores = scoring.quick(model, steps.variables(state), job.data)
    metrics.write(0, scores)
    saved.save(0, state, notes)  # The weights to evaluate and to start from.
  with processes.watch() as watch:
    for k, batch in loader.prefetched(job.batches, first, total, threads):
      state, scalars = parts.step(state, fed(batch))
      step = k + 1
      if k == first:  # Free the memory that compiling needed.
        jax.block_until_ready(state)
        host.give_back()
      if waiting:
        report(*waiting)
      due = step == 1 or _every(step, run.schedule.log_every, total)
      waiting = (step, scalars) if due else None
      improved = False
      if _every(step, evaluate_every, total):
        before, notes = notes, _judged(job, metrics, state, notes, step)
        improved = notes["best"] != before["best"]
      stop = watch.noted()
      if improved or stop or _every(step, checkpoint_every, total):
        if waiting:  # Log a step before the checkpoint that covers it.
          report(*waiting)
          waiting = None
        saved.save(step, state, notes)
      if stop:
        saved.wait()
        raise Interrupted(stop, step)
    if waiting:
      report(*waiting)
    saved.wait()
    if stop := watch.noted():
      raise Interrupted(stop, total)
  return state, notes


def _feed(job: Job) -> Callable[[Batch], Batch]:
  """Puts a batch on the mesh, or gathers its rows of what lies there."""
  place = functools.partial(setup.placed, job.parts.inference)
  if not job.run.devices.resident:
    return place
  gather = resident.gather(job.split, job.parts.inference.mesh)
  return lambda batch: gather(place(batch))


def _judged(
  job: Job,
  metrics: log.Metrics | log.Unwritten,
  state: steps.TrainState,
  notes: dict[str, Any],
  step: int,
) -> dict[str, Any]:
  """The notes with the best step so far, once this one is evaluated."""
  model, select = job.parts.inference, job.run.schedule.select
  scores = scoring.quick(model, steps.variables(state), job.data)
  if scores:
    metrics.write(step, scores)
  best = processes.by_first(_better, select, notes["best"], scores, step)
  return {**notes, "best": best}


def _every(step: int, cadence: int, total: int) -> bool:
  """Whether something with this cadence is due; always at the last step."""
  return step % cadence == 0 or step == total


def _better(
  select: str,
  best: dict[str, Any] | None,
  scores: Mapping[str, float],
  step: int,
) -> dict[str, Any] | None:
  """The best step so far, of equal ones the earlier; its value is finite."""
  if not select:
    return None
  name = f"validation/{select.removeprefix('-')}"
  if name not in scores:
    known = ", ".join(key.partition("/")[2] for key in scores) or "none"
    raise UserError(
      f"schedule.select={select!r} is not among the metrics: {known}"
    )
  value = scores[name]
  if value is None or not math.isfinite(value):
    return best
  sign = -1 if select.startswith("-") else 1
  if best is not None and sign * value <= sign * best["value"]:
    return best
  return {"metric": name, "value": value, "step": step}


def _stop_diverged(
  folder: Path, step: int, scalars: Mapping[str, float], job: Job
) -> None:
  count = int(scalars["skipped_in_row"])
  culprits = {}
  for k in range(max(step - count, 0), step):
    rows = job.batches.rows(k)
    culprits[str(k + 1)] = [str(name) for name in job.split.ids[rows]]
  path = folder / "nonfinite.json"
  workdir.write(path, culprits)
  raise Diverged(
    f"step {step}: loss or gradient not finite for {count} steps in a row; "
    f"their examples are named in {path}; lower the learning rate, set "
    "optimizer.clip_norm, or mend those examples"
  )
