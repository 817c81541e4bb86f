import pytest

from medfm.report import wording


@pytest.mark.parametrize(
  ("entry", "text"),
  [
    ({"value": 0.91234, "low": 0.88, "high": 0.94}, "0.912 [0.880, 0.940]"),
    ({"value": 12345.6, "low": 9.5, "high": 20000}, "12,346 [10, 20,000]"),
    ({"value": 1e-4, "low": -0.01, "high": 0.02}, "0.000 [−0.010, 0.020]"),
    ({"value": 2e-5, "low": 1e-5, "high": 3e-5}, "2.0e-05 [1.0e-05, 3.0e-05]"),
    ({"value": 0.5, "low": None, "high": None}, "0.500"),
    ({"value": None, "reason": "one class"}, "n/a (one class)"),
    (None, "n/a"),
  ],
)
def test_an_interval_is_written_in_the_digits_of_its_largest(entry, text):
  assert wording.interval(entry) == text


def test_a_metric_at_a_stated_specificity_has_its_meaning():
  assert "specificity" in wording.meaning("sensitivity_at_specificity_90[a]")


@pytest.mark.parametrize(
  ("metric", "low", "high", "word"),
  [
    ("auroc", 0.01, 0.02, "better"),
    ("auroc", -0.02, -0.01, "worse"),
    ("brier", -0.02, -0.01, "better"),
    ("rmse", 0.01, 0.02, "worse"),
    ("auroc", 0.0, 0.02, "no difference shown"),
    ("auroc", None, None, "not assessed"),
  ],
)
def test_only_an_interval_without_0_shows_a_difference(metric, low, high, word):
  difference = {"value": 0.01, "low": low, "high": high}
  assert wording.verdict(metric, difference) == word
