"""A trained run on its own data again, or on another cohort."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medfm import predictions, scoring, setup, spec, stages, workdir
from medfm.evals import cohorts
from medfm.report import tables
from medfm.types import Dataset, Folders, UserError


def evaluate(
  place: Path, stage: str | None, data: Any | None, folders: Folders
) -> dict[str, Any]:
  """Scores of the stages of a workdir, as results.json holds them.

  stage: one of them; all by default.
  data: the `data` entry of another config, to evaluate on every row of that
    cohort (without baselines, which would need the training data); None for
    the run's own data, which gives the numbers of the training run again.

  A stage that cannot read the cohort is left out, with the reason; UserError
  where none can.
  """
  results = {"name": "", "finished": True, "stages": {}, "comparisons": []}
  rows, left = [], {}
  elsewhere = _cohort(spec.build(data), folders) if data else None
  for name in stages.chosen(place, stage):
    opened = stages.opened(place, name)
    model, train = opened.model, None
    if elsewhere:
      try:
        cohort = elsewhere(opened)
      except UserError as error:
        left[name] = str(error)
        continue
    else:
      cohort = model.run.data(folders)
      train = setup.training_split(model.run, cohort)
      run = setup.sized(model.run, train)
      model = dataclasses.replace(model, run=run)
    results["name"] = results["name"] or cohort.info.name
    evaluated = scoring.evaluation(
      model, opened.variables, cohort, train, show=False
    )
    about = {"data": {"name": cohort.info.name, "card": cohort.card}}
    results["stages"][name] = (about if data else {}) | evaluated.results
    rows += evaluated.rows(name)
  _tell(left, bool(results["stages"]))
  out = place / "evaluations" / results["name"]
  workdir.write(out / "predictions.csv", predictions.text(rows))
  workdir.write(out / "results.json", results)
  print(tables.text(results))
  print(f"results: {out / 'results.json'}", flush=True)
  return results


def _cohort(
  factory: Callable[[Folders], Dataset], folders: Folders
) -> Callable[[stages.Trained], Dataset]:
  """(a stage) -> the cohort as it reads it; stages that read alike share it."""
  known: dict[str, Dataset] = {}

  def read(trained: stages.Trained) -> Dataset:
    reading = stages.reading(trained)
    if (key := repr(reading)) not in known:
      known[key] = cohorts.read(factory, folders, reading)
      print(*cohorts.lines(known[key]), sep="\n", flush=True)
    return known[key]

  return read


def _tell(left: dict[str, str], any_fits: bool) -> None:
  """Says which stages were left out; UserError where no stage fits."""
  reasons = [f"{name}: left out: {reason}" for name, reason in left.items()]
  if not any_fits:
    alike = set(left.values())
    raise UserError(alike.pop() if len(alike) == 1 else "; ".join(reasons))
  for reason in reasons:
    print(reason, flush=True)
