import json
import re
import sys

import pytest
from PIL import Image

from medfm.report import html, wording
from medfm.types import UserError


def written(workdir):
  return html.write(workdir).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(drawn):
  return (drawn / "report.html").read_text(encoding="utf-8")


def visible(page):
  """The page's text without tags and style, entities resolved."""
  import html as entities

  page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
  return entities.unescape(re.sub(r"<[^>]+>", " ", page))


def entries(tree):
  if isinstance(tree, dict) and "value" in tree and "low" in tree:
    yield tree
  elif isinstance(tree, dict):
    for inner in tree.values():
      yield from entries(inner)
  elif isinstance(tree, list):
    for inner in tree:
      yield from entries(inner)


def test_the_page_loads_nothing_from_anywhere(page):
  sources = re.findall(r'\b(?:src|href)="([^"]*)"', page)
  assert sources
  assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_page_has_no_script_of_its_own_or_of_a_name(page):
  assert "<script" not in page


def test_markup_in_a_description_is_shown_as_text(page):
  assert "&lt;b&gt;bold&lt;/b&gt;" in page


@pytest.mark.parametrize(
  "name", ["study", "regression", "multiclass", "multilabel"]
)
def test_every_value_and_interval_of_the_results_is_on_the_page(
  name, request, undrawn
):
  workdir = request.getfixturevalue(name)
  text = visible(written(workdir))
  stages = json.loads((workdir / "results.json").read_text())["stages"]
  found = [e for e in entries(stages) if e["value"] is not None]
  assert found
  for entry in found:
    for number in wording.ends(entry):
      assert number in text


def test_a_missing_metric_is_shown_with_its_reason(page):
  assert "one bin only" in visible(page)


def test_the_data_card_shows_changes_licence_and_hash(page):
  text = visible(page)
  for part in ("rows without a label dropped", "17", "CC0 1.0", "0123456789ab"):
    assert part in text


def test_leakage_that_was_found_is_named_with_an_example(page):
  text = visible(page)
  assert "train/test, near" in text
  assert "q7 = t9" in text


def test_a_leakage_check_that_was_impossible_does_not_read_as_none(page):
  assert re.search(r"train/test, patients\s+not known", visible(page))


def test_the_threshold_of_the_run_is_shown(page):
  assert re.search(r"malignant\s+test\s+0\.420", visible(page))


def test_every_setting_is_listed(page):
  text = visible(page)
  assert "stages.tuned_10.optimizer.lr" in text
  assert "0.00123" in text


def test_synthetic_data_are_called_synthetic(page):
  assert "This run used synthetic data." in visible(page)


def test_every_page_says_it_is_not_for_clinical_use(page):
  assert "Not for clinical use" in visible(page)


def test_every_image_has_words(page):
  images = re.findall(r"<img[^>]*>", page)
  assert images
  assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)


def test_every_figure_is_a_png_wide_enough_to_read(drawn):
  paths = list((drawn / "figures").glob("*.png"))
  assert len(paths) > 10
  for path in paths:
    with Image.open(path) as image:
      assert image.format == "PNG"
      assert 600 <= image.width <= 2400


def test_every_kind_of_figure_of_a_study_is_written(drawn):
  names = " ".join(path.stem for path in (drawn / "figures").glob("*.png"))
  for kind in (
    "learning",
    "roc",
    "precision_recall",
    "calibration",
    "decision",
    "confusion",
    "subgroups",
    "label_efficiency",
    "differences",
    "tuned_100_coefficients",
  ):
    assert kind in names


def test_a_regression_run_has_its_figure(regression):
  html.write(regression)
  assert (regression / "figures" / "train_test_regression.png").exists()


def test_a_class_named_like_mathematics_is_drawn(multiclass):
  html.write(multiclass)
  assert (multiclass / "figures" / "train_test_roc.png").exists()


def test_a_stage_that_has_not_finished_is_named(study, undrawn):
  results = json.loads((study / "results.json").read_text())
  del results["stages"]["scratch_10"]
  results["finished"], results["comparisons"] = False, []
  (study / "results.json").write_text(json.dumps(results))
  text = visible(written(study))
  assert "Stage scratch_10 is not finished (step 50 of 50)." in text


def test_a_run_without_results_yet_is_reported(study, undrawn):
  (study / "results.json").unlink()
  (study / "predictions.csv").unlink()
  assert "No stage has been evaluated yet." in visible(written(study))


def test_predictions_that_do_not_fit_are_reported_not_hidden(study, undrawn):
  path = study / "predictions.csv"
  path.write_text(path.read_text().replace("prob_malignant", "prob_other"))
  assert "no column prob_malignant" in visible(written(study))


def test_a_test_split_of_one_class_has_tables_but_no_curve(study, undrawn):
  path = study / "predictions.csv"
  path.write_text(path.read_text().replace(",malignant,", ",benign,"))
  html.write(study)
  assert not list((study / "figures").glob("*_roc.png"))


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
  with pytest.raises(
    UserError, match=r"neither results\.json nor config\.json"
  ):
    html.write(tmp_path)


def test_damaged_results_are_refused_in_one_line(study, undrawn):
  (study / "results.json").write_text("{")
  with pytest.raises(UserError, match=r"results\.json is damaged"):
    html.write(study)


def edited(workdir, edit):
  path = workdir / "results.json"
  results = json.loads(path.read_text())
  edit(results["stages"])
  path.write_text(json.dumps(results))
  return visible(written(workdir))


def test_a_task_that_is_not_known_is_named_and_leaves_the_tables(
  study, undrawn
):
  def rename(stages):
    stages["tuned_10"]["task"] = "medfm.tasks.horoscope"

  text = edited(study, rename)
  assert "this version knows no task 'medfm.tasks.horoscope'" in text
  assert re.search(r"0\.800\s+\[0\.750, 0\.850\]", text)
  assert not list((study / "figures").glob("tuned_10_*roc.png"))


def test_a_task_outside_its_folder_is_not_imported(study, undrawn):
  def rename(stages):
    stages["tuned_10"]["task"] = "antigravity.tasks"

  assert "knows no task 'antigravity.tasks'" in edited(study, rename)
  assert "antigravity" not in sys.modules


def test_pretraining_on_labelled_data_is_not_told_as_classification(
  study, undrawn
):
  """Its words come from its own task, with probes beside it too."""

  def alone(stages):
    for name in [name for name in stages if name != "pretrain"]:
      del stages[name]
    stages["pretrain"]["splits"]["validation"]["baselines"] = {
      "probe_linear": {
        "metrics": {"auroc": entry_of(0.71234)},
        "difference": {},
      }
    }

  text = edited(study, alone)
  told = (
    "was trained for 50 steps to learn from its inputs alone, without labels"
  )
  assert told in text
  assert "tell malignant" not in text
  assert (
    "Its frozen features, by a linear probe, reached 0.712 [0.662, 0.762] "
    "(AUROC) on the same examples." in text
  )


def entry_of(value):
  return {"value": value, "low": value - 0.05, "high": value + 0.05}


def test_a_slope_is_judged_by_its_distance_from_1(study, undrawn):
  path = study / "results.json"
  results = json.loads(path.read_text())
  difference = results["comparisons"][0]["difference"]
  difference["calibration_slope"] = entry_of(0.9) | {"closer": entry_of(0.55)}
  path.write_text(json.dumps(results))
  text = visible(written(study))
  assert re.search(
    r"Calibration slope\s+\+0.900 .*?\s+scratch_10 better\s+"
    r"in the distance from 1: \+0.550 \[\+0.500, \+0.600\]",
    text,
  )


def test_a_warning_of_the_data_stands_at_the_head_of_the_page(
  multiclass, undrawn
):
  path = multiclass / "results.json"
  results = json.loads(path.read_text())
  for stage in results["stages"].values():
    stage["data"]["card"]["warnings"] = ["test holds 4 examples of train"]
  path.write_text(json.dumps(results))
  page = visible(written(multiclass))
  place = page.index("Warning: test holds 4 examples of train.")
  assert place < page.index("Results")
