"""What a summary says of runs whose scores are known."""

import csv
import itertools
import json
import statistics

import numpy as np
import pytest

from medfm.grid import arms, pages, records, summary
from medfm.report import style
from medfm.types import UserError
from tests.grid import toy
from tests.grid.summing import summed

pytestmark = pytest.mark.once

SCORES = {"adam": (0.8, 0.7, 0.9), "sgd": (0.4, 0.5, 0.3)}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
  """Two arms of three seeds, one cell that fails and one that cannot run."""
  root = tmp_path_factory.mktemp("grid")
  every = []
  for name, scores in SCORES.items():
    for seed, score in enumerate(scores):
      one = toy.cell(root, f"{name}-{seed}", score=score, seed=seed)
      every.append(with_setting(one, name=name, seed=seed))
  failing = toy.cell(root, "sgd-3", fail=5)
  every.append(with_setting(failing, name="sgd", seed=3))
  toy.run(every)
  lacking = toy.Cell(
    "rms-0", root / "rms-0", {"name": "rms", "seed": 0}, "", (), "no file"
  )
  summed(root, [*every, lacking])
  return root


def with_setting(cell, **setting):
  return toy.Cell(cell.name, cell.folder, setting, cell.request)


@pytest.fixture(scope="module")
def facts(grid):
  return json.loads((grid / "summary.json").read_text())


def test_an_arm_has_the_mean_and_the_standard_deviation_over_seeds(facts):
  adam = next(arm for arm in facts["arms"] if arm["name"] == "adam")
  assert adam["test"]["mean"] == pytest.approx(0.8)
  assert adam["test"]["sd"] == pytest.approx(statistics.stdev(SCORES["adam"]))


def test_sampling_intervals_stand_apart_from_the_spread_over_seeds(facts):
  assert facts["arms"][0]["test"]["low"] == pytest.approx(0.4)
  assert facts["arms"][0]["test"]["high"] == pytest.approx(0.6)


def test_an_arm_tells_how_many_of_its_runs_it_has(facts):
  found = {
    arm["name"]: (len(arm["runs"]), arm["asked"]) for arm in facts["arms"]
  }
  assert found == {"adam": (3, 3), "sgd": (3, 4)}


def test_the_best_arm_is_that_of_best_validation(facts):
  assert [arm["name"] for arm in facts["best"]] == ["adam"]


def test_arms_are_compared_on_the_same_patients_with_an_adjusted_p(facts):
  (found,) = facts["comparisons"]
  assert (found["a"], found["b"], found["n"]) == ("sgd", "adam", 3)
  assert found["value"] < 0
  assert found["low"] <= found["value"] <= found["high"]
  assert 0 < found["p"] <= found["p_holm"] <= 1


def test_a_difference_counts_the_seeds(grid, facts):
  """Whose paired standard deviation stands beside it."""
  (found,) = facts["comparisons"]
  assert found["sd"] > 0
  half = 4.303 * found["sd"] / 3**0.5  # Student's t with two degrees.
  assert found["high"] - found["value"] >= half - 1e-4
  text = (grid / "summary.md").read_text()
  assert "count both the choice of patients and the choice of seeds" in text
  assert "two trained models are compared" not in text


def test_runs_of_one_seed_are_one_trained_model_against_another(tmp_path):
  every = []
  for name, score in (("adam", 0.99), ("sgd", 0.2)):
    one = toy.cell(tmp_path, name, score=score)
    every.append(with_setting(one, name=name))
  toy.run(every)
  summed(tmp_path, every)
  (found,) = json.loads((tmp_path / "summary.json").read_text())["comparisons"]
  text = (tmp_path / "summary.md").read_text()
  assert "two trained models are compared" in text
  shown = f"≤\xa0{found['p']:.3f}" if found["at_most"] else f"{found['p']:.3f}"
  assert f"| 1 | {shown} |" in text


def test_a_p_at_the_resolution_of_its_draws_is_at_most_that():
  draws = np.linspace(0.1, 0.2, 1000)
  scored = [
    {("0",): arms.Scored(value, moved, 50)}
    for value, moved in ((0.65, 0.5 + draws), (0.5, np.full(1000, 0.5)))
  ]
  found = arms.difference(*scored)
  assert found["at_most"] and found["p"] == pytest.approx(2 / 1001)
  assert pages._p(found["p"], True) == "≤\xa00.002"
  assert pages._p(0.0004, False) == "<\xa00.001"


def test_a_failed_cell_is_shown_with_its_last_error_line(grid, facts):
  cell = next(one for one in facts["cells"] if one["name"] == "sgd-3")
  assert cell["state"] == "failed"
  for end in ("md", "html", "csv"):
    text = (grid / f"summary.{end}").read_text()
    assert "it was told to fail with 5" in text


def test_a_cell_that_cannot_run_is_shown_with_the_reason(grid, facts):
  assert facts["counts"] == {"done": 6, "failed": 1, "unavailable": 1}
  assert "no file" in (grid / "summary.md").read_text()


def test_the_table_has_a_row_for_every_cell(grid):
  with (grid / "summary.csv").open(newline="") as file:
    rows = list(csv.DictReader(file))
  assert len(rows) == 8
  assert rows[0]["test/auroc"] == "0.8"
  assert rows[0]["name"] == "adam"


def test_the_summary_links_each_report(grid):
  assert '<a href="adam-0/report.html">' in (grid / "summary.html").read_text()
  assert "(adam-0/report.html)" in (grid / "summary.md").read_text()


def test_a_summary_is_the_same_twice(grid):
  before = (grid / "summary.html").read_bytes()
  summary.write(grid)
  assert (grid / "summary.html").read_bytes() == before


def test_a_tuned_setting_is_chosen_by_validation_and_never_by_test(tmp_path):
  """Whose test score is better but whose validation is worse is not taken."""
  every = []
  for lr, score in (("0.1", 0.6), ("0.01", 0.9)):
    one = toy.cell(tmp_path, f"lr{lr}", score=score)
    every.append(with_setting(one, lr=lr))
  toy.run(every)
  path = tmp_path / "lr0.1/results.json"
  results = json.loads(path.read_text())
  splits = results["stages"]["train"]["splits"]
  splits["validation"] = json.loads(json.dumps(splits["validation"]))
  splits["validation"]["metrics"]["auroc"]["value"] = 0.95
  path.write_text(json.dumps(results))
  summed(tmp_path, every, tuned=["lr"])
  facts = json.loads((tmp_path / "summary.json").read_text())
  assert [arm["setting"] for arm in facts["best"]] == [{"lr": "0.1"}]
  assert (tmp_path / "figures/auroc-by-lr.png").stat().st_size > 1000


def test_each_arm_is_judged_by_what_its_own_runs_select_by(tmp_path):
  """A shared pre-training comes first and is judged by its loss."""
  selected = {"shared-1": "-loss", "entities": "f1", "triage": "accuracy"}
  every = [
    toy.cell(tmp_path, name, schedule={"select": by})
    for name, by in selected.items()
  ]
  toy.run(every)
  for name, by in selected.items():
    path = tmp_path / name / "results.json"
    results = json.loads(path.read_text())
    stage = results["stages"]["train"]
    metric = by.removeprefix("-")
    split = stage["splits"]["test"] | {"sha256": name}
    split["metrics"] = {metric: split["metrics"]["auroc"]}
    stage["splits"] = {"validation": split, "test": split}
    stage["data"] |= {"name": name}
    task = "pretext" if metric == "loss" else "multiclass"
    stage["task"] = f"medfm.tasks.{task}"
    path.write_text(json.dumps(results))
  summed(tmp_path, every, metric="")
  facts = json.loads((tmp_path / "summary.json").read_text())
  found = {arm["data"]: arm["metric"] for arm in facts["arms"]}
  assert found == {"entities": "f1", "triage": "accuracy"}
  assert [arm["test"]["mean"] for arm in facts["arms"]] == [0.5, 0.5]
  page = (tmp_path / "summary.md").read_text()
  assert "| F1 |" in page and "| Accuracy |" in page
  assert facts["comparisons"] == []


def test_classical_models_stand_beside_the_arms(tmp_path):
  every = []
  for seed, share, value in ((0, 0.1, 0.6), (1, 0.1, 0.7), (0, 1.0, 0.8)):
    name = f"{share}-{seed}"
    one = toy.cell(tmp_path, name, score=0.9)
    every.append(with_setting(one, share=share, seed=seed))
    toy.run([one])
    results = json.loads((one.folder / "results.json").read_text())
    rival = {"metrics": {"auroc": {"value": value, "low": 0.5, "high": 0.9}}}
    splits = results["stages"]["train"]["splits"]
    splits["test"] = splits["test"] | {"baselines": {"logistic": rival}}
    (one.folder / "results.json").write_text(json.dumps(results))
  summed(tmp_path, every, figure={"x": "share"})
  facts = json.loads((tmp_path / "summary.json").read_text())
  few, all_of_them = (arm["baselines"]["logistic"] for arm in facts["arms"])
  assert few["mean"] == pytest.approx(0.65)
  assert few["sd"] == pytest.approx(statistics.stdev([0.6, 0.7]))
  assert (all_of_them["mean"], all_of_them["low"]) == (0.8, 0.5)
  page = (tmp_path / "summary.md").read_text().replace("\xa0", " ")
  assert "| baseline logistic |" in page
  assert "| 0.650 ± 0.071 | [0.500, 0.900] |" in page
  assert (tmp_path / "figures/auroc-by-share.png").stat().st_size > 1000


@pytest.mark.parametrize(
  ("ideal", "best"), [("more", "0.9"), ("less", "0.2"), (0.5, "0.6")]
)
def test_the_best_is_what_the_metric_says_is_better(tmp_path, ideal, best):
  every = []
  for score in (0.2, 0.6, 0.9):
    one = toy.cell(tmp_path, f"{score}", score=score)
    every.append(with_setting(one, lr=f"{score}"))
  toy.run(every)
  for one in every:
    results = json.loads((one.folder / "results.json").read_text())
    results["stages"]["train"]["described"]["auroc"]["better"] = ideal
    (one.folder / "results.json").write_text(json.dumps(results))
  summed(tmp_path, every)
  facts = json.loads((tmp_path / "summary.json").read_text())
  assert [arm["setting"]["lr"] for arm in facts["best"]] == [best]


def test_what_evaluators_show_of_the_best_arm_is_on_its_pages(tmp_path):
  one = toy.cell(tmp_path, "a")
  toy.run([one])
  results = json.loads((one.folder / "results.json").read_text())
  entry = {"value": 0.61, "low": 0.52, "high": 0.73}
  results["stages"]["train"]["blocks"] = [
    {
      "kind": "table",
      "title": "Prompts",
      "split": "test",
      "columns": ["Prompt", "Accuracy"],
      "rows": [["first", entry]],
      "note": "Each alone.",
    },
    {
      "kind": "table",
      "title": "Net benefit",
      "split": "test",
      "columns": ["Threshold", "Model"],
      "rows": [["0.123", entry]],
      "section": "For a clinical reviewer",
    },
    {
      "kind": "pairs",
      "title": "Coefficients",
      "split": "",
      "names": ["age"],
      "x": {"title": "Closed form", "values": [0.25]},
      "y": {"title": "Learnt", "values": [0.75]},
    },
  ]
  (one.folder / "results.json").write_text(json.dumps(results))
  summed(tmp_path, [with_setting(one, name="a")])
  page = (tmp_path / "summary.md").read_text()
  assert "| first | 0.610 [0.520, 0.730] |" in page
  assert "| age | 0.750 | 0.250 |" in page
  assert "Net benefit: test. For a clinical reviewer: see" in page
  assert "0.123" not in page
  html = (tmp_path / "summary.html").read_text()
  assert "<b>0.610</b> [0.520, 0.730]" in html and "Each alone." in html
  assert html.count("data:image/png") == 1
  assert "<summary>Net benefit: test</summary>" in html and "0.123" in html


def test_a_line_looks_the_same_in_every_panel_of_a_figure(
  tmp_path, monkeypatch
):
  """Whatever order the panels have their arms and baselines in."""
  drawn = []
  monkeypatch.setattr(style, "png", lambda figure: drawn.append(figure) or b"")
  orders = {"hearts": (("x", "y"), ("p", "q")), "lungs": (("y", "x"), ("q",))}
  every = []
  for data, (names, rivals) in orders.items():
    for name, lr in itertools.product(names, ("1", "2")):
      one = toy.cell(tmp_path, f"{data}-{name}-{lr}")
      every.append(with_setting(one, name=name, lr=lr))
      toy.run([one])
      results = json.loads((one.folder / "results.json").read_text())
      stage = results["stages"]["train"]
      test = stage["splits"]["test"]
      beside = {rival: {"metrics": test["metrics"]} for rival in rivals}
      stage["data"]["name"] = data
      stage["splits"]["test"] = test | {"sha256": data, "baselines": beside}
      (one.folder / "results.json").write_text(json.dumps(results))
  summed(tmp_path, every, figure={"x": "lr"})
  (figure,) = drawn
  hearts, lungs = (looks(axes) for axes in figure.axes[:2])
  assert len(hearts) == 4 and len(lungs) == 3
  assert len(set(hearts.values())) == 4
  assert lungs.items() <= hearts.items()
  assert [axes.get_legend() is not None for axes in figure.axes] == [
    True,
    False,
  ]


def looks(axes):
  handles, labels = axes.get_legend_handles_labels()
  lines = [getattr(handle, "lines", [handle])[0] for handle in handles]
  return {
    label: (line.get_color(), str(line._dash_pattern), line.get_marker())
    for label, line in zip(labels, lines, strict=True)
  }


def test_holm_multiplies_by_what_is_left_and_never_falls():
  adjusted = arms.holm([0.01, 0.04, None, 0.03])
  assert adjusted[2] is None
  assert adjusted[0] == pytest.approx(0.03)
  assert adjusted[3] == pytest.approx(0.06)
  assert adjusted[1] == pytest.approx(0.06)


def test_a_folder_that_is_no_grid_is_refused(tmp_path):
  with pytest.raises(UserError, match="not the folder of a grid"):
    summary.write(tmp_path)


def test_a_grid_in_which_nothing_has_run_sums_up_too(tmp_path):
  summed(tmp_path, [toy.cell(tmp_path, "a")], metric="")
  facts = json.loads((tmp_path / "summary.json").read_text())
  assert facts["counts"] == {"missing": 1}


def test_arms_of_one_question_are_rivals_though_they_read_other_inputs(
  tmp_path,
):
  """Pictures of 28 and 64 pixels, and the same ones with mended labels."""
  every = []
  for size, asked in (("28", "a"), ("64", "a"), ("32", "b")):
    one = toy.cell(tmp_path, f"size{size}")
    every.append(with_setting(one, size=size))
    toy.run([one])
    path = one.folder / "results.json"
    results = json.loads(path.read_text())
    splits = results["stages"]["train"]["splits"]
    splits["test"] |= {"sha256": size, "asked": asked}
    path.write_text(json.dumps(results))
  listed = arms.arms(records.records(every, "auroc"))
  groups = [[arm.setting["size"] for arm in g] for g in arms.rivals(listed)]
  assert groups == [["28", "64"], ["32"]]
