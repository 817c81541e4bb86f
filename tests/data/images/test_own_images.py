"""A user's own images: the real ultrasound folder, and synthetic toys."""

import csv
import logging
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from medfm import tasks
from medfm.data import cards
from medfm.data.images import files as image_files
from medfm.data.images import own as own_images
from medfm.types import Folders, UserError


def _save(path, value=0, dtype=np.uint8, shape=(8, 8)):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.full(shape, value, dtype)).save(path)


@pytest.fixture
def classes(tmp_path):
  """A synthetic folder of two classes with ten images each."""
  root = tmp_path / "images"
  for label in ("benign", "malignant"):
    for number in range(10):
      _save(root / label / f"{number}.png", number)
  return root


def _read(root, path=None, **kwargs):
  folders = Folders(raw=None, cache=str(root.parent / "cache"))
  return own_images.own_images(
    folders, **{"path": str(path or root), "size": 8} | kwargs
  )


def _table(root, rows, name="table.csv"):
  """A synthetic CSV file beside its images; a missing one is made."""
  for row in rows:
    if row["image"] and not (root / row["image"]).exists():
      _save(root / row["image"], len(os.listdir(root)))
  with open(root / name, "w", newline="") as file:
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
  return root / name


@pytest.fixture
def root(tmp_path):
  folder = tmp_path / "images"
  folder.mkdir()
  return folder


def _rows(n=20, patients=10, **others):
  return [
    {
      "image": f"{i}.png",
      "label": ("no", "yes")[i // 2 % 2],
      "patient": f"p{i % patients}",
      "sex": "fm"[i % 2],
    }
    | {key: value(i) for key, value in others.items()}
    for i in range(n)
  ]


def _together(dataset, key="label"):
  """id -> value over all splits."""
  return {
    name: value
    for split in dataset.splits.values()
    for name, value in zip(split.ids, split.arrays[key], strict=True)
  }


@pytest.fixture(scope="module")
def ultrasound(data_dir, tmp_path_factory):
  """The real BUSI images, and the folder they were unpacked into."""
  cache = tmp_path_factory.mktemp("cache")
  dataset = own_images.own_images(
    Folders(raw=str(data_dir), cache=str(cache)),
    path="images/busi_256.zip",
    size=16,
    channels=3,
  )
  (table,) = (cache / "unpacked").rglob("all_captions.csv")
  return dataset, table


def test_the_real_ultrasound_folder_is_read_as_in_the_manifest(ultrasound):
  dataset, _ = ultrasound
  assert dataset.info.target.names == ("benign", "malignant", "normal")
  labels = list(_together(dataset).values())
  assert np.bincount(labels).tolist() == [437, 210, 133]
  assert dataset.splits["train"].arrays["image"].shape[1:] == (16, 16, 3)
  assert dataset.card["changes"] == [
    {"what": "other files, ignored", "count": 1}  # The table of captions.
  ]


def test_the_real_caption_table_gives_the_same_labels(ultrasound):
  dataset, table = ultrasound
  listing = image_files.listed(
    table,
    tasks.columns_of("multiclass", label=("label",)),
    root="",
    image="",
    patient="",
    groups=(),
    split_column="",
    fractions=(0.7, 0.1, 0.2),
    seed=0,
  )
  labels = listing.truth["label"].tolist()
  assert dict(zip(listing.raw, labels, strict=True)) == _together(dataset)


def test_folders_are_classes_and_pixels_stay(classes):
  dataset = _read(classes)
  assert dataset.info.target.names == ("benign", "malignant")
  assert {name: len(split) for name, split in dataset.splits.items()} == {
    "train": 14, "validation": 2, "test": 4,
  }  # fmt: skip
  for name, label in _together(dataset).items():
    assert name.startswith(dataset.info.target.names[label])
  for name, image in _together(dataset, "image").items():
    assert (image == int(name.split("/")[1][0])).all()
  assert sum(dataset.info.target.counts) == 14


def test_split_folders_are_kept(tmp_path):
  root = tmp_path / "images"
  for split, n in (("train", 4), ("val", 2), ("test", 3)):
    for label in "ab":
      for number in range(n):
        _save(root / split / label / f"{number}.png")
  dataset = _read(root)
  assert {name: len(split) for name, split in dataset.splits.items()} == {
    "train": 8, "validation": 4, "test": 6,
  }  # fmt: skip
  assert dataset.card["split"] == "as given"


def test_a_given_split_without_validation_gives_some_of_its_training(tmp_path):
  root = tmp_path / "images"
  for split, n in (("train", 8), ("test", 3)):
    for label in "ab":
      for number in range(n):
        _save(root / split / label / f"{number}.png")
  dataset = _read(root)
  assert len(dataset.splits["test"]) == 6
  assert len(dataset.splits["validation"]) == 2
  assert all(name.startswith("train/") for name in dataset.splits["train"].ids)


def test_split_folders_do_not_mix_with_others(classes):
  _save(classes / "train" / "benign" / "1.png")
  with pytest.raises(UserError, match="'benign' stands beside split folders"):
    _read(classes)


def test_folders_that_systems_leave_behind_are_no_classes(classes):
  _save(classes / "__MACOSX" / "1.png")
  _save(classes / ".git" / "1.png")
  assert _read(classes).info.target.names == ("benign", "malignant")


def test_an_empty_class_folder_is_told(classes):
  (classes / "normal").mkdir()
  with pytest.raises(UserError, match="class folder normal has no images"):
    _read(classes)


def test_one_class_is_not_enough(classes):
  shutil.rmtree(classes / "benign")
  with pytest.raises(UserError, match=r"one class only \('malignant'\)"):
    _read(classes)


def test_an_image_outside_the_class_folders_is_told(classes):
  _save(classes / "loose.png")
  with pytest.raises(UserError, match=r"loose\.png lies in no class folder"):
    _read(classes)


def test_the_order_of_classes_can_be_set(classes):
  dataset = _read(classes, classes=("malignant", "benign"))
  assert dataset.info.target.names == ("malignant", "benign")
  with pytest.raises(UserError, match="nearest: bening"):
    _read(classes, classes=("malignant", "bening"))


def test_numbered_classes_are_ordered_by_value(tmp_path):
  for label in ("10", "9", "2"):
    for number in range(4):
      _save(tmp_path / "images" / label / f"{number}.png")
  assert _read(tmp_path / "images").info.target.names == ("2", "9", "10")


def test_other_files_are_ignored_and_counted(classes):
  for name in (".DS_Store", "thumbs.db", "benign/notes.txt"):
    (classes / name).write_bytes(b"x")
  assert _read(classes).card["changes"] == [
    {"what": "other files, ignored", "count": 3}
  ]


def test_images_without_labels_serve_for_pretraining(classes):
  dataset = _read(classes, task="none")
  assert "label" not in dataset.splits["train"].arrays
  assert dataset.info.target.names == ()
  assert sum(map(len, dataset.splits.values())) == 20


def test_a_broken_image_is_an_error_that_names_it(classes):
  (classes / "benign" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
  with pytest.raises(UserError, match=r"^benign/3\.png: "):
    _read(classes)


def test_broken_images_are_skipped_counted_and_logged(classes, caplog):
  caplog.set_level(logging.WARNING)
  (classes / "benign" / "3.png").write_bytes(b"")
  dataset = _read(classes, bad="skip", max_bad_fraction=0.1)
  assert sum(map(len, dataset.splits.values())) == 19
  assert dataset.card["changes"] == [
    {"what": "images that cannot be read, skipped", "count": 1}
  ]
  assert "skipped: benign/3.png: the file is empty" in caplog.text


def test_too_many_broken_images_are_an_error(classes):
  for number in range(4):
    (classes / "benign" / f"{number}.png").write_bytes(b"")
  with pytest.raises(UserError, match=r"more than max_bad_fraction=0\.1"):
    _read(classes, bad="skip", max_bad_fraction=0.1)


def test_one_sixteen_bit_image_makes_all_sixteen_bit(classes):
  _save(classes / "benign" / "0.png", 12345, np.uint16)
  images = _together(_read(classes), "image")
  assert (images["benign/0.png"] == 12345).all()
  assert (images["benign/5.png"] == 5 * 257).all()


def test_a_changed_image_changes_the_data(classes):
  first = _read(classes)
  _save(classes / "benign" / "0.png", 99)
  second = _read(classes)
  assert first.card["fingerprint"] != second.card["fingerprint"]
  assert (_together(second, "image")["benign/0.png"] == 99).all()


def test_a_link_out_of_the_folder_is_refused(classes, tmp_path):
  _save(tmp_path / "secret.png")
  (classes / "benign" / "x.png").symlink_to(tmp_path / "secret.png")
  with pytest.raises(UserError, match=r"x\.png: is a link out of images"):
    _read(classes)


def test_a_linked_folder_is_refused(classes, tmp_path):
  (tmp_path / "other").mkdir()
  (classes / "normal").symlink_to(tmp_path / "other")
  with pytest.raises(UserError, match="normal: is a link to a folder"):
    _read(classes)


def test_a_table_gives_labels_patients_and_groups(root):
  path = _table(root, _rows())
  dataset = _read(root, path, label="label", patient="patient", groups=("sex",))
  labels = _together(dataset)
  for row in _rows():
    assert dataset.info.target.names[labels[row["image"]]] == row["label"]
  for split in dataset.splits.values():
    for name, patient, sex in zip(
      split.ids, split.patients, split.groups["sex"], strict=True
    ):
      number = int(name.removesuffix(".png"))
      assert (patient, sex) == (f"p{number % 10}", "fm"[number % 2])


def test_no_patient_is_in_two_splits(root):
  path = _table(root, _rows())
  dataset = _read(root, path, label="label", patient="patient")
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 10


def test_a_split_column_is_kept_and_must_not_share_patients(root):
  part = lambda i: ("train", "val", "test", "train", "train")[i % 5]  # noqa: E731
  path = _table(root, _rows(split=part))
  dataset = _read(
    root, path, label="label", patient="patient", split_column="split"
  )
  assert len(dataset.splits["validation"]) == 4
  rows = _rows(split=lambda i: ("train", "val", "test")[i % 3])
  path = _table(root, rows)
  with pytest.raises(UserError, match="patients are in more than one") as error:
    _read(root, path, label="label", patient="patient", split_column="split")
  assert "p1" not in str(error.value)


def test_regression_has_raw_numbers_and_their_moments(root):
  path = _table(root, _rows(age_years=lambda i: 40 + i))
  dataset = _read(root, path, task="regression", label="age_years")
  label = dataset.splits["train"].arrays["label"]
  assert label.dtype == np.float32 and label.shape[1:] == (1,)
  assert dataset.info.target.names == ("age_years",)
  np.testing.assert_allclose(dataset.info.target.mean, label.mean(0), rtol=1e-6)
  assert _together(dataset)["3.png"] == 43


def test_joined_labels_become_columns(root):
  names = ("", "edema", "edema; mass", "mass")
  path = _table(root, _rows(findings=lambda i: names[i % 4]))
  dataset = _read(root, path, task="multilabel", label="findings")
  assert dataset.info.target.names == ("edema", "mass")
  labels = _together(dataset)
  assert [labels[f"{i}.png"].tolist() for i in range(4)] == [
    [0, 0], [1, 0], [1, 1], [0, 1],
  ]  # fmt: skip


def test_label_columns_may_have_empty_cells(root):
  path = _table(
    root, _rows(edema=lambda i: i % 2, mass=lambda i: ("", 1, 0)[i % 3])
  )
  dataset = _read(root, path, task="multilabel", label=("edema", "mass"))
  labels = _together(dataset)
  np.testing.assert_array_equal(labels["0.png"], [0, np.nan])
  np.testing.assert_array_equal(labels["1.png"], [1, 1])


def test_repeated_rows_are_dropped_and_counted(root):
  rows = _rows()
  path = _table(root, [*rows, rows[3]])
  dataset = _read(root, path, label="label", patient="patient")
  assert sum(map(len, dataset.splits.values())) == 20
  assert dataset.card["changes"] == [
    {"what": "repeated rows, dropped", "count": 1}
  ]


def test_an_image_with_two_labels_is_an_error_with_its_row(root):
  rows = _rows()
  path = _table(root, [*rows, rows[3] | {"label": "no"}])
  with pytest.raises(UserError, match="row 22, column 'image': an earlier"):
    _read(root, path, label="label", patient="patient")


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
  _save(root.parent / "secret.png")
  (root / "link.png").symlink_to(root.parent / "secret.png")
  path = _table(root, _rows())
  with open(path, "a") as file:
    file.write(f"{cell},yes,p1,f\n")
  with pytest.raises(UserError, match=f"row 22, column 'image': .*{message}"):
    _read(root, path, label="label")


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
      "row 2, column 'sex': 'f' is no split",
    ),
    ({}, {"label": "label", "bad": "ignore"}, "expected error or skip"),
    ({}, {"label": "label", "channels": 2}, "1 or 3 channels"),
    ({}, {"label": "label", "resize": "squash"}, "pad, crop or stretch"),
  ],
)
def test_a_wrong_cell_or_setting_is_one_clear_line(
  root, change, settings, message
):
  rows = _rows()
  rows[1] |= change
  path = _table(root, rows)
  with pytest.raises(UserError, match=message):
    _read(root, path, **settings)


def test_a_column_setting_for_a_folder_is_an_error(classes):
  with pytest.raises(UserError, match="needs a CSV file"):
    _read(classes, patient="patient")


def test_a_missing_path_is_one_line(tmp_path):
  with pytest.raises(UserError, match="no such file or folder"):
    _read(tmp_path / "nothing")


def test_dicom_files_are_split_by_a_hash_of_their_patient(tmp_path):
  pytest.importorskip("pydicom")
  from tests.data.images.test_dicom import RAMP, synthetic

  root = tmp_path / "images"
  for label in "ab":
    (root / label).mkdir(parents=True)
    for number in range(12):
      (root / label / f"{number}.dcm").write_bytes(
        synthetic(RAMP, PatientID=f"SECRET{label}{number % 6}")
      )
  dataset = _read(root)
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 12
  assert "SECRET" not in repr(dataset)
  assert "sha256 prefixes of the DICOM PatientID" in dataset.card["notes"][0]
  assert dataset.splits["train"].arrays["image"].dtype == np.uint16
  for path in (tmp_path / "cache").rglob("*"):
    assert not path.is_file() or b"SECRET" not in path.read_bytes()


@pytest.fixture
def trained(classes):
  return _read(classes, channels=3)


def test_new_images_are_encoded_from_a_file_a_folder_or_a_table(
  trained, tmp_path
):
  new = tmp_path / "new"
  _save(new / "a" / "1.png", 7, shape=(4, 4))
  _save(new / "2.png", 9, shape=(20, 20))
  (new / "table.csv").write_text("path,age\n2.png,40\na/1.png,50\n")
  one = trained.encode(str(new / "2.png"))
  folder = trained.encode(str(new))
  table = trained.encode(str(new / "table.csv"))
  assert one.ids.tolist() == ["2.png"]
  assert folder.ids.tolist() == ["2.png", "a/1.png"] == table.ids.tolist()
  for split in (folder, table):
    assert split.arrays["image"].shape == (2, 8, 8, 3)
    assert split.arrays["image"][:, 0, 0, 0].tolist() == [9, 7]
    assert "label" not in split.arrays


def test_new_images_get_the_bits_of_training(trained, tmp_path):
  _save(tmp_path / "new.png", 257 * 9, np.uint16)
  image = trained.encode(str(tmp_path / "new.png")).arrays["image"]
  assert image.dtype == np.uint8 and (image == 9).all()


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("gone.png", r"^/.*/gone\.png: no such file or folder$"),
    ("notes.txt", r"notes\.txt: not a PNG"),
    ("empty", "no images"),
    ("out.csv", r"row 2, column 'path': leads out"),
    ("odd.csv", "which column names the image files"),
  ],
)
def test_what_cannot_be_encoded_is_one_clear_line(
  trained, tmp_path, name, message
):
  (tmp_path / "notes.txt").write_text("no image")
  (tmp_path / "empty").mkdir()
  (tmp_path / "out.csv").write_text("path\n../x.png\n")
  (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
  with pytest.raises(UserError, match=message):
    trained.encode(str(tmp_path / name))


def test_a_patient_or_class_of_images_in_two_spellings_is_one(root):
  rows = _rows(40, patients=10)
  for i, row in enumerate(rows):
    row["patient"] = ("{:03d}", "{}.0")[i // 10 % 2].format(i % 10)
    row["label"] += "\u200b" * (i == 0)
  dataset = _read(root, _table(root, rows), label="label", patient="patient")
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 10
  assert dataset.info.target.names == ("no", "yes")
  counts = [change["count"] for change in dataset.card["changes"]]
  assert counts == [10, 1]


def _colour(path, shape=(8, 8), colour=(200, 30, 60)):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.full((*shape, 3), colour, np.uint8)).save(path)


def test_colour_files_stay_colour_and_the_card_says_so(classes):
  _colour(classes / "benign" / "0.png", (16, 12))
  dataset = _read(classes)
  assert dataset.info.only.channels == 3
  assert _together(dataset, "image")["benign/0.png"][4, 4].tolist() == [
    200, 30, 60,
  ]  # fmt: skip
  assert [*cards.lines(dataset.card)] == [
    "images: 20, read as colour images of 8 x 8 (as the files have) and 8 "
    "bits: 1 of 16 x 12 made 8 x 8 (pad), 19 grey copied to three channels"
  ]


def test_three_equal_channels_are_grey(classes):
  _colour(classes / "benign" / "0.png", colour=(9, 9, 9))
  dataset = _read(classes)
  assert dataset.info.only.channels == 1
  assert dataset.card["read"] == (
    "images: 20, read as grey images of 8 x 8 (as the files have) and 8 bits: "
    "none was changed"
  )


def test_colour_made_grey_on_request_is_counted(classes):
  _colour(classes / "benign" / "0.png")
  dataset = _read(classes, channels=1)
  assert dataset.info.only.channels == 1
  assert "(as channels=1 says)" in dataset.card["read"]
  assert dataset.card["read"].endswith("1 colour made grey")


def test_what_was_changed_is_known_again_from_the_cache(classes):
  _colour(classes / "benign" / "0.png")
  assert _read(classes).card == _read(classes).card


def test_new_images_take_the_channels_of_training_and_that_is_told(
  classes, tmp_path, caplog
):
  dataset = _read(classes)
  _colour(tmp_path / "new.png", (16, 16))
  with caplog.at_level("WARNING"):
    split = dataset.encode(str(tmp_path / "new.png"))
  assert split.arrays["image"].shape == (1, 8, 8, 1)
  assert "images as in training: 1 colour made grey" in caplog.text


def test_twelve_bits_beside_eight_are_brought_to_one_range(classes, tmp_path):
  _save(classes / "benign" / "0.png", 4095, np.uint16)
  _save(classes / "benign" / "1.png", 2048, np.uint16)
  dataset = _read(classes)
  images = _together(dataset, "image")
  assert (images["benign/0.png"] == 65535).all()
  assert (images["benign/1.png"] == 32776).all()
  assert (images["benign/5.png"] == 5 * 257).all()
  told = "2 of 12 bits stored in 16, brought to the whole range"
  assert told in dataset.card["read"]
  assert "18 of 8 bits made 16" in dataset.card["read"]
  _save(tmp_path / "new.png", 4095, np.uint16)
  assert (
    dataset.encode(str(tmp_path / "new.png")).arrays["image"] == 65535
  ).all()


def test_a_page_of_several_is_chosen_and_for_new_files_too(classes, tmp_path):
  pages = [Image.fromarray(np.full((8, 8), v, np.uint8)) for v in (3, 5, 7)]
  for path in (classes / "benign" / "0.tif", tmp_path / "new.tif"):
    pages[0].save(path, save_all=True, append_images=pages[1:])
  with pytest.raises(
    UserError, match=r"benign/0\.tif: holds 3 frames .* frame"
  ):
    _read(classes)
  dataset = _read(classes, frame="middle")
  assert (_together(dataset, "image")["benign/0.tif"] == 5).all()
  new = dataset.encode(str(tmp_path / "new.tif"))
  assert (new.arrays["image"] == 5).all()


def test_a_pipe_among_the_images_is_refused(classes):
  os.mkfifo(classes / "benign" / "x.png")
  with pytest.raises(UserError, match=r"x\.png: is no file, but a pipe"):
    _read(classes)


def test_a_device_is_no_table_of_images():
  with pytest.raises(UserError, match=r"/dev/zero: is a pipe or a device"):
    own_images.own_images(Folders(None, "cache"), path="/dev/zero")


def test_a_class_of_minus_one_in_a_table_is_named(root):
  rows = _rows(30, label=lambda i: i // 2 % 3 - 1)
  dataset = _read(root, _table(root, rows), label="label", patient="patient")
  assert dataset.info.target.names == ("-1", "0", "1")
  *_, line = cards.lines(dataset.card)
  assert line.startswith("note: the label -1 is read as a class of its own")


def test_masks_beside_images_are_told_and_left_out_by_pattern(
  classes, tmp_path, caplog
):
  for number in range(10):
    _save(classes / "benign" / f"{number}_mask.png", 255)
  _save(classes / "benign" / "3_mask_1.png", 255)
  warned = _read(classes)
  assert sum(map(len, warned.splits.values())) == 31
  *_, line = cards.lines(warned.card)
  assert line == (
    "note: 11 files look like masks of others (such as benign/0_mask.png): "
    "leave them out with exclude=*mask*"
  )
  dataset = _read(classes, exclude=("*_mask*",))
  assert sum(map(len, dataset.splits.values())) == 20
  assert dataset.card["changes"] == [
    {"what": "images left out by exclude=*_mask*", "count": 11}
  ]
  assert "warnings" not in dataset.card
  for name in ("1.png", "1_mask.png"):
    _save(tmp_path / "new" / name, 9)
  with caplog.at_level("WARNING"):
    new = dataset.encode(str(tmp_path / "new"))
  assert new.ids.tolist() == ["1.png"]
  assert " 1 images left out by exclude=*_mask*" in caplog.text


def test_a_folder_of_masks_is_told_and_left_out(classes):
  _save(classes / "masks" / "1.png", 255)
  *_, line = cards.lines(_read(classes).card)
  assert "the folder masks looks like one of masks" in line
  dataset = _read(classes, exclude=("*masks/*",))
  assert dataset.info.target.names == ("benign", "malignant")


@pytest.mark.parametrize(
  ("exclude", "message"),
  [("*_msk*", r"exclude=\*_msk\*: no image"), ("*", "leaves out every image")],
)
def test_a_pattern_must_fit_some_images_and_not_all(classes, exclude, message):
  with pytest.raises(UserError, match=message):
    _read(classes, exclude=(exclude,))
