"""The table of all cohorts on which a run was evaluated."""

import csv
import json

from medfm.report import evaluations
from tests.report.workdirs import entry, split, stage


def _evaluated(folder, levels=("well", "ill"), **more):
  folder.mkdir(parents=True)
  answers = {"class": dict.fromkeys(levels, 20)}
  held = stage("multiclass", levels, {"test": split({"auroc": entry(0.8)})})
  results = {
    "evaluation": {"elsewhere": True},
    "stages": {"train": held | {"answers": answers}},
  }
  (folder / "results.json").write_text(json.dumps(results | more))


def test_a_cell_that_a_spreadsheet_would_run_is_shielded(tmp_path):
  _evaluated(tmp_path / "north", ("=1+1", "-b", "@c"))
  evaluations.write(tmp_path, evaluations.rows(tmp_path))
  (row,) = csv.DictReader((tmp_path / "summary.csv").open())
  assert row["events"] == "'=1+1 20, -b 20 and @c 20"
  assert (row["n"], row["value"], row["low"]) == ("40", "0.8", "0.75")


def test_an_evaluation_without_what_it_should_hold_is_told(tmp_path, capsys):
  _evaluated(tmp_path / "north")
  _evaluated(tmp_path / "south", stages={"train": {}})
  _evaluated(tmp_path / "west", stages=[1])
  assert [row["cohort"] for row in evaluations.rows(tmp_path)] == ["north"]
  told = capsys.readouterr().out
  assert told.count("is damaged and left out of the table") == 2
