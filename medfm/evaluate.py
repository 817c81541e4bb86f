"""Evaluate checkpoints alone: the run's own data again, or another cohort."""

from pathlib import Path
from typing import Any

from medfm import predictions, scoring, setup, spec, stages, workdir
from medfm import step as steps
from medfm.report import tables
from medfm.types import Dataset, Folders


def evaluate(
  place: Path, stage: str | None, data: Any | None, folders: Folders
) -> dict[str, Any]:
  """Scores of the stages of a workdir, from its config.json and checkpoints.

  Args:
    place: a workdir.
    stage: one of its stages; all by default.
    data: the `data` entry of another config, to evaluate on that cohort
      (without baselines, which would need the training data); None for the
      run's own data, which gives the numbers of the training run again.
    folders: of this machine.

  Returns:
    What evaluations/<data name>/results.json holds.
  """
  results = {"name": "", "finished": True, "stages": {}, "comparisons": []}
  rows = []
  for name, run in stages.chosen(place, stage).items():
    own = stages.folder(place, name)
    trained = stages.read_info(own)
    cohort: Dataset = spec.build(data)(folders) if data else run.data(folders)
    train = None if data else setup.training_split(run, cohort)
    if data:
      results["name"] = cohort.info.name
      cohort = scoring.as_trained(cohort, trained)
    parts = setup.parts(run, trained, next(iter(cohort.splits.values())))
    variables = steps.variables(stages.weights(own))
    evaluated = scoring.evaluation(parts, variables, cohort, train, show=False)
    results["name"] = results["name"] or cohort.info.name
    results["stages"][name] = evaluated.results()
    rows += evaluated.rows(name)
  out = place / "evaluations" / results["name"]
  workdir.write(out / "predictions.csv", predictions.text(rows))
  workdir.write(out / "results.json", results)
  print(tables.text(results))
  print(f"results: {out / 'results.json'}", flush=True)
  return results
