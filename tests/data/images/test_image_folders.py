"""A user's images in folders of classes: what is taken, and what is not."""

import os
import shutil

import pytest

from medfm.data import cards
from medfm.types import UserError
from tests.data.images import scans


def test_folders_are_classes_and_pixels_stay(classes):
  dataset = scans.read(classes)
  assert dataset.info.target.names == ("benign", "malignant")
  assert {name: len(split) for name, split in dataset.splits.items()} == {
    "train": 14, "validation": 2, "test": 4,
  }  # fmt: skip
  for name, label in scans.together(dataset).items():
    assert name.startswith(dataset.info.target.names[label])
  for name, image in scans.together(dataset, "image").items():
    assert (image == int(name.split("/")[1][0])).all()
  assert sum(dataset.info.target.counts) == 14


def test_split_folders_are_kept(tmp_path):
  root = tmp_path / "images"
  for split, n in (("train", 4), ("val", 2), ("test", 3)):
    for label in "ab":
      for number in range(n):
        scans.save(root / split / label / f"{number}.png")
  dataset = scans.read(root)
  assert {name: len(split) for name, split in dataset.splits.items()} == {
    "train": 8, "validation": 4, "test": 6,
  }  # fmt: skip
  assert dataset.card["split"] == "as given"


def test_a_given_split_without_validation_gives_some_of_its_training(tmp_path):
  root = tmp_path / "images"
  for split, n in (("train", 8), ("test", 3)):
    for label in "ab":
      for number in range(n):
        scans.save(root / split / label / f"{number}.png")
  dataset = scans.read(root)
  assert len(dataset.splits["test"]) == 6
  assert len(dataset.splits["validation"]) == 2
  assert all(name.startswith("train/") for name in dataset.splits["train"].ids)


def test_split_folders_do_not_mix_with_others(classes):
  scans.save(classes / "train" / "benign" / "1.png")
  with pytest.raises(UserError, match="'benign' is beside split folders"):
    scans.read(classes)


def test_folders_that_systems_leave_behind_are_no_classes(classes):
  scans.save(classes / "__MACOSX" / "1.png")
  scans.save(classes / ".git" / "1.png")
  assert scans.read(classes).info.target.names == ("benign", "malignant")


def test_an_empty_class_folder_is_told(classes):
  (classes / "normal").mkdir()
  with pytest.raises(UserError, match="class folder normal has no images"):
    scans.read(classes)


def test_one_class_is_not_enough(classes):
  shutil.rmtree(classes / "benign")
  with pytest.raises(UserError, match=r"only one class \('malignant'\)"):
    scans.read(classes)


def test_an_image_outside_the_class_folders_is_told(classes):
  scans.save(classes / "loose.png")
  with pytest.raises(UserError, match=r"loose\.png lies in no class folder"):
    scans.read(classes)


def test_the_order_of_classes_can_be_set(classes):
  dataset = scans.read(classes, classes=("malignant", "benign"))
  assert dataset.info.target.names == ("malignant", "benign")
  with pytest.raises(UserError, match="nearest: bening"):
    scans.read(classes, classes=("malignant", "bening"))


def test_numbered_classes_are_ordered_by_value(tmp_path):
  for label in ("10", "9", "2"):
    for number in range(4):
      scans.save(tmp_path / "images" / label / f"{number}.png")
  assert scans.read(tmp_path / "images").info.target.names == ("2", "9", "10")


def test_other_files_are_ignored_and_counted(classes):
  for name in (".DS_Store", "thumbs.db", "benign/notes.txt"):
    (classes / name).write_bytes(b"x")
  assert scans.read(classes).card["changes"] == [
    {"what": "other files, ignored", "count": 3}
  ]


def test_images_without_labels_serve_for_pretraining(classes):
  dataset = scans.read(classes, task="none")
  assert "label" not in dataset.splits["train"].arrays
  assert dataset.info.target.names == ()
  assert sum(map(len, dataset.splits.values())) == 20


def test_a_link_out_of_the_folder_is_refused(classes, tmp_path):
  scans.save(tmp_path / "secret.png")
  (classes / "benign" / "x.png").symlink_to(tmp_path / "secret.png")
  with pytest.raises(UserError, match=r"x\.png: is a link out of images"):
    scans.read(classes)


def test_a_linked_folder_is_refused(classes, tmp_path):
  (tmp_path / "other").mkdir()
  (classes / "normal").symlink_to(tmp_path / "other")
  with pytest.raises(UserError, match="normal: is a link to a folder"):
    scans.read(classes)


def test_a_column_setting_for_a_folder_is_an_error(classes):
  with pytest.raises(UserError, match="needs a CSV file"):
    scans.read(classes, patient="patient")


def test_a_missing_path_is_one_line(tmp_path):
  with pytest.raises(UserError, match="no such file or folder"):
    scans.read(tmp_path / "nothing")


def test_a_link_in_a_circle_among_the_images_is_refused(classes):
  (classes / "benign" / "x.png").symlink_to(classes / "benign" / "x.png")
  with pytest.raises(UserError, match=r"x\.png: .* a link to nothing"):
    scans.read(classes)


def test_a_pipe_among_the_images_is_refused(classes):
  os.mkfifo(classes / "benign" / "x.png")
  with pytest.raises(UserError, match=r"x\.png: is not a file but a pipe"):
    scans.read(classes)


def test_masks_beside_images_are_told_and_left_out_by_pattern(
  classes, tmp_path, caplog
):
  for number in range(10):
    scans.save(classes / "benign" / f"{number}_mask.png", 255)
  scans.save(classes / "benign" / "3_mask_1.png", 255)
  warned = scans.read(classes)
  assert sum(map(len, warned.splits.values())) == 31
  *_, line = cards.lines(warned.card)
  assert line == (
    "note: 11 files named as masks of others (such as benign/0_mask.png): "
    "leave them out with exclude=*mask*"
  )
  dataset = scans.read(classes, exclude=("*_mask*",))
  assert sum(map(len, dataset.splits.values())) == 20
  assert dataset.card["changes"] == [
    {"what": "images left out by exclude=*_mask*", "count": 11}
  ]
  assert "warnings" not in dataset.card
  for name in ("1.png", "1_mask.png"):
    scans.save(tmp_path / "new" / name, 9)
  with caplog.at_level("WARNING"):
    new = dataset.encode(str(tmp_path / "new"))
  assert new.ids.tolist() == ["1.png"]
  assert " 1 image left out by exclude=*_mask*" in caplog.text


def test_a_folder_of_masks_is_told_and_left_out(classes):
  scans.save(classes / "masks" / "1.png", 255)
  *_, line = cards.lines(scans.read(classes).card)
  assert "the folder masks looks like one of masks" in line
  dataset = scans.read(classes, exclude=("*masks/*",))
  assert dataset.info.target.names == ("benign", "malignant")


@pytest.mark.parametrize(
  ("exclude", "message"),
  [
    ("*_msk*", r"exclude=\*_msk\*: matches no image"),
    ("*", "leaves out every image"),
  ],
)
def test_a_pattern_must_fit_some_images_and_not_all(classes, exclude, message):
  with pytest.raises(UserError, match=message):
    scans.read(classes, exclude=(exclude,))
