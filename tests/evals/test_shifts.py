"""How a cohort differs from the training split."""

import json

import numpy as np
import pytest

from medfm.data.images.input import Image
from medfm.data.tables.input import Table
from medfm.data.text.input import Tokens
from medfm.evals import shifts
from medfm.tasks.multiclass import Classes
from medfm.types import Info, Split
from tests.evals import contexts

INFO = Info(
  "here",
  {"table": Table(("age", "dose"), (50.0, 1.0), (10.0, 1.0), {"sex": "fm"})},
  Classes(("well", "ill")),
)


def _rows(age, sex, label, dose=1.0):
  dose = np.full(len(age), dose)
  features = np.stack([age, dose], 1).astype(np.float32)
  arrays = {
    "features": features,
    "categories": np.array(sex, np.int32)[:, None],
    "label": np.array(label, np.int32),
  }
  return Split(arrays, np.array([f"e{i}" for i in range(len(age))]))


def _many(seed, mean, count=200):
  generator = np.random.default_rng(seed)
  half = np.arange(count) % 2
  return _rows(generator.normal(mean, 10, count), half, half)


def _shown(cohort, trained=None, train=None, info=INFO):
  parts = {"test": cohort}
  given = contexts.of(info, parts, train=train, trained=trained, replicates=50)
  blocks = shifts.shift(given).blocks.get("test", [])
  return {block["title"]: block for block in blocks}


def _row(block, name):
  (row,) = [row for row in block["rows"] if row[0] == name]
  return dict(zip(block["columns"], row, strict=True))


def test_a_number_that_moved_is_told_by_its_standardised_difference():
  train = _rows([40, 50, 60], [0, 1, 1], [0, 0, 1])
  cohort = _rows([60, np.nan, 80, 70], [0, 0, 0, -1], [1, 1, 1, 0])
  trained = json.loads(json.dumps(shifts.summary(train, INFO)))
  block = _shown(cohort, trained)["Shift of table: numbers"]
  age = _row(block, "age")
  assert age["Training mean"] == 50 and age["Cohort mean"] == 70
  assert age["Std. difference"] == pytest.approx(2)
  assert age["Outside 1–99\u00a0%"] == "100.0 %"
  assert age["Missing"] == "25.0 %"
  assert age["Missing in training"] == "0.0 %"
  assert age["Training SD"] == pytest.approx(10)
  assert _row(block, "dose")["Std. difference"] == 0
  assert [row[0] for row in block["rows"]] == ["age", "dose"]
  gaps = _rows([40, np.nan, 60, 50], [0, 1, 1, 1], [0, 0, 1, 1])
  gaps.arrays["features"][:, 1] = np.nan
  again = _shown(gaps, trained)["Shift of table: numbers"]
  assert [row[0] for row in again["rows"]] == ["dose", "age"]
  assert block["note"].startswith("1 of 2 differ")


def test_the_summary_of_training_holds_percentiles_and_no_extreme_value():
  age = np.append(np.random.default_rng(0).normal(50, 10, 250), np.nan)
  train = _rows(age, [0] * 251, [0, 1, *[0] * 249])
  kept = shifts.summary(train, INFO)["inputs"]["table"]["numbers"]["age"]
  expected = np.nanquantile(train.arrays["features"][:, 0], [0.01, 0.99])
  assert [kept["p1"], kept["p99"]] == pytest.approx(expected.tolist())
  assert set(kept) == {"n", "missing", "mean", "std", "p1", "p99"}
  beside = _rows([age[0], 500.0], [0, 0], [0, 1])
  block = _shown(beside, shifts.summary(train, INFO))["Shift of table: numbers"]
  assert _row(block, "age")["Outside 1–99\u00a0%"] == "50.0 %"
  assert "1st or above the 99th percentile of training" in block["note"]


def test_levels_and_classes_are_told_by_their_shares():
  train = _rows([40, 50, 60, 50], [0, 0, 0, 1], [0, 0, 0, 1])
  cohort = _rows([60, 70], [1, -1], [1, 1])
  blocks = _shown(cohort, shifts.summary(train, INFO))
  levels = blocks["Shift of table: levels"]
  row = _row(levels, "sex: f")
  assert row["Training share"] == "75.0 %" and row["Cohort share"] == "0.0 %"
  assert row["Training n"] == 3 and row["Cohort n"] == 0
  assert _row(levels, "sex: missing or unknown")["Cohort share"] == "50.0 %"
  classes = blocks["Shift of what is predicted: levels"]
  assert _row(classes, "class: ill")["Training share"] == "25.0 %"
  assert _row(classes, "class: ill")["Cohort share"] == "100.0 %"


def test_a_text_of_several_windows_is_counted_once():
  rows = _rows([1, 1, 1, 2], [0, 0, 0, 1], [1, 1, 1, 0])
  rows.arrays["document"] = np.array([0, 0, 0, 1])
  assert shifts.answers(rows, INFO) == {"class": {"well": 1, "ill": 1}}


def test_a_column_without_any_value_or_spread_says_so():
  train = _rows([40, 50], [0, 1], [0, 1])
  cohort = _rows([np.nan, np.nan], [0, 1], [0, 1], dose=3.0)
  block = _shown(cohort, shifts.summary(train, INFO))["Shift of table: numbers"]
  assert _row(block, "age")["Std. difference"] == "all missing"
  assert _row(block, "dose")["Std. difference"] == "constant, another"
  assert block["note"].startswith("2 of 2")


def test_without_a_summary_the_training_examples_are_asked():
  train, cohort = _many(0, 50), _many(1, 70)
  assert _shown(cohort) == {}
  from_examples = _shown(cohort, train=train)
  from_summary = _shown(cohort, shifts.summary(train, INFO))
  title = "Shift of table: numbers"
  assert from_examples[title] == from_summary[title]


def test_cohorts_that_differ_are_told_apart_and_alike_ones_are_not():
  title = "Are the cohorts told apart?"
  (apart,) = _shown(_many(1, 75), train=_many(0, 50))[title]["rows"]
  assert apart[1]["value"] > 0.9 and apart[1]["low"] < apart[1]["value"]
  (alike,) = _shown(_many(1, 50), train=_many(0, 50))[title]["rows"]
  assert 0.4 < alike[1]["value"] < 0.6


def test_rows_of_a_patient_do_not_tell_the_cohorts_apart():
  """A patient's value is learnt by heart from another of the patient's rows."""
  sides = []
  for seed in (0, 1):
    names = np.repeat([f"p{i}" for i in range(10)], 20)
    age = np.repeat(np.random.default_rng(seed).normal(50, 10, 10), 20)
    rows = _rows(age, np.zeros(200, int), np.zeros(200, int))
    sides.append(Split(rows.arrays, rows.ids, names))
  train, cohort = sides
  blocks = _shown(cohort, train=train)
  (row,) = blocks["Are the cohorts told apart?"]["rows"]
  assert row[1]["high"] - row[1]["low"] > 0.2


def test_a_few_examples_are_not_told_apart():
  assert "Are the cohorts told apart?" not in _shown(
    _many(0, 50, 4), train=_many(0, 50)
  )


def test_images_are_compared_by_brightness_and_texts_by_length():
  pixels = np.zeros((3, 2, 2, 3), np.uint8)
  pixels[1:] = 255
  image = Image((2, 2), 3).profile({"image": pixels})
  by_name = dict(zip(image.names, image.values.T, strict=True))
  assert by_name["mean intensity"].tolist() == [0, 1, 1]
  assert by_name["share at the lowest value"].tolist() == [1, 0, 0]
  assert by_name["mean red"].tolist() == [0, 1, 1]
  tokens = {
    "tokens": np.array([[5, 1, 0], [1, 1, 7]]),
    "segment": np.array([[1, 1, 0], [1, 1, 1]]),
  }
  text = Tokens(9, {"pad": 0, "unk": 1}).profile(tokens)
  assert text.values[:, 0].tolist() == [2, 3]
  np.testing.assert_allclose(text.values[:, 1], [1 / 2, 2 / 3])
  assert Tokens(9).profile({"words": np.zeros((2, 3))}).names == ()


def test_of_many_images_evenly_spaced_ones_stand_for_all():
  pixels = np.zeros((12_000, 1, 1, 1), np.uint8)
  pixels[6000:] = 255
  values = Image((1, 1), 1).profile({"image": pixels}).values
  assert len(values) == 4000
  assert values[:, 0].mean() == 0.5


def test_more_rows_than_a_page_holds_are_counted():
  count = shifts.SHOWN + 7
  names = tuple(f"x{i}" for i in range(count))
  info = Info("wide", {"table": Table(names)}, Classes(("well", "ill")))

  def rows(seed):
    values = np.random.default_rng(seed).normal(size=(30, count))
    arrays = {"features": values, "label": np.arange(30) % 2}
    return Split(arrays, np.arange(30).astype(str))

  trained = shifts.summary(rows(0), info)
  block = _shown(rows(1), trained, info=info)["Shift of table: numbers"]
  assert len(block["rows"]) == shifts.SHOWN
  assert "7 more rows" in block["note"]
