"""Two cohorts of different patients."""

import pytest

from medfm.evals import unpaired


def _entry(value, low=None, high=None, **more):
  return {"value": value, "low": low, "high": high} | more


def test_what_has_no_value_or_no_interval_says_so():
  none = _entry(None, reason="no positive example")
  difference = unpaired.differences({"a": none}, {"a": _entry(0.5, 0.4, 0.6)})
  assert difference["a"]["value"] is None
  assert difference["a"]["reason"] == "this cohort: no positive example"
  bare = unpaired.differences({"a": _entry(0.7)}, {"a": _entry(0.5, 0.4, 0.6)})
  assert bare["a"]["value"] == pytest.approx(0.2)
  assert bare["a"]["low"] is None and "no interval" in bare["a"]["reason"]


def test_only_metrics_of_both_are_compared():
  both = unpaired.differences(
    {"a": _entry(1, 0, 2), "b": _entry(1, 0, 2)}, {"a": _entry(1, 0, 2)}
  )
  assert list(both) == ["a"]
