"""What a report asks of a stage's task."""

import numpy as np
import pytest

from medfm.report import reading, summary
from medfm.tasks import multiclass


def test_the_task_says_which_metrics_answer_its_question(study, monkeypatch):
  monkeypatch.setattr(
    multiclass, "headline", lambda metrics, select: ["brier"], raising=False
  )
  stage = reading.Run(study).stages["tuned_10"]
  assert stage.main(stage.splits["test"]["metrics"]) == ["brier"]


def test_the_task_reads_back_its_own_rows(study, monkeypatch):
  def table(info, rows):
    assert info.target.names == ("benign", "malignant")
    assert {row["stage"] for row in rows} <= {rows[0]["stage"]}
    return {"label": np.zeros(len(rows), int)}, {"probs": np.ones((40, 2))}

  monkeypatch.setattr(multiclass, "table", table, raising=False)
  stage = reading.Run(study).stages["tuned_10"]
  assert stage.predictions["test"].predicted["probs"].shape == (40, 2)
  assert stage.predictions["test"].patients[3] == "p1"
  assert list(stage.baselines["test"]) == ["baseline_logistic"]


def test_a_patient_who_is_not_named_makes_no_other_unknown(study):
  path = study / "predictions.csv"
  path.write_text(path.read_text().replace(",e3,p1,", ",e3,,"))
  held = reading.Run(study).stages["tuned_10"].predictions["test"]
  assert held.patients[:4].tolist() == ["p0", "p0", "p1", ""]


def test_rows_without_the_truth_are_not_drawn(study, monkeypatch):
  monkeypatch.setattr(
    multiclass, "table", lambda info, rows: (None, {}), raising=False
  )
  run = reading.Run(study)
  assert run.stages["tuned_10"].predictions == {}
  assert run.problems == []


def test_a_task_without_targets_is_not_what_a_run_is_about(study, monkeypatch):
  monkeypatch.setattr(multiclass, "TARGETS", (), raising=False)
  run = reading.Run(study)
  assert not run.stages["tuned_10"].supervised
  monkeypatch.setattr(multiclass, "TARGETS", ("label",))
  assert summary.headline(run).name == "tuned_100"


def test_a_stage_without_info_is_a_problem_in_one_line(study):
  (study / "tuned_10" / "info.json").unlink()
  (problem,) = reading.Run(study).problems
  assert "predictions of stage tuned_10: tuned_10/info.json is missing" in (
    problem
  )


def test_rows_cut_short_are_counted_and_left_out(study):
  path = study / "predictions.csv"
  path.write_text(path.read_text() + "tuned_10,test\n")
  assert "predictions.csv: 1 rows" in reading.Run(study).problems[0]


@pytest.mark.parametrize("name", ["medfm.setup", "os", "", "medfm.tasks.no"])
def test_only_a_task_is_imported_by_its_name(name):
  assert reading.module(name) is None
