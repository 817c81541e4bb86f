"""Stages: the median, thresholds, columns of a table, and the rival."""

import numpy as np
import pytest
from scipy import optimize

from medfm import tasks
from medfm.data.tables.table import Table
from medfm.evals import scores
from medfm.tasks import ordered
from medfm.tasks.ordered import odds
from medfm.types import UserError
from tests import infos

INFO = infos.info("toy", "ordered", ("I", "II", "III"))
PROBS = np.array([[0.6, 0.3, 0.1], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7]])


def table(*cells):
  rows = np.arange(len(cells))
  return Table(("t.csv",), {"stage": [*cells]}, rows + 2, np.zeros_like(rows))


def test_the_median_is_called_and_a_threshold_asks_for_more():
  assert ordered.median(PROBS).tolist() == [0, 1, 2]
  np.testing.assert_allclose(ordered.at_least(PROBS, 1), [0.4, 0.7, 0.9])
  written = ordered.columns(
    INFO, {"label": np.array([0, 1, -1])}, {"probs": PROBS}
  )
  assert written["predicted"] == ["I", "II", "III"]
  assert written["label"] == ["I", "II", ""]


def test_every_threshold_has_its_area_and_the_mean_is_over_them():
  generator = np.random.default_rng(0)
  label = np.arange(60) % 3
  logits = generator.normal(size=(60, 3)) + 2 * np.eye(3)[label]
  probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  entry = scores.scores(
    ordered, INFO, {"label": label}, {"probs": probs}, replicates=0
  )["metrics"]
  two, three = (entry[f"auroc[{k}]"]["value"] for k in ("II or higher", "III"))
  assert entry["auroc"]["value"] == pytest.approx((two + three) / 2)
  pairs = [
    np.mean(a > b) for a in probs[label == 2, 2] for b in [probs[label < 2, 2]]
  ]
  assert three == pytest.approx(np.mean(pairs))


def test_answers_and_questions_are_about_the_order():
  target = {"label": np.array([0, 2, -1])}
  answers = ordered.answers(INFO, target, {"probs": PROBS})
  assert answers.answer.tolist() == [0, 1] and answers.right.tolist() == [1, 0]
  np.testing.assert_allclose(answers.certainty, [0.6, 0.3])
  first, second = ordered.questions(INFO, target, {"probs": PROBS})
  assert (first.name, second.name) == ("II or higher", "III")
  assert first.label[:2].tolist() == [0, 1]


def test_columns_need_an_order_unless_classes_are_numbers():
  asked = tasks.columns_of("ordered", label=("stage",))
  with pytest.raises(UserError, match=r"which order do I, II, III have"):
    asked.read(table("II", "I", "III", "I"))
  truth, names = asked.read(table("10", "9", "2", "9"))
  assert names == ("2", "9", "10") and truth["label"].tolist() == [2, 1, 0, 1]
  given = tasks.columns_of(
    "ordered", label=("stage",), classes=("low", "mid", "high")
  )
  truth, names = given.read(table("high", "low", "mid"))
  assert truth["label"].tolist() == [2, 0, 1]
  assert given.target(names, truth) == ordered.Ordered(names, (1, 1, 1))


def test_the_ordinal_rival_is_the_maximum_of_its_likelihood():
  generator = np.random.default_rng(0)
  x = generator.normal(size=(80, 2))
  y = np.digitize(x[:, 0] + generator.logistic(size=80), [-1, 1])
  model = odds.ProportionalOdds(C=1e9).fit(x, y)
  probs = model.predict_proba(x)
  np.testing.assert_allclose(probs.sum(1), 1)

  def loss(at):
    cuts = [at[2], at[2] + np.exp(at[3])]
    below = [1 / (1 + np.exp(x @ at[:2] - cut)) for cut in cuts]
    each = np.stack([below[0], below[1] - below[0], 1 - below[1]], 1)
    return -np.log(each[np.arange(80), y]).sum()

  best = optimize.minimize(loss, np.array([0, 0, -1, 0.5]), tol=1e-10)
  mine = -np.log(probs[np.arange(80), y]).sum()
  assert mine == pytest.approx(best.fun, abs=1e-4)


def test_its_gradient_is_that_of_its_loss():
  generator = np.random.default_rng(1)
  z, place = generator.normal(size=(9, 2)), np.arange(9) % 4
  at = np.array([0.3, -0.2, -0.5, 0.1, -0.3])
  given = (z, place, 3, 0.5)
  error = optimize.check_grad(
    lambda a: odds._loss(a, *given)[0],
    lambda a: odds._loss(a, *given)[1],
    at,
  )
  assert error < 1e-5
