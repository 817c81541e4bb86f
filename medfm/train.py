"""The loop: one for every modality, objective and stage."""

import contextlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from medfm import host, log, processes, scoring, settings, setup, workdir
from medfm import mesh as meshes
from medfm import step as steps
from medfm import tree as trees
from medfm.checkpoint import Checkpoints
from medfm.data import loader
from medfm.interrupt import Interrupted
from medfm.nn import backend
from medfm.setup import Job
from medfm.types import UserError, Variables
from medfm.weights import transfer


class Diverged(UserError):
  """Too many steps in a row had a loss or gradient that is not finite."""

  exit_code = 76


def train(
  job: Job, folder: Path, name: str, weights: Callable[[], Variables] | None
) -> tuple[steps.TrainState, dict[str, Any]]:
  """Trains one stage from its newest checkpoint, or its start, to its end.

  Gives the state to evaluate (of the best step, if one is selected), and the
  notes kept with it: `best` and the account of start weights.

  folder: of the stage: checkpoints, metrics.jsonl, event files.
  name: of the stage, for messages.
  weights: loads start weights; called only if there is no checkpoint.
  """
  folder.mkdir(parents=True, exist_ok=True)
  checkpoints = Checkpoints(folder / "checkpoints", keep=job.run.schedule.keep)
  with contextlib.closing(checkpoints) as saved:
    state, notes = _start(job, saved, weights)
    first = int(state.step)
    print(
      f"{name}: {trees.count(state.params):,} parameters, "
      f"{len(job.split):,} training examples, {job.steps:,} steps of "
      f"{job.run.batch_size}" + (f", from step {first}" if first else ""),
      flush=True,
    )
    with contextlib.closing(log.Metrics(folder, first)) as metrics:
      state, notes = _loop(job, name, saved, metrics, state, notes)
    best, select = notes["best"], job.run.schedule.select
    if select and not best:
      print(
        f"{name}: {select} could not be measured on validation at any step, "
        "so the last step is taken",
        flush=True,
      )
    if best and best["step"] != int(state.step):
      state = saved.restore(best["step"], job.abstract)
  return state, notes


def _start(
  job: Job, saved: Checkpoints, weights: Callable[[], Variables] | None
) -> tuple[steps.TrainState, dict[str, Any]]:
  """This run's newest checkpoint, else start weights, else fresh ones."""
  fingerprint = job.data.card["fingerprint"]
  newest = saved.newest()
  if newest is not None:
    notes = saved.notes(newest)
    if notes["fingerprint"] != fingerprint:
      raise UserError(
        f"the data of {job.data.info.name} have changed since the checkpoint "
        f"in {saved.folder}; choose another --workdir"
      )
    if newest > job.steps:
      raise UserError(
        f"{saved.folder} holds step {newest} already, but this run ends at "
        f"step {job.steps}: set steps or epochs to reach at least {newest}, or "
        "choose another --workdir"
      )
    return saved.restore(newest, job.abstract), notes
  state = job.initial()
  notes = {"fingerprint": fingerprint, "best": None, "init": None}
  if weights is None:
    return state, notes
  source = job.run.start.weights
  state, account = begun(job.run, state, weights(), job.model.objective.copies)
  print(account.text(source), flush=True)
  notes["init"] = {"from": source, **account._asdict()}
  places = jax.tree.map(lambda leaf: leaf.sharding, job.abstract)
  return jax.device_put(state, places), notes


def begun(
  run: settings.Run,
  state: steps.TrainState,
  start: Variables,
  copies: Sequence[str] = (),
) -> tuple[steps.TrainState, transfer.Account]:
  """The state with the leaves of start weights, and the account of each leaf.

  copies: as in `Objective`; a copy that the start weights lack starts as the
    new parameters.
  With an abstract state it only checks that they fit, before anything runs.
  """
  old = {"params": state.params, **state.extra}
  new, accounts = {}, []
  for name in ("params", *sorted(state.extra.keys() & start.keys())):
    new[name], account = transfer.transferred(
      old[name],
      start[name],
      may_be_fresh=run.start.fresh,
      may_be_unused=run.start.unused,
      source=run.start.weights,
      prefix="" if name == "params" else f"{name}/",
    )
    accounts.append(account)
  params = new.pop("params")
  extra = {**state.extra, **new}
  extra |= {name: params for name in copies if name not in new}
  if "ema" in extra:
    started = {name: extra.get(name, params) for name in extra["ema"]}
    extra["ema"] = {**started, "params": params}
  groups = (itertools.chain(*paths) for paths in zip(*accounts, strict=True))
  account = transfer.Account(*map(tuple, groups))
  return state._replace(params=params, extra=extra), account


def _loop(
  job: Job,
  name: str,
  saved: Checkpoints,
  metrics: log.Metrics,
  state: steps.TrainState,
  notes: dict[str, Any],
) -> tuple[steps.TrainState, dict[str, Any]]:
  run, model, total = job.run, job.model, job.steps
  first = int(state.step)
  schedule = run.schedule
  progress = log.Progress(name, total, first, run.batch_size)
  # Gathering a whole batch costs less than passing it between threads.
  threads = 1 if run.transforms else 0
  resident = run.devices.resident and meshes.gather(job.split, model.mesh)
  # With few examples many steps have equal scores, such as an AUROC of 1.
  second = "brier" if setup.choosing(run) < 1 else ""
  waiting = None  # A step's scalars are read once the next one is launched.
  # A step whose batch is still being copied is launched ahead, although
  # `setup.jax_settings` forbids it: two steps would hold temporaries at once.
  one_by_one = backend.on_cpu()

  def every(step: int, cadence: int) -> bool:
    return step % (cadence or job.per_epoch) == 0 or step == total

  def report(step: int, scalars: Mapping[str, Any]) -> None:
    scalars = {key: float(v) for key, v in jax.device_get(scalars).items()}
    scalars["lr"] = float(job.learning_rate(step - 1))
    rate = progress.line(step, scalars["loss"], scalars["lr"])
    metrics.write(step, scalars | {"examples_per_s": round(rate, 1)})
    if scalars["skipped_in_row"] >= schedule.skip_limit:
      _stop_diverged(metrics.path.parent, step, scalars, job)

  if not total and saved.newest() is None:
    scores = scoring.quick(model, steps.variables(state), job.data)
    metrics.write(0, scores)
    saved.save(0, state, notes)  # The weights to evaluate and to start from.
  with processes.watch() as watch:
    for k, batch in loader.prefetched(job.batches, first, total, threads):
      step, batch = k + 1, setup.placed(model, batch)
      state, scalars = job.step(state, resident(batch) if resident else batch)
      if k == first or one_by_one:
        jax.block_until_ready(state)
      if k == first:  # Free the memory that compiling needed.
        host.give_back()
      if waiting:
        report(*waiting)
      due = step == 1 or every(step, schedule.log_every)
      waiting = (step, scalars) if due else None
      best = notes["best"]
      if every(step, schedule.evaluate_every):
        scores = scoring.quick(model, steps.variables(state), job.data)
        if scores:
          metrics.write(step, scores)
        best = processes.by_first(
          _better, schedule.select, best, scores, step, second
        )
      improved = best != notes["best"]
      notes = {**notes, "best": best}
      stop = watch.noted()
      if improved or stop or every(step, schedule.checkpoint_every):
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


def _better(
  select: str,
  best: dict[str, Any] | None,
  scores: Mapping[str, float],
  step: int,
  second: str = "",
) -> dict[str, Any] | None:
  """The best step so far, the earlier of equals; its value is finite.

  second: a metric that ranks equal steps, less being better, if there is such a
    metric; "" for none.
  """
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
  apart = scores.get(f"validation/{second}", math.nan)
  if best is not None:
    more = sign * (value - best["value"])
    nearer = apart < best.get(second, -math.inf)
    if more < 0 or (more == 0 and not nearer):
      return best
  tie = {second: apart} if math.isfinite(apart) else {}
  return {"metric": name, "value": value, "step": step, **tie}


def _stop_diverged(
  folder: Path, step: int, scalars: Mapping[str, float], job: Job
) -> None:
  count = int(scalars["skipped_in_row"])
  rows = job.batches.order.rows
  culprits = {
    str(k + 1): [str(name) for name in job.split.ids[rows(k)[0]]]
    for k in range(max(step - count, 0), step)
  }
  path = folder / "nonfinite.json"
  workdir.write(path, culprits)
  raise Diverged(
    f"step {step}: loss or gradient not finite for {count} steps in a row; "
    f"{path} names their examples; lower the learning rate, set "
    "optimizer.clip_norm, or correct those examples"
  )
