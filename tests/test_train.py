"""What the loop takes for its best step."""

import math

import pytest

from medfm import train

BEST = {"metric": "validation/auroc", "value": 0.7, "step": 10}
BAD = (None, math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("select", ["auroc", "-auroc"])
@pytest.mark.parametrize("best", [None, BEST])
def test_a_score_that_is_not_finite_is_never_the_best(select, best, bad):
  scores = {"validation/auroc": bad}
  assert train._better(select, best, scores, 20) is best


@pytest.mark.parametrize(("select", "sign"), [("auroc", 1), ("-auroc", -1)])
def test_a_better_score_is_the_best_and_of_equal_ones_the_first(select, sign):
  def best(score):
    return train._better(select, BEST, {"validation/auroc": score}, 20)

  better = 0.7 + 0.1 * sign
  assert best(better) == {**BEST, "value": better, "step": 20}
  assert best(0.7) == best(0.7 - 0.1 * sign) == BEST
