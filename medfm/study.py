"""A study from its first stage to its report; a single run is one stage."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from medfm import (
  host,
  predictions,
  processes,
  scoring,
  setup,
  spec,
  stages,
  train,
  workdir,
)
from medfm import step as steps
from medfm import tree as trees
from medfm.data import leakage, splits
from medfm.data.text import tokenizers
from medfm.evals import paired, words
from medfm.explain import examples
from medfm.report import html, reading, tables
from medfm.types import Folders, Info, UserError
from medfm.weights import public, vocabulary


def study(config: Any, place: Path, folders: Folders) -> dict[str, Any]:
  """Runs every stage that is not finished, then compares and reports.

  Args:
    config: of a `setup.Run` or a `setup.Study`.
    place: the workdir.
    folders: of this machine.

  Returns:
    The content of results.json.
  """
  built = spec.build(config)
  todo = stages.ordered(built)
  with processes.held_by_first(workdir.owned(place)):
    results = _read(place / "results.json", built)
    _refuse_stale(place, results, todo)
    if (place / "config.json").exists():
      workdir.claim(place, config)
    remaining = {k: r for k, r in todo.items() if not _finished(results, k, r)}
    jobs = _jobs(remaining, todo, place, folders)
    if jobs:  # Whatever was wrong has been said, and left no workdir behind.
      workdir.claim(place, config)
      _introduce(place)
    fitted = {}
    for name in list(jobs):  # A stage's programs and memory end with it.
      _stage(place, results, name, *jobs.pop(name), fitted)
      host.give_back()
    processes.by_first(_conclude, place, built, todo, results)
  return _read(place / "results.json", built)


def _conclude(
  place: Path,
  built: Any,
  todo: Mapping[str, setup.Run],
  results: dict[str, Any],
) -> None:
  """Compares the stages, if that is yet to do, and reports."""
  if not results["finished"]:
    results["comparisons"] = _comparisons(place, built, results)
    results["finished"] = True
    workdir.write(place / "results.json", results)
  for name, run in todo.items():
    if run.evaluation.show_examples is False:
      (stages.folder(place, name) / reading.EXAMPLES).unlink(missing_ok=True)
  path = html.write(place)
  print(tables.text(results))
  print(f"report: {path}", flush=True)


def _introduce(place: Path) -> None:
  """Says and notes on which devices, with which software, a run happens."""
  kinds = [device.device_kind for device in jax.devices()]
  workdir.write(place / "environment.json", workdir.environment(kinds))
  print(f"devices: {len(kinds)} x {kinds[0]}", flush=True)


def _jobs(
  remaining: Mapping[str, setup.Run],
  todo: Mapping[str, setup.Run],
  place: Path,
  folders: Folders,
) -> dict[str, tuple[train.Job, dict, Callable | None]]:
  """Every stage's job, leakage report and start weights, all checked.

  Stages of one data config share the dataset.
  """
  jobs, known = {}, {}
  for name, run in remaining.items():
    key = repr((run.data.func, sorted(spec.settings(run.data).items())))
    if key not in known:
      known[key] = setup.dataset(run, folders)
      print(f"{known[key][0].info.name}: {leakage.line(known[key][1])}")
    data, found = known[key]
    weights = _start_weights(place, run, todo, data.info)
    job = train.job(run, data)
    started = (stages.folder(place, name) / "checkpoints").exists()
    if weights and run.start.weights not in todo and not started:
      train.begun(run, job.parts.abstract, weights())  # Refused before a step.
    jobs[name] = (job, found, weights)
  return jobs


def _stage(place, results, name, job, found, weights, fitted) -> None:
  """Trains and evaluates one stage, and adds it to the results.

  fitted: baselines' predictions, shared by stages.
  """
  own, data = stages.folder(place, name), job.data
  inference = job.parts.inference
  run, split = job.run, job.split
  workdir.write(own / "info.json", spec.plain(data.info))
  if data.encode is not None:
    settings = dict(spec.settings(data.encode))
    settings.pop("info")
    encode = spec.bind(data.encode.func, **settings)
    workdir.write(own / "encode.json", spec.to_json(encode))
    if "tokenizer" in settings:
      workdir.write(own / "tokenizer.json", settings["tokenizer"])
  state, notes = train.train(job, own, name, weights)
  scores, outputs = scoring.evaluation(
    inference, steps.variables(state), data, split, fitted
  )
  rows = [
    row
    for row in predictions.read(place / "predictions.csv")
    if row["stage"].partition(":")[0] != name
  ]
  for model, by_split in outputs.items():
    label = f"{name}:{model}" if model else name
    for split_name, arrays in by_split.items():
      held_out = words.whole(data.info, data.splits[split_name])
      rows += predictions.rows(label, split_name, held_out, data.info, arrays)
  workdir.write(place / "predictions.csv", predictions.text(rows))
  shown = _examples(inference, steps.variables(state), data, outputs, scores)
  if shown:
    workdir.write(own / reading.EXAMPLES, {"test": shown})
  results["finished"] = False
  if run.evaluation.coefficients:
    results["coefficients"] = scoring.coefficients(
      inference, steps.variables(state), data.info, split
    )
  results["stages"][name] = {
    "step": int(state.step),
    "steps": job.parts.steps,
    "length": {"steps": run.steps, "epochs": run.epochs},
    "params": trees.count(state.params),
    "select": run.schedule.select.removeprefix("-"),
    "label_fraction": run.label_fraction,
    "objective": f"{run.objective.func.__module__}."
    f"{run.objective.func.__qualname__}",
    "skipped": int(state.extra["skipped"]),
    "best": notes["best"],
    "init": notes["init"],
    "data": {
      "name": data.info.name,
      "task": data.info.task,
      "classes": data.info.classes,
      "units": data.info.units,
      "card": data.card,
      "leakage": found,
      "splits": splits.manifest(data),
      "train_used": len(split),
    },
    "splits": scores,
  }
  workdir.write(place / "results.json", results)
  processes.wait()


def _examples(
  inference, variables, data, outputs, scores
) -> list[dict[str, Any]]:
  """A few test texts with attributions, where the run may show any."""
  show = inference.run.evaluation.show_examples
  settings = spec.settings(data.encode)
  if not (not data.private if show is None else show):
    return []
  if "tokenizer" not in settings or "test" not in data.splits:
    return []
  if data.info.prompts:  # Answers are of the vocabulary, not of a head.
    return []
  variables = processes.gathered(variables)
  if host.index:
    return []
  return examples.examples(
    inference.objective,
    variables,
    data.info,
    data.splits["test"],
    outputs[""]["test"],
    tokenizers.Tokenizer(settings["tokenizer"]),
    scores["test"].get("thresholds", {}),
  )


def _start_weights(
  place: Path, run: setup.Run, todo: Mapping[str, setup.Run], info: Info
) -> Callable[[], train.Weights] | None:
  """Gives the variables that `start.weights` names, when they are needed."""
  if not run.start.weights:
    return None
  source = Path(run.start.weights)
  if run.start.weights in todo:
    source = stages.folder(place, run.start.weights)
  elif public.holds(source):
    vocabulary.check(source, info)
    return lambda: public.read(source, run.objective(info).net)
  elif not source.is_dir():
    near = spec.nearest(run.start.weights, todo)
    raise UserError(
      f"start.weights={run.start.weights!r} is neither a stage{near} nor a "
      "folder of a run or of public weights"
    )
  _same_tokenizer(source, run.start.weights, info)
  return lambda: steps.variables(stages.weights(source))


def _same_tokenizer(source: Path, name: str, info: Info) -> None:
  """Refuses weights whose token numbers mean other tokens."""
  if not info.tokenizer or not (source / "info.json").exists():
    return
  trained = stages.read_info(source)
  if trained.tokenizer and trained.tokenizer != info.tokenizer:
    raise UserError(
      f"start.weights={name!r} was trained with the tokenizer "
      f"{trained.tokenizer[:12]}, {info.name} is cut by {info.tokenizer[:12]}: "
      f"set data.tokenizer to tokenizers.loaded(path={str(source)!r})"
    )


def _comparisons(place, built, results) -> list[dict[str, Any]]:
  """Paired differences on the test split between the pairs of a study."""
  rows = predictions.read(place / "predictions.csv")
  found = []
  for a, b in getattr(built, "compare", ()):
    run, info = built.stages[a], stages.read_info(stages.folder(place, a))
    split = "test"
    one, two = (
      predictions.held(rows, name, split, info.classes) for name in (a, b)
    )
    if one is None or two is None or list(one.ids) != list(two.ids):
      raise UserError(
        f"stages {a} and {b} have no common {split} split to be compared on"
      )
    difference = paired.difference(
      info,
      one.label,
      one.prediction,
      two.prediction,
      patients=one.patients,
      thresholds_a=results["stages"][a]["splits"][split]["thresholds"],
      thresholds_b=results["stages"][b]["splits"][split]["thresholds"],
      replicates=run.evaluation.replicates,
      seed=run.seed,
      specificity=run.evaluation.specificity,
    )
    found.append({"a": a, "b": b, "split": split, "difference": difference})
  return found


def _read(path: Path, built: Any) -> dict[str, Any]:
  """results.json so far, or its beginning."""
  if path.exists():
    try:
      return json.loads(path.read_text())
    except ValueError:
      raise UserError(
        f"{path} is damaged; remove it to evaluate again"
      ) from None
  return {
    "name": built.name,
    "description": built.description,
    "finished": False,
    "stages": {},
    "comparisons": [],
  }


def _finished(results: dict, name: str, run: setup.Run) -> bool:
  entry = results["stages"].get(name)
  length = {"steps": run.steps, "epochs": run.epochs}
  return entry is not None and entry["length"] == length


def _refuse_stale(place, results, todo) -> None:
  """A stage may not be lengthened after another was trained from it."""
  for name, run in todo.items():
    source = run.start.weights
    if (
      source in results["stages"]
      and not _finished(results, source, todo[source])
      and (stages.folder(place, name) / "checkpoints").exists()
    ):
      raise UserError(
        f"stage {source} has another length now, but {name} was trained from "
        f"it as it was; choose another --workdir"
      )
