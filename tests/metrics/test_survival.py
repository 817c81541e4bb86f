"""Survival metrics by hand on few patients, and against two libraries."""

from functools import partial

import numpy as np
import pytest

from medfm.metrics import survival
from medfm.metrics.intervals import entries
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.undefined import Undefined

# Deaths at 1, 2, 2 and 4; censored at 2, 3 and 5.
TIME = np.array([1.0, 2, 2, 2, 3, 4, 5])
EVENT = np.array([1, 1, 1, 0, 0, 1, 0])
RISK = np.array([9.0, 8, 3, 5, 5, 5, 2])
NEVER = ((90.0,), (1.0,))
"""Nobody is censored before 90."""
AT = {"horizon": 10, "censoring": NEVER}


def cohort(count=300, seed=0, causes=1):
  """Time, event, and a score to rank by: many ties, about half censored."""
  generator = np.random.default_rng(seed)
  score = np.round(generator.normal(size=count), 1)
  fails = np.ceil(16 * generator.exponential(np.exp(-score)))
  lost = np.ceil(generator.uniform(0, 40, count))
  lost[-1] = fails[-1] = 60
  cause = generator.integers(1, causes + 1, count)
  event = np.where(fails <= lost, cause, 0)
  event[-1] = 0
  return np.minimum(fails, lost), event, score


def risks(score, times):
  """Risks [N,T] of an exponential model, up to three decimals."""
  hazard = np.exp(score)[:, None] / 16
  return np.round(1 - np.exp(-hazard * np.array(times)), 3)


METRICS = {
  "concordance": survival.concordance,
  "brier_at": partial(survival.brier_at, **AT),
  "auroc_at": partial(survival.auroc_at, **AT),
  "observed_expected": partial(survival.observed_expected, horizon=10),
}
every = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


def test_concordance_by_hand_with_ties():
  # 1 beats six. Each death at 2 meets the one censored then and the three
  # later: 8 beats all four; 3 beats 2 alone. The death at 4 beats 5's.
  won, pairs = 6 + 4 + 1 + 1, 6 + 4 + 4 + 1
  assert survival.concordance(TIME, EVENT, RISK) == pytest.approx(won / pairs)


def test_equal_risks_count_half():
  assert survival.concordance(TIME, EVENT, np.ones(7)) == 0.5


def test_another_cause_counts_as_censored():
  event = np.array([2, 1, 1, 0, 0, 1, 0])
  # As above without the pairs of the first death.
  assert survival.concordance(TIME, event, RISK) == pytest.approx(6 / 9)


def test_kaplan_meier_by_hand_with_ties():
  # At 2, six are at risk and two die; at 4, two are and one dies.
  curve = survival.kaplan_meier(TIME, EVENT, times=(0.5, 1, 2, 3.9, 4, 5))
  steps = np.cumprod([1, 6 / 7, 4 / 6, 1, 1 / 2, 1])
  np.testing.assert_allclose(curve, steps)


def test_numbers_at_risk_are_those_followed_until_just_before():
  at_risk = survival.numbers_at_risk(TIME, np.array([0, 1, 2, 2.5, 5, 6]))
  assert at_risk.tolist() == [7, 7, 6, 3, 1, 0]


def test_censoring_by_hand_lets_deaths_go_first():
  # At 2, four of seven are left once the deaths are gone; one is censored.
  times, values = survival.censoring(TIME, EVENT)
  assert times == (2, 3, 5)
  np.testing.assert_allclose(values, np.cumprod([3 / 4, 2 / 3, 0]))


def test_aalen_johansen_by_hand():
  event = np.array([2, 1, 2, 0, 0, 1, 0])
  first = survival.aalen_johansen(TIME, event, times=(1, 2, 4))
  second = survival.aalen_johansen(TIME, event, times=(1, 2, 4), cause=2)
  np.testing.assert_allclose(first, [0, 1 / 7, 1 / 7 + 4 / 7 / 2])
  np.testing.assert_allclose(second, [1 / 7, 2 / 7, 2 / 7])


def test_brier_by_hand():
  # At 2.5: the one censored at 2 is not known. P(not censored) is 3/4 at 2
  # and after it, 1 at 1.
  censoring = survival.censoring(TIME, EVENT)
  risk = np.array([0.9, 0.8, 0.3, 0.5, 0.5, 0.5, 0.2])
  squares = [0.01, 0.04 * 4 / 3, 0.49 * 4 / 3]
  squares += [4 / 3 * p**2 for p in (0.5, 0.5, 0.2)]
  score = survival.brier_at(TIME, EVENT, risk, horizon=2.5, censoring=censoring)
  assert score == pytest.approx(sum(squares) / 7)


def test_the_auroc_by_hand_weighs_cases():
  # Cases at 1 (weight 1) and 2 (4/3 each); controls with risks 5, 5, 2.
  censoring = survival.censoring(TIME, EVENT)
  area = survival.auroc_at(TIME, EVENT, RISK, horizon=2.5, censoring=censoring)
  assert area == pytest.approx((1 + 4 / 3 + 4 / 9) / (1 + 8 / 3))


def test_another_cause_is_a_control_of_the_auroc():
  event = np.array([2, 1, 1, 1, 0, 1, 0])
  area = survival.auroc_at(TIME, event, -RISK, horizon=2.5, censoring=NEVER)
  # Below the first: all three cases. Below 5, 5 and 2 at -8, -3 and -5.
  wins = 3 + (0 + 2 + 1) + 0
  assert area == pytest.approx(wins / 12)


def test_observed_over_expected_is_one_where_the_mean_is_right():
  time, event, _ = cohort()
  observed = 1 - survival.kaplan_meier(time, event, times=(10,))
  ratio = survival.observed_expected(
    time, event, np.full(300, observed[0] / 2), horizon=10
  )
  assert ratio == pytest.approx(2)


def test_every_metric_equals_scikit_survival():
  metrics = pytest.importorskip("sksurv.metrics")
  arrays = pytest.importorskip("sksurv.util").Surv.from_arrays
  time, event, score = cohort()
  trained = cohort(500, seed=1)[:2]
  censoring = survival.censoring(*trained)
  times = (5.0, 10.0, 20.0, 30.0)
  risk = risks(score, times)
  outcomes = arrays(trained[1] > 0, trained[0]), arrays(event > 0, time)
  at = [{"horizon": h, "censoring": censoring} for h in times]
  equal = partial(np.testing.assert_allclose, rtol=1e-12)
  equal(
    survival.concordance(time, event, score),
    metrics.concordance_index_censored(event > 0, time, score)[0],
  )
  equal(
    [
      survival.brier_at(time, event, risk[:, i], **at[i])
      for i in range(len(times))
    ],
    metrics.brier_score(*outcomes, 1 - risk, times)[1],
  )
  equal(
    survival.integrated_brier(
      time, event, risk, times=times, censoring=censoring
    ),
    metrics.integrated_brier_score(*outcomes, 1 - risk, times),
  )
  equal(
    [
      survival.auroc_at(time, event, risk[:, i], **at[i])
      for i in range(len(times))
    ],
    metrics.cumulative_dynamic_auc(*outcomes, risk, times)[0],
  )


def test_curves_equal_lifelines():
  lifelines = pytest.importorskip("lifelines")
  time, event, score = cohort(causes=2)
  times = np.arange(0, 41.0)
  fitted = lifelines.KaplanMeierFitter().fit(time, event > 0)
  np.testing.assert_allclose(
    survival.kaplan_meier(time, event, times=times),
    fitted.survival_function_at_times(times),
    rtol=1e-12,
  )
  from lifelines.utils import concordance_index

  assert survival.concordance(time, event > 0, score) == pytest.approx(
    concordance_index(time, -score, event > 0), abs=1e-12
  )


def test_incidence_equals_scikit_survival():
  library = pytest.importorskip("sksurv.nonparametric")
  time, event, _ = cohort(causes=2)
  at, incidence = library.cumulative_incidence_competing_risks(event, time)
  for cause in (1, 2):
    np.testing.assert_allclose(
      survival.aalen_johansen(time, event, times=at, cause=cause),
      incidence[cause],
      atol=1e-12,
    )


@every
def test_whole_weights_are_repeated_rows(metric):
  time, event, score = cohort(causes=2)
  risk = risks(score, (10,))[:, 0]
  weight = np.random.default_rng(0).integers(0, 4, 300)
  rows = np.repeat(np.arange(300), weight)
  np.testing.assert_allclose(
    metric(time, event, risk, weight),
    metric(time[rows], event[rows], risk[rows]),
    rtol=1e-12,
  )


@every
def test_rows_of_weights_give_one_value_each(metric):
  time, event, score = cohort(causes=2)
  risk = risks(score, (10,))[:, 0]
  weight = np.random.default_rng(0).integers(0, 4, (5, 300))
  np.testing.assert_allclose(
    metric(time, event, risk, weight),
    [metric(time, event, risk, row) for row in weight],
    rtol=1e-12,
  )


@every
def test_unknown_outcomes_are_left_out(metric):
  time, event, score = cohort()
  risk = risks(score, (10,))[:, 0]
  time[0], event[1] = np.nan, -1
  assert metric(time, event, risk) == metric(time[2:], event[2:], risk[2:])


@every
def test_nobody_known_is_undefined(metric):
  with pytest.raises(Undefined, match="no labelled example"):
    metric(TIME, np.full(7, -1), RISK)


@every
def test_a_prediction_that_is_not_finite_is_undefined(metric):
  with pytest.raises(Undefined, match="1 predictions are not finite"):
    metric(TIME, EVENT, np.where(TIME == 5, np.nan, 0.5))


@pytest.mark.parametrize(
  ("metric", "event", "risk", "reason"),
  [
    (survival.concordance, 0 * EVENT, RISK, "no event is followed"),
    (METRICS["brier_at"], EVENT, RISK / 9, "nobody is followed past"),
    (METRICS["auroc_at"], EVENT, RISK / 9, "nobody is followed past"),
    (METRICS["observed_expected"], EVENT, RISK, "nobody is followed past"),
    (
      partial(survival.auroc_at, horizon=0.5, censoring=NEVER),
      EVENT,
      RISK,
      "nobody fails by",
    ),
    (
      partial(survival.brier_at, horizon=2, censoring=NEVER),
      EVENT,
      RISK,
      "not a probability",
    ),
    (
      partial(survival.brier_at, horizon=2, censoring=((1.0,), (0.5,))),
      EVENT,
      RISK / 9,
      "no training example is followed",
    ),
    (
      partial(survival.observed_expected, horizon=2),
      EVENT,
      0 * RISK,
      "every predicted risk is 0",
    ),
  ],
)
def test_what_has_no_value_says_why(metric, event, risk, reason):
  with pytest.raises(Undefined, match=reason):
    metric(TIME, event, risk)


def test_a_negative_time_is_an_error():
  with pytest.raises(ValueError, match="negative"):
    survival.concordance(TIME - 2, EVENT, RISK)


def test_a_resample_without_events_has_no_value_and_others_have():
  weight = np.array([1 - EVENT, np.ones(7)])
  values = survival.concordance(TIME, EVENT, RISK, weight)
  assert np.isnan(values[0]) and values[1] == pytest.approx(12 / 15)


def test_a_concordance_has_an_interval_around_it():
  time, event, score = cohort()
  entry = entries.entries(
    {"it": partial(survival.concordance, time, event, score)},
    Sample(np.arange(300) // 2),
  )["it"]
  assert 0.6 < entry["low"] < entry["value"] < entry["high"] < 0.9
