"""A study from its first stage to its report; a single run is one stage."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from medfm import (
  host,
  jsons,
  predictions,
  processes,
  scoring,
  settings,
  setup,
  spec,
  stages,
  tasks,
  train,
  workdir,
)
from medfm import step as steps
from medfm import tree as trees
from medfm.data import cards, leakage, splits
from medfm.data.text import input as text_input
from medfm.evals import context, shifts
from medfm.report import html, reading, tables
from medfm.types import Dataset, Folders, Info, UserError, Variables
from medfm.weights import public, tokenizer_files


def study(config: Any, place: Path, folders: Folders) -> dict[str, Any]:
  """Runs every stage that is not finished, then compares and reports.

  config: of a `settings.Run` or a `settings.Study`. Gives the content of
  results.json in the workdir `place`.
  """
  built = spec.build(config)
  todo = stages.ordered(built)
  with contextlib.ExitStack() as held:
    owned = workdir.owned(place)
    processes.by_first(lambda: held.enter_context(owned) and None)
    results = _read(place / "results.json", built)
    _refuse_stale(place, results, todo)
    if (place / "config.json").exists():
      workdir.claim(place, config)
    remaining = {k: r for k, r in todo.items() if not _finished(results, k, r)}
    ready = _stages(remaining, todo, place, folders)
    if ready:  # All checks passed; only now create the workdir.
      workdir.claim(place, config)
      kinds = [device.device_kind for device in jax.devices()]
      workdir.write(place / "environment.json", workdir.environment(kinds))
      print(f"devices: {len(kinds)} x {kinds[0]}", flush=True)
    fitted = {}
    while ready:  # Drop each stage as it ends, with its programs and memory.
      _run_stage(place, results, ready.pop(0), fitted)
      host.give_back()
    processes.by_first(_conclude, place, built, todo, results)
  return _read(place / "results.json", built)


def _conclude(
  place: Path,
  built: Any,
  todo: Mapping[str, settings.Run],
  results: dict[str, Any],
) -> None:
  """Compares the stages, unless that is done already, and reports."""
  if not results["finished"]:
    rows = predictions.read(place / "predictions.csv")
    pairs = getattr(built, "compare", ())
    results["comparisons"] = comparisons(place, rows, built, results, pairs)
    results["finished"] = True
    workdir.write(place / "results.json", results)
  for name, run in todo.items():
    if not context.showing(settings.evaluators(run)):
      (stages.folder(place, name) / reading.EXAMPLES).unlink(missing_ok=True)
  path = html.write(place)
  print(tables.text(results))
  print(f"report: {path}", flush=True)


class Stage(NamedTuple):
  """A stage whose settings are checked, ready to train.

  about: the entry of its data in results.json.
  weights: loads its start weights.
  """

  name: str
  job: setup.Job
  about: dict[str, Any]
  weights: Callable[[], Variables] | None


def _stages(
  remaining: Mapping[str, settings.Run],
  todo: Mapping[str, settings.Run],
  place: Path,
  folders: Folders,
) -> list[Stage]:
  """The unfinished stages; those with the same data config share the data."""
  ready, known, cut = [], {}, {}
  for name, run in remaining.items():
    if (key := repr(run.data)) not in known:
      data, report = setup.dataset(run, folders)
      known[key] = data, report, splits.manifest(data)
      for line in (*cards.lines(data.card), leakage.line(report)):
        print(f"{data.info.name}: {line}", flush=True)
    whole, *facts = known[key]
    # Stages that see the same labels share them, and their baselines.
    key += repr((run.label_fraction, run.validation_fraction, run.seed))
    data = cut.setdefault(key, setup.seen(run, whole))
    if words := setup.used(run, data, whole):
      print(f"{name}: {words}", flush=True)
    weights = _start_weights(place, run, todo, data.info)
    job = setup.job(run, data)
    started = (stages.folder(place, name) / "checkpoints").exists()
    if weights and run.start.weights not in todo and not started:
      train.begun(run, job.abstract, weights())  # Refuse before a step.
    ready.append(Stage(name, job, _about(job, whole, *facts), weights))
  return ready


def _run_stage(
  place: Path, results: dict[str, Any], stage: Stage, fitted: dict
) -> None:
  """Trains and evaluates one stage, and adds it to the results.

  fitted: rivals' predictions, shared by stages.
  """
  name, job, about, weights = stage
  folder, data = stages.folder(place, name), job.data
  _write_data(folder, data)
  state, notes = train.train(job, folder, name, weights)
  evaluated = scoring.evaluation(
    job.model, steps.variables(state), data, job.split, fitted
  )
  rows = [
    row
    for row in predictions.read(place / "predictions.csv")
    if row["stage"].partition(":")[0] != name
  ]
  rows += evaluated.rows(name)
  workdir.write(place / "predictions.csv", predictions.text(rows))
  if evaluated.shown:
    workdir.write(folder / reading.EXAMPLES, evaluated.shown)
  results["finished"] = False
  trained = _trained(job, about, state, notes)
  results["stages"][name] = trained | evaluated.results
  workdir.write(place / "results.json", results)
  processes.wait()


def _write_data(folder: Path, data: Dataset) -> None:
  """Writes what `predict` and `evaluate` must know about the data.

  Only a summary of the training split is kept (`shifts.summary`).
  """
  if host.index:
    return
  files: dict[str, Any] = {"info.json": spec.plain(data.info)}
  files[shifts.KEPT] = shifts.summary(data.splits["train"], data.info)
  if data.encode is not None:
    reading = dict(spec.settings(data.encode))
    reading.pop("info")
    encode = spec.bind(spec.function(data.encode), **reading)
    files["encode.json"] = spec.to_json(encode)
    if "tokenizer" in reading:
      files["tokenizer.json"] = reading["tokenizer"]
  workdir.write_sealed(folder, files)


def _about(
  job: setup.Job,
  whole: Dataset,
  leaked: Mapping[str, Any],
  manifest: Mapping[str, Any],
) -> dict[str, Any]:
  """The entry of a stage's data in results.json, with the whole splits."""
  target = whole.info.target
  about = {
    "name": whole.info.name,
    "classes": target.names,
    "units": getattr(target, "units", ()),
    "card": whole.card,
    "leakage": leaked,
    "splits": manifest,
    "train_used": splits.units(job.split),
  }
  if "validation" in whole.splits:
    about["validation_used"] = len(job.data.splits["validation"])
  return about


def _trained(
  job: setup.Job, about: Mapping[str, Any], state: Any, notes: Mapping
) -> dict[str, Any]:
  """The part of the stage's entry in results.json that is about training."""
  run = job.run
  objective = spec.function(run.objective)
  return {
    "step": int(state.step),
    "steps": job.steps,
    "length": {"steps": run.steps, "epochs": run.epochs},
    "params": trees.count(state.params),
    "select": run.schedule.select.removeprefix("-"),
    "label_fraction": run.label_fraction,
    "objective": f"{objective.__module__}.{objective.__qualname__}",
    "skipped": int(state.extra["skipped"]),
    "best": notes["best"],
    "init": notes["init"],
    "data": about,
  }


def _start_weights(
  place: Path, run: settings.Run, todo: Mapping[str, settings.Run], info: Info
) -> Callable[[], Variables] | None:
  """Loads the variables that `start.weights` names, when they are needed."""
  if not run.start.weights:
    return None
  source = Path(run.start.weights)
  if run.start.weights in todo:
    source = stages.folder(place, run.start.weights)
  elif public.holds(source):
    tokenizer_files.check(source, info)
    return lambda: public.read(source, run.objective(info).net)
  elif not source.is_dir():
    near = spec.nearest(run.start.weights, todo)
    raise UserError(
      f"start.weights={run.start.weights!r} is neither a stage{near} nor the "
      "folder of a run or of public weights"
    )
  if text_input.among(info) and (source / "info.json").exists():
    trained = text_input.among(workdir.info(source))
    tokenizer_files.expect(source, trained and trained.tokenizer, info)
  return lambda: steps.variables(stages.weights(source))


def comparisons(
  place: Path,
  rows: list[predictions.Row],
  built: Any,
  results: Mapping[str, Any],
  pairs: Sequence[tuple[str, str]],
) -> list[dict[str, Any]]:
  """Paired differences on the test split between pairs of a study's stages.

  rows: of predictions.csv, to go with `results`, which may be of a cohort.
  """
  compared = []
  for a, b in pairs:
    run, info = built.stages[a], workdir.info(stages.folder(place, a))
    task, split = tasks.named(results["stages"][a]["task"]), "test"
    pair = []
    for name in (a, b):
      if held := predictions.held(rows, name, split, task, info):
        chosen = results["stages"][name]["splits"][split]["thresholds"]
        pair.append(scoring.Contender(name, split, task, *held, chosen))
    if (
      len(pair) < 2
      or not set(task.TARGETS) <= pair[0].units.arrays.keys()
      or pair[0].units.ids.tolist() != pair[1].units.ids.tolist()
    ):
      raise UserError(
        f"stages {a} and {b} have no {split} split in common to be compared on"
      )
    first, second = pair
    difference = scoring.difference(info, first, second, scoring.intervals(run))
    compared.append({"a": a, "b": b, "split": split, "difference": difference})
  return compared


def _read(path: Path, built: Any) -> dict[str, Any]:
  """results.json so far, or its beginning."""
  if not path.exists():
    return {
      "name": built.name,
      "description": built.description,
      "finished": False,
      "stages": {},
      "comparisons": [],
    }
  with contextlib.suppress(ValueError):
    results = jsons.read(path)
    if reading.is_sound(results):
      return results
  raise UserError(f"{path} is damaged; remove it to evaluate again")


def _finished(results: Mapping[str, Any], name: str, run: settings.Run) -> bool:
  length = {"steps": run.steps, "epochs": run.epochs}
  return results["stages"].get(name, {}).get("length") == length


def _refuse_stale(
  place: Path, results: Mapping[str, Any], todo: Mapping[str, settings.Run]
) -> None:
  """Refuses to lengthen a stage after another was trained from it."""
  for name, run in todo.items():
    source = run.start.weights
    if (
      source in results["stages"]
      and not _finished(results, source, todo[source])
      and (stages.folder(place, name) / "checkpoints").exists()
    ):
      raise UserError(
        f"stage {source} has another length now than when {name} was trained "
        "from it; choose another --workdir"
      )
