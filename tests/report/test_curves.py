import numpy as np
import pytest

from medfm.metrics import ranking
from medfm.report import curves
from medfm.report.curves import Binary
from medfm.report.reading import Predictions
from medfm.tasks.multiclass import figures as multiclass
from medfm.tasks.multilabel import figures as multilabel


@pytest.fixture
def question():
  generator = np.random.default_rng(0)
  truth = generator.random(200) < 0.3
  scores = np.round(np.clip(0.3 * truth + generator.random(200), 0, 1), 1)
  return Binary("x", truth, scores, np.repeat(np.arange(20), 10).astype(str))


def test_the_area_under_a_curve_is_the_one_beside_it(question):
  asked = question.truth, question.scores
  x, y = curves.roc(*asked)
  assert np.trapezoid(y, x) == pytest.approx(ranking.auroc(*asked), abs=1e-12)
  recall, precision = curves.precision_recall(*asked)
  assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(
    ranking.average_precision(*asked), abs=1e-12
  )


def test_a_weight_of_two_counts_as_two_rows(question):
  truth, scores = question.truth, question.scores
  twice = np.concatenate([truth, truth[:50]])
  again = np.concatenate([scores, scores[:50]])
  weight = np.where(np.arange(200) < 50, 2.0, 1.0)
  np.testing.assert_allclose(
    curves.roc(truth, scores, weight), curves.roc(twice, again), atol=1e-12
  )


def test_rows_that_repeat_a_patient_do_not_narrow_the_band():
  generator = np.random.default_rng(0)
  truth = generator.random(40) < 0.5
  scores = 0.4 * truth + generator.random(40)
  patients = np.arange(40).astype(str)
  once = curves.roc_band(Binary("x", truth, scores, patients))
  repeated = Binary(
    "x", np.tile(truth, 5), np.tile(scores, 5), np.tile(patients, 5)
  )
  many = curves.roc_band(repeated)
  np.testing.assert_allclose(
    (once[2] - once[1]).mean(), (many[2] - many[1]).mean(), rtol=0.15
  )


def test_rows_of_unknown_patients_are_each_their_own_in_the_band():
  generator = np.random.default_rng(0)
  truth = generator.random(300) < 0.3
  scores = truth + generator.normal(size=300)
  named = np.arange(300).astype(str)
  half = np.where(np.arange(300) < 150, "", named)
  widths = []
  for patients in (named, half, None):
    _, low, high = curves.roc_band(Binary("x", truth, scores, patients))
    widths.append((high - low).mean())
  assert widths[1:] == pytest.approx([widths[0]] * 2, rel=0.1)


def test_too_few_patients_and_perfect_curves_have_no_band():
  truth = np.repeat([True, False], [40, 160])
  scores = np.arange(200) % 7 / 7
  four = np.repeat(np.arange(20), 10).astype(str)  # Of positives.
  assert curves.roc_band(Binary("x", truth, scores, four)) is None
  assert curves.roc_band(Binary("x", truth, truth * 1.0, None)) is None
  assert curves.roc_band(Binary("x", truth, scores, None)) is not None


def test_every_score_falls_into_a_bin(question):
  _, _, count = curves.reliability(question.truth, question.scores)
  assert count.sum() == len(question.truth)


def test_two_classes_ask_one_question_about_the_last():
  predictions = Predictions(
    ("no", "yes"),
    None,
    {"label": np.array([0, 1, -1])},
    {"probs": np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])},
  )
  (question,) = multiclass.questions(predictions)
  assert question.name == "yes"
  assert question.scores.tolist() == [0.1, 0.8]


def test_whether_the_likeliest_is_right_is_asked_of_patients_too():
  probs, patients = np.eye(3) * 0.4 + 0.2, np.array(["p1", "", "p1"])
  held = Predictions(
    ("a", "b", "c"), patients, {"label": np.array([0, -1, 1])}, {"probs": probs}
  )
  question = multiclass.confidence(held)
  assert question.patients.tolist() == ["p1", "p1"]
  assert question.truth.tolist() == [True, False]


def test_a_missing_label_is_left_out_of_its_own_question_only():
  predictions = Predictions(
    ("a", "b"),
    None,
    {"label": np.array([[1.0, np.nan], [0.0, 1.0]])},
    {"probs": np.full((2, 2), 0.5)},
  )
  assert [len(q.truth) for q in multilabel.questions(predictions)] == [2, 1]
