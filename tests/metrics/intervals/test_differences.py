"""Differences of two entries whose patients are others."""

import pytest

from medfm.metrics.intervals.differences import difference
from medfm.metrics.intervals.proportions import wilson

NAMES = ("here", "there")


def _share(hits, count):
  low, high = wilson(hits / count, count, 1.959964)
  return {"value": hits / count, "low": low, "high": high}


def test_two_shares_have_newcombes_interval():
  """Newcombe 1998, Statistics in Medicine 17, 873, method 10, example (a)."""
  entry = difference(_share(56, 70), _share(48, 80), NAMES)
  assert entry["value"] == pytest.approx(0.2)
  assert entry["low"] == pytest.approx(0.0524, abs=5e-5)
  assert entry["high"] == pytest.approx(0.3339, abs=5e-5)


def test_what_has_no_value_or_no_interval_says_whose_it_is():
  whole = {"value": 0.5, "low": 0.4, "high": 0.6}
  nothing = {"value": None, "low": None, "high": None, "reason": "no event"}
  bare = {"value": 0.7, "low": None, "high": None}
  assert difference(whole, nothing, NAMES)["reason"] == "there: no event"
  entry = difference(bare, whole, NAMES)
  assert entry["value"] == pytest.approx(0.2) and entry["low"] is None
  assert entry["reason"] == "here: no interval"
