"""What an evaluation on other cohorts gives, and that it keeps it."""

import csv
import json
import pathlib
import shutil

import numpy as np
import pytest

from medfm import command, evaluate, settings, spec, study
from medfm.report import style
from medfm.types import Folders, UserError

ROOT = pathlib.Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.xdist_group("evaluate")


def _write(path, seed, count=60, older=0.0):
  generator = np.random.default_rng(seed)  # Synthetic patients.
  lines = ["pid,age,sex,outcome"]
  for i in range(count):
    age = generator.integers(20, 90) + older
    sick = "ill" if age - older + generator.normal(0, 10) > 55 else "well"
    lines.append(f"s{seed}p{i // 2},{age},{'fm'[i % 2]},{sick}")
  path.parent.mkdir(exist_ok=True)
  path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, shared_cache):
  """A run on `here.csv`, and what else it needs."""
  home = tmp_path_factory.mktemp("trained")
  _write(home / "here.csv", 0, 120)
  overrides = (
    f"data.path={home / 'here.csv'}",
    "data.label=outcome",
    "data.patient=pid",
    "data.groups=sex",
    "evaluators.baselines.names=logistic_regression,",
    "evaluation.replicates=50",
    "epochs=5",
  )
  path = str(ROOT / "configs/own_table.py:tiny")
  folders = Folders(None, shared_cache)
  study.study(command.config(path, overrides), home / "run", folders)
  return home, folders


@pytest.fixture
def run(trained, tmp_path, undrawn):
  """A copy of the run's folder, for one test alone."""
  home, folders = trained
  shutil.copytree(home / "run", tmp_path / "run")
  return tmp_path / "run", folders


def _asked(place, path, **more):
  more = [f"{key}={value}" for key, value in more.items()]
  given = [f"--config.data.path={path}"]
  own = str(place / "config.json")
  return command.elsewhere(given, more, own)[0][1]


def _elsewhere(run, path, **more):
  place, folders = run
  return evaluate.evaluate(place, None, _asked(place, path, **more), folders)


def _titles(results):
  return [block["title"] for block in results["stages"]["train"]["blocks"]]


def test_a_cohort_has_its_numbers_its_report_and_the_runs_thresholds(
  run, tmp_path, monkeypatch
):
  place, _ = run
  _write(tmp_path / "north.csv", 1, older=10)
  asked = _asked(place, tmp_path / "north.csv")
  chosen = {"prevalence": 0.03}
  drawn = []
  describe = style.describe
  monkeypatch.setattr(
    style, "describe", lambda *a: (drawn.append(a[1]), describe(*a))
  )
  results = evaluate.evaluate(place, None, asked, run[1], chosen)
  out = place / "evaluations" / "north"
  own = json.loads((place / "results.json").read_text())["stages"]["train"]
  stage = results["stages"]["train"]
  entry = stage["splits"]["test"]
  assert entry["n"] == 60 and entry["patients"] == 30
  assert entry["thresholds"] == own["splits"]["test"]["thresholds"]
  assert entry["thresholds"]
  assert set(entry["groups"]) == set(own["splits"]["test"]["groups"]) == {"sex"}
  assert "logistic_regression" in entry["baselines"]
  assert _titles(results)[0].startswith("This cohort against the run's own")
  apart, auroc = stage["apart"]["auroc"], entry["metrics"]["auroc"]
  before = own["splits"]["test"]["metrics"]["auroc"]
  assert apart["value"] == pytest.approx(auroc["value"] - before["value"])
  for title in ("Calibration, as it is", "Shift of table: numbers"):
    assert any(each.startswith(title) for each in _titles(results)), title
  assert "Are the cohorts told apart?" in _titles(results)
  rows = list(csv.DictReader((out / "predictions.csv").open()))
  assert len([row for row in rows if row["stage"] == "train"]) == 60
  assert list((out / "figures").glob("*roc.png"))
  page = (out / "report.html").read_text()
  assert any(title.startswith("Net benefit, cohort, n = 60") for title in drawn)
  assert "<th>test" not in page  # It is no test split of the run.
  for words in (
    "cohort 60 examples",
    "External evaluation of the run own_table",
    "in the data set here",
    "north (evaluates train)",
    "Here it is scored on all rows of north",
    "Nothing was fitted on this cohort except the recalibration",
    "On the run&#x27;s own test split",
    "PPV at a prevalence of 3 %",
    "Cross-fitted",
  ):
    assert words in page, words


def test_no_evaluation_is_written_over_another(run, tmp_path, capsys):
  place, _ = run
  for folder, seed in (("a", 1), ("b", 2)):
    _write(tmp_path / folder / "north.csv", seed)
    _elsewhere(run, tmp_path / folder / "north.csv")
  told = capsys.readouterr().out
  assert "holds another evaluation, which is kept" in told
  out = place / "evaluations"
  first, second = sorted(path.name for path in out.iterdir())
  assert first == "north" and second.startswith("north-")
  kept = {name: (out / name / "results.json").read_text() for name in
          (first, second)}  # fmt: skip
  assert kept[first] != kept[second]
  _elsewhere(run, tmp_path / "b" / ".." / "a" / "north.csv")  # The first.
  _elsewhere(run, tmp_path / "b" / "north.csv")
  assert sorted(path.name for path in out.iterdir()) == [first, second]
  for name, text in kept.items():
    assert (out / name / "results.json").read_text() == text
  _write(tmp_path / "a" / "north.csv", 3)  # Other data under the same path.
  _elsewhere(run, tmp_path / "a" / "north.csv")
  assert len(list(out.iterdir())) == 3
  assert (out / first / "results.json").read_text() == kept[first]


def test_a_damaged_evaluation_is_left_alone_and_told(run, tmp_path, capsys):
  place, folders = run
  _write(tmp_path / "north.csv", 1)
  out = place / "evaluations"
  (out / "north").mkdir(parents=True)
  (out / "north" / "results.json").write_text("{")
  asked = [command.Asked("north", _asked(place, tmp_path / "north.csv"))]
  evaluate.several(place, None, asked, folders)
  told = capsys.readouterr().out
  assert "holds a damaged evaluation" in told
  assert "is damaged and left out of the table" in told
  assert (out / "north" / "results.json").read_text() == "{"
  rows = list(csv.DictReader((out / "summary.csv").open()))
  assert [row["cohort"][:6] for row in rows] == ["north-"]


def test_one_cohort_that_fails_takes_no_other_with_it(run, tmp_path, capsys):
  place, folders = run
  for name, seed in (("north", 1), ("south", 2)):
    _write(tmp_path / f"{name}.csv", seed)
  asked = [
    command.Asked(name, _asked(place, tmp_path / f"{name}.csv"))
    for name in ("north", "nowhere", "south")
  ]
  with pytest.raises(UserError, match="1 of 3 cohorts could not be"):
    evaluate.several(place, None, asked, folders)
  told = capsys.readouterr().out
  assert "not evaluated: nowhere: " in told
  assert "(own test split)" in told
  out = place / "evaluations"
  rows = list(csv.DictReader((out / "summary.csv").open()))
  assert [(row["cohort"], row["n"]) for row in rows] == [
    ("north", "60"),
    ("south", "60"),
  ]
  assert 0 < int(rows[0]["events"]) < 60
  assert float(rows[0]["difference_low"]) < float(rows[0]["difference_high"])
  page = (out / "summary.html").read_text()
  assert 'href="north/report.html"' in page and "south" in page


def test_a_cohort_is_judged_without_the_training_data(
  run, trained, tmp_path, capsys
):
  place, _ = run
  home, _ = trained
  _write(tmp_path / "north.csv", 1, older=10)
  (home / "here.csv").rename(home / "away.csv")
  try:
    results = _elsewhere(run, tmp_path / "north.csv")
    told = capsys.readouterr().out
    assert "the training data are not available" in told
    stage = results["stages"]["train"]
    assert stage["splits"]["test"]["baselines"] == {}
    assert "Shift of table: numbers" in _titles(results)
    assert "Are the cohorts told apart?" not in _titles(results)
    page = (place / "evaluations/north/report.html").read_text()
    assert "The training data are not available" in page
    (place / "training.json").unlink()
    results = _elsewhere(run, tmp_path / "north.csv")
    told = capsys.readouterr().out
    assert "training.json is missing (an earlier version trained" in told
    assert "Shift of table: numbers" not in _titles(results)
  finally:
    (home / "away.csv").rename(home / "here.csv")


def test_training_data_that_changed_fit_no_baseline(
  run, trained, tmp_path, capsys
):
  home, _ = trained
  _write(tmp_path / "north.csv", 1)
  before = (home / "here.csv").read_text()
  try:
    _write(home / "here.csv", 7, 120)
    results = _elsewhere(run, tmp_path / "north.csv")
  finally:
    (home / "here.csv").write_text(before)
  assert "have changed since" in capsys.readouterr().out
  assert results["stages"]["train"]["splits"]["test"]["baselines"] == {}


def test_the_data_it_was_trained_on_are_no_other_cohort(run, trained, capsys):
  home, _ = trained
  results = _elsewhere(run, home / "here.csv")
  told = capsys.readouterr().out
  assert "and 72 are of patients named in training" in told
  assert results["stages"]["train"]["splits"]["test"]["n"] == 120
  assert any(
    "flatter the model" in note for note in results["evaluation"]["notes"]
  )


def test_damage_is_told_in_one_line_before_anything_is_computed(run, tmp_path):
  place, _ = run
  _write(tmp_path / "north.csv", 1)
  (place / "evaluations").write_text("a file")
  with pytest.raises(UserError, match="evaluations cannot be written"):
    _elsewhere(run, tmp_path / "north.csv")
  (place / "evaluations").unlink()
  (place / "results.json").write_text('{"stages": ')
  with pytest.raises(UserError, match=r"results.json is damaged, and it holds"):
    _elsewhere(run, tmp_path / "north.csv")


def test_a_run_that_has_not_finished_says_what_is_missing(
  run, tmp_path, capsys
):
  place, _ = run
  _write(tmp_path / "north.csv", 1)
  (place / "results.json").unlink()
  results = _elsewhere(run, tmp_path / "north.csv")
  assert "the run has not finished" in capsys.readouterr().out
  stage = results["stages"]["train"]
  assert stage["splits"]["test"]["thresholds"] == {}
  assert "apart" not in stage


def test_stages_are_compared_on_the_cohort_as_the_run_compares_them(
  tmp_path, shared_cache, undrawn
):
  folders = Folders(None, shared_cache)
  _write(tmp_path / "here.csv", 0, 120)
  _write(tmp_path / "north.csv", 1)
  overrides = (
    f"data.path={tmp_path / 'here.csv'}",
    "data.label=outcome",
    "data.patient=pid",
    "evaluators.baselines.names=logistic_regression,",
    "evaluation.replicates=20",
    "epochs=1",
  )
  path = str(ROOT / "configs/own_table.py:tiny")
  parts = {name: command.config(path, overrides) for name in ("all", "few")}
  parts["few"].label_fraction = 0.5
  config = spec.spec(
    settings.Study, name="two", stages=parts, compare=(("all", "few"),)
  )
  place = tmp_path / "run"
  study.study(config, place, folders)
  given = [f"--config.stages.all.data.path={tmp_path / 'north.csv'}"]
  own = str(place / "config.json")
  data = command.elsewhere(given, [], own)[0][1]
  results = evaluate.evaluate(place, None, data, folders)
  few = results["stages"]["few"]["splits"]["test"]
  assert "logistic_regression" in few["baselines"]
  (pair,) = results["comparisons"]
  a, b = (
    results["stages"][name]["splits"]["test"]["metrics"]["auroc"]["value"]
    for name in ("all", "few")
  )
  assert pair["difference"]["auroc"]["value"] == pytest.approx(a - b)
  one = evaluate.evaluate(place, "few", data, folders)
  assert list(one["stages"]) == ["few"] and one["comparisons"] == []
  names = {path.name for path in (place / "evaluations").iterdir()}
  assert names == {"north", "north-few"}
