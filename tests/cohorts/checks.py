"""What holds of any run, and of what it says of another cohort."""

import csv
import json

from medfm import command, evaluate, predict
from tests.running import ROOT, check_evaluation, check_workdir

MAJORITY = "evaluators.baselines.names=majority,"


def judged(place, folders, name, *overrides):
  """The results on another cohort, and what predictions.csv says of it."""
  path = str(ROOT / "configs" / name)
  data = command.data(command.config(path, overrides))
  results = evaluate.evaluate(place, None, data, folders)
  folder = place / "evaluations" / results["evaluation"]["folder"]
  rows = csv.DictReader((folder / "predictions.csv").open())
  return results["stages"]["train"], [r for r in rows if r["stage"] == "train"]


def equal(rows, place, source, tmp_path, *given):
  """Every probability of evaluate is, in all its digits, that of predict."""
  out = str(tmp_path / "p.csv")
  written = predict.predict(place, None, str(source), out, given)
  new = {row["id"]: row for row in csv.DictReader(written.open())}
  assert len(rows) == len(new)
  for row in rows:
    shown = {k: v for k, v in row.items() if k.startswith(("prob", "value"))}
    assert shown and shown == {k: new[row["id"]][k] for k in shown}


def check_run(place, folders):
  results = json.loads((place / "results.json").read_text())
  check_workdir(place, results)
  check_evaluation(place, results, folders)
