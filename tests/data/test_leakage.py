"""Leakage: known truths of real files, and planted ones."""

import json

import numpy as np
import PIL.Image
import pytest

from medfm.data import leakage
from medfm.data.images import near
from medfm.data.tables import near as table_near
from medfm.data.text import near as text_near
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
  near = [pair["near"]["count"] for pair in report["pairs"].values()]
  assert max(near) <= 3  # Alike, as radiographs of one child are.


def test_one_breastmnist_image_is_in_train_and_test(data_dir):
  dataset = _medmnist(data_dir, "breastmnist.npz")
  assert _counts(dataset, "exact") == {
    "train/validation": 0,
    "train/test": 1,
    "validation/test": 0,
  }


def test_breastmnist_has_near_copies_between_its_splits(data_dir):
  dataset = _medmnist(data_dir, "breastmnist.npz")
  assert _counts(dataset, "near")["train/test"] > 20


def _cropped(image, pixels=2):
  side = image.shape[0]
  box = (pixels, pixels, side - pixels, side - pixels)
  picture = PIL.Image.fromarray(image).crop(box)
  return np.asarray(picture.resize((side, side), PIL.Image.BILINEAR))


CHANGED = {
  "shifted": lambda image: np.roll(image, 2, 1),
  "cropped": _cropped,
  "mirrored": lambda image: image[:, ::-1],
  "turned": np.rot90,
  "mirrored and shifted": lambda image: np.roll(image[::-1], 2, 0),
  "brighter in its shadows": lambda image: 255 * (image / 255) ** 0.7,
}


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("name", ["pneumoniamnist", "breastmnist"])
def test_a_copy_is_near_however_it_was_changed(data_dir, name, change):
  """Radiographs and ultrasound of 28 pixels, 50 of each in both splits."""
  with np.load(data_dir / "images" / f"{name}.npz") as file:
    images = file["train_images"][:500]
  copies = np.stack([CHANGED[change](image) for image in images[:50]])
  splits = {
    key: {"image": each[..., None].astype(np.uint8)}
    for key, each in (("train", images), ("test", copies))
  }
  i, j = near.search(splits)("train", "test")
  # One picture of the set is in it several times.
  assert len(set(j[i < 50].tolist())) >= 45


def test_pictures_that_only_look_alike_are_not_near(data_dir):
  """Radiographs of children, of which two at most are of one."""
  with np.load(data_dir / "images" / "pneumoniamnist.npz") as file:
    images = file["train_images"][:1300, ..., None]
  _, j = near.search(
    {"a": {"image": images[:1000]}, "b": {"image": images[1000:]}}
  )("a", "b")
  assert len(set(j.tolist())) <= 3


def test_the_nearest_of_many_are_found_in_cells_as_by_all_pairs():
  generator = np.random.default_rng(0)
  codes = generator.standard_normal((6000, 48)).astype(np.float32)
  codes /= np.linalg.norm(codes, axis=1, keepdims=True)
  asked = codes[:50] + 0.05 * generator.standard_normal((50, 48))
  asked /= np.linalg.norm(asked, axis=1, keepdims=True)
  index = near._Index(codes)
  assert len(index._cells) > 50
  i, j, view = index.nearest([asked[::-1], asked.astype(np.float32)], 50)
  hits = {(row, place) for row, place, v in zip(i, j, view, strict=True) if v}
  assert len({(k, k) for k in range(50)} - hits) <= 2


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
  a, b = _table(rows), _table(np.vstack([rows[:5] + 0.004, rows[5:10] + 5]))
  assert _counts(_dataset(train=a, test=b), "near") == {"train/test": 5}


def test_rows_saved_with_fewer_digits_are_near():
  rows = np.random.default_rng(0).normal(100, 15, (400, 12))
  rows[::7, 2] = np.nan
  other = rows[:40].round()
  other[:20, 3] = np.nan  # And one value of twelve is lost.
  other[20:30, :3] += 40
  i, j = table_near.search(
    {"a": _table(rows).arrays, "b": _table(other).arrays}
  )("a", "b")
  assert i.tolist() == j.tolist() == [*range(20), *range(30, 40)]


def test_rows_of_categories_alone_are_near_but_for_one():
  generator = np.random.default_rng(0)
  codes = generator.integers(0, 9, (300, 8)).astype(np.int32)
  other = codes[:10].copy()
  other[:, 4] = -1
  other[5:, 5] = 9
  held = {"a": {"categories": codes}, "b": {"categories": other}}
  i, j = table_near.search(held)("a", "b")
  assert i.tolist() == j.tolist() == [*range(5)]


def test_each_of_equal_rows_has_its_twin():
  rows = np.random.default_rng(0).normal(size=(50, 5))
  twice = np.vstack([rows[:2] + 1e-5, rows[:2] + 1e-5])
  held = {
    "a": _table(np.vstack([rows, rows])).arrays,
    "b": _table(twice).arrays,
  }
  i, j = table_near.search(held)("a", "b")
  assert (i % 50).tolist() == [0, 0, 1, 1] and sorted(j) == [0, 1, 2, 3]


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
  with pytest.raises(UserError, match="1 example of test") as caught:
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


def _texts(rows, length=80):
  tokens = np.zeros((len(rows), length), np.int32)
  for place, row in enumerate(rows):
    tokens[place, : len(row) + 2] = [1, *row, 2]
  return {"tokens": tokens, "segment": (tokens > 0).astype(np.int32)}


ALTERED = {
  "without its last word": lambda row: row[:-1],
  "one word changed": lambda row: [*row[:20], 9999, *row[21:]],
  "something before it": lambda row: [9999, 9998, *row],
  "its first half": lambda row: row[:30],
  "its parts in another order": lambda row: [*row[30:], *row[:30]],
}


@pytest.mark.parametrize("change", ALTERED)
def test_a_text_that_is_changed_a_little_or_held_by_another_is_near(change):
  rows = np.random.default_rng(0).integers(10, 2000, (200, 60)).tolist()
  copies = [ALTERED[change](row) for row in rows[:20]]
  held = {"a": _texts(rows), "b": _texts([*copies, *(rows[0][::-1],)])}
  for a, b in (("a", "b"), ("b", "a")):
    i, j = text_near.search(held)(a, b)
    assert sorted(i.tolist()) == sorted(j.tolist()) == list(range(20))


def test_short_texts_that_differ_in_one_token_are_near_unless_many_do(caplog):
  caplog.set_level("INFO")
  generator = np.random.default_rng(0)
  rows = generator.integers(10, 2000, (200, 8)).tolist()
  other = [[*rows[0][:3], 9999, *rows[0][4:]], rows[1][1:], [9999, *rows[2]]]
  other += [[9999, 9998, *rows[3][2:]], rows[4]]
  held = {"a": _texts(rows), "b": _texts(other)}
  i, j = text_near.search(held)("a", "b")
  assert i.tolist() == j.tolist() == [0, 1, 2]
  forms = [[*rows[0][:7], n] for n in range(10, 30)]
  held["a"] = _texts(rows[:100] + forms)
  assert not len(text_near.search(held)("a", "b")[0])
  assert "one token changed" in caplog.text


def test_texts_of_common_words_or_a_few_of_them_are_not_near():
  generator = np.random.default_rng(0)
  rows = [
    [*range(10, 30), *row]
    for row in generator.integers(50, 90, (300, 40)).tolist()
  ]
  i, _ = text_near.search({"a": _texts(rows[:200]), "b": _texts(rows[200:])})(
    "a", "b"
  )
  assert not len(i)
  short = _texts([[5, 6, 7, 8]])
  assert not len(text_near.search({"a": short, "b": short})("a", "b")[0])


@pytest.mark.parametrize("value", [np.nan, 1000.0, 0.5])
def test_rows_with_one_value_changed_or_missing_are_near(value):
  rows = np.random.default_rng(0).normal(100, 15, (300, 6)).round(1)
  rows[::7, 2] = np.nan
  other = rows[:10].copy()
  other[np.arange(10), np.arange(10) % 6] = value
  two = rows[10:20].copy()
  two[:, :2] = value
  codes = np.zeros((300, 1))
  turned = codes[20:25] + 1
  test = np.vstack([other, two, rows[20:25]])
  a = _table(rows, codes)
  b = _table(test, np.vstack([codes[:20], turned]))
  i, j = table_near.search({"a": a.arrays, "b": b.arrays})("a", "b")
  assert i.tolist() == [*range(10), *range(20, 25)]
  assert j.tolist() == [*range(10), *range(20, 25)]


def test_one_changed_value_says_nothing_where_rows_are_alike_by_chance(caplog):
  """A table of few answers: most rows differ from another in one alone."""
  caplog.set_level("INFO")
  rows = np.random.default_rng(0).integers(0, 3, (400, 6)).astype(float)
  a, b = _table(rows[:300]), _table(rows[300:])
  assert _counts(_dataset(train=a, test=b), "near") == {"train/test": 0}
  assert "differ from another in one column alone" in caplog.text


def test_equal_and_near_examples_are_warned_of():
  train, test = _images(9), _images(5, prefix="t")
  test.arrays["image"][3] = test.arrays["image"][3][:, ::-1]
  (line,) = leakage.warnings(leakage.leakage(_dataset(train=train, test=test)))
  assert line.startswith(
    "test holds 4 examples equal to and 1 example nearly equal to examples of"
  )
  clean = _dataset(train=_images(9), test=_images(5, 7))
  assert leakage.warnings(leakage.leakage(clean)) == []
