"""Classical models on the splits of a dataset."""

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from medfm import tasks
from medfm.evals import baselines, coefficients
from medfm.evals.scores import scores
from medfm.tasks import classical, multiclass, multilabel, regression, tuning
from medfm.types import Rival, Split, UserError
from tests import infos

BINARY = infos.info("toy", "multiclass", ("no", "yes"), numeric=("a", "b", "c"))
LABELS = infos.info("toy", "multilabel", ("x", "y"), numeric=("a", "b", "c"))
LINES = infos.info("toy", "regression", ("s", "t"), numeric=("a", "b", "c"))
LINE = infos.info("toy", "regression", ("t",), numeric=("a", "b", "c"))
MIXED = infos.info(
  "toy",
  "multiclass",
  ("no", "yes"),
  categorical={"sex": ("F", "M"), "site": ("1", "2", "3")},
)
IMAGES = infos.info("toy", "multiclass", ("no", "yes"))


def predictions(name, train, others, info, seed):
  task = tasks.of(info.target)
  return baselines.rival(task, name, train, others, info, seed).predicted


def _split(count=60, seed=0, **arrays):
  generator = np.random.default_rng(seed)
  features = generator.normal(size=(count, 3)).astype(np.float32)
  label = (features[:, 0] + generator.normal(size=count) > 0).astype(int)
  return Split(
    {"features": features, "label": label} | arrays,
    np.arange(count).astype(str),
  )


def _with(split, **arrays):
  return dataclasses.replace(split, arrays=split.arrays | arrays)


def _labels(split):
  label = np.stack([split.arrays["label"], split.arrays["features"][:, 1] > 0])
  return _with(split, label=label.T.astype(np.float32))


def _line(split, targets=1):
  x = split.arrays["features"].astype(float)
  label = 3 + x @ np.array([[2.0, -1], [0.5, 4], [0, 1]])[:, :targets]
  return _with(split, label=label)


def _categories(count=60, seed=0):
  generator = np.random.default_rng(seed)
  split = _split(count, seed)
  codes = generator.integers(-1, 2, (count, 2)).astype(np.int32)
  return Split({"categories": codes, "label": split.arrays["label"]}, split.ids)


CASES = {
  "majority": (BINARY, _split),
  "mean": (LINE, lambda **kw: _line(_split(**kw))),
  "logistic_regression": (BINARY, _split),
  "gradient_boosting": (BINARY, _split),
  "least_squares": (LINE, lambda **kw: _line(_split(**kw))),
  "ridge": (LINE, lambda **kw: _line(_split(**kw))),
}


@pytest.fixture
def untuned(monkeypatch):
  """Trees of one setting, where it does not matter which is chosen."""
  monkeypatch.setattr(classical, "BOOSTS", [classical.BOOST])


UNTUNED = pytest.mark.usefixtures("untuned")


def test_every_baseline_has_a_case():
  names = {
    name
    for task in (multiclass, multilabel, regression)
    for name in task.RIVALS
  }
  # Of texts and of images, which are tested with these.
  counted = {"tfidf_logistic_regression", "tfidf_ridge"}
  drawn = {"hog_logistic_regression", "colour_texture_logistic_regression"}
  assert names - counted - drawn == set(CASES)


@pytest.mark.parametrize("info", [BINARY, LABELS, LINE, MIXED, IMAGES])
def test_defaults_are_baselines_of_the_task(info):
  task = tasks.of(info.target)
  names = task.rivals(info)
  assert names and set(names) <= set(task.RIVALS)


@UNTUNED
@pytest.mark.parametrize("name", CASES)
def test_baseline_predicts_every_row_the_same_way_twice(name):
  info, split = CASES[name]
  train, test = split(), split(count=7, seed=1)
  key = "value" if tasks.of(info.target) is regression else "probs"
  first, second = (
    predictions(name, train, {"test": test}, info, 0)["test"][key]
    for _ in range(2)
  )
  assert first.shape == (7, len(info.target.names))
  assert np.isfinite(first).all()
  np.testing.assert_array_equal(first, second)


@UNTUNED
@pytest.mark.parametrize("name", CASES)
def test_baseline_of_an_empty_split_is_empty(name):
  info, split = CASES[name]
  empty = split().take(np.arange(0))
  result = predictions(name, split(), {"test": empty}, info, 0)
  (values,) = result["test"].values()
  assert values.shape == (0, len(info.target.names))


@UNTUNED
@pytest.mark.parametrize("name", CASES)
def test_other_splits_teach_a_baseline_nothing(name):
  info, split = CASES[name]
  test, more = split(count=7, seed=1), split(count=50, seed=2)
  alone = predictions(name, split(), {"test": test}, info, 0)
  beside = predictions(name, split(), {"more": more, "test": test}, info, 0)
  for key, values in alone["test"].items():
    np.testing.assert_array_equal(values, beside["test"][key])


@UNTUNED
@pytest.mark.parametrize("name", CASES)
def test_missing_features_are_survived(name):
  info, split = CASES[name]
  train, test = split(), split(count=7, seed=1)
  for part in (train, test):
    part.arrays["features"][::3, 1] = np.nan
  train.arrays["features"][:, 2] = np.nan
  if tasks.of(info.target) is regression:
    train = _with(train, label=split().arrays["label"])
  result = predictions(name, train, {"test": test}, info, 0)
  (values,) = result["test"].values()
  assert np.isfinite(values).all()


@UNTUNED
@pytest.mark.parametrize("name", ["logistic_regression", "gradient_boosting"])
def test_unlabelled_training_examples_are_left_out(name):
  train, test = _split(), _split(count=7, seed=1)
  label = train.arrays["label"].copy()
  label[40:] = -1
  results = [
    predictions(name, part, {"test": test}, BINARY, 0)
    for part in (_with(train, label=label), train.take(np.arange(40)))
  ]
  np.testing.assert_allclose(
    results[0]["test"]["probs"], results[1]["test"]["probs"], atol=0.05
  )


@UNTUNED
@pytest.mark.parametrize("name", ["logistic_regression", "gradient_boosting"])
def test_each_label_is_its_own_problem_without_its_missing_ones(name):
  train, test = _labels(_split()), _split(count=7, seed=1)
  train.arrays["label"][:10, 0] = np.nan
  probs = predictions(name, train, {"test": test}, LABELS, 0)
  single = infos.info("toy", "multilabel", ("y",), numeric=("a", "b", "c"))
  alone = predictions(
    name,
    _with(train, label=train.arrays["label"][:, 1:]),
    {"test": test},
    single,
    0,
  )
  np.testing.assert_array_equal(
    probs["test"]["probs"][:, 1:], alone["test"]["probs"]
  )


def test_label_with_a_single_class_is_predicted_at_its_frequency():
  train = _labels(_split())
  train.arrays["label"][:, 0] = 0
  probs = predictions(
    "logistic_regression", train, {"train": train}, LABELS, 0
  )["train"]["probs"]
  assert (probs[:, 0] == 0).all() and np.ptp(probs[:, 1]) > 0


@UNTUNED
def test_class_missing_from_training_has_probability_zero():
  info = infos.info(
    "toy", "multiclass", ("a", "b", "c"), numeric=("a", "b", "c")
  )
  train = _split()
  train.arrays["label"] *= 2
  probs = predictions("gradient_boosting", train, {"train": train}, info, 0)[
    "train"
  ]["probs"]
  assert (probs[:, 1] == 0).all()
  np.testing.assert_allclose(probs.sum(1), 1, atol=1e-6)


def test_single_class_in_training_is_a_user_error():
  train = _with(_split(), label=np.ones(60, int))
  with pytest.raises(UserError, match="every training label is 'yes'"):
    predictions("logistic_regression", train, {}, BINARY, 0)


def test_training_without_labels_is_a_user_error():
  train = _with(_split(), label=np.full(60, -1))
  with pytest.raises(UserError, match="no training example has a label"):
    predictions("majority", train, {}, BINARY, 0)


def test_baseline_of_another_task_is_a_user_error_with_the_choices():
  with pytest.raises(UserError, match="choose from mean, least_squares"):
    predictions("majority", _line(_split()), {}, LINE, 0)


def test_dataset_without_known_arrays_is_a_user_error():
  text = infos.info("toy", "multiclass", ("no", "yes"), vocabulary=9)
  with pytest.raises(UserError, match="has no columns for text"):
    predictions("logistic_regression", _split(), {}, text, 0)


def test_majority_gives_training_frequencies():
  train = _with(_split(4), label=np.array([0, 1, 1, 1]))
  probs = predictions("majority", train, {"t": train}, BINARY, 0)
  np.testing.assert_array_equal(probs["t"]["probs"], [[0.25, 0.75]] * 4)


def test_least_squares_equals_scikit_learn():
  train, test = _line(_split()), _line(_split(9, 1))
  train.arrays["label"] += np.random.default_rng(0).normal(size=(60, 1))
  expected = LinearRegression().fit(
    train.arrays["features"].astype(float), train.arrays["label"]
  )
  values = predictions("least_squares", train, {"t": test}, LINE, 0)
  np.testing.assert_allclose(
    values["t"]["value"],
    expected.predict(test.arrays["features"].astype(float)),
    atol=1e-5,
  )


def test_coefficients_are_in_raw_units():
  table = coefficients.closed_form(_line(_split()), LINE)
  assert table == pytest.approx(
    {"a": 2, "b": 0.5, "c": 0, "intercept": 3}, abs=1e-5
  )


def test_constant_feature_has_coefficient_zero():
  train = _line(_split())
  train.arrays["features"][:, 2] = 0.1
  assert coefficients.closed_form(train, LINE)["c"] == 0


@UNTUNED
@pytest.mark.parametrize("name", ["logistic_regression", "gradient_boosting"])
def test_categories_alone_are_enough(name):
  train, test = _categories(), _categories(7, 1)
  probs = predictions(name, train, {"t": test}, MIXED, 0)
  assert probs["t"]["probs"].shape == (7, 2)


@pytest.mark.parametrize("size", [8, 28])
def test_images_are_learnt_from(size):
  generator = np.random.default_rng(0)
  label = generator.integers(0, 2, 80)
  image = generator.integers(0, 200, (80, size, size, 1))
  image[:, :4, :4] += 50 * label[:, None, None, None]
  train = Split(
    {"image": image.astype(np.uint8), "label": label}, label.astype(str)
  )
  probs = predictions("logistic_regression", train, {"t": train}, IMAGES, 0)
  assert np.mean(probs["t"]["probs"].argmax(1) == label) > 0.8


def test_logistic_regression_knows_the_wisconsin_tumours(wisconsin):
  info, whole = wisconsin
  train, test = whole.take(np.arange(400)), whole.take(np.arange(400, 569))
  prediction = predictions(
    "logistic_regression", train, {"test": test}, info, 0
  )["test"]
  target = {"label": test.arrays["label"]}
  metrics = scores(multiclass, info, target, prediction)["metrics"]
  assert metrics["auroc"]["low"] > 0.96
  assert metrics["auroc"]["value"] > 0.98
  assert metrics["accuracy"]["value"] > 0.95


@pytest.fixture(scope="module")
def wisconsin():
  data = load_breast_cancer()
  info = infos.info(
    "wisconsin",
    "multiclass",
    ("benign", "malignant"),
    numeric=tuple(data.feature_names),
  )
  order = np.random.default_rng(0).permutation(569)
  whole = Split(
    {"features": data.data.astype(np.float32), "label": 1 - data.target},
    np.arange(569).astype(str),
  )
  return info, whole.take(order)


@pytest.mark.parametrize("count", [17, 34])
def test_trees_are_rivals_of_a_linear_model_on_few_rows(wisconsin, count):
  """With 20 rows a leaf no tree grows on so few, and all are called alike."""
  info, whole = wisconsin
  train, test = whole.take(np.arange(count)), whole.take(np.arange(400, 569))
  label = test.arrays["label"]
  auroc = {
    name: roc_auc_score(
      label, predictions(name, train, {"t": test}, info, 0)["t"]["probs"][:, 1]
    )
    for name in ("logistic_regression", "gradient_boosting")
  }
  assert auroc["logistic_regression"] > 0.97
  assert auroc["gradient_boosting"] > auroc["logistic_regression"] - 0.04


def _told(name, train, info):
  return baselines.rival(tasks.of(info.target), name, train, {}, info, 0).chosen


def test_a_baseline_says_what_cross_validation_chose():
  words = _told("gradient_boosting", _split(), BINARY)[""]
  assert "learning rate 0." in words and "min samples leaf" in words
  # A leaf of 20 rows is nothing for 60.
  assert "the best of 4 in 3 folds of patients, 60 rows" in words
  assert set(_told("ridge", _line(_split(), 2), LINES)) == {"s", "t"}


def test_a_baseline_of_too_few_patients_has_the_default_and_says_so():
  train = _split(20)
  label = np.zeros(20, int)
  label[:6] = 1
  patients = np.array(["a", "b"] * 3 + [f"p{i}" for i in range(14)])
  train = dataclasses.replace(_with(train, label=label), patients=patients)
  words = _told("logistic_regression", train, BINARY)[""]
  assert words == (
    "C 1 (the default: a class has fewer than 3 patients to choose by)"
  )


def test_settings_are_chosen_on_a_part_of_many_rows(monkeypatch):
  cut = tuning.cuts
  monkeypatch.setattr(
    tuning, "cuts", lambda *asked: cut(*asked[:-1], min(30, asked[-1]))
  )
  words = _told("logistic_regression", _split(), BINARY)[""]
  assert words.endswith("in 5 folds of patients, 30 rows)")


def test_folds_never_divide_a_patient_and_keep_every_class():
  strata, cluster = np.arange(60) % 3 == 0, np.arange(60) // 4
  parts = tuning.cuts(strata, cluster, 0, 5, 1000)
  assert sorted(np.concatenate([held for _, held in parts])) == list(range(60))
  for fitted, held in parts:
    assert not set(cluster[fitted]) & set(cluster[held])
    assert len(np.unique(strata[fitted])) == 2
  few = tuning.cuts(strata, cluster, 0, 5, 30)
  rows = np.unique(np.concatenate(few[0]))
  assert 20 <= len(rows) <= 40


def test_a_block_tells_the_settings_of_all_baselines():
  fitted = {
    "ridge": Rival({}, {"s": "alpha 1", "t": "alpha 10"}),
    "mean": Rival({}),
  }
  (block,) = baselines.told(fitted)
  assert block["columns"] == ["Baseline", "Target", "Settings"]
  assert block["rows"] == [
    ["ridge", "s", "alpha 1"],
    ["ridge", "t", "alpha 10"],
  ]
  assert baselines.told({"mean": Rival({})}) == []
