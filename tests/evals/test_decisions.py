"""What a decision is worth: counts, threshold, net benefit, calibration."""

import dataclasses
import json

import numpy as np
import pytest
import sklearn.metrics as reference

from medfm import tasks
from medfm.evals import decisions as evaluated
from medfm.evals import net_benefit, scores
from medfm.evals.context import Settings
from medfm.evals.curves import Asked
from medfm.tasks.binary import Question
from medfm.types import Split
from tests import infos
from tests.evals import contexts

SETTINGS = Settings(replicates=50)
BINARY = infos.info("toy", "multiclass", ("benign", "malignant"))


def _answers(count, seed):
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 2, count)
  prob = 1 / (1 + np.exp(-(2 * label - 1 + generator.normal(size=count))))
  split = Split({"label": label}, np.arange(count).astype(str))
  return split, {"probs": np.stack([1 - prob, prob], 1)}


def _context(info, held, settings, prevalence):
  """held: split -> (Split, predicted)."""
  task = tasks.of(info.target)
  chosen = {}
  if "validation" in held:
    split, predicted = held["validation"]
    target = scores.target_of(task, split.arrays)
    chosen = task.decide(info, target, predicted, specificity=0.9)
  splits = {name: split for name, (split, _) in held.items()}
  return contexts.of(
    info,
    splits,
    {name: predicted for name, (_, predicted) in held.items()},
    decisions=chosen,
    settings=settings,
    prevalence=prevalence,
  )


def _blocks(info, held, prevalence=0.0):
  context = _context(info, held, SETTINGS, prevalence)
  findings = evaluated.decisions(context)
  assert json.loads(json.dumps(findings.blocks)) == findings.blocks
  by_title = {
    split: {block["title"]: block for block in blocks}
    for split, blocks in findings.blocks.items()
  }
  return context, by_title


@pytest.fixture(scope="module")
def made():
  held = {"validation": _answers(80, 1), "test": _answers(120, 2)}
  return held, *_blocks(BINARY, held, 0.05)


def _column(block):
  return {name: cell for name, cell in block["rows"]}


def test_counts_are_those_of_scikit_learn_at_the_threshold(made):
  held, context, by_split = made
  split, predicted = held["test"]
  cut = context.decisions["specificity_90[malignant]"]
  table = reference.confusion_matrix(
    split.arrays["label"], predicted["probs"][:, 1] >= cut
  )
  cells = _column(by_split["test"]["At the threshold chosen on validation"])
  names = ("negatives", "positives")
  (tn, fp), (fn, tp) = table.tolist()
  assert [cells[f"True {name}"] for name in names] == [tn, tp]
  assert [cells[f"False {name}"] for name in names] == [fn, fp]
  assert cells["Threshold"]["value"] == cut
  assert cells["NPV"]["value"] == pytest.approx(tn / (tn + fn))
  odds = 0.05 / 0.95 * cells["Positive likelihood ratio"]["value"]
  stated = cells["PPV at a prevalence of 5 %"]["value"]
  assert stated == pytest.approx(odds / (1 + odds))
  assert stated < cells["PPV"]["value"]


def test_rates_are_those_of_the_panel_with_their_intervals(made):
  held, context, by_split = made
  split, predicted = held["test"]
  entry = scores.scores(
    context.task,
    BINARY,
    {"label": split.arrays["label"]},
    predicted,
    decisions=context.decisions,
    replicates=50,
  )
  cells = _column(by_split["test"]["At the threshold chosen on validation"])
  for name, metric in {
    "Sensitivity": "sensitivity_at_specificity_90",
    "Specificity": "specificity_at_threshold",
    "PPV": "precision_at_threshold",
    "NPV": "npv_at_threshold",
    "Positive likelihood ratio": "positive_likelihood_ratio_at_threshold",
    "Negative likelihood ratio": "negative_likelihood_ratio_at_threshold",
  }.items():
    assert cells[name] == entry["metrics"][metric]


def test_the_headline_tells_the_counts(made):
  _, _, by_split = made
  block = by_split["test"]["At the threshold chosen on validation"]
  cells = _column(block)
  tp, fn = cells["True positives"], cells["False negatives"]
  assert f"finds {tp} of {tp + fn} “malignant” (TP {tp}" in block["headline"]


def test_the_threshold_wavers_with_the_validation_patients(made):
  held, _, by_split = made
  cells = _column(by_split["test"]["At the threshold chosen on validation"])
  cut = cells["Threshold"]
  assert cut["low"] < cut["value"] < cut["high"]
  split, predicted = held["test"]
  prob = predicted["probs"][:, 1]
  # A higher threshold finds fewer: the ends of one imply those of the other.
  moved = cells["Sensitivity, as the threshold varies"]
  sick = prob[split.arrays["label"] == 1]
  assert moved["low"] == pytest.approx((sick >= cut["high"]).mean(), abs=0.02)
  assert moved["high"] == pytest.approx((sick >= cut["low"]).mean(), abs=0.02)
  on_validation = by_split["validation"]
  assert not [
    name
    for name in _column(on_validation["At the threshold chosen on validation"])
    if "varies" in name
  ]


def test_on_another_cohort_the_threshold_varies_as_it_did_in_the_run(made):
  held, context, by_split = made
  kept = evaluated.decisions(context).drawn
  there = contexts.of(
    BINARY,
    {"cohort": held["test"][0]},
    {"cohort": held["test"][1]},
    decisions=context.decisions,
    settings=SETTINGS,
    prevalence=0.05,
    drawn=json.loads(json.dumps(kept)),
  )
  title = "At the threshold chosen on validation"
  blocks = evaluated.decisions(there).blocks["cohort"]
  (block,) = [block for block in blocks if block["title"] == title]
  expected = _column(by_split["test"][title])
  for name, cell in _column(block).items():
    assert cell == pytest.approx(expected[name], abs=0.02), name
  assert block["note"] == by_split["test"][title]["note"]


def test_a_threshold_from_few_patients_wavers_more():
  split, predicted = many = _answers(80, 1)
  rows = np.repeat(np.arange(8), 10)  # Ten alike examples of each patient.
  alike = dataclasses.replace(split.take(rows), patients=rows.astype(str))
  few = alike, {"probs": predicted["probs"][rows]}
  widths = []
  for validation in (few, many):
    held = {"validation": validation, "test": _answers(60, 2)}
    cells = _column(
      _blocks(BINARY, held)[1]["test"]["At the threshold chosen on validation"]
    )
    widths.append(cells["Threshold"]["high"] - cells["Threshold"]["low"])
  assert widths[0] > widths[1]


def test_net_benefit_is_that_of_the_counts(made):
  held, _, by_split = made
  split, predicted = held["test"]
  label, prob = split.arrays["label"], predicted["probs"][:, 1]
  for cut, model, everybody, gain in by_split["test"]["Net benefit"]["rows"]:
    odds = float(cut) / (1 - float(cut))
    called = prob >= float(cut)
    right, wrong = (called & (label == 1)).sum(), (called & (label == 0)).sum()
    assert model["value"] == pytest.approx((right - odds * wrong) / len(label))
    share = label.mean()
    assert everybody["value"] == pytest.approx(share - (1 - share) * odds)
    other = max(everybody["value"], 0)
    assert gain["value"] == pytest.approx(model["value"] - other)
    assert gain["low"] <= gain["value"] <= gain["high"]


def test_the_observed_risk_has_its_interval(made):
  _, _, by_split = made
  block = by_split["test"]["Observed against predicted risk"]
  assert len(block["rows"]) > 4
  for _, entry in block["rows"]:
    assert 0 <= entry["low"] <= entry["value"] <= entry["high"] <= 1


def test_without_validation_the_threshold_and_its_wavering_are_not_given():
  _, by_split = _blocks(BINARY, {"test": _answers(60, 2)})
  assert set(by_split["test"]) == {
    "Net benefit",
    "Observed against predicted risk",
  }


def test_each_class_of_several_is_asked_for_against_the_rest():
  generator = np.random.default_rng(0)
  info = infos.info("toy", "multiclass", ("a", "b", "c"))
  label = np.arange(90) % 3
  probs = (generator.dirichlet([1, 1, 1], 90) + np.eye(3)[label]) / 2
  split = Split({"label": label}, np.arange(90).astype(str))
  _, by_split = _blocks(info, {"test": (split, {"probs": probs})})
  block = by_split["test"]["Net benefit"]
  assert block["columns"][0] == "Answer"
  assert [row[0] for row in block["rows"][::5]] == ["a", "b", "c"]
  cut, model = block["rows"][5][1:3]
  called, odds = probs[:, 1] >= float(cut), float(cut) / (1 - float(cut))
  right, wrong = (called & (label == 1)).sum(), (called & (label != 1)).sum()
  assert model["value"] == pytest.approx((right - odds * wrong) / 90)


def test_each_label_is_asked_for_where_it_is_known():
  info = infos.info("toy", "multilabel", ("x", "y"))
  generator = np.random.default_rng(0)
  label = generator.integers(0, 2, (80, 2)).astype(np.float32)
  probs = np.clip(0.3 * label + 0.7 * generator.random((80, 2)), 0, 1)
  label[:20, 0] = np.nan
  split = Split({"label": label}, np.arange(80).astype(str))
  held = {"validation": (split, {"probs": probs})}
  context, by_split = _blocks(info, held)
  block = by_split["validation"]["At the threshold chosen on validation"]
  assert block["columns"] == ["", "x", "y"]
  cells = {name: row for name, *row in block["rows"]}
  counts = [row for name, row in cells.items() if name.endswith("tives")]
  assert np.sum(counts, 0).tolist() == [60, 80]
  known = label[20:, 0], probs[20:, 0]
  cut = context.decisions["specificity_90[x]"]
  table = reference.confusion_matrix(known[0], known[1] >= cut)
  assert cells["True positives"][0] == table[1, 1]


def test_a_risk_by_a_horizon_counts_the_lost_by_those_still_followed():
  info = infos.info("toy", "survival", ("death",))
  generator = np.random.default_rng(0)
  time, event = generator.exponential(3, 200), generator.integers(0, 2, 200)
  risk = np.clip(0.9 - time / 8 + 0.2 * generator.random(200), 0.01, 0.99)
  incidence = np.stack([0.5 * risk, risk, np.sqrt(risk)], 1)
  split = Split({"time": time, "event": event}, np.arange(200).astype(str))
  held = {"test": (split, {"risk": risk, "incidence": incidence})}
  _, by_split = _blocks(info, held)
  assert set(by_split["test"]) == {
    "Net benefit",
    "Observed against predicted risk",
    "Decision curves",
  }
  # By hand: who is censored before 2 months has no say, the others stand for
  # them by 1 / P(not censored by then).
  curve = info.target.censoring
  later = np.minimum(time, 2.0)
  free = np.where(later < curve[0][0], 1.0, curve[1][0])
  counts = np.where((time > 2) | (event == 1), 1 / free, 0)
  cut, model = by_split["test"]["Net benefit"]["rows"][2][:2]
  called, failed = risk >= float(cut), (time <= 2) & (event == 1)
  odds = float(cut) / (1 - float(cut))
  worth = (called & failed) - odds * (called & ~failed)
  expected = (counts * worth).sum() / counts.sum()
  assert model["value"] == pytest.approx(expected)
  figure = by_split["test"]["Decision curves"]
  (panel,) = figure["panels"]
  share = (counts * failed).sum() / counts.sum()
  assert panel["title"] == f"death by 2 months ({100 * share:.1f} %)"
  of_model, of_all = panel["lines"]
  at = np.array(of_all["x"])
  np.testing.assert_allclose(of_all["y"], share - (1 - share) * at / (1 - at))
  drawn = np.interp(float(cut), of_model["x"], of_model["y"])
  assert drawn == pytest.approx(expected, abs=0.01)
  assert of_model["low"][9] < of_model["y"][9] < of_model["high"][9]


def test_the_better_of_treating_all_and_none_is_told_with_the_weights():
  """Where the lost count little, the share of events is another."""
  generator = np.random.default_rng(1)
  label, prob = np.repeat([1.0, 0.0], [40, 60]), generator.random(100)
  weight = np.repeat([1.0, 4.0], [40, 60])
  question = Question("death", label, prob, weight)
  asked = Asked(question, np.arange(100), None)
  block = net_benefit.table([asked], (0.25,), SETTINGS)
  (_, model, treat_all, gain), *_ = block["rows"]
  assert treat_all["value"] < 0  # Unweighted, 0.2.
  assert gain["value"] == pytest.approx(model["value"])


def test_numbers_and_one_sided_answers_have_no_decision():
  split, predicted = _answers(40, 0)
  split.arrays["label"][:] = 1
  _, by_split = _blocks(BINARY, {"test": (split, predicted)})
  assert by_split == {"test": {}}
  info = infos.info("toy", "regression", ("age",))
  label = np.ones((9, 1))
  split = Split({"label": label}, np.arange(9).astype(str))
  _, by_split = _blocks(info, {"test": (split, {"value": label})})
  assert by_split == {"test": {}}
