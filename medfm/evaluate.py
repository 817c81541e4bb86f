"""A trained run on its own data again, or on other cohorts.

Each evaluation has its own folder, `evaluations/<cohort>` in the workdir, and
never overwrites another: if two cohorts have the same name, the folder of the
second ends in a hash of its data.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from medfm import (
  command,
  elsewhere,
  jsons,
  predictions,
  scoring,
  setup,
  spec,
  stages,
  study,
  workdir,
)
from medfm.data import splits
from medfm.report import evaluations, html, reading, tables
from medfm.types import Dataset, Folders, UserError

FOLDER = "evaluations"


def several(
  place: Path,
  stage: str | None,
  asked: Sequence[command.Asked],
  folders: Folders,
) -> None:
  """Evaluates on one cohort after another, and puts them into one table.

  A cohort that cannot be evaluated is reported and left out; in the end that
  raises UserError.
  """
  failed = 0
  for label, data, evaluation in asked:
    try:
      evaluate(place, stage, data, folders, evaluation)
    except UserError as error:
      if len(asked) == 1:
        raise
      failed += 1
      print(f"not evaluated: {label}: {error}", flush=True)
  if any(each.data for each in asked):
    table = evaluations.rows(place / FOLDER)
    if len(asked) > 1:
      print(evaluations.text(table), flush=True)
    print(
      f"all cohorts: {evaluations.write(place / FOLDER, table)}", flush=True
    )
  if failed:
    raise UserError(
      f"{failed} of {len(asked)} cohorts could not be evaluated (see above); "
      "the others are done"
    )


def evaluate(
  place: Path,
  stage: str | None,
  data: Any | None,
  folders: Folders,
  evaluation: Mapping[str, Any] = {},
) -> dict[str, Any]:
  """Scores of the stages of a workdir, as results.json holds them.

  stage: the name of one stage; all by default.
  data: the `data` entry of another config, to evaluate on every row of that
    cohort; None for the run's own data, which gives the numbers of the
    training run again.
  evaluation: settings that replace the run's, such as the prevalence at which
    predictive values are stated.

  Rivals are fitted if the run's training data are available. A stage that
  cannot read the cohort is left out, with the reason; UserError if no stage
  can, or if the folder cannot be written.
  """
  runs, past = stages.chosen(place, stage), _results(place)
  _require_writable(place / FOLDER)

  def open_(name: str) -> stages.Trained:
    opened = stages.opened(place, name)
    return opened._replace(model=setup.judged(opened.model, **evaluation))

  if data is None:
    done = [_again(open_, name, past, folders) for name in runs]
  else:
    cohort = spec.build(data)
    done = elsewhere.evaluated(open_, runs, past, cohort, folders)
  name = done[0].cohort.info.name
  results = {
    "name": name,
    "finished": True,
    "stages": {each.stage: each.results for each in done},
    "comparisons": [],
    "evaluation": {
      "run": past.get("name") or place.resolve().name,
      "elsewhere": data is not None,
      "key": _key(done[0].cohort, data, stage),
      "notes": list(dict.fromkeys(note for d in done for note in d.notes)),
    },
  }
  rows = [row for each in done for row in each.rows]
  results["comparisons"] = _compared(place, rows, results)
  out = _folder(place, name, stage, results["evaluation"]["key"])
  results["evaluation"]["folder"] = out.name
  kinds = [device.device_kind for device in jax.devices()]
  workdir.write(out / "predictions.csv", predictions.text(rows))
  workdir.write(out / "environment.json", workdir.environment(kinds))
  workdir.write(out / "results.json", results)
  print(tables.text(results))
  print(f"results: {out / 'results.json'}", flush=True)
  print(f"report: {html.write(out, place)}", flush=True)
  return results


def _again(
  open_: elsewhere.Open, name: str, past: Mapping[str, Any], folders: Folders
) -> elsewhere.Done:
  """A stage on its own data."""
  opened = open_(name)
  cohort = setup.seen(opened.model.run, opened.model.run.data(folders))
  train = cohort.splits["train"]
  run = setup.sized(opened.model.run, train, cohort.info)
  model = dataclasses.replace(opened.model, run=run)
  evaluated = scoring.evaluation(
    model, opened.variables, cohort, train, show=False
  )
  about = elsewhere.about(past, name) | {"data": elsewhere.of_data(cohort)}
  rows = evaluated.rows(name)
  return elsewhere.Done(name, cohort, about | evaluated.results, rows, [])


def _compared(
  place: Path, rows: list[predictions.Row], results: Mapping[str, Any]
) -> list[dict[str, Any]]:
  """The study's comparisons between stages that were evaluated here."""
  path = place / "config.json"
  built = spec.build(spec.from_json(jsons.text(path), path))
  pairs = [
    pair
    for pair in getattr(built, "compare", ())
    if {*pair} <= results["stages"].keys()
  ]
  return study.comparisons(place, rows, built, results, pairs)


def _results(place: Path) -> dict[str, Any]:
  """The run's results.json; {} if the run has not finished."""
  path = place / "results.json"
  if not path.exists():
    return {}
  with contextlib.suppress(ValueError):
    if reading.is_sound(results := jsons.read(path)):
      return results
  raise UserError(
    f"{path} is damaged, and it holds the run's thresholds: remove it and give "
    "the training command again, which evaluates without training again"
  )


def _key(cohort: Dataset, data: Any | None, stage: str | None) -> str:
  """A hash of what is evaluated: the data, how they are read, the stage."""
  content = [stage, None if data is None else _resolved(spec.plain(data))]
  if data is not None:
    content.append(cohort.card.get("fingerprint") or splits.manifest(cohort))
  text = json.dumps(content, sort_keys=True, default=str)
  return hashlib.sha256(text.encode()).hexdigest()


def _resolved(node: Any) -> Any:
  """A config's node with each path that exists in one spelling."""
  if isinstance(node, Mapping):
    return {key: _resolved(value) for key, value in node.items()}
  if isinstance(node, list | tuple):
    return [_resolved(value) for value in node]
  known = isinstance(node, str) and node and os.path.exists(node)
  return os.path.realpath(node) if known else node


def _folder(place: Path, name: str, stage: str | None, key: str) -> Path:
  """The folder of this evaluation: its earlier one, or a new one."""
  words = f"{name}-{stage}" if stage else name
  plain = re.sub(r"[^\w.-]+", "_", words).strip("._-")[:80] or "cohort"
  out = place / FOLDER / plain
  try:
    kept = jsons.read(out / "results.json")
    if kept["evaluation"]["key"] == key:
      return out
    why = "holds another evaluation"
  except FileNotFoundError:
    return out
  except (OSError, ValueError, KeyError, TypeError):
    why = "holds a damaged evaluation, or one of an earlier version"
  out = out.with_name(f"{plain}-{key[:8]}")
  print(f"{place / FOLDER / plain} {why}, which is kept", flush=True)
  return out


def _require_writable(folder: Path) -> None:
  """Raises UserError, before any work, if the folder cannot be written."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
      pass
  except OSError as error:
    raise UserError(
      f"{folder} cannot be written ({error.strerror}): the evaluation would be "
      "lost; make it writable or copy the run elsewhere"
    ) from None
