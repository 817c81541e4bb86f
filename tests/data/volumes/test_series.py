"""DICOM series: order, values, grid, and what is refused."""

import os
import tracemalloc

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import RLELossless

from medfm.data.volumes import reading, series
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once

PLANES = (np.arange(5 * 3 * 4).reshape(5, 3, 4) * 7 - 100).astype(np.int16)
OBLIQUE = ((0.8, 0.6, 0.0), (-0.36, 0.48, -0.8))


def expected(planes, rows=made.AXIAL, gap=2.5, start=-20.0, step=(0, 0, 0)):
  """Voxels with their places in mm, RAS+, each computed by itself."""
  rows = np.array(rows, float)
  normal = np.cross(*rows)
  out = {}
  for z, y, x in np.ndindex(planes.shape):
    lps = (start + z * gap) * normal + np.array(step) * z
    lps = lps + rows[0] * 0.5 * x + rows[1] * 0.75 * y
    place = tuple(np.round(lps * (-1, -1, 1), 3) + 0.0)
    out[place] = planes[z, y, x]
  return out


def places(read):
  """The same of a scan, by its affine."""
  out = {}
  for index in np.ndindex(read.values.shape):
    place = read.affine[:3, :3] @ index + read.affine[:3, 3]
    out[tuple(np.round(place, 3) + 0.0)] = read.values[index]
  return out


@pytest.mark.parametrize("rows", [made.AXIAL, OBLIQUE])
def test_every_voxel_lies_where_its_slice_says(tmp_path, rows):
  made.series(tmp_path, PLANES, rows=rows)
  read = reading.read(tmp_path)
  assert places(read) == expected(PLANES, rows)
  assert read.values.dtype == np.int16
  assert read.geometry.shape == (4, 3, 5) and read.geometry.kind == "dicom"


def test_spacing_is_of_columns_rows_and_positions(tmp_path):
  made.series(tmp_path, PLANES, SliceThickness=9.0)
  read = reading.read(tmp_path)
  np.testing.assert_allclose(read.spacing_mm, (0.5, 0.75, 2.5), atol=1e-6)
  assert read.changes == ("axes LPS turned to RAS",)


def test_each_slice_has_its_own_slope_and_intercept(tmp_path):
  for place, plane in enumerate(PLANES):
    made.piece(
      tmp_path / f"{place}.dcm",
      plane,
      place,
      RescaleSlope=0.5 + place,
      RescaleIntercept=-place,
    )
  scaled = np.stack([p * (0.5 + n) - n for n, p in enumerate(PLANES)])
  read = reading.read(tmp_path)
  assert read.values.dtype == np.float32
  np.testing.assert_allclose(
    read.values[::-1, ::-1].transpose(2, 1, 0), scaled, atol=1e-5
  )


def test_hounsfield_units_stay_whole_numbers(tmp_path):
  planes = (PLANES + 1000).astype(np.uint16)
  made.series(tmp_path, planes, RescaleSlope=1, RescaleIntercept=-1024)
  read = reading.read(tmp_path)
  assert read.values.dtype == np.int16
  assert places(read) == expected(PLANES - 24)


def test_whole_numbers_beyond_16_bits_become_floats(tmp_path):
  planes = np.full((2, 3, 4), 65535, np.uint16)
  made.series(tmp_path, planes, RescaleSlope=3, RescaleIntercept=0)
  read = reading.read(tmp_path)
  assert read.values.dtype == np.float32 and read.values.max() == 3 * 65535


def test_a_window_cuts_values_off(tmp_path):
  made.series(tmp_path, PLANES)
  one = series.chosen(tmp_path)
  read = series.read(one, (-50, 200))
  assert places(read) == expected(PLANES.clip(-50, 200))
  with pytest.raises(
    UserError, match=r"expected \(low, high\), low below high"
  ):
    series.read(one, (200, -50))


def test_padding_gets_the_smallest_value(tmp_path):
  planes = PLANES.copy()
  planes[2, 0] = -2000
  made.series(tmp_path, planes, PixelPaddingValue=-2000)
  read = reading.read(tmp_path)
  planes[2, 0] = -100
  assert places(read) == expected(planes)
  assert "padding filled with the smallest value" in read.changes


def test_a_series_of_padding_alone_is_zero(tmp_path):
  made.series(tmp_path, PLANES * 0 - 2000, PixelPaddingValue=-2000)
  assert not reading.read(tmp_path).values.any()


def test_monochrome1_is_turned_round_but_for_quantities(tmp_path):
  planes = PLANES.clip(0).astype(np.uint16)
  kind = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12}
  made.series(tmp_path / "mr", planes, Modality="MR", HighBit=11, **kind)
  made.series(tmp_path / "ct", planes, HighBit=11, **kind)
  mr, ct = reading.read(tmp_path / "mr"), reading.read(tmp_path / "ct")
  assert places(mr) == expected(4095 - planes.astype(int))
  assert places(ct) == expected(planes)
  assert "MONOCHROME1 inverted" in mr.changes
  assert "MONOCHROME1 of a quantity, its numbers kept" in ct.changes


def test_signed_monochrome1_is_turned_round_zero(tmp_path):
  made.series(
    tmp_path, PLANES, Modality="MR", PhotometricInterpretation="MONOCHROME1"
  )
  assert places(reading.read(tmp_path)) == expected(-1 - PLANES)


def test_compressed_slices_are_the_same(tmp_path):
  from pydicom import dcmread

  for file in made.series(tmp_path, PLANES):
    packed = dcmread(file)
    packed.compress(RLELossless)
    packed.save_as(file)
  assert places(reading.read(tmp_path)) == expected(PLANES)


def test_the_memory_of_a_series_is_that_of_its_array(tmp_path):
  planes = np.zeros((60, 192, 192), np.uint16)
  made.series(tmp_path, planes, RescaleSlope=1, RescaleIntercept=-1024)
  one = series.chosen(tmp_path)
  series.read(one)  # Imports.
  tracemalloc.start()
  read = series.read(one)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < 1.5 * read.values.nbytes


# One slice, several frames.


def test_a_single_slice_has_its_own_thickness(tmp_path):
  made.series(tmp_path, PLANES[:1])
  read = reading.read(tmp_path)
  assert read.values.shape == (4, 3, 1)
  np.testing.assert_allclose(read.spacing_mm, (0.5, 0.75, 2.5), atol=1e-6)


def test_an_unknown_thickness_is_told(tmp_path):
  made.series(tmp_path, PLANES[:1], SliceThickness=None)
  read = reading.read(tmp_path)
  assert "one slice of unknown thickness, taken as 1 mm" in read.changes


def test_frames_in_any_order_are_a_volume(tmp_path):
  path = made.enhanced(tmp_path / "a.dcm", PLANES, (3, 0, 4, 1, 2))
  read = reading.read(path)
  assert places(read) == expected(PLANES - 1024)
  assert read.values.dtype == np.int16


def test_frames_have_slopes_of_their_own(tmp_path):
  slopes = (1, 2, 3, 4, 5)
  path = made.enhanced(
    tmp_path / "a.dcm", PLANES, (3, 0, 4, 1, 2), slopes=slopes
  )
  scaled = np.stack(
    [p.astype(int) * s - 1024 for p, s in zip(PLANES, slopes, strict=True)]
  )
  assert places(reading.read(path)) == expected(scaled)


def test_frames_without_places_are_refused(tmp_path):
  path = made.piece(tmp_path / "a.dcm", PLANES, NumberOfFrames=5)
  refused(path, "does not state where its frames lie")


# Uneven stacks.


def stack(tmp_path, heights, planes=None, **changed):
  planes = PLANES if planes is None else planes
  for place, height in enumerate(heights):
    made.piece(
      tmp_path / f"{place}.dcm",
      planes[place],
      1,
      start=0,
      gap=height,
      **changed,
    )
  return tmp_path


def test_a_missing_slice_is_refused_with_its_place(tmp_path):
  stack(tmp_path, (-5, 0, 2.5, 5, 10))
  refused(
    tmp_path, r"about 1 slice is missing between -5\.00 and 0\.00 mm", "1 more"
  )


def test_a_slice_that_was_deleted_is_missed(tmp_path):
  os.remove(made.series(tmp_path, PLANES)[2])
  refused(tmp_path, r"between -17\.50 and -12\.50 mm \(usual gap: 2\.5 mm\)")


def test_uneven_gaps_are_refused(tmp_path):
  refused(stack(tmp_path, (0, 2, 4.5, 6.5, 8.5)), "uneven gaps between slices")


def test_slightly_uneven_gaps_are_told(tmp_path):
  read = reading.read(stack(tmp_path, (0, 2, 4.1, 6, 8)))
  assert "slightly uneven gaps, taken as even" in read.changes
  np.testing.assert_allclose(read.spacing_mm[2], 2)


def test_rounded_positions_are_even(tmp_path):
  read = reading.read(stack(tmp_path, (0, 3.333, 6.667, 10, 13.333)))
  assert read.changes == ("axes LPS turned to RAS",)


def test_a_copy_of_a_slice_is_dropped_and_told(tmp_path):
  made.series(tmp_path, PLANES)
  made.piece(tmp_path / "copy.dcm", PLANES[3], 3)
  read = reading.read(tmp_path)
  assert places(read) == expected(PLANES)
  assert "doubled slices dropped" in read.changes


def test_other_pixels_in_the_same_place_are_refused(tmp_path):
  made.series(tmp_path, PLANES)
  made.piece(tmp_path / "echo.dcm", PLANES[3] + 1, 3)
  refused(tmp_path, r"two slices at -12\.50 mm hold different pixels", "echo")


def test_a_tilted_gantry_is_refused(tmp_path):
  made.series(tmp_path, PLANES, lean=(0, 0.67, 0))
  refused(tmp_path, r"lean by 15\.0 degrees \(a tilted gantry\)")


def test_slices_beside_each_other_are_refused(tmp_path):
  made.series(tmp_path, PLANES[:4])
  made.piece(tmp_path / "x.dcm", PLANES[4], 4, lean=(0, 3, 0))
  made.piece(tmp_path / "y.dcm", PLANES[4], 5)
  refused(tmp_path, r"lie up to 12\.00 mm beside each other")


@pytest.mark.parametrize(
  "changed, why",
  [
    ({"rows": ((0, 1, 0), (0, 0, -1))}, "different orientations"),
    ({"PixelSpacing": [0.75, 0.6]}, "different spacings"),
    ({"PhotometricInterpretation": "MONOCHROME1"}, "photometric"),
    ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "in colour"),
    ({"ImagePositionPatient": None}, "does not state where its image lies"),
    ({"PixelSpacing": None}, "does not state its PixelSpacing in mm"),
    ({"PixelSpacing": [0.0, 0.5]}, "PixelSpacing in mm, above 0"),
    ({"ImageOrientationPatient": [1.0] * 6}, "no pair of directions"),
    ({"Modality": "RTDOSE"}, "is a dose of radiotherapy"),
    ({"RescaleSlope": 0, "RescaleIntercept": 0}, "rescale slope"),
  ],
)
def test_a_slice_of_another_kind_is_refused(tmp_path, changed, why):
  made.series(tmp_path, PLANES[:4])
  made.piece(tmp_path / "odd.dcm", PLANES[4], 4, **changed)
  refused(tmp_path, why, "odd.dcm")


def test_slices_of_different_shapes_are_refused(tmp_path):
  made.series(tmp_path, PLANES[:4])
  made.piece(tmp_path / "odd.dcm", PLANES[4].T.copy(), 4)
  refused(tmp_path, r"different shapes \(3 x 4 and 4 x 3\)")


def test_a_localizer_among_slices_is_left_out_and_told(tmp_path):
  made.series(tmp_path, PLANES)
  made.piece(
    tmp_path / "scout.dcm",
    PLANES[0],
    rows=((0, 1, 0), (0, 0, -1)),
    ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
  )
  read = reading.read(tmp_path)
  assert places(read) == expected(PLANES)
  assert "localizers left out of a series" in read.changes


def test_a_damaged_slice_is_refused(tmp_path):
  file = made.series(tmp_path, PLANES)[2]
  file.write_bytes(file.read_bytes()[:-9])
  refused(tmp_path, "this DICOM image cannot be read", file.name)


# Several series.


def test_two_series_in_one_folder_are_refused_and_named(tmp_path):
  made.series(tmp_path / "a", PLANES)
  made.series(tmp_path / "a" / "b", PLANES[:2], uid=f"{made.STUDY}.21")
  why = "holds 2 series where one is meant: .* of the SeriesInstanceUID of"
  refused(tmp_path, why, ": 498.1.20 (5 files of CT), 498.1.21 (2 files of CT)")


def test_the_end_of_a_uid_chooses_a_series(tmp_path):
  made.series(tmp_path / "a", PLANES)
  made.series(tmp_path / "a" / "b", PLANES[:2] + 1, uid=f"{made.STUDY}.21")
  assert places(reading.read(tmp_path, series="1.20")) == expected(PLANES)
  chosen = reading.read(tmp_path, series="1.21")
  assert places(chosen) == expected(PLANES[:2] + 1)
  with pytest.raises(UserError, match="0 series end in '99', expected one of"):
    reading.read(tmp_path, series="99")


def test_what_is_no_scan_beside_one_is_left_out_and_told(tmp_path):
  made.series(tmp_path, PLANES)
  (tmp_path / "notes.txt").write_text("by hand")
  report = made.head(
    "r", PLANES[0], f"{made.STUDY}.9", "1.2.840.10008.5.1.4.1.1.88.11"
  )
  for key in ("Rows", "Columns", "PixelData"):
    delattr(report, key)
  report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
  read = reading.read(tmp_path)
  assert places(read) == expected(PLANES)
  assert read.changes[:2] == (
    "files that are not DICOM left out of a folder",
    "series without a scan left out of a folder",
  )


def test_a_dicomdir_names_its_series(tmp_path):
  made.series(tmp_path / "in", PLANES)
  disc = FileSet()
  for file in (tmp_path / "in").iterdir():
    disc.add(_named(file))
  disc.write(tmp_path / "disc")
  read = reading.read(tmp_path / "disc" / "DICOMDIR")
  assert places(read) == expected(PLANES)
  assert places(reading.read(tmp_path / "disc")) == expected(PLANES)


def _named(file):
  from pydicom import dcmread

  one = dcmread(file)
  one.StudyDate, one.StudyTime, one.StudyID = "20200101", "120000", "1"
  one.SeriesNumber = one.InstanceNumber = 1
  return one


def test_a_dicomdir_that_leads_elsewhere_is_refused(tmp_path):
  record = Dataset()
  record.ReferencedFileID = ["..", "SECRET"]
  head = made.head("d", PLANES[0], made.SERIES, "1.2.840.10008.1.3.10")
  head.DirectoryRecordSequence = [record]
  for key in ("Rows", "Columns", "PixelData"):
    delattr(head, key)
  head.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
  refused(tmp_path / "DICOMDIR", "names a file that is not below its folder")


def test_a_folder_without_dicom_is_refused(tmp_path):
  (tmp_path / "notes.txt").write_text("by hand")
  refused(tmp_path, "holds no DICOM files")


def test_a_segmentation_is_not_a_scan(tmp_path):
  path = made.piece(
    tmp_path / "a.dcm", PLANES[0], SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"
  )
  refused(path, "is a DICOM segmentation, expected the scan")


def test_no_error_names_the_patient(tmp_path):
  made.series(tmp_path, PLANES)
  made.piece(tmp_path / "echo.dcm", PLANES[3] + 1, 3)
  with pytest.raises(UserError) as error:
    reading.read(tmp_path)
  assert "secret" not in str(error.value).lower()


def refused(path, why, more=""):
  with pytest.raises(UserError, match=why) as error:
    reading.read(path)
  assert more in str(error.value) and "\n" not in str(error.value)
