"""Every shipped config, made tiny, from raw file to report."""

import csv
import json
import shutil

import numpy as np
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
from tests.running import ROOT, check_evaluation, check_workdir, run

SLOW = (
  "resnet.py:pneumoniamnist,tiny",
  "vit.py:breastmnist,tiny",
  "image_pretrain.py:tiny,dino",
  "table.py:cleveland,tiny",
  "survival.py:cgvhd,hazards,tiny",
  "gpt_pretrain.py:tiny",
  "segment.py:tiny",
  "quickstart.py:tiny",
  "text_study.py:tiny",
)
DRILLS = (  # What they are made of has contracts; .ci/run has no time for all.
  "image_study.py:tiny,mae",
  "bert_pretrain.py:next_sentence,tiny",
  "bert_finetune.py:medical_abstracts,frozen,tiny",
  "text_rnn.py:bc5cdr_disease,gru,tiny",
  "gpt_prompt.py:pubmedqa,tiny",
  "segment.py:nuclei,tiny",
  "image_text.py:siglip,tiny",
  "bert_finetune.py:hallmarks_of_cancer,compare,lora,tiny",
  "imaging.py:ham10000,tiny",
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
REGRESSION = "linear_regression.py:tiny"
OWN = (
  "own_images.py",
  "own_iob.py",
  "own_masks.py",
  "own_slides.py",
  "own_table.py",
  "own_text.py",
  "own_volumes.py",
  "own_image_text.py",
)


def whole(case, place, folders):
  config = command.config(str(ROOT / "configs" / case), ())
  for stage in config.stages.values() if case in MAJORITY else ():
    if "baselines" in (stage.evaluators or ()):
      stage.evaluators.baselines.names = ("majority",)
  return study.study(config, place, folders)


def test_every_config_has_a_case():
  files = {path.name for path in (ROOT / "configs").glob("*.py")}
  assert files == {
    case.partition(":")[0] for case in (*SLOW, *DRILLS, *CASES)
  } | set(OWN)


@pytest.mark.parametrize(
  "case",
  [
    *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW),
    *(pytest.param(case, marks=pytest.mark.drill) for case in DRILLS),
    *CASES,
  ],
)
def test_a_config_trains_evaluates_and_reports(
  case, tmp_path, shared_folders, capsys
):
  results = whole(case, tmp_path / "run", shared_folders)
  check_workdir(tmp_path / "run", results)
  assert "report: " in capsys.readouterr().out
  again = whole(case, tmp_path / "run", shared_folders)
  assert again == results
  assert "examples/s" not in capsys.readouterr().out
  check_evaluation(tmp_path / "run", results, shared_folders)


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
  regression_run, shared_folders
):
  with pytest.raises(UserError, match=r"optimizer.lr is 0.3, was 0.2"):
    run(REGRESSION, regression_run, shared_folders, "optimizer.lr=0.3")


def test_a_saved_config_gives_the_same_run_again(
  regression_run, tmp_path, shared_folders
):
  saved = command.config(str(regression_run / "config.json"), [])
  again = study.study(saved, tmp_path, shared_folders)
  assert again == json.loads((regression_run / "results.json").read_text())


def test_more_steps_go_on_from_the_last(
  regression_run, tmp_path, shared_folders, capsys
):
  place = shutil.copytree(regression_run, tmp_path / "run")
  results = run(REGRESSION, place, shared_folders, "steps=6")
  assert results["stages"]["train"]["step"] == 6
  assert "from step 4" in capsys.readouterr().out


def test_fewer_steps_than_were_trained_are_one_line(
  launched, regression_run, shared_cache
):
  before = (regression_run / "results.json").read_bytes()
  done = launched(
    f"--config=configs/{REGRESSION}",
    f"--workdir={regression_run}",
    "--config.steps=2",
    MEDFM_CACHE_DIR=shared_cache,
  )
  assert done.returncode == 2
  (line,) = done.stderr.splitlines()
  assert "holds step 4 already, but this run ends at step 2" in line
  assert (regression_run / "results.json").read_bytes() == before


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
