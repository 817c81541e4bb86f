import json

from medfm.report import reading, summary


def change(workdir, edit):
  path = workdir / "results.json"
  results = json.loads(path.read_text())
  edit(results)
  path.write_text(json.dumps(results))
  return reading.Run(workdir)


def test_the_pretrained_model_is_better_where_the_interval_excludes_0(study):
  (sentence,) = summary.findings(reading.Run(study))
  assert "the pre-trained model is better" in sentence


def test_no_benefit_is_claimed_where_the_interval_includes_0(study):
  def widen(results):
    results["comparisons"][0]["difference"]["auroc"]["low"] = -0.01

  run = change(study, widen)
  assert "no difference shown" in summary.findings(run)[0]
  assert "no difference is shown in 1" in summary.pretraining_verdict(run)
  assert "is of two trained models" in summary.pretraining_verdict(run)


def test_a_comparison_told_backwards_counts_for_the_pretrained_side(study):
  def swap(results):
    found = results["comparisons"][0]
    found["a"], found["b"] = found["b"], found["a"]

  run = change(study, swap)
  assert "the pre-trained model is worse" in summary.findings(run)[0]
  assert "model is worse in 1 of 1 comparison" in summary.pretraining_verdict(
    run
  )


def test_the_headline_is_the_pretrained_stage_with_the_most_labels(study):
  assert summary.headline(reading.Run(study)).name == "tuned_100"


def test_a_baseline_within_the_interval_is_no_difference_shown(study):
  text = " ".join(summary.sentences(reading.Run(study)))
  assert "baseline logistic reached 0.765" in text
  assert "no difference shown (the interval includes 0)" in text


def test_a_run_without_a_test_split_says_it_may_flatter(study):
  def rename(results):
    for stage in results["stages"].values():
      stage["splits"] = {"validation": next(iter(stage["splits"].values()))}

  text = " ".join(summary.sentences(change(study, rename)))
  assert "There is no test split" in text


def test_a_regression_error_is_told_in_its_unit(regression):
  text = " ".join(summary.sentences(reading.Run(regression)))
  assert "its RMSE in mmol/L was 0.234 (95 % interval 0.184 to 0.284)" in text


def test_the_best_step_is_told_apart_from_the_length_of_the_run(study):
  def best(results):
    for stage in results["stages"].values():
      stage["best"] = {"metric": "auroc", "value": 1, "step": 40}
      stage["steps"] = 50

  text = " ".join(summary.sentences(change(study, best)))
  assert "trained for 50 steps (step 40 was best by validation)" in text


def test_examples_are_of_what_the_data_card_groups_them_by(study):
  def articles(results):
    for stage in results["stages"].values():
      stage["data"]["card"]["grouped_by"] = "document"

  before = " ".join(summary.sentences(reading.Run(study)))
  assert " examples of 20 patients)" in before
  after = " ".join(summary.sentences(change(study, articles)))
  assert after == before.replace("patients", "documents")
