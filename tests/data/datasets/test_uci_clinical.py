"""UCI's clinical tables: counts, missing values, groups, encoding."""

import numpy as np
import pytest

from medfm.data.datasets import uci_clinical as uci
from medfm.types import Folders, UserError


@pytest.fixture(scope="module")
def load(shared_folders):
  return lambda name, **kwargs: uci.uci_clinical(
    shared_folders, name=name, **kwargs
  )


def whole(dataset, name):
  return np.concatenate([s.arrays[name] for s in dataset.splits.values()])


def changes(dataset):
  return {c["what"]: c["count"] for c in dataset.card["changes"]}


@pytest.mark.parametrize(
  ("name", "counts", "numbers", "categories"),
  [
    ("pima", [500, 268], 8, 0),
    ("wisconsin_original", [458, 241], 9, 0),
    ("breast_cancer_recurrence", [201, 85], 1, 8),
    ("haberman", [225, 81], 3, 0),
    ("horse_colic", [178, 77, 44], 7, 14),
    ("thyroid", [150, 35, 30], 5, 0),
    ("cleveland", [164, 139], 6, 7),
  ],
)
def test_a_table_has_its_published_counts(
  load, name, counts, numbers, categories
):
  dataset = load(name)
  assert np.bincount(whole(dataset, "label")).tolist() == counts
  assert len(dataset.info.only.numeric) == numbers
  assert len(dataset.info.only.levels) == categories
  assert len(dataset.info.target.names) == len(counts)


def test_every_study_is_counted_above():
  assert len(uci.STUDIES) == 7


def test_surgical_lesions_are_the_other_label_of_horses(load):
  dataset = load("horse_colic", label="surgical_lesion")
  assert np.bincount(whole(dataset, "label")).tolist() == [109, 191]
  assert not {"outcome", "lesion_1"} & {
    *dataset.info.only.numeric,
    *dataset.info.only.levels,
  }


def test_zeros_of_pima_are_missing_in_five_columns(load):
  dataset = load("pima")
  assert np.isnan(whole(dataset, "features")).sum(0).tolist() == [
    0, 5, 35, 227, 374, 11, 0, 0,
  ]  # fmt: skip
  assert changes(dataset)["zeros of insulin taken for missing"] == 374


@pytest.mark.parametrize(
  ("name", "label", "count"),
  [
    ("wisconsin_original", "", 16),
    ("breast_cancer_recurrence", "", 9),
    ("cleveland", "", 6),
    ("horse_colic", "surgical_lesion", 1604),
  ],
)
def test_missing_values_are_counted(load, name, label, count):
  dataset = load(name, label=label)
  assert changes(dataset)["values missing in the source"] == count
  missing = np.isnan(whole(dataset, "features")).sum()
  if dataset.info.only.levels:
    missing += (whole(dataset, "categories") < 0).sum()
  unseen = "levels never seen in training taken for missing"
  assert missing == count + changes(dataset).get(unseen, 0)


def test_disease_of_any_grade_is_one_class_of_cleveland(load):
  relabelled = [w for w in changes(load("cleveland")) if "relabelled" in w]
  assert changes(load("cleveland"))[relabelled[0]] == 139


def test_samples_of_one_id_stay_in_one_split(load):
  splits = load("wisconsin_original").splits
  patients = [set(split.patients) for split in splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 645


def test_sex_and_age_are_groups_of_cleveland(load):
  splits = load("cleveland").splits.values()
  sex = np.concatenate([split.groups["sex"] for split in splits])
  assert (sex == "female").sum() == 97
  assert (sex == "male").sum() == 206


def test_quotes_are_no_part_of_a_level(load):
  levels = load("breast_cancer_recurrence").info.only.levels
  assert levels["node_caps"] == ("no", "yes")


def test_horses_are_called_horses_on_the_card(load):
  assert any("eterinary" in note for note in load("horse_colic").card["notes"])


def test_the_official_layout_of_a_loose_file_is_read(data_dir, tmp_path):
  rows = [f"{1 + i % 3},{100 + i},10.1,2.2,0.9,2.7\n" for i in range(30)]
  (tmp_path / "new-thyroid.data").write_text("".join(rows))
  folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
  dataset = uci.uci_clinical(folders, name="thyroid")
  assert dataset.info.target.names == ("normal", "hyperthyroid", "hypothyroid")
  assert whole(dataset, "features")[:, 0].min() == 100


def test_a_new_patient_is_encoded_with_the_same_cleaning(load, tmp_path):
  header = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope"
  path = tmp_path / "new.csv"
  path.write_text(
    f"{header},ca,thal\n63.0,1.0,1.0,145,233,1.0,2.0,150,0.0,2.3,3.0,?,6\n"
  )
  dataset = load("cleveland")
  split = dataset.encode(str(path))
  levels = dataset.info.only.levels.values()
  codes = split.arrays["categories"][0]
  assert [own[code] for own, code in zip(levels, codes, strict=True)] == [
    "male", "1", "1", "2", "0", "3", "6",
  ]  # fmt: skip
  assert np.isnan(split.arrays["features"][0]).sum() == 1
  assert split.groups["sex"].tolist() == ["male"]


def test_unknown_names_and_labels_are_refused():
  folders = Folders(raw=None, cache="unused")
  with pytest.raises(UserError, match=r"'clevland'.*nearest: cleveland"):
    uci.uci_clinical(folders, name="clevland")
  with pytest.raises(UserError, match="label='age': expected one of num"):
    uci.uci_clinical(folders, name="cleveland", label="age")


def test_an_unknown_label_is_named_by_row(tmp_path):
  (tmp_path / "haberman.data").write_text("30,64,1,1\n30,62,3,3\n")
  folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
  with pytest.raises(UserError, match=r"row 2, column 'survival': '3'"):
    uci.uci_clinical(folders, name="haberman")
