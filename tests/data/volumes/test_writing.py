"""Masks go back into the grid of their scan, checked by reading them again."""

import zipfile

import nibabel
import numpy as np
import pytest

from medfm.data.volumes import nifti, reading, series, writing
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once

PLANES = (np.arange(5 * 3 * 4).reshape(5, 3, 4) * 7 - 100).astype(np.int16)


def marked(shape):
  return (made.values(shape) % 7 % 3).astype(np.uint8)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SRP", "PIL"])
@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_a_mask_is_written_in_the_grid_of_its_file(tmp_path, axes, turn):
  at = made.affine(axes, turn=turn)
  path = made.nifti(tmp_path / "image.nii.gz", made.values(), at)
  image = nifti.read(path)
  mask = marked(image.values.shape)
  writing.nifti(tmp_path / "mask.nii.gz", mask, image.geometry)
  written = nibabel.load(tmp_path / "mask.nii.gz")
  assert written.shape == made.SIZES
  assert written.get_data_dtype() == np.uint8
  np.testing.assert_allclose(written.affine, at, atol=1e-5)
  np.testing.assert_allclose(written.get_qform(), at, atol=1e-5)
  again = nifti.read_mask(tmp_path / "mask.nii.gz", image, (0, 1, 2))
  assert np.array_equal(again.values, mask)


def test_each_marked_voxel_stays_on_its_voxel_of_the_image(tmp_path):
  at = made.affine("PIL", turn=0.4)
  image = nifti.read(made.nifti(tmp_path / "i.nii", made.values(), at))
  writing.nifti(tmp_path / "m.nii", (image.values > 11) * 1, image.geometry)
  written = np.asarray(nibabel.load(tmp_path / "m.nii").dataobj)
  assert np.array_equal(written, made.values() > 11)


def test_a_series_gets_a_mask_in_its_own_order(tmp_path):
  made.series(tmp_path / "in", PLANES)
  image = reading.read(tmp_path / "in")
  mask = marked(image.values.shape)
  writing.nifti(tmp_path / "mask.nii.gz", mask, image.geometry)
  written = nibabel.load(tmp_path / "mask.nii.gz")
  # Columns to the left, rows to the back, slices to the head, from the first.
  at = np.diag([-0.5, -0.75, 2.5, 1])
  at[2, 3] = -20
  np.testing.assert_allclose(written.affine, at, atol=1e-5)
  again = nifti.read_mask(tmp_path / "mask.nii.gz", image)
  assert np.array_equal(again.values, mask)


def test_more_than_255_labels_take_16_bits(tmp_path):
  image = made.a_scan()
  writing.nifti(tmp_path / "m.nii.gz", made.values() + 300, image.geometry)
  assert nibabel.load(tmp_path / "m.nii.gz").get_data_dtype() == np.uint16


def test_a_grid_that_leans_keeps_its_affine(tmp_path):
  at = made.affine()
  at[0, 1] = 0.3
  image = made.a_scan(at=at)
  writing.nifti(tmp_path / "m.nii", marked(made.SIZES), image.geometry)
  written = nibabel.load(tmp_path / "m.nii")
  np.testing.assert_allclose(written.affine, at, atol=1e-6)
  codes = [int(written.header[f"{form}_code"]) for form in ("sform", "qform")]
  assert codes == [1, 0]


def test_nothing_is_left_of_a_file_that_could_not_be_written(
  tmp_path, monkeypatch
):
  def fail(self, path):
    path.write_bytes(b"half")
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(nibabel.Nifti1Image, "to_filename", fail)
  with pytest.raises(OSError):
    writing.nifti(
      tmp_path / "m.nii.gz", marked(made.SIZES), made.a_scan().geometry
    )
  assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
  "mask, why",
  [
    (np.zeros(made.SIZES, np.float32), "a mask of float32 with 3 axes"),
    (np.full(made.SIZES, -1), "labels from -1 to -1, expected 0 to 65,535"),
    (np.full(made.SIZES, 70000), "labels from 70000 to 70000"),
    (np.zeros((3, 4, 2), np.uint8), "expected a volume of 4 x 3 x 2"),
  ],
)
def test_what_is_no_mask_of_the_scan_is_refused(tmp_path, mask, why):
  with pytest.raises(UserError, match=why):
    writing.nifti(tmp_path / "m.nii.gz", mask, made.a_scan().geometry)
  assert [*tmp_path.iterdir()] == []


def test_another_suffix_is_refused(tmp_path):
  with pytest.raises(UserError, match=r"expected a name that ends in \.nii"):
    writing.nifti(
      tmp_path / "m.mgz", marked(made.SIZES), made.a_scan().geometry
    )


# DICOM SEG.


def as_seg(tmp_path, path, names=("liver", "lesion"), mask=None):
  """(the mask, the segmentation read again, the series)."""
  pytest.importorskip("highdicom")
  from highdicom import seg

  one = series.chosen(path)
  if mask is None:
    mask = marked(series.read(one).values.shape)
  writing.dicom_seg(tmp_path / "seg.dcm", mask, one, names)
  return mask, seg.segread(tmp_path / "seg.dcm"), one


def in_ras(written):
  """The labels [X,Y,Z] in RAS+ by highdicom's own geometry."""
  volume = written.get_volume(combine_segments=True)
  volume = volume.to_patient_orientation("RAS")
  flip = np.diag([-1.0, -1.0, 1.0, 1.0])  # Its affine is of LPS.
  return volume.array, flip @ volume.affine


@pytest.mark.parametrize("kind", ["slices", "frames"])
def test_a_segmentation_lies_on_its_series(tmp_path, kind):
  if kind == "slices":
    path = tmp_path / "in"
    made.series(path, PLANES)
  else:
    path = made.enhanced(tmp_path / "a.dcm", PLANES, (3, 0, 4, 1, 2))
  mask, written, one = as_seg(tmp_path, path)
  labels, affine = in_ras(written)
  image = series.read(one)
  assert np.array_equal(labels, mask)
  np.testing.assert_allclose(affine, image.affine, atol=1e-5)
  assert written.SegmentSequence[1].SegmentLabel == "lesion"


def test_a_segmentation_points_at_the_images_that_it_marks(tmp_path):
  from pydicom import dcmread

  made.series(tmp_path / "in", PLANES)
  mask = np.zeros((4, 3, 5), np.uint8)
  mask[0, 0, 3] = 1  # The right front of the fourth slice.
  _, written, _ = as_seg(tmp_path, tmp_path / "in", ("lesion",), mask)
  frame = written.PerFrameFunctionalGroupsSequence[0]
  source = frame.DerivationImageSequence[0].SourceImageSequence[0]
  images = [dcmread(file) for file in (tmp_path / "in").iterdir()]
  (image,) = (
    i for i in images if i.SOPInstanceUID == source.ReferencedSOPInstanceUID
  )
  assert image.ImagePositionPatient[2] == -20 + 3 * 2.5
  position = frame.PlanePositionSequence[0].ImagePositionPatient
  assert [*position] == [*image.ImagePositionPatient]
  assert written.PatientID == "secret-id"
  assert written.StudyInstanceUID == made.STUDY


def test_a_segmentation_of_nothing_is_written_too(tmp_path):
  made.series(tmp_path / "in", PLANES)
  empty = np.zeros((4, 3, 5), np.uint8)
  _, written, _ = as_seg(tmp_path, tmp_path / "in", mask=empty)
  assert not in_ras(written)[0].any()


def test_labels_without_a_name_are_refused(tmp_path):
  made.series(tmp_path / "in", PLANES)
  with pytest.raises(UserError, match="labels up to 2, but there are 1 names"):
    as_seg(tmp_path, tmp_path / "in", names=("liver",))


def test_a_series_without_a_study_gets_no_segmentation(tmp_path):
  made.series(tmp_path / "in", PLANES, StudyInstanceUID=None)
  with pytest.raises(UserError, match=r"lack what a DICOM segmentation must"):
    as_seg(tmp_path, tmp_path / "in")
  assert not (tmp_path / "seg.dcm").exists()


@pytest.mark.once
def test_a_real_series_gets_a_segmentation(data_dir, tmp_path):
  inside = "pydicom_test_files/dicomdirtests/98892001/CT5N/"
  with zipfile.ZipFile(data_dir / "volumes" / "dicom_samples.zip") as archive:
    archive.extractall(
      tmp_path, [n for n in archive.namelist() if n.startswith(inside)]
    )
  one = series.chosen(tmp_path / inside)
  image = series.read(one)
  mask = (image.values > -500).astype(np.uint8)
  _, written, _ = as_seg(tmp_path, tmp_path / inside, ("body",), mask)
  labels, affine = in_ras(written)
  assert np.array_equal(labels, mask)
  np.testing.assert_allclose(affine, image.affine, atol=1e-4)
