"""Splits: by patient, in proportion, nested, and the same for ever."""

import numpy as np
import pytest

from medfm.data import splits
from medfm.types import Dataset, Ragged, Split, UserError
from tests import infos


def _cohort(n=600, patients=200, seed=0):
  random = np.random.default_rng(seed)
  ids = np.array([f"e{i}" for i in range(n)])
  who = np.array([f"p{i}" for i in random.integers(0, patients, n)])
  label = (random.random(n) < 0.1).astype(np.int32)
  return ids, who, label


def _split(n=400, patients=None, rare=3):
  ids, who, label = _cohort(n, patients or n)
  label[:rare] = 2
  return Split({"label": label}, ids, who if patients else None)


def test_every_example_is_in_one_split():
  parts = splits.by_patient(*_cohort())
  assert list(parts) == ["train", "validation", "test"]
  together = np.concatenate(list(parts.values()))
  assert sorted(together) == list(range(600))


def test_no_patient_is_in_two_splits():
  ids, who, label = _cohort()
  parts = splits.by_patient(ids, who, label)
  sets = [set(who[rows]) for rows in parts.values()]
  assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


def test_the_parts_are_as_large_as_their_fractions():
  ids, _, label = _cohort()
  parts = splits.by_patient(ids, None, label)
  assert [len(rows) for rows in parts.values()] == [420, 60, 120]


def test_classes_are_in_proportion():
  ids, _, label = _cohort()
  parts = splits.by_patient(ids, None, label)
  for rows, share in zip(parts.values(), (0.7, 0.1, 0.2), strict=True):
    assert abs(label[rows].sum() - share * label.sum()) <= 1


def test_a_class_of_three_patients_is_in_every_split():
  label = np.zeros(100, np.int32)
  label[[4, 50, 77]] = 1
  ids = np.arange(100).astype(str)
  parts = splits.by_patient(ids, None, label, seed=5)
  assert [label[rows].sum() for rows in parts.values()] == [1, 1, 1]


def test_many_small_classes_do_not_starve_a_split():
  label = np.repeat(np.arange(50), 4).astype(np.int32)
  ids = np.arange(200).astype(str)
  parts = splits.by_patient(ids, None, label, fractions=(0.4, 0.3, 0.3))
  assert [len(rows) for rows in parts.values()] == [80, 60, 60]


def test_multilabel_positives_are_in_every_split():
  label = np.zeros((60, 3), np.float32)
  label[:30, 0] = 1
  label[:3, 2] = 1
  label[40:] = np.nan
  ids = np.arange(60).astype(str)
  for rows in splits.by_patient(ids, None, label).values():
    assert label[rows, 2].astype(bool).any()


def test_regression_targets_are_in_proportion():
  label = np.arange(1000, dtype=np.float32)[:, None]
  ids = np.arange(1000).astype(str)
  for rows in splits.by_patient(ids, None, label).values():
    assert abs(label[rows].mean() - 499.5) < 30


def test_examples_without_a_patient_are_split_one_by_one():
  ids, _, label = _cohort()
  parts = splits.by_patient(ids, np.full(600, ""), label)
  assert len(parts["train"]) == 420


def test_another_seed_gives_another_split():
  first, other = (splits.by_patient(*_cohort(), seed=s) for s in (0, 1))
  assert first["test"].tolist() != other["test"].tolist()


def test_the_order_of_the_rows_changes_no_patients_split():
  ids, who, label = _cohort()
  order = np.random.default_rng(1).permutation(600)
  first = splits.by_patient(ids, who, label)
  second = splits.by_patient(ids[order], who[order], label[order])
  assert set(ids[first["test"]]) == set(ids[order][second["test"]])


def test_the_split_of_a_seed_stays_as_it_is():
  ids = np.arange(10).astype(str)
  parts = splits.by_patient(ids, None, None, seed=0)
  assert {k: v.tolist() for k, v in parts.items()} == {
    "train": [0, 1, 2, 5, 6, 7, 9],
    "validation": [4],
    "test": [3, 8],
  }


def test_a_fraction_of_zero_leaves_the_split_out():
  parts = splits.by_patient(*_cohort(), fractions=(0.8, 0.0, 0.2))
  assert list(parts) == ["train", "test"]


@pytest.mark.parametrize("fractions", [(0.7, 0.1), (1.2, -0.2), ()])
def test_fractions_that_are_not_of_one_are_refused(fractions):
  with pytest.raises(UserError, match="sum 1"):
    splits.by_patient(*_cohort(), fractions=fractions)


def test_too_few_patients_are_refused():
  ids = np.array(["a", "b", "c"])
  with pytest.raises(UserError, match="2 patients cannot fill 3 splits"):
    splits.by_patient(ids, np.array(["p", "p", "q"]), None)


@pytest.mark.parametrize("patients", [None, 90])
def test_label_fractions_are_nested_and_of_their_size(patients):
  split = _split(patients=patients)
  before = set()
  for share in (0.01, 0.1, 0.25, 0.5, 1.0):
    part = splits.fraction(split, share, seed=3)
    assert before <= set(part.ids)
    assert set(part.arrays["label"]) == {0, 1, 2}
    assert abs(len(part) - share * 400) < 40
    before = set(part.ids)
  assert len(before) == 400


def test_a_label_fraction_takes_whole_patients():
  split = _split(patients=90)
  part = splits.fraction(split, 0.25, seed=3)
  rest = set(split.ids) - set(part.ids)
  left = {
    who
    for name, who in zip(split.ids, split.patients, strict=True)
    if name in rest
  }
  assert not left & set(part.patients)


def test_a_class_seen_only_beside_rarer_ones_keeps_an_example():
  label = np.array([0] * 30 + [1] * 21, np.int32)
  patients = np.array(["p"] * 31 + [f"p{i}" for i in range(20)])
  split = Split({"label": label}, np.arange(51).astype(str), patients)
  for seed in range(10):
    part = splits.fraction(split, 0.01, seed)
    assert set(part.arrays["label"]) == {0, 1}


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_a_label_fraction_outside_its_range_is_refused(share):
  with pytest.raises(UserError, match="at most 1"):
    splits.fraction(_split(), share, seed=0)


def test_folds_keep_patients_whole_and_classes_in_proportion():
  ids, who, label = _cohort()
  part = splits.folds(Split({"label": label}, ids, who), 5, "label")
  assert all(len(set(part[who == name])) == 1 for name in set(who))
  assert np.ptp(np.bincount(part)) < 40
  ill = {name for name in set(who) if label[who == name].any()}
  dealt = [part[who == name][0] for name in ill]
  assert np.ptp(np.bincount(dealt, minlength=5)) <= 1
  turned = splits.folds(Split({"label": label[::-1]}, ids[::-1], who[::-1]), 5,
                        "label")  # fmt: skip
  assert part.tolist() == turned[::-1].tolist()


def test_the_hash_of_a_split_is_of_its_examples_in_any_order():
  split = _split()
  turned = split.take(np.arange(400)[::-1])
  assert splits.sha256(split) == splits.sha256(turned)
  assert splits.sha256(split) != splits.sha256(split.take(np.arange(399)))


def _held(**changed):
  values = {"features": np.arange(12.0).reshape(4, 3), "label": np.arange(4)}
  names = np.array(["a", "b", "c", "d"])
  ids = changed.pop("ids", names)
  return Split(values | changed, ids)


@pytest.mark.parametrize(
  "changed",
  [
    {"ids": np.array(["a", "b", "c", "e"])},
    {"label": np.array([0, 1, 2, 2])},
    {"features": np.arange(12.0).reshape(4, 3) + 1e-12},
    {"other": np.zeros(4)},
    {"ids": np.array(["b", "a", "c", "d"])},
  ],
)
def test_the_hash_of_a_split_covers_ids_labels_and_inputs(changed):
  assert splits.sha256(_held()) != splits.sha256(_held(**changed))


def test_the_hash_of_what_was_asked_leaves_out_the_inputs():
  same = _held(features=np.zeros((4, 9)))
  other = _held(label=np.zeros(4))
  asked = [splits.sha256(s, ("label",)) for s in (_held(), same, other)]
  assert asked[0] == asked[1] != asked[2]


def test_equal_numbers_have_one_hash_whatever_their_bits():
  values = np.zeros((4, 3))
  values[1] = np.nan
  other = np.where(np.isnan(values), -np.nan, -0.0)
  assert splits.sha256(_held(features=values)) == splits.sha256(
    _held(features=other)
  )


def test_the_hash_of_rows_that_differ_in_length_knows_where_they_end():
  def held(ends, order=(0, 1, 2)):
    column = Ragged(np.arange(6), np.array(ends))
    split = Split({"signal": column}, np.array(["a", "b", "c"]))
    return splits.sha256(split.take(np.array(order)))

  assert held((1, 3, 6)) == held((1, 3, 6), (2, 0, 1)) != held((2, 3, 6))


def test_the_manifest_counts_examples_and_patients():
  split = _split(patients=90)
  found = splits.manifest(
    Dataset({"train": split, "test": _split(5)}, infos.info("x", "none"), {})
  )
  assert found["train"]["n"] == 400
  assert found["train"]["patients"] == len(set(split.patients))
  assert found["train"]["sha256"] == splits.sha256(split)
  assert found["test"]["patients"] is None
