"""MedNIST: the real subset thinned, and small synthetic archives."""

import collections
import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from medfm.data.datasets import mednist
from medfm.types import Folders, UserError

COUNTS = {  # MANIFEST.md of the real data.
  "AbdomenCT": 2500,
  "BreastMRI": 2239,
  "CXR": 2500,
  "ChestCT": 2500,
  "Hand": 2500,
  "HeadCT": 2500,
}


def _read(raw, **kwargs):
  return mednist.mednist(
    Folders(raw=str(raw), cache=str(raw / "cache")), **kwargs
  )


@pytest.fixture(scope="module")
def thinned(data_dir, tmp_path_factory):
  """Every tenth of the real images, and their bytes by name."""
  raw = tmp_path_factory.mktemp("raw")
  kept = {}
  source = data_dir / "images" / "mednist_subset.zip"
  with (
    zipfile.ZipFile(source) as archive,
    zipfile.ZipFile(raw / "mednist_subset.zip", "w") as target,
  ):
    names = [name for name in archive.namelist() if name.endswith(".jpeg")]
    for name in names[::10]:
      kept[name] = archive.read(name)
      target.writestr(name, kept[name])
  return _read(raw), kept


def test_the_archive_holds_the_images_of_the_manifest(data_dir):
  with zipfile.ZipFile(data_dir / "images" / "mednist_subset.zip") as archive:
    names = filter(None, map(mednist._NAME.fullmatch, archive.namelist()))
    assert collections.Counter(name[1] for name in names) == COUNTS


@pytest.mark.slow
def test_the_whole_subset_is_read(shared_folders):
  dataset = mednist.mednist(shared_folders)
  label = np.concatenate(
    [split.arrays["label"] for split in dataset.splits.values()]
  )
  assert np.bincount(label).tolist() == list(COUNTS.values())


def test_pixels_are_those_of_the_jpeg_files(thinned):
  dataset, kept = thinned
  split = dataset.splits["validation"]
  for row in range(0, len(split), 20):
    data = kept[f"MedNIST/{split.ids[row]}.jpeg"]
    np.testing.assert_array_equal(
      split.arrays["image"][row, :, :, 0],
      np.asarray(Image.open(io.BytesIO(data))),
    )


def test_labels_are_the_folders(thinned):
  dataset, _ = thinned
  for split in dataset.splits.values():
    labels = [mednist.CLASSES[label] for label in split.arrays["label"]]
    assert labels == [name.split("/")[0] for name in split.ids]


def test_neighbouring_numbers_share_a_split(thinned):
  dataset, _ = thinned
  homes = collections.defaultdict(set)
  for name, split in dataset.splits.items():
    for file in split.ids:
      label, number = file.split("/")
      homes[label, int(number) // 50].add(name)
  assert all(len(splits) == 1 for splits in homes.values())
  assert len(homes) > 1000


def test_the_card_says_that_the_patients_are_synthetic(thinned):
  dataset, kept = thinned
  notes = " ".join(dataset.card["notes"])
  assert "patient key is synthetic" in notes
  assert f"{len(kept)} of the 58954 images" in notes


def _synthetic(**others):
  """Made-up files of four images per class, 50 numbers apart."""
  pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, "JPEG")
  contents = {
    f"MedNIST/{label}/{number * 50:06d}.jpeg": file.getvalue()
    for label in mednist.CLASSES
    for number in range(4)
  }
  return contents | {f"MedNIST/{name}": data for name, data in others.items()}


def _tar(contents, path):
  with tarfile.open(path, "w:gz") as archive:
    for name, data in contents.items():
      info = tarfile.TarInfo(name)
      info.size = len(data)
      archive.addfile(info, io.BytesIO(data))


def test_the_official_tar_and_an_unpacked_folder_give_the_same(tmp_path):
  contents = _synthetic(**{"README.md": b"text"})
  packed, plain = tmp_path / "packed", tmp_path / "plain"
  packed.mkdir()
  _tar(contents, packed / "MedNIST.tar.gz")
  for name, data in contents.items():
    (plain / name).parent.mkdir(parents=True, exist_ok=True)
    (plain / name).write_bytes(data)
  first, second = _read(packed), _read(plain)
  for name, split in first.splits.items():
    assert sorted(split.ids) == sorted(second.splits[name].ids)
  assert sum(map(len, first.splits.values())) == 24
  for dataset in (first, second):
    assert dataset.card["changes"] == [
      {"what": "files that are not images", "count": 1}
    ]


def test_a_truncated_image_is_named(tmp_path):
  contents = _synthetic()
  name = "MedNIST/Hand/000050.jpeg"
  contents[name] = contents[name][:500]
  _tar(contents, tmp_path / "MedNIST.tar.gz")
  with pytest.raises(UserError, match=r"Hand/000050: .* truncated"):
    _read(tmp_path)


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
def test_a_truncated_archive_is_one_clear_line(tmp_path, part):
  path = tmp_path / "MedNIST.tar.gz"
  _tar(_synthetic(), path)
  data = path.read_bytes()
  path.write_bytes(data[: int(part * len(data))])
  with pytest.raises(UserError, match="damaged or truncated archive"):
    _read(tmp_path)


def test_a_missing_class_is_named(tmp_path):
  contents = {n: d for n, d in _synthetic().items() if "/Hand/" not in n}
  _tar(contents, tmp_path / "MedNIST.tar.gz")
  with pytest.raises(UserError, match="folder Hand/"):
    _read(tmp_path)
