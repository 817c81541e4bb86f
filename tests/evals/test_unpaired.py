"""Two cohorts of different patients."""

import math

import pytest

from medfm.evals import unpaired


def _entry(value, low=None, high=None, **more):
  return {"value": value, "low": low, "high": high} | more


def _wilson(count, n, z=1.959964):
  share, spread = count / n, z * math.sqrt(count * (n - count) / n + z**2 / 4)
  middle = count + z**2 / 2
  return _entry(share, (middle - spread) / (n + z**2), (middle + spread) / (
    n + z**2))  # fmt: skip


def test_two_proportions_have_newcombes_interval():
  """56 of 70 against 48 of 80, each by Wilson; method 10 of Newcombe 1998,
  Statistics in Medicine 17, 873, example (a): 0.0524 to 0.3339."""
  here, there = {"share": _wilson(56, 70)}, {"share": _wilson(48, 80)}
  difference = unpaired.differences(here, there)["share"]
  assert difference["value"] == pytest.approx(0.2)
  assert difference["low"] == pytest.approx(0.0524, abs=5e-5)
  assert difference["high"] == pytest.approx(0.3339, abs=5e-5)


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
