"""The two tables within scikit-learn: counts, coding, ranges."""

import numpy as np
import pytest

from medfm.data.datasets import diabetes, wisconsin
from medfm.types import Folders


@pytest.fixture(scope="module")
def folders(shared_cache):
  return Folders(raw=None, cache=shared_cache)


def whole(dataset, name):
  return np.concatenate([s.arrays[name] for s in dataset.splits.values()])


def test_wisconsin_has_212_malignant_of_569_patients(folders):
  dataset = wisconsin.wisconsin(folders)
  assert dataset.info.target.names == ("benign", "malignant")
  assert np.bincount(whole(dataset, "label")).tolist() == [357, 212]
  assert whole(dataset, "features").shape == (569, 30)


def test_malignant_nuclei_are_larger(folders):
  dataset = wisconsin.wisconsin(folders)
  radius, label = whole(dataset, "features")[:, 0], whole(dataset, "label")
  assert radius[label == 1].mean() > 17 > 13 > radius[label == 0].mean()


def test_the_relabelling_stands_on_the_card(folders):
  (change,) = wisconsin.wisconsin(folders).card["changes"]
  assert "malignant is 1" in change["what"]
  assert change["count"] == 569


@pytest.mark.parametrize("factory", [wisconsin.wisconsin, diabetes.diabetes])
def test_patients_are_disjoint_and_fractions_kept(folders, factory):
  splits = factory(folders, fractions=(0.5, 0.25, 0.25)).splits
  patients = [set(split.patients) for split in splits.values()]
  total = sum(map(len, patients))
  assert len(set.union(*patients)) == total
  assert [round(len(own) / total, 2) for own in patients] == [0.5, 0.25, 0.25]


def test_diabetes_has_442_patients_in_raw_units(folders):
  dataset = diabetes.diabetes(folders)
  target, age = whole(dataset, "label"), whole(dataset, "features")[:, 0]
  assert target.shape == (442, 1)
  assert (target.min(), target.max()) == (25, 346)
  assert (age.min(), age.max()) == (19, 79)


def test_sex_is_a_number_and_a_group(folders):
  dataset = diabetes.diabetes(folders)
  codes = np.bincount(whole(dataset, "features")[:, 1].astype(int))
  assert codes.tolist() == [0, 235, 207]
  assert set(dataset.splits["test"].groups) == {"age", "sex"}


def test_a_file_with_the_same_columns_is_encoded(folders, tmp_path):
  dataset = diabetes.diabetes(folders)
  names = dataset.info.only.numeric
  row = ",".join(["50"] * 10)
  path = tmp_path / "new.csv"
  path.write_text(",".join(names) + "\n" + row + "\n")
  split = dataset.encode(str(path))
  assert split.arrays["features"].tolist() == [[50] * 10]
  assert split.groups["age"].tolist() == ["40-64"]
