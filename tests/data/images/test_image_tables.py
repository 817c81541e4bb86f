"""A user's images that a table names."""

import numpy as np
import pytest

from medfm.data import cards
from medfm.data.images import own as own_images
from medfm.types import Folders, UserError
from tests.data.images import scans


def test_a_table_gives_labels_patients_and_groups(root):
  path = scans.table(root, scans.rows())
  dataset = scans.read(
    root, path, label="label", patient="patient", groups=("sex",)
  )
  labels = scans.together(dataset)
  for row in scans.rows():
    assert dataset.info.target.names[labels[row["image"]]] == row["label"]
  for split in dataset.splits.values():
    for name, patient, sex in zip(
      split.ids, split.patients, split.groups["sex"], strict=True
    ):
      number = int(name.removesuffix(".png"))
      assert (patient, sex) == (f"p{number % 10}", "fm"[number % 2])


def test_no_patient_is_in_two_splits(root):
  path = scans.table(root, scans.rows())
  dataset = scans.read(root, path, label="label", patient="patient")
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 10


def test_a_split_column_is_kept_and_must_not_share_patients(root):
  part = lambda i: ("train", "val", "test", "train", "train")[i % 5]  # noqa: E731
  path = scans.table(root, scans.rows(split=part))
  dataset = scans.read(
    root, path, label="label", patient="patient", split_column="split"
  )
  assert len(dataset.splits["validation"]) == 4
  rows = scans.rows(split=lambda i: ("train", "val", "test")[i % 3])
  path = scans.table(root, rows)
  with pytest.raises(UserError, match="in more than one of the") as error:
    scans.read(
      root, path, label="label", patient="patient", split_column="split"
    )
  assert "p1" not in str(error.value)


def test_regression_has_raw_numbers_and_their_moments(root):
  path = scans.table(root, scans.rows(age_years=lambda i: 40 + i))
  dataset = scans.read(root, path, task="regression", label="age_years")
  label = dataset.splits["train"].arrays["label"]
  assert label.dtype == np.float32 and label.shape[1:] == (1,)
  assert dataset.info.target.names == ("age_years",)
  np.testing.assert_allclose(dataset.info.target.mean, label.mean(0), rtol=1e-6)
  assert scans.together(dataset)["3.png"] == 43


def test_joined_labels_become_columns(root):
  names = ("", "edema", "edema; mass", "mass")
  path = scans.table(root, scans.rows(findings=lambda i: names[i % 4]))
  dataset = scans.read(root, path, task="multilabel", label="findings")
  assert dataset.info.target.names == ("edema", "mass")
  labels = scans.together(dataset)
  assert [labels[f"{i}.png"].tolist() for i in range(4)] == [
    [0, 0], [1, 0], [1, 1], [0, 1],
  ]  # fmt: skip


def test_label_columns_may_have_empty_cells(root):
  path = scans.table(
    root, scans.rows(edema=lambda i: i % 2, mass=lambda i: ("", 1, 0)[i % 3])
  )
  dataset = scans.read(root, path, task="multilabel", label=("edema", "mass"))
  labels = scans.together(dataset)
  np.testing.assert_array_equal(labels["0.png"], [0, np.nan])
  np.testing.assert_array_equal(labels["1.png"], [1, 1])


def test_repeated_rows_are_dropped_and_counted(root):
  rows = scans.rows()
  path = scans.table(root, [*rows, rows[3]])
  dataset = scans.read(root, path, label="label", patient="patient")
  assert sum(map(len, dataset.splits.values())) == 20
  assert dataset.card["changes"] == [
    {"what": "repeated rows, dropped", "count": 1}
  ]


def test_an_image_with_two_labels_is_an_error_with_its_row(root):
  rows = scans.rows()
  path = scans.table(root, [*rows, rows[3] | {"label": "no"}])
  with pytest.raises(UserError, match="row 22, column 'image': differs"):
    scans.read(root, path, label="label", patient="patient")


@pytest.mark.parametrize(
  ("cell", "message"),
  [
    ("../secret.png", "leads out"),
    ("a/../../secret.png", "leads out"),
    ("/etc/passwd", "leads out"),
    ("C:\\scans\\1.png", "leads out"),
    ("~/1.png", "leads out"),
    ("..\\secret.png", "leads out"),
    ("link.png", "leads out"),
    ("gone.png", "no such file: 'gone.png'"),
    ("", "no file is named"),
  ],
)
def test_a_path_that_leaves_the_folder_is_refused_with_its_row(
  root, cell, message
):
  scans.save(root.parent / "secret.png")
  (root / "link.png").symlink_to(root.parent / "secret.png")
  path = scans.table(root, scans.rows())
  with open(path, "a") as file:
    file.write(f"{cell},yes,p1,f\n")
  with pytest.raises(UserError, match=f"row 22, column 'image': .*{message}"):
    scans.read(root, path, label="label")


@pytest.mark.parametrize(
  ("change", "settings", "message"),
  [
    ({"label": ""}, {"label": "label"}, "row 3, column 'label': the label is"),
    ({"label": "nan"}, {"label": "label"}, "row 3, column 'label': the label"),
    (
      {"label": "yess"},
      {"label": "label", "classes": ("no", "yes")},
      r"row 3, column 'label': 'yess' is none of .*nearest: yes",
    ),
    ({}, {"label": "lable"}, "no column 'lable' .*nearest: label"),
    ({}, {}, "which column is the label"),
    ({}, {"label": "label", "image": "file"}, "no column 'file'"),
    ({}, {"label": "label", "task": "regression"}, "not a finite number"),
    ({}, {"label": "label", "task": "ordinal"}, "task='ordinal': expected"),
    (
      {"sex": "2"},
      {"label": "sex", "split_column": "sex"},
      "row 2, column 'sex': 'f' is not a split",
    ),
    ({}, {"label": "label", "bad": "ignore"}, "expected error or skip"),
    ({}, {"label": "label", "channels": 2}, "1 or 3 channels"),
    ({}, {"label": "label", "resize": "squash"}, "pad, crop or stretch"),
  ],
)
def test_a_wrong_cell_or_setting_is_one_clear_line(
  root, change, settings, message
):
  rows = scans.rows()
  rows[1] |= change
  path = scans.table(root, rows)
  with pytest.raises(UserError, match=message):
    scans.read(root, path, **settings)


def test_a_patient_or_class_of_images_in_two_spellings_is_one(root):
  rows = scans.rows(40, patients=10)
  for i, row in enumerate(rows):
    row["patient"] = ("{:03d}", "{}.0")[i // 10 % 2].format(i % 10)
    row["label"] += "\u200b" * (i == 0)
  dataset = scans.read(
    root, scans.table(root, rows), label="label", patient="patient"
  )
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 10
  assert dataset.info.target.names == ("no", "yes")
  counts = [change["count"] for change in dataset.card["changes"]]
  assert counts == [10, 1]


def test_a_device_is_no_table_of_images():
  with pytest.raises(UserError, match=r"/dev/zero: is a pipe or a device"):
    own_images.own_images(Folders(None, "cache"), path="/dev/zero")


def test_a_class_of_minus_one_in_a_table_is_named(root):
  rows = scans.rows(30, label=lambda i: i // 2 % 3 - 1)
  dataset = scans.read(
    root, scans.table(root, rows), label="label", patient="patient"
  )
  assert dataset.info.target.names == ("-1", "0", "1")
  *_, line = cards.lines(dataset.card)
  assert line.startswith("note: the label -1 is read as a class like any other")


def test_a_table_of_images_may_have_another_delimiter(root):
  path = scans.table(root, scans.rows())
  path.write_text(path.read_text().replace(",", ";"))
  with pytest.raises(UserError, match="set the delimiter"):
    scans.read(root, path, label="label")
  data = scans.read(root, path, label="label", delimiter=";")
  assert sum(map(len, data.splits.values())) == 20
  assert len(data.encode(str(path)).ids) == 20
