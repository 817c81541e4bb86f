"""A user's own images: what they become, and new ones as they did."""

import logging

import numpy as np
import pytest
from PIL import Image

from medfm import tasks
from medfm.data import cards
from medfm.data.images import listing
from medfm.data.images import own as own_images
from medfm.types import Folders, UserError
from tests.data.images import scans


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


@pytest.mark.xdist_group("ultrasound")
def test_the_real_ultrasound_folder_is_read_as_in_the_manifest(ultrasound):
  dataset, _ = ultrasound
  assert dataset.info.target.names == ("benign", "malignant", "normal")
  labels = list(scans.together(dataset).values())
  assert np.bincount(labels).tolist() == [437, 210, 133]
  assert dataset.splits["train"].arrays["image"].shape[1:] == (16, 16, 3)
  assert dataset.card["changes"] == [
    {"what": "other files, ignored", "count": 1}  # The table of captions.
  ]


@pytest.mark.xdist_group("ultrasound")
def test_the_real_caption_table_gives_the_same_labels(ultrasound):
  dataset, table = ultrasound
  listed = listing.listed(
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
  labels = listed.truth["label"].tolist()
  assert dict(zip(listed.raw, labels, strict=True)) == scans.together(dataset)


def test_a_broken_image_is_an_error_that_names_it(classes):
  (classes / "benign" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
  with pytest.raises(UserError, match=r"^benign/3\.png: "):
    scans.read(classes)


def test_broken_images_are_skipped_counted_and_logged(classes, caplog):
  caplog.set_level(logging.WARNING)
  (classes / "benign" / "3.png").write_bytes(b"")
  dataset = scans.read(classes, bad="skip", max_bad_fraction=0.1)
  assert sum(map(len, dataset.splits.values())) == 19
  assert dataset.card["changes"] == [
    {"what": "images that cannot be read, skipped", "count": 1}
  ]
  assert "skipped: benign/3.png: the file is empty" in caplog.text


def test_too_many_broken_images_are_an_error(classes):
  for number in range(4):
    (classes / "benign" / f"{number}.png").write_bytes(b"")
  with pytest.raises(UserError, match=r"more than max_bad_fraction=0\.1"):
    scans.read(classes, bad="skip", max_bad_fraction=0.1)


def test_one_sixteen_bit_image_makes_all_sixteen_bit(classes):
  scans.save(classes / "benign" / "0.png", 12345, np.uint16)
  images = scans.together(scans.read(classes), "image")
  assert (images["benign/0.png"] == 12345).all()
  assert (images["benign/5.png"] == 5 * 257).all()


def test_a_changed_image_changes_the_data(classes):
  first = scans.read(classes)
  scans.save(classes / "benign" / "0.png", 99)
  second = scans.read(classes)
  assert first.card["fingerprint"] != second.card["fingerprint"]
  assert (scans.together(second, "image")["benign/0.png"] == 99).all()


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
  dataset = scans.read(root)
  patients = [set(split.patients) for split in dataset.splits.values()]
  assert sum(map(len, patients)) == len(set.union(*patients)) == 12
  assert "SECRET" not in repr(dataset)
  assert "sha256 prefixes of the DICOM PatientID" in dataset.card["notes"][0]
  assert dataset.splits["train"].arrays["image"].dtype == np.uint16
  for path in (tmp_path / "cache").rglob("*"):
    assert not path.is_file() or b"SECRET" not in path.read_bytes()


def test_new_images_are_encoded_from_a_file_a_folder_or_a_table(
  trained, tmp_path
):
  new = tmp_path / "new"
  scans.save(new / "a" / "1.png", 7, shape=(4, 4))
  scans.save(new / "2.png", 9, shape=(20, 20))
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
  scans.save(tmp_path / "new.png", 257 * 9, np.uint16)
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


def test_colour_files_stay_colour_and_the_card_says_so(classes):
  scans.colour(classes / "benign" / "0.png", (16, 12))
  dataset = scans.read(classes)
  assert dataset.info.only.channels == 3
  assert scans.together(dataset, "image")["benign/0.png"][4, 4].tolist() == [
    200, 30, 60,
  ]  # fmt: skip
  assert [*cards.lines(dataset.card)] == [
    "images: 20, read as colour images of 8 x 8 (as the files have) and 8 "
    "bits: 1 of 16 x 12 made 8 x 8 (pad), 19 grey copied to three channels"
  ]


def test_three_equal_channels_are_grey(classes):
  scans.colour(classes / "benign" / "0.png", colour=(9, 9, 9))
  dataset = scans.read(classes)
  assert dataset.info.only.channels == 1
  assert dataset.card["read"] == (
    "images: 20, read as grey images of 8 x 8 (as the files have) and 8 bits: "
    "none was changed"
  )


def test_colour_made_grey_on_request_is_counted(classes):
  scans.colour(classes / "benign" / "0.png")
  dataset = scans.read(classes, channels=1)
  assert dataset.info.only.channels == 1
  assert "(as channels=1 says)" in dataset.card["read"]
  assert dataset.card["read"].endswith("1 colour made grey")


def test_what_was_changed_is_known_again_from_the_cache(classes):
  scans.colour(classes / "benign" / "0.png")
  assert scans.read(classes).card == scans.read(classes).card


def test_new_images_take_the_channels_of_training_and_that_is_told(
  classes, tmp_path, caplog
):
  dataset = scans.read(classes)
  scans.colour(tmp_path / "new.png", (16, 16))
  with caplog.at_level("WARNING"):
    split = dataset.encode(str(tmp_path / "new.png"))
  assert split.arrays["image"].shape == (1, 8, 8, 1)
  assert "images as in training: 1 colour made grey" in caplog.text


def test_twelve_bits_beside_eight_are_brought_to_one_range(classes, tmp_path):
  scans.save(classes / "benign" / "0.png", 4095, np.uint16)
  scans.save(classes / "benign" / "1.png", 2048, np.uint16)
  dataset = scans.read(classes)
  images = scans.together(dataset, "image")
  assert (images["benign/0.png"] == 65535).all()
  assert (images["benign/1.png"] == 32776).all()
  assert (images["benign/5.png"] == 5 * 257).all()
  told = "2 of 12 bits stored in 16, brought to the whole range"
  assert told in dataset.card["read"]
  assert "18 of 8 bits made 16" in dataset.card["read"]
  scans.save(tmp_path / "new.png", 4095, np.uint16)
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
    scans.read(classes)
  dataset = scans.read(classes, frame="middle")
  assert (scans.together(dataset, "image")["benign/0.tif"] == 5).all()
  new = dataset.encode(str(tmp_path / "new.tif"))
  assert (new.arrays["image"] == 5).all()
