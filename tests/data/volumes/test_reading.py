"""One door to every kind of volume, and real files through it."""

import collections
import zipfile

import nibabel
import numpy as np
import pytest

from medfm.data.volumes import reading, series
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once


def test_a_file_and_a_folder_come_through_one_door(tmp_path):
  planes = made.values((2, 3, 4))
  made.series(tmp_path / "in", planes)
  path = made.nifti(tmp_path / "a.nii.gz", made.values())
  assert reading.read(path).geometry.kind == "nifti"
  assert reading.read(str(tmp_path / "in")).geometry.kind == "dicom"
  single = next((tmp_path / "in").iterdir())
  assert reading.read(single).values.shape == (4, 3, 1)


def test_what_is_not_there_is_refused(tmp_path):
  with pytest.raises(UserError, match=r"a\.nii: no such file or folder"):
    reading.read(tmp_path / "a.nii")


@pytest.mark.parametrize("key", [{"series": "1.2"}, {"window": (0, 1)}])
def test_settings_of_dicom_are_refused_for_other_files(tmp_path, key):
  path = made.nifti(tmp_path / "a.nii.gz", made.values())
  with pytest.raises(UserError, match=rf"{next(iter(key))}=.*DICOM"):
    reading.read(path, **key)


@pytest.mark.parametrize(
  "name, offered, stem",
  [
    ("a.NII.gz", True, "a"),
    ("b.c.nii", True, "b.c"),
    ("a.mgz", True, "a"),
    ("a.img", True, "a"),
    ("a.hdr", False, "a"),
    ("a+orig.HEAD", True, "a+orig"),
    ("a+orig.BRIK.gz", False, "a+orig"),
    ("._a.nii.gz", False, "._a"),
    ("a.png", False, "a.png"),
  ],
)
def test_the_name_of_a_file_offers_it(name, offered, stem):
  assert reading.offered(f"/data/{name}") == offered
  assert reading.stem(f"/data/{name}") == stem


REASONS = {
  "axes": "volumes where one is meant",
  "dimensions": "a MINC file of 4 dimensions",
  "cifti": "is CIFTI",
  "track": "is tractography",
  "none": "not a volume, or damaged",
  "place": "does not state where its",
  "colour": "is in colour",
  "seg": "is a DICOM segmentation",
  "dose": "is a dose of radiotherapy",
  "no image": "holds no image",
  "damaged": "cannot be read",
  "directory": "names no files",
  "turned": "different orientations",
  "missing": "slices are missing between",
  "several": "series where one is meant",
}


def why(error):
  """The one reason that a message gives."""
  (reason,) = (key for key, words in REASONS.items() if words in str(error))
  return reason


def counted(paths, check):
  """How many were read, and how many refused for each reason."""
  counts = collections.Counter()
  for path in paths:
    try:
      read = reading.read(path)
    except UserError as error:
      assert "\n" not in str(error)
      counts[why(error)] += 1
      continue
    check(path, read)
    grid = reading.blank(path)
    assert grid.values.shape == read.values.shape[:3] and not grid.values.any()
    np.testing.assert_array_equal(grid.affine, read.affine)
    assert grid.geometry == read.geometry
    counts["read"] += 1
  return counts


def unpacked(data_dir, name, into):
  with zipfile.ZipFile(data_dir / "volumes" / name) as archive:
    archive.extractall(into)
  return sorted(path for path in into.rglob("*") if path.is_file())


@pytest.mark.once
def test_every_sample_volume_is_read_or_refused_in_one_line(data_dir, tmp_path):
  def as_nibabel(path, read):
    other = nibabel.as_closest_canonical(nibabel.load(path))
    np.testing.assert_allclose(read.affine, other.affine, atol=1e-5)
    assert equal(read.values, np.asarray(other.dataobj))

  paths = unpacked(data_dir, "nifti_samples.zip", tmp_path)
  counts = counted(paths, as_nibabel)
  assert counts == {
    "read": 10, "axes": 8, "dimensions": 1, "cifti": 1, "track": 1, "none": 1,
  }  # fmt: skip
  several = [path for path in paths if nibabel_axes(path) == 4]
  for path in several:
    one = reading.read(path, frame="last").values
    other = nibabel.as_closest_canonical(nibabel.load(path))
    assert equal(one, np.asarray(other.dataobj)[..., -1])
  assert len(several) == 8


def nibabel_axes(path):
  if path.suffix in (".rst", ".trk", ".mnc"):
    return 0
  return nibabel.load(path).ndim


def equal(one, other):
  if one.dtype.kind in "iu":
    return np.array_equal(one, other)
  return np.allclose(one, other, rtol=1e-6, atol=0, equal_nan=True)


@pytest.mark.once
def test_every_sample_dicom_file_is_read_or_refused_in_one_line(
  data_dir, tmp_path
):
  def as_pydicom(path, read):
    from pydicom import dcmread

    file = dcmread(path)
    if "ImagePositionPatient" not in file:
      return  # Of several frames, which other tests compare.
    place = np.array(file.ImagePositionPatient, float) * (-1, -1, 1)
    index = np.linalg.solve(read.affine[:3, :3], place - read.affine[:3, 3])
    np.testing.assert_allclose(index, np.rint(index), atol=1e-4)
    first = read.values[tuple(np.rint(index).astype(int))]
    stored = float(file.pixel_array[0, 0])
    if stored == file.get("PixelPaddingValue"):
      return
    scaled = stored * float(file.get("RescaleSlope", 1))
    scaled += float(file.get("RescaleIntercept", 0))
    np.testing.assert_allclose(first, scaled, rtol=1e-5)

  paths = unpacked(data_dir, "dicom_samples.zip", tmp_path)
  paths = [path for path in paths if path.suffix != ".txt"]
  assert len(paths) == 205
  counts = counted(paths, as_pydicom)
  assert counts == {
    "read": 47, "no image": 63, "colour": 41, "place": 22, "seg": 11,
    "none": 6, "several": 6, "dose": 6, "damaged": 2, "directory": 1,
  }  # fmt: skip


@pytest.mark.once
def test_the_series_of_real_discs_are_listed_and_read(data_dir, tmp_path):
  unpacked(data_dir, "dicom_samples.zip", tmp_path)
  disc = tmp_path / "pydicom_test_files" / "dicomdirtests"
  listed = series.listed(disc / "DICOMDIR")
  assert sorted(one.files for one in listed) == [1] * 7 + [2, 3, 3, 4, 5, 7]
  shapes = collections.Counter()
  for one in listed:
    try:
      shapes[series.read(one).values.shape] += 1
    except UserError as error:
      shapes[why(error)] += 1
  assert shapes == {
    (16, 16, 5): 1, (1, 16, 16): 4, "turned": 4, "missing": 1, "place": 3,
  }  # fmt: skip
