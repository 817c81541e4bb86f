"""MedMNIST files: the real ones, and synthetic ones that are wrong."""

import zipfile

import numpy as np
import pytest

from medfm.data.datasets import medmnist
from medfm.tasks.multilabel import Labels
from medfm.types import Folders, UserError

COUNTS = {  # MANIFEST.md of the real data: images of class 0 and 1.
  "breastmnist": {
    "train": (147, 399), "validation": (21, 57), "test": (42, 114),
  },
  "pneumoniamnist": {
    "train": (1214, 3494), "validation": (135, 389), "test": (234, 390),
  },
}  # fmt: skip


@pytest.fixture(scope="module")
def breast(shared_folders):
  return medmnist.medmnist(shared_folders)


def _raw(data_dir, name):
  return np.load(data_dir / "images" / f"{name}.npz", allow_pickle=False)


@pytest.mark.parametrize("name", COUNTS)
def test_classes_are_counted_as_in_the_manifest(name, shared_folders):
  dataset = medmnist.medmnist(shared_folders, name=name)
  assert {
    split: tuple(np.bincount(part.arrays["label"]).tolist())
    for split, part in dataset.splits.items()
  } == COUNTS[name]
  assert dataset.info.target.counts == COUNTS[name]["train"]


def test_pixels_and_labels_are_those_of_the_file_in_its_order(breast, data_dir):
  raw = _raw(data_dir, "breastmnist")
  for key, split in (("train", "train"), ("val", "validation")):
    arrays = breast.splits[split].arrays
    np.testing.assert_array_equal(arrays["image"][..., 0], raw[f"{key}_images"])
    np.testing.assert_array_equal(
      arrays["label"], raw[f"{key}_labels"].reshape(-1)
    )
    assert breast.splits[split].ids[1] == f"{key}/1"


def test_images_are_uint8_with_a_channel_and_labels_int32(breast):
  arrays = breast.splits["test"].arrays
  assert arrays["image"].shape == (156, 28, 28, 1)
  assert arrays["image"].dtype == np.uint8
  assert arrays["label"].dtype == np.int32


def test_the_card_says_that_patients_are_unknown(breast):
  assert breast.splits["train"].patients is None
  assert any("name no patients" in note for note in breast.card["notes"])


def test_the_card_tells_that_a_mirror_saved_the_file_anew(breast):
  assert breast.card["source"]["official"] is False


def test_a_new_image_is_treated_as_the_training_ones(breast, tmp_path):
  from PIL import Image

  Image.fromarray(np.full((50, 60, 3), 9, np.uint8)).save(tmp_path / "a.png")
  split = breast.encode(str(tmp_path / "a.png"))
  assert split.arrays["image"].shape == (1, 28, 28, 1)
  assert (split.arrays["image"] == 9).all()


def test_every_member_has_its_classes_counts_and_sums():
  assert len(medmnist.MEMBERS) == 12
  for member in medmnist.MEMBERS.values():
    assert len(set(member.classes)) == len(member.classes) >= 2
    assert member.channels in (1, 3)
    assert [len(md5) for md5 in member.md5] == [32] * 4
  sums = [md5 for member in medmnist.MEMBERS.values() for md5 in member.md5]
  assert len(set(sums)) == 48


def _synthetic(tmp_path, name="breastmnist", size=28, **changes):
  """A made-up file of 6, 4 and 4 images; `changes` replace its arrays."""
  member = medmnist.MEMBERS[name]
  shape = (size, size) if member.channels == 1 else (size, size, 3)
  arrays = {}
  for key, n in (("train", 6), ("val", 4), ("test", 4)):
    arrays[f"{key}_images"] = np.zeros((n, *shape), np.uint8)
    label = np.arange(n)[:, None] % 2
    if member.multilabel:
      label = np.tile(label, (1, len(member.classes)))
    arrays[f"{key}_labels"] = label.astype(np.uint8)
  arrays |= changes
  kept = {key: value for key, value in arrays.items() if value is not None}
  raw = tmp_path / "raw"
  raw.mkdir()
  file = f"{name}.npz" if size == 28 else f"{name}_{size}.npz"
  np.savez_compressed(raw / file, **kept)
  return raw / file


def _read(path, **kwargs):
  folders = Folders(raw=str(path.parent), cache=str(path.parent / "cache"))
  return medmnist.medmnist(folders, **kwargs)


def test_chestmnist_has_fourteen_labels_of_zero_and_one(tmp_path):
  dataset = _read(_synthetic(tmp_path, "chestmnist"), name="chestmnist")
  label = dataset.splits["train"].arrays["label"]
  assert isinstance(dataset.info.target, Labels)
  assert label.shape == (6, 14) and label.dtype == np.float32
  assert dataset.info.target.counts == (3,) * 14


def test_larger_sizes_and_colour_are_read(tmp_path):
  path = _synthetic(tmp_path, "bloodmnist", size=64)
  dataset = _read(path, name="bloodmnist", size=64)
  assert dataset.splits["test"].arrays["image"].shape == (4, 64, 64, 3)


def test_counts_unlike_the_official_ones_stand_on_the_card(tmp_path):
  notes = _read(_synthetic(tmp_path)).card["notes"]
  assert any(
    note.startswith("train: 6 images, officially 546") for note in notes
  )


OBJECTS = np.array([None] * 6)
OBJECTS[:] = "a"


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"val_labels": None}, "no array 'val_labels'"),
    ({"train_labels": np.full((6, 1), 2)}, "row 0 is not one of 0..1"),
    ({"train_labels": np.zeros((6, 3))}, r"shape \(6, 3\), expected"),
    ({"test_labels": np.full(4, np.nan)}, "row 0 is not one of 0..1"),
    ({"train_labels": np.zeros((5, 1))}, r"expected uint8 of shape \(5, 28"),
    ({"train_images": np.zeros((6, 28, 28))}, "train_images: float64"),
    ({"train_images": np.zeros((6, 14, 56), np.uint8)}, r"\(6, 14, 56\)"),
    ({"train_labels": OBJECTS}, "not plain numbers"),
    ({"train_images": OBJECTS}, "train_images: object"),
  ],
)
def test_a_wrong_array_is_one_clear_line(tmp_path, changes, message):
  path = _synthetic(tmp_path, **changes)
  with pytest.raises(UserError, match=message) as caught:
    _read(path)
  assert str(caught.value).startswith("breastmnist.npz")


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.99])
def test_a_truncated_file_is_one_clear_line(tmp_path, part):
  path = _synthetic(tmp_path)
  data = path.read_bytes()
  path.write_bytes(data[: int(part * len(data))])
  with pytest.raises(UserError, match="damaged or truncated npz"):
    _read(path)


def test_a_flipped_byte_of_the_pixels_is_found(tmp_path):
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 255, (6, 28, 28), np.uint8)
  path = _synthetic(tmp_path, train_images=pixels)
  data = bytearray(path.read_bytes())
  with zipfile.ZipFile(path) as archive:
    start = archive.getinfo("train_images.npy").header_offset
  data[start + 2000] ^= 4
  path.write_bytes(data)
  with pytest.raises(UserError, match="damaged"):
    _read(path)


def test_an_unknown_name_or_size_is_told_with_the_nearest(folders):
  with pytest.raises(UserError, match="nearest: breastmnist"):
    medmnist.medmnist(folders, name="breastminst")
  with pytest.raises(UserError, match="expected one of"):
    medmnist.medmnist(folders, size=32)


def test_only_sets_whose_classes_name_no_side_may_be_mirrored():
  sided = {
    name for name, each in medmnist.MEMBERS.items() if not each.mirror_axes
  }
  assert sided == {"organamnist", "organcmnist", "organsmnist"}
