"""Survival: likelihoods by hand and against lifelines, ties and padding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.data.tables.input import Table
from medfm.metrics.survival import aalen_johansen
from medfm.models.linear import Linear
from medfm.objectives.survival import (
  breslow,
  cox,
  discrete_hazards,
  partial_likelihood,
)
from medfm.tasks import survival as task
from medfm.types import Info, UserError
from tests.objectives import toy

# Deaths at 1, 2, 2 and 4; censored at 2, 3 and 5.
TIME = np.array([2.0, 1, 2, 5, 3, 2, 4], "float32")
EVENT = np.array([1, 1, 1, 0, 0, 0, 1])
RISK = np.array([0.5, -1, 0.3, 2, -0.7, 1, 0.1], "float32")
ONES = np.ones(7, "float32")


def cohort(count=200, causes=1, features=3):
  """Rows whose first feature shortens their life; many tied times."""
  generator = np.random.default_rng(0)
  x = generator.normal(size=(count, features)).astype("float32")
  fails = np.ceil(10 * generator.exponential(np.exp(-x[:, 0])))
  lost = np.ceil(generator.uniform(0, 30, count))
  cause = generator.integers(1, causes + 1, count)
  time = np.minimum(fails, lost).astype("float32")
  event = np.where(fails <= lost, cause, 0).astype("int32")
  names = ("death", "relapse")[:causes]
  batch = {
    "features": x,
    "time": time,
    "event": event,
    "weight": np.ones(count, "float32"),
    "id": np.arange(count, dtype="int32"),
  }
  table = Table(tuple("abc")[:features], (0.0,) * features, (1.0,) * features)
  info = Info(
    "toy",
    {"table": table},
    task.fitted(names, time, event, horizons=(5, 10), intervals=8),
  )
  return info, batch


def started(objective, batch):
  return jax.jit(objective.init)(jax.random.key(0), batch)


def with_slopes(variables, slopes):
  head = {"kernel": jnp.asarray(slopes)[:, None], "bias": jnp.zeros(1)}
  return {**variables, "params": {"model": {"head": head}}}


def test_each_of_tied_deaths_is_charged_with_efrons_denominators():
  r = np.exp(RISK.astype(float))
  at_two = r.sum() - r[1]  # All but the one who died at 1.
  tied = (np.log(at_two) + np.log(at_two - (r[0] + r[2]) / 2)) / 2
  expected = np.zeros(7)
  expected[1] = np.log(r.sum()) - RISK[1]
  expected[0], expected[2] = tied - RISK[0], tied - RISK[2]
  expected[6] = np.log(r[6] + r[3]) - RISK[6]
  losses = partial_likelihood(RISK, TIME, EVENT, ONES)
  np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)


def test_what_has_no_weight_is_in_no_risk_set():
  weight = np.concatenate([ONES, [0, 0]]).astype("float32")
  more = [
    np.concatenate([array, added]).astype(array.dtype)
    for array, added in ((RISK, [50, -3]), (TIME, [2, 9]), (EVENT, [1, 1]))
  ]
  losses = partial_likelihood(*more, weight)
  alone = partial_likelihood(RISK, TIME, EVENT, ONES)
  np.testing.assert_allclose(losses[:7], alone, rtol=1e-6)
  np.testing.assert_array_equal(losses[7:], 0)


def test_whole_weights_of_censored_rows_are_repeated_rows():
  weight = np.array([1, 1, 1, 3, 2, 1, 1], "float32")
  rows = np.repeat(np.arange(7), weight.astype(int))
  single = partial_likelihood(RISK, TIME, EVENT, weight)
  repeated = partial_likelihood(
    RISK[rows], TIME[rows], EVENT[rows], np.ones(10, "float32")
  )
  np.testing.assert_allclose(single.sum(), repeated.sum(), rtol=1e-6)


def test_large_risks_give_finite_losses_and_gradients():
  def total(risk):
    return partial_likelihood(risk, TIME, EVENT, ONES).sum()

  value, gradient = jax.value_and_grad(total)(1000 * RISK)
  assert np.isfinite(value) and np.isfinite(gradient).all()


def test_value_and_gradient_vanish_at_the_fit_of_lifelines():
  lifelines = pytest.importorskip("lifelines")
  import pandas as pd

  _, batch = cohort()
  table = pd.DataFrame(batch["features"], columns=list("abc"))
  table["time"], table["event"] = batch["time"], batch["event"]
  fit = lifelines.CoxPHFitter().fit(table, "time", "event")

  @jax.value_and_grad
  def total(slopes):
    risk = batch["features"] @ slopes
    return partial_likelihood(
      risk, batch["time"], batch["event"], batch["weight"]
    ).sum()

  slopes = jnp.asarray(fit.params_.values, jnp.float32)
  value, gradient = total(slopes)
  np.testing.assert_allclose(value, -fit.log_likelihood_, rtol=1e-6)
  np.testing.assert_allclose(gradient, 0, atol=1e-3)


def test_the_baseline_is_breslows_by_hand():
  r = np.exp(RISK.astype(float))
  at_two = r.sum() - r[1]
  steps = np.cumsum([1 / r.sum(), 2 / at_two, 1 / (r[6] + r[3])])
  hazard = breslow(RISK, TIME, EVENT, ONES, np.array([0.5, 1, 3, 4]))
  np.testing.assert_allclose(hazard, [0, *steps], rtol=1e-5)


def test_the_baseline_of_whole_weights_is_that_of_repeated_rows():
  weight = np.array([1, 2, 1, 3, 2, 1, 2], "float32")
  rows = np.repeat(np.arange(7), weight.astype(int))
  times = np.array([1, 2, 4])
  np.testing.assert_allclose(
    breslow(RISK, TIME, EVENT, weight, times),
    breslow(RISK[rows], TIME[rows], EVENT[rows], 0 * RISK[rows] + 1, times),
    rtol=1e-6,
  )


def test_survival_of_a_fitted_cox_model_equals_that_of_lifelines():
  lifelines = pytest.importorskip("lifelines")
  import pandas as pd

  info, batch = cohort()
  table = pd.DataFrame(batch["features"], columns=list("abc"))
  table["time"], table["event"] = batch["time"], batch["event"]
  fit = lifelines.CoxPHFitter().fit(table, "time", "event")
  objective = cox(info, model=Linear)
  variables = with_slopes(started(objective, batch), fit.params_.values)
  _, updates = jax.jit(objective.loss)(variables, batch, jax.random.key(0))
  predicted = objective.predict({**variables, **updates}, batch)
  expected = fit.predict_survival_function(table, times=info.target.times)
  np.testing.assert_allclose(
    predicted["survival"], expected.values.T, rtol=1e-4, atol=1e-5
  )


def test_a_cox_model_starts_from_the_kaplan_meier_curve():
  info, batch = cohort()
  objective = cox(info, model=Linear)
  predicted = objective.predict(started(objective, batch), batch)
  expected = 1 - np.array(info.target.incidence[0])
  np.testing.assert_allclose(predicted["survival"][0], expected, rtol=1e-5)


def test_small_batches_keep_a_share_of_the_hazards_before():
  info, batch = cohort()
  variables = started(cox(info, model=Linear), batch)
  ends = [
    cox(info, model=Linear, baseline_decay=decay).loss(
      variables, batch, jax.random.key(0)
    )[1]["baseline"]["hazard"]
    for decay in (0, 0.9)
  ]
  start = variables["baseline"]["hazard"]
  np.testing.assert_allclose(ends[1], 0.9 * start + 0.1 * ends[0], rtol=1e-6)


def test_discrete_hazards_start_from_the_curves_of_the_training_split():
  info, batch = cohort(causes=2)
  objective = discrete_hazards(info, model=Linear)
  predicted = objective.predict(started(objective, batch), batch)
  for cause in (1, 2):
    np.testing.assert_allclose(
      predicted["incidence"][0, cause - 1],
      aalen_johansen(
        batch["time"], batch["event"], times=info.target.times, cause=cause
      ),
      atol=2e-3,
    )


def test_incidence_and_survival_are_one():
  info, batch = cohort(causes=2)
  objective = discrete_hazards(info, model=functools.partial(Linear))
  variables = started(objective, batch)
  variables = jax.tree.map(
    lambda leaf: jax.random.normal(jax.random.key(1), leaf.shape), variables
  )
  predicted = objective.predict(variables, batch)
  total = predicted["survival"] + predicted["incidence"].sum(1)
  np.testing.assert_allclose(total, 1, atol=1e-5)
  assert (np.diff(predicted["survival"]) <= 1e-6).all()


def discrete(time, event):
  """The losses of rows in the grid 2, 4, 6 where every hazard is a half."""
  target = task.Survival(
    names=("death",),
    counts=(1,),
    unit="",
    horizons=(2.0,),
    times=(2.0, 4.0, 6.0),
    incidence=((0.5, 0.75, 0.875),),
    censoring=((9.0,), (1.0,)),
  )
  info = Info("toy", {"table": Table(("a",), (0.0,), (1.0,))}, target)
  batch = {
    "features": np.zeros((len(time), 1), "float32"),
    "time": np.array(time, "float32"),
    "event": np.array(event, "int32"),
    "weight": np.ones(len(time), "float32"),
    "id": np.arange(len(time), dtype="int32"),
  }
  objective = discrete_hazards(info, model=Linear)
  variables = started(objective, batch)
  terms, _ = objective.loss(variables, batch, jax.random.key(0))
  return terms, objective.predict(variables, batch)


def test_an_interval_holds_its_upper_end_and_a_censored_one_its_half():
  # Event in the 1st, at its end, in the 2nd, after the last; censored before
  # the middle of the 2nd, at it, and after all.
  terms, _ = discrete([0, 2, 2.1, 7, 2.9, 3, 7], [1, 1, 1, 1, 0, 0, 0])
  halves = np.array([1, 1, 2, 3, 1, 2, 3])
  np.testing.assert_allclose(terms["loss"], halves * np.log(2), rtol=1e-5)


def test_unknown_outcomes_have_no_weight():
  terms, _ = discrete([3, np.nan, 3], [1, 1, -1])
  assert terms["weight"].tolist() == [1, 0, 0]
  assert (np.asarray(terms["loss"])[1:] == 0).all()


def test_the_risk_is_the_share_of_time_lost():
  _, predicted = discrete([1], [1])
  area = (1 + 0.5) / 2 + (0.5 + 0.25) / 2 + (0.25 + 0.125) / 2
  np.testing.assert_allclose(predicted["risk"], 1 - area / 3, rtol=1e-5)


def test_cox_refuses_several_causes():
  with pytest.raises(UserError, match="several causes"):
    cox(cohort(causes=2)[0], model=Linear)


@pytest.mark.parametrize("objective", [cox, discrete_hazards])
def test_data_without_times_are_refused(objective):
  with pytest.raises(
    UserError, match="multiclass data set and this objective is for surv"
  ):
    objective(toy.multiclass()[0], model=Linear)
