"""What a survival target tells of its training split."""

import numpy as np
import pytest

from medfm.metrics.survival import kaplan_meier
from medfm.tasks.survival import fitted
from medfm.types import UserError


def follow_up(count=200):
  generator = np.random.default_rng(0)
  fails, lost = (
    generator.exponential(10, count),
    generator.uniform(0, 30, count),
  )
  return np.minimum(fails, lost), (fails <= lost).astype(int)


def test_times_are_quantiles_of_event_times_and_the_horizons():
  time, event = follow_up()
  target = fitted(["death"], time, event, horizons=(7.5,), intervals=10)
  assert len(target.times) == 11 and target.times == tuple(sorted(target.times))
  own = np.array([t for t in target.times if t != 7.5])
  assert np.isin(own, time[event == 1]).all()
  inside = np.searchsorted(own, time[(event == 1) & (time <= own[-1])])
  assert np.ptp(np.bincount(inside)) <= 1


def test_times_end_where_a_tenth_is_still_followed():
  time, event = follow_up()
  assert (time > fitted(["death"], time, event).times[-1]).mean() >= 0.1


def test_incidence_is_that_of_the_split():
  time, event = follow_up()
  target = fitted(["death"], time, event)
  np.testing.assert_allclose(
    1 - np.array(target.incidence[0]),
    kaplan_meier(time, event, times=target.times),
  )


def test_horizons_are_quartiles_in_two_digits():
  time, event = follow_up()
  quartiles = np.quantile(time[event == 1], (0.25, 0.5, 0.75))
  horizons = fitted(["death"], time, event).horizons
  np.testing.assert_allclose(horizons, quartiles, rtol=0.15)
  assert all(float(f"{each:.2g}") == each for each in horizons)


def test_unknown_outcomes_are_left_out():
  time, event = follow_up()
  more = np.append(time, [np.nan, 3]), np.append(event, [1, -1])
  assert fitted(["death"], *more) == fitted(["death"], time, event)


def test_counts_are_of_each_cause():
  time, event = follow_up()
  event[event == 1] = np.arange(event.sum()) % 3 % 2 + 1
  target = fitted(["death", "relapse"], time, event)
  assert target.counts == tuple(np.bincount(event)[1:])


def test_a_horizon_nobody_is_followed_to_is_refused():
  with pytest.raises(UserError, match="horizon 99: expected"):
    fitted(["death"], *follow_up(), horizons=(5, 99))


def test_a_cause_without_an_event_is_refused():
  with pytest.raises(UserError, match="has the event 'relapse'"):
    fitted(["death", "relapse"], *follow_up())


def test_events_at_time_zero_alone_are_refused():
  with pytest.raises(UserError, match="survival cannot be learnt"):
    fitted(["death"], np.array([0.0, 3, 3]), np.array([1, 0, 0]))
