"""A trained run on its own data again, or on another cohort."""

import dataclasses
from pathlib import Path
from typing import Any

from medfm import predictions, scoring, setup, spec, stages, workdir
from medfm.evals import cohorts
from medfm.report import tables
from medfm.types import Dataset, Folders


def evaluate(
  place: Path, stage: str | None, data: Any | None, folders: Folders
) -> dict[str, Any]:
  """Scores of the stages of a workdir, as results.json holds them.

  stage: one of them; all by default.
  data: the `data` entry of another config, to evaluate on that cohort
    (without baselines, which would need the training data); None for the
    run's own data, which gives the numbers of the training run again.
  """
  results = {"name": "", "finished": True, "stages": {}, "comparisons": []}
  rows = []
  for name in stages.chosen(place, stage):
    opened = stages.opened(place, name)
    model, train = opened.model, None
    cohort: Dataset = (spec.build(data) if data else model.run.data)(folders)
    results["name"] = results["name"] or cohort.info.name
    if data:
      cohort = cohorts.as_trained(cohort, model.info)
    else:
      train = setup.training_split(model.run, cohort)
      run = setup.sized(model.run, train)
      model = dataclasses.replace(model, run=run)
    evaluated = scoring.evaluation(
      model, opened.variables, cohort, train, show=False
    )
    results["stages"][name] = evaluated.results
    rows += evaluated.rows(name)
  out = place / "evaluations" / results["name"]
  workdir.write(out / "predictions.csv", predictions.text(rows))
  workdir.write(out / "results.json", results)
  print(tables.text(results))
  print(f"results: {out / 'results.json'}", flush=True)
  return results
