"""Every shipped config, made tiny, from raw file to report."""

import csv
import json
import pathlib

import numpy as np
import PIL.Image
import pytest

from medfm import (
  command,
  evaluate,
  predict,
  settings,
  spec,
  stages,
  study,
  workdir,
)
from medfm.evals import baselines
from medfm.types import Folders, UserError

ROOT = pathlib.Path(__file__).resolve().parents[1]
SLOW = (
  "resnet.py:pneumoniamnist,tiny",
  "vit.py:breastmnist,tiny",
  "table.py:cleveland,tiny",
  "survival.py:cgvhd,hazards,tiny",
  "bert_pretrain.py:next_sentence,tiny",
  "bert_finetune.py:medical_abstracts,frozen,tiny",
  "gpt_pretrain.py:tiny",
  "text_rnn.py:bc5cdr_disease,gru,tiny",
  "gpt_prompt.py:pubmedqa,tiny",
  "quickstart.py:tiny",
  "bert_finetune.py:hallmarks_of_cancer,compare,lora,tiny",
  "text_study.py:tiny",
)
CASES = (
  "linear_regression.py:tiny",
  "cnn.py:breastmnist,tiny",
  "table.py:wisconsin_original,mlp,tiny",
  "survival.py:veteran,linear,tiny",
  "bert_pretrain.py:tiny",
)
# TF-IDF would take most of these runs' time, and is fitted in others.
MAJORITY = (
  "bert_finetune.py:hallmarks_of_cancer,compare,lora,tiny",
  "text_study.py:tiny",
)
OWN = ("own_images.py", "own_iob.py", "own_table.py", "own_text.py")


def run(argument, place, folders, *overrides):
  config = command.config(str(ROOT / "configs" / argument), overrides)
  for stage in config.stages.values() if argument in MAJORITY else ():
    if "baselines" in (stage.evaluators or ()):
      stage.evaluators.baselines.names = ("majority",)
  return study.study(config, place, folders)


def test_every_config_has_a_case():
  files = {path.name for path in (ROOT / "configs").glob("*.py")}
  assert files == {case.partition(":")[0] for case in (*SLOW, *CASES)} | set(
    OWN
  )


@pytest.mark.parametrize(
  "case",
  [*(pytest.param(case, marks=pytest.mark.slow) for case in SLOW), *CASES],
)
def test_a_config_trains_evaluates_and_reports(
  case, tmp_path, shared_folders, capsys
):
  results = run(case, tmp_path / "run", shared_folders)
  check_workdir(tmp_path / "run", results)
  said = capsys.readouterr().out
  assert "report: " in said
  again = run(case, tmp_path / "run", shared_folders)
  assert again == results
  assert "examples/s" not in capsys.readouterr().out
  check_evaluation(tmp_path / "run", results, shared_folders)


def check_workdir(place, results):
  assert results["finished"]
  for name in ("config.json", "environment.json", "report.html"):
    assert (place / name).stat().st_size > 100
  assert list((place / "figures").rglob("*.png"))
  assert json.loads((place / "results.json").read_text()) == results
  spec.from_json((place / "config.json").read_text())
  for name, stage in results["stages"].items():
    own = stages.folder(place, name)
    assert (own / "metrics.jsonl").stat().st_size
    assert list(own.glob("tensorboard/events*"))
    for split, entry in stage["splits"].items():
      assert entry["n"] > 0, split
      assert len(entry["sha256"]) == len(entry["asked"]) == 64
      for metric in entry["metrics"].values():
        assert metric["value"] is not None or metric["reason"]
        if metric["low"] is not None:
          assert metric["low"] <= metric["high"]


def check_evaluation(place, results, folders):
  again = evaluate.evaluate(place, None, None, folders)
  for name, stage in again["stages"].items():
    assert stage["splits"] == results["stages"][name]["splits"]


def test_stages_of_the_same_examples_fit_their_baselines_once(
  tmp_path, shared_folders, monkeypatch, capsys
):
  fit, asked = baselines.rival, []

  def counted(task, name, train, *rest):
    asked.append((name, len(train)))
    return fit(task, name, train, *rest)

  monkeypatch.setattr(baselines, "rival", counted)
  path = str(ROOT / "configs/table.py:cleveland,tiny")
  names = ("all", "all_again", "few")
  parts = {name: command.config(path, []) for name in names}
  parts["few"].label_fraction = 0.5
  results = study.study(
    spec.spec(settings.Study, name="thrice", stages=parts),
    tmp_path,
    shared_folders,
  )
  first, again, few = (
    {
      name: one["metrics"]
      for name, one in results["stages"][stage]["splits"]["test"][
        "baselines"
      ].items()
    }
    for stage in names
  )
  assert len(asked) == len(set(asked)) == len(first) + len(few)
  assert first == again
  assert first != few
  check_few_labels(tmp_path, results, capsys.readouterr().out)


def check_few_labels(place, results, said):
  """What a run with half of the labels was shown, and says of it."""
  data = {name: results["stages"][name]["data"] for name in ("all", "few")}
  for split in ("train", "validation"):
    whole = data["few"]["splits"][split]["n"]
    few = data["few"][f"{split}_used"]
    assert data["all"][f"{split}_used"] == whole
    assert abs(few - whole / 2) <= 2
    assert f"{few:,} of {whole:,}" in said
    assert f"{few:,} of {whole:,}" in (place / "report.html").read_text()
  assert "few: " in said and "all: 1" not in said
  counts = {
    name: sum(workdir.info(stages.folder(place, name)).target.counts)
    for name in ("all", "few")
  }
  assert counts["few"] == data["few"]["train_used"]
  assert counts["all"] == data["all"]["splits"]["train"]["n"]
  few = results["stages"]["few"]["splits"]
  assert few["validation"]["n"] == data["few"]["validation_used"]
  assert few["test"]["n"] == data["few"]["splits"]["test"]["n"]


def test_another_config_in_the_same_workdir_is_refused(
  tmp_path, shared_folders
):
  run("linear_regression.py:tiny", tmp_path, shared_folders)
  with pytest.raises(UserError, match=r"optimizer.lr is 0.3, was 0.2"):
    run(
      "linear_regression.py:tiny", tmp_path, shared_folders, "optimizer.lr=0.3"
    )


def test_a_saved_config_gives_the_same_run_again(tmp_path, shared_folders):
  first = run("linear_regression.py:tiny", tmp_path / "a", shared_folders)
  saved = command.config(str(tmp_path / "a" / "config.json"), [])
  assert study.study(saved, tmp_path / "b", shared_folders) == first


def test_accumulation_is_refused_with_batch_normalisation(
  tmp_path, shared_folders
):
  with pytest.raises(UserError, match="batch normalisation"):
    run("resnet.py:breastmnist,tiny", tmp_path, shared_folders, "accumulate=2")


def test_more_steps_go_on_from_the_last(tmp_path, shared_folders, capsys):
  run("linear_regression.py:tiny", tmp_path, shared_folders)
  results = run(
    "linear_regression.py:tiny", tmp_path, shared_folders, "steps=6"
  )
  assert results["stages"]["train"]["step"] == 6
  assert "from step 4" in capsys.readouterr().out


def test_an_own_table_is_learnt_and_new_rows_predicted(tmp_path, shared_cache):
  generator = np.random.default_rng(0)  # Synthetic patients.
  path = tmp_path / "cohort.csv"
  with path.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["pid", "age", "sex", "smoker", "outcome"])
    for i in range(120):
      age = generator.integers(20, 90)
      sick = "ill" if age + generator.normal(0, 20) > 55 else "well"
      smoker = "" if i % 7 == 0 else "yes" if i % 3 else "no"
      writer.writerow([f"p{i // 2}", age, "fm"[i % 2], smoker, sick])
  folders = Folders(None, shared_cache)
  overrides = (
    f"data.path={path}",
    "data.label=outcome",
    "data.patient=pid",
    "data.groups=sex",
  )
  place = tmp_path / "run"
  results = run("own_table.py:tiny", place, folders, *overrides)
  check_workdir(place, results)
  check_evaluation(place, results, folders)
  assert set(results["stages"]["train"]["splits"]["test"]["groups"]) == {"sex"}
  new = tmp_path / "new.csv"
  new.write_text("pid,age,sex,smoker\nq1,33,f,no\nq2,80,m,\n")
  written = predict.predict(place, None, str(new), None)
  rows = list(csv.DictReader(written.open()))
  assert [row["id"] for row in rows] == ["2", "3"] or len(rows) == 2
  for row in rows:
    total = float(row["prob_ill"]) + float(row["prob_well"])
    assert total == pytest.approx(1, abs=1e-5)


def test_own_follow_up_is_learnt_predicted_and_judged_elsewhere(
  tmp_path, shared_cache
):
  generator = np.random.default_rng(0)  # Synthetic patients.
  for name in ("here", "there"):
    lines = ["pid,age,days,died"]
    for i in range(120):
      age = generator.integers(30, 90)
      fails = generator.exponential(400 * np.exp(-(age - 60) / 12))
      lost = generator.uniform(100, 1000)
      end = f"{min(fails, lost):.1f},{int(fails <= lost)}"
      lines.append(f"p{i // 2},{age},{end}")
    (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
  folders = Folders(None, shared_cache)
  overrides = (
    "data.time=days",
    "data.event=died",
    "data.patient=pid",
    "data.horizons=90,365",
    "evaluators.baselines.names=kaplan_meier,",
  )
  case, place = "own_table.py:survival,tiny", tmp_path / "run"
  path = f"data.path={tmp_path / 'here.csv'}"
  results = run(case, place, folders, path, *overrides)
  check_workdir(place, results)
  check_evaluation(place, results, folders)
  metrics = results["stages"]["train"]["splits"]["test"]["metrics"]
  assert {"c_index", "auroc_at_90", "observed_expected_at_365"} <= set(metrics)
  other = command.config(
    str(ROOT / "configs" / case),
    [f"data.path={tmp_path / 'there.csv'}", *overrides],
  )
  there = evaluate.evaluate(place, None, command.data(other), folders)
  assert there["name"] == "there"
  (tmp_path / "new.csv").write_text("pid,age\nq1,33\nq2,80\n")
  written = predict.predict(place, None, str(tmp_path / "new.csv"), None)
  rows = list(csv.DictReader(written.open()))
  assert len(rows) == 2 and "time" not in rows[0]
  assert 0 < float(rows[0]["risk_by_90"]) < float(rows[0]["risk_by_365"]) < 1


def test_own_images_are_learnt_and_new_ones_predicted(tmp_path, shared_cache):
  generator = np.random.default_rng(0)  # Synthetic images.
  for label, shade in (("dark", 60), ("light", 180)):
    (tmp_path / "scans" / label).mkdir(parents=True)
    for i in range(20):
      pixels = generator.normal(shade, 20, (20, 24)).clip(0, 255)
      PIL.Image.fromarray(pixels.astype(np.uint8)).save(
        tmp_path / "scans" / label / f"{i}.png"
      )
  folders = Folders(None, shared_cache)
  place = tmp_path / "run"
  results = run(
    "own_images.py:tiny", place, folders, f"data.path={tmp_path / 'scans'}"
  )
  check_workdir(place, results)
  written = predict.predict(
    place, None, str(tmp_path / "scans" / "dark"), str(tmp_path / "out.csv")
  )
  assert len(list(csv.DictReader(written.open()))) == 20


def test_another_cohort_of_the_same_task_is_evaluated(tmp_path, shared_folders):
  place = tmp_path / "run"
  config = command.config(str(ROOT / "configs/table.py:cleveland,tiny"), [])
  study.study(config, place, shared_folders)
  other = command.config(
    str(ROOT / "configs/table.py:cleveland,tiny"), ["data.seed=5"]
  )
  results = evaluate.evaluate(place, None, command.data(other), shared_folders)
  (scored,) = results["stages"]["train"]["splits"].values()
  assert scored["metrics"]["auroc"] and scored["n"] == 303
  wrong = command.config(str(ROOT / "configs/table.py:pima,tiny"), [])
  with pytest.raises(UserError, match="the model was trained on"):
    evaluate.evaluate(place, None, command.data(wrong), shared_folders)
