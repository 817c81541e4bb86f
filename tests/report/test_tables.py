import json

from medfm.report import tables


def shown(workdir):
  return tables.text(json.loads((workdir / "results.json").read_text()))


def test_the_table_holds_the_main_metric_with_its_interval(study):
  assert "AUROC   0.800 [0.750, 0.850]" in shown(study)


def test_a_baseline_stands_below_its_stage_with_the_difference(study):
  lines = shown(study).splitlines()
  place = next(k for k, line in enumerate(lines) if "tuned_10 " in line)
  assert "logistic" in lines[place + 1]
  assert "+0.012 [−0.038, +0.062]" in lines[place + 1]


def test_a_regression_shows_rmse_and_r2(regression):
  text = shown(regression)
  assert "RMSE" in text
  assert "R²" in text


def test_no_line_is_wider_than_100_columns(study):
  results = json.loads((study / "results.json").read_text())
  stages = results["stages"]
  stages["a stage with a very long name " * 4] = stages.pop("tuned_10")
  for stage in stages.values():
    for split in stage["splits"].values():
      split["metrics"]["auroc"] = {"value": None, "reason": "words " * 30}
  assert max(map(len, tables.text(results).splitlines())) <= 100


def test_names_are_cut_before_intervals():
  names = ("  random_survival_forest", "validation", "Integrated Brier")
  values = ("0.648 [0.595, 0.697]", "−0.057 [−0.101, −0.013]")
  head = ("stage", "split", "n", "metric", "value", "difference")
  *_, line = tables.aligned([head, (*names[:2], "1,333", names[2], *values)])
  assert len(line) <= 100
  assert all(value in line for value in values)


def test_a_run_without_results_says_so():
  assert tables.text({"stages": {}}) == "no stage has finished"
