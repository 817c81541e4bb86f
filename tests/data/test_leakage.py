"""Leakage: known truths of real files, and planted ones."""

import json

import numpy as np
import pytest

from medfm.data import leakage
from medfm.data.images import input as images
from medfm.types import Dataset, Split, UserError
from tests import infos


def _dataset(**splits) -> Dataset:
  arrays = next(iter(splits.values())).arrays
  levels = {"c": ("0", "1", "2")} if "categories" in arrays else None
  numeric = (
    tuple("abcdef"[: arrays["features"].shape[1]])
    if ("features" in arrays)
    else ()
  )
  info = infos.info("toy", "multiclass", numeric=numeric, categorical=levels)
  return Dataset(splits, info, {})


def _images(n, seed=0, prefix="", **kwargs):
  random = np.random.default_rng(seed)
  coarse = random.integers(0, 256, (n, 7, 7, 1), np.uint8)
  return Split(
    {"image": np.kron(coarse, np.ones((1, 4, 4, 1), np.uint8))},
    np.array([f"{prefix}{i}" for i in range(n)]),
    **kwargs,
  )


def _table(features, categories=None, prefix=""):
  arrays = {"features": np.asarray(features, np.float32)}
  if categories is not None:
    arrays["categories"] = np.asarray(categories, np.int32)
  names = np.array([f"{prefix}{i}" for i in range(len(features))])
  return Split(arrays, names)


def _counts(dataset, what):
  report = leakage.leakage(dataset)
  return {name: pair[what]["count"] for name, pair in report["pairs"].items()}


def _medmnist(data_dir, name):
  with np.load(data_dir / "images" / name, allow_pickle=False) as file:
    return _dataset(
      **{
        ours: Split(
          {
            "image": file[f"{theirs}_images"][..., None],
            "label": file[f"{theirs}_labels"].ravel(),
          },
          np.array(
            [f"{ours}-{i}" for i in range(len(file[f"{theirs}_labels"]))]
          ),
        )
        for ours, theirs in (
          ("train", "train"),
          ("validation", "val"),
          ("test", "test"),
        )
      }
    )


def test_the_copies_within_and_between_pneumoniamnist_splits(data_dir):
  dataset = _medmnist(data_dir, "pneumoniamnist.npz")
  report = leakage.leakage(dataset)
  assert {k: v["exact"]["count"] for k, v in report["pairs"].items()} == {
    "train/validation": 8,
    "train/test": 0,
    "validation/test": 0,
  }
  within = {k: v["exact"]["count"] for k, v in report["within"].items()}
  assert within == {"train": 18, "validation": 0, "test": 3}


def test_pneumoniamnist_has_no_near_copies_between_splits(data_dir):
  dataset = _medmnist(data_dir, "pneumoniamnist.npz")
  assert set(_counts(dataset, "near").values()) == {0}


def test_one_breastmnist_image_is_in_train_and_test(data_dir):
  dataset = _medmnist(data_dir, "breastmnist.npz")
  assert _counts(dataset, "exact") == {
    "train/validation": 0,
    "train/test": 1,
    "validation/test": 0,
  }


def test_the_hash_finds_every_near_copy_that_all_pairs_would(data_dir):
  dataset = _medmnist(data_dir, "breastmnist.npz")
  train, test = (
    images.pictures(dataset.splits[name].arrays["image"])[1]
    for name in ("train", "test")
  )
  difference = np.stack([np.abs(train - row).mean(axis=1) for row in test])
  exact = (difference == 0).any(axis=1)
  every = ((difference < 0.1) & (difference > 0)).any(axis=1)
  assert exact.sum() == 1
  assert _counts(dataset, "near")["train/test"] == every.sum() > 20


def test_the_twins_are_named(data_dir):
  dataset = _medmnist(data_dir, "breastmnist.npz")
  report = leakage.leakage(dataset)
  ((a, b),) = report["pairs"]["train/test"]["exact"]["examples"]
  first, second = (
    dataset.splits[name].arrays["image"][int(i.split("-")[1])]
    for name, i in (("train", a), ("test", b))
  )
  np.testing.assert_array_equal(first, second)


def test_the_report_is_json():
  dataset = _dataset(train=_images(4), test=_images(3, 1))
  report = leakage.leakage(dataset)
  assert json.loads(json.dumps(report)) == report


def test_at_most_twenty_pairs_are_listed_but_all_are_counted():
  dataset = _dataset(train=_images(50), test=_images(50))
  exact = leakage.leakage(dataset)["pairs"]["train/test"]["exact"]
  assert exact["count"] == 50
  assert len(exact["examples"]) == 20


def test_a_brighter_noisy_copy_is_near_and_not_exact():
  train, test = _images(30), _images(30, 1)
  copy = train.arrays["image"][7] * 0.8 + 20
  copy = copy + np.random.default_rng(0).normal(0, 4, copy.shape)
  test.arrays["image"][3] = np.clip(copy, 0, 255)
  report = leakage.leakage(_dataset(train=train, test=test))
  pair = report["pairs"]["train/test"]
  assert pair["near"] == {"count": 1, "examples": [["7", "3"]]}
  assert pair["exact"]["count"] == 0


def test_a_copy_with_another_label_is_still_a_copy():
  train, test = _images(5), _images(5)
  train.arrays["label"] = np.zeros(5, np.int32)
  test.arrays["label"] = np.ones(5, np.int32)
  assert _counts(_dataset(train=train, test=test), "exact") == {"train/test": 5}


def test_equal_rows_of_a_table_are_exact_even_where_values_are_missing():
  a = _table([[1, np.nan], [2, 3]], [[0], [1]])
  b = _table([[1, -np.nan], [2, 3]], [[0], [2]])
  assert _counts(_dataset(train=a, test=b), "exact") == {"train/test": 1}


def test_rows_equal_up_to_rounding_are_near():
  rows = np.random.default_rng(0).normal(100, 15, (300, 6))
  a, b = _table(rows), _table(np.vstack([rows[:5] + 0.004, rows[5:10] + 0.1]))
  assert _counts(_dataset(train=a, test=b), "near") == {"train/test": 5}


def test_rows_with_another_category_or_missing_value_are_not_near():
  rows = np.random.default_rng(0).normal(100, 15, (50, 3)).round(2)
  other = rows + 0.001
  other[1, 0] = np.nan
  a = _table(rows, np.zeros((50, 1)))
  b = _table(other[:3], [[1], [0], [0]])
  assert _counts(_dataset(train=a, test=b), "near") == {"train/test": 1}


def test_a_missing_value_is_not_near_the_mean():
  a = _table([[-1, 5], [0, 6], [1, 7]])
  b = _table([[np.nan, 6.0004]])
  assert _counts(_dataset(train=a, test=b), "near") == {"train/test": 0}


def test_splits_without_patients_have_no_patient_count():
  dataset = _dataset(train=_images(4), test=_images(3, 1))
  assert leakage.leakage(dataset)["pairs"]["train/test"]["patients"] is None


def test_a_patient_in_two_splits_is_refused_without_being_named():
  dataset = _dataset(
    train=_images(3, patients=np.array(["ann", "bob", ""])),
    test=_images(3, 1, prefix="t", patients=np.array(["eve", "bob", ""])),
  )
  report = leakage.leakage(dataset)
  assert report["pairs"]["train/test"]["patients"] == {
    "count": 1,
    "examples": [["1", "t1"]],
  }
  with pytest.raises(UserError, match="1 examples of test") as caught:
    leakage.refuse(report)
  assert "bob" not in str(caught.value)


def test_copies_alone_are_not_refused():
  leakage.refuse(leakage.leakage(_dataset(train=_images(3), test=_images(3))))


def test_the_line_for_the_terminal_names_what_was_found():
  train, test = _images(3), _images(3, prefix="t")
  line = leakage.line(leakage.leakage(_dataset(train=train, test=test)))
  assert line == "leakage: train/test patients unknown, 3 equal, 0 alike"
  shared = _images(2, seed=1, patients=np.array(["a", "b"]))
  other = _images(2, seed=2, prefix="t", patients=np.array(["b", "c"]))
  line = leakage.line(leakage.leakage(_dataset(train=shared, test=other)))
  assert "1 of shared patients, 0 equal" in line
