"""Diabetes 130: a toy of its columns, and the counts of the real file."""

import csv
import io

import numpy as np
import pytest

from medfm.data.datasets import diabetes130 as d130
from medfm.types import Folders, UserError

FIELDS = (
  d130.ID, d130.PATIENT, "race", "gender", "age", "weight",
  "discharge_disposition_id", *d130.NUMERIC, "diag_1", "diag_2", "diag_3",
  "insulin", d130.LABEL,
)  # fmt: skip


def toy(rows=60, **changed):
  """Each patient has two encounters."""
  out = io.StringIO()
  writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
  writer.writeheader()
  for i in range(rows):
    row = dict.fromkeys(d130.NUMERIC, i % 9) | {
      d130.ID: i, d130.PATIENT: i // 2, "race": "?", "gender": "Female",
      "age": "[70-80)", "weight": "?", "discharge_disposition_id": "1",
      "diag_1": "250.83", "diag_2": "V57", "diag_3": "?", "insulin": "No",
      d130.LABEL: ("NO", ">30", "<30")[i % 3],
    }  # fmt: skip
    writer.writerow(row | (changed if i == 0 else {}))
  return out.getvalue()


@pytest.fixture
def load(tmp_path):
  def make(**changed):
    (tmp_path / "diabetic_data.csv").write_text(toy(**changed))
    folders = Folders(raw=str(tmp_path), cache=str(tmp_path / "cache"))
    return d130.diabetes130(folders)

  return make


def changes(dataset):
  return {c["what"]: c["count"] for c in dataset.card["changes"]}


def whole(dataset, name):
  return np.concatenate([s.arrays[name] for s in dataset.splits.values()])


def test_only_readmission_within_30_days_is_positive(load):
  assert whole(load(), "label").sum() == 20


@pytest.mark.parametrize("code", ["11", "13", "14", "19", "20", "21"])
def test_death_and_hospice_are_dropped_and_counted(load, code):
  dataset = load(discharge_disposition_id=code)
  assert len(whole(dataset, "label")) == 59
  what = "dropped encounters that end in death or a hospice"
  assert changes(dataset)[what] == 1


def test_diagnoses_are_chapters(load):
  levels = load().info.only.levels
  assert levels["diag_1"] == ("diabetes",)
  assert levels["diag_2"] == ("services",)


def test_neither_gender_is_missing(load):
  dataset = load(gender="Unknown/Invalid")
  assert dataset.info.only.levels["gender"] == ("Female",)
  groups = [split.groups["gender"] for split in dataset.splits.values()]
  assert (np.concatenate(groups) == "").sum() == 1


def test_encounters_of_a_patient_stay_together(load):
  patients = [set(split.patients) for split in load().splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 30


def test_an_unknown_outcome_is_named_by_row(load):
  with pytest.raises(UserError, match=r"row 2, column 'readmitted'"):
    load(readmitted="maybe")


def test_new_encounters_are_encoded_from_raw_columns(load, tmp_path):
  dataset = load()
  split = dataset.encode(str(tmp_path / "diabetic_data.csv"))
  rows = [int(name) for name in dataset.splits["test"].ids]
  np.testing.assert_array_equal(
    split.arrays["categories"][rows],
    dataset.splits["test"].arrays["categories"],
  )
  assert split.patients[5] == "2"


@pytest.mark.slow
def test_the_real_file_has_its_published_counts(shared_folders):
  dataset = d130.diabetes130(shared_folders)
  counts = changes(dataset)
  assert counts["dropped encounters that end in death or a hospice"] == 2423
  assert len(whole(dataset, "label")) == 101_766 - 2423
  assert whole(dataset, "label").sum() == 11_314
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 69_990
  assert whole(dataset, "categories").shape[1] == 39
