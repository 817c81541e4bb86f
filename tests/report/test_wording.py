import pytest

from medfm.report import blocks, wording


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


@pytest.mark.parametrize(
  ("more", "text"),
  [
    (
      {"reason": "no interval: fewer than 10 patients"},
      "fewer than 10 patients",
    ),
    ({"reason": "this cohort: one class"}, "this cohort: one class"),
  ],
)
def test_a_value_without_an_interval_says_why(more, text):
  entry = {"value": 0.5, "low": None, "high": None} | more
  assert wording.explained(entry) == f"0.500 (no interval: {text})"
  assert wording.spoken(entry) == f"0.500 (no interval: {text})"
  assert f"<small>no interval: {text}</small>" in blocks.value(entry)


def test_a_mean_names_the_classes_that_it_leaves_out():
  entry = {"value": 0.5, "low": 0.4, "high": 0.6, "left_out": ["a", "b"]}
  words = "without a and b, where it has no value"
  assert wording.explained(entry) == f"0.500 [0.400, 0.600] ({words})"
  assert f"<small>{words}</small>" in blocks.value(entry)


DESCRIBED = {
  "auroc": {"title": "AUROC", "clause": "ranked above", "better": "more"},
  "brier": {"title": "Brier score", "better": "less"},
  "calibration_slope": {"title": "Calibration slope", "better": 1.0},
}


def test_a_metric_is_shown_as_it_describes_itself():
  assert wording.title("auroc[sick]", DESCRIBED) == "AUROC, sick"
  assert wording.meaning("auroc[sick]", DESCRIBED) == "ranked above"


def test_a_metric_without_a_description_is_shown_by_its_plain_name():
  assert wording.title("c_index[a]", DESCRIBED) == "C index, a"
  assert wording.meaning("c_index", DESCRIBED) == ""


@pytest.mark.parametrize(
  ("metric", "low", "high", "word"),
  [
    ("auroc", 0.01, 0.02, "better"),
    ("auroc[sick]", -0.02, -0.01, "worse"),
    ("brier", -0.02, -0.01, "better"),
    ("brier", 0.01, 0.02, "worse"),
    ("auroc", 0.0, 0.02, "no difference shown"),
    ("auroc", None, None, "not assessed"),
    ("unheard_of", 0.01, 0.02, "not assessed"),
  ],
)
def test_only_an_interval_without_0_shows_a_difference(metric, low, high, word):
  difference = {"value": 0.01, "low": low, "high": high}
  assert wording.verdict(metric, difference, DESCRIBED) == word


@pytest.mark.parametrize(
  ("low", "high", "word"),
  [
    (-0.3, -0.1, "better"),
    (0.1, 0.3, "worse"),
    (-0.1, 0.1, "no difference shown"),
  ],
)
def test_of_a_slope_the_one_nearer_to_1_is_better(low, high, word):
  """Though it is the larger or the smaller of the two."""
  closer = {"value": (low + high) / 2, "low": low, "high": high}
  for sign in (-1, 1):
    ends = {"value": 0.4 * sign, "low": 0.4 * sign, "high": 0.4 * sign}
    entry = ends | {"closer": closer}
    assert wording.verdict("calibration_slope", entry, DESCRIBED) == word


def test_a_larger_slope_is_not_called_better():
  difference = {"value": 0.4, "low": 0.3, "high": 0.5}
  verdict = wording.verdict("calibration_slope", difference, DESCRIBED)
  assert verdict == "not assessed"


@pytest.mark.parametrize(
  ("ideal", "best"), [("more", 1.4), ("less", 0.5), (1.0, 0.9), (None, 1.4)]
)
def test_the_best_of_several_values_is_that_of_most_merit(ideal, best):
  values = (0.5, 0.9, 1.4)
  assert max(values, key=lambda v: wording.merit(v, ideal)) == best
