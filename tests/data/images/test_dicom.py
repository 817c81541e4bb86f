"""DICOM pixels: real sample files, and synthetic ones for each rule."""

import io
import logging
import warnings
import zipfile

import numpy as np
import pytest

from medfm.data.images import decode, dicom
from medfm.types import UserError

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import (  # noqa: E402
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  SecondaryCaptureImageStorage,
  generate_uid,
)


def synthetic(array, *, syntax=ExplicitVRLittleEndian, **elements):
  """A made-up DICOM file around pixels [H,W] or [H,W,3]."""
  file = Dataset()
  file.file_meta = FileMetaDataset()
  file.file_meta.TransferSyntaxUID = syntax
  file.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
  file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
  file.SOPClassUID = SecondaryCaptureImageStorage
  file.Rows, file.Columns = array.shape[:2]
  file.SamplesPerPixel = 1 if array.ndim == 2 else 3
  if array.ndim == 3:
    file.PlanarConfiguration = 0
  file.PhotometricInterpretation = "MONOCHROME2" if array.ndim == 2 else "RGB"
  file.BitsAllocated = file.BitsStored = 8 * array.dtype.itemsize
  file.HighBit = file.BitsStored - 1
  file.PixelRepresentation = int(array.dtype.kind == "i")
  file.PixelData = array.tobytes() + b"\0" * (array.nbytes % 2)
  for key, value in elements.items():
    setattr(file, key, value)
  out = io.BytesIO()
  file.save_as(out, enforce_file_format=True)
  return out.getvalue()


def _shown(array, **elements):
  window = elements.pop("window", None)
  data = synthetic(array, **elements)
  return decode.decoded(data, name="scan.dcm", window=window)[:, :, 0]


RAMP = np.array([[0, 1000], [2000, 4095]], np.uint16)


def test_every_sample_file_decodes_or_gives_one_clear_line(data_dir):
  good, refused = 0, 0
  path = data_dir / "volumes" / "dicom_samples.zip"
  with zipfile.ZipFile(path) as archive:
    names = [n for n in archive.namelist() if not _is_readme(n)]
    for name in names:
      try:
        image = decode.decoded(archive.read(name), name=name, frame=0)
      except UserError as error:
        assert str(error).startswith(name) and "\n" not in str(error)
        refused += 1
        continue
      assert image.ndim == 3 and image.shape[2] in (1, 3)
      assert np.isfinite(image).all()
      good += 1
  assert good + refused == 205
  assert good >= 107  # With Pillow alone; plug-ins add to it.


def _is_readme(name):
  return name.endswith(".txt")


def test_equal_scans_in_other_encodings_decode_equally(data_dir):
  folder = "pydicom_test_files/"
  path = data_dir / "volumes" / "dicom_samples.zip"
  with zipfile.ZipFile(path) as archive:
    plain, *others = (
      decode.decoded(archive.read(f"{folder}MR_small{kind}.dcm"), name=kind)
      for kind in ("", "_RLE", "_bigendian", "_implicit", "_jp2klossless")
    )
  for other in others:
    np.testing.assert_array_equal(other, plain)


def test_twelve_bits_fill_the_sixteen():
  found = _shown(RAMP, BitsStored=12, HighBit=11)
  np.testing.assert_array_equal(found, np.rint(RAMP / 4095 * 65535))


def test_monochrome1_is_inverted():
  plain = _shown(RAMP, BitsStored=12, HighBit=11)
  inverted = _shown(
    RAMP,
    BitsStored=12,
    HighBit=11,
    PhotometricInterpretation="MONOCHROME1",
  )
  np.testing.assert_array_equal(inverted, 65535 - plain)


def test_eight_bits_stay_as_they_are():
  array = np.arange(16, dtype=np.uint8).reshape(4, 4)
  found = _shown(array)
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found, array)


def test_signed_pixels_of_a_full_word_span_their_own_range():
  array = np.array([[-1000, 0], [500, 1000]], np.int16)
  np.testing.assert_array_equal(
    _shown(array), np.rint((array + 1000.0) / 2000 * 65535)
  )


def test_signed_pixels_of_fewer_bits_span_the_range_of_those_bits():
  array = np.array([[-2048, 0], [1, 2047]], np.int16)
  np.testing.assert_array_equal(
    _shown(array // 2, BitsStored=12, HighBit=11),
    np.rint((array // 2 + 2048) / 4095 * 65535),
  )


def test_an_image_of_one_value_is_black():
  with np.errstate(all="raise"):
    found = _shown(np.full((2, 2), 7, np.uint16))
  np.testing.assert_array_equal(found, np.zeros((2, 2)))


def test_ct_without_a_window_is_in_hounsfield_units():
  array = np.array([[9, 1024], [2048, 3000]], np.uint16)
  found = _shown(array, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
  np.testing.assert_array_equal(found, np.rint(array / 4095 * 65535))


def test_the_file_window_is_applied_after_the_rescale():
  array = np.array([[0, 984], [1064, 3000]], np.uint16)
  found = _shown(
    array,
    RescaleSlope=1,
    RescaleIntercept=-1024,
    WindowCenter=0,
    WindowWidth=81,
    VOILUTFunction="LINEAR_EXACT",
  )
  np.testing.assert_array_equal(
    found, np.rint(np.array([[0, 0.5], [80.5, 81]]) / 81 * 65535)
  )


def test_a_window_of_the_config_overrules_the_file():
  array = np.array([[0, 100], [150, 300]], np.uint16)
  found = _shown(
    array, WindowCenter=1000, WindowWidth=10, window=(100.0, 200.0)
  )
  np.testing.assert_array_equal(found, [[0, 0], [32768, 65535]])


def test_a_rescale_slope_of_zero_is_refused():
  with pytest.raises(UserError, match=r"^scan\.dcm: its rescale slope"):
    _shown(RAMP, RescaleSlope=0, RescaleIntercept=0)


def test_a_negative_slope_turns_the_stored_range_round():
  found = _shown(
    RAMP, BitsStored=12, HighBit=11, RescaleSlope=-1, RescaleIntercept=0
  )
  np.testing.assert_array_equal(found, np.rint((1 - RAMP / 4095) * 65535))


def test_a_window_without_width_is_refused():
  with pytest.raises(UserError, match="are no window: correct them"):
    _shown(RAMP, WindowCenter=10, WindowWidth=-5)


def test_colour_keeps_its_values():
  array = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
  found = decode.decoded(synthetic(array), name="a")
  np.testing.assert_array_equal(found, array)


def test_several_frames_need_a_choice():
  frames = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
  data = synthetic(frames[0], NumberOfFrames=2, PixelData=frames.tobytes())
  with pytest.raises(UserError, match="2 frames"):
    decode.decoded(data, name="a")
  np.testing.assert_array_equal(
    decode.decoded(data, name="a", frame=1)[:, :, 0], frames[1]
  )
  with pytest.raises(UserError, match="no frame 2"):
    decode.decoded(data, name="a", frame=2)


def test_a_scan_cut_at_any_byte_is_an_error():
  data = synthetic(RAMP)
  for length in range(1, len(data)):
    with pytest.raises(UserError):
      decode.decoded(data[:length], name="bad")


def test_a_deflated_bomb_is_refused(monkeypatch):
  data = synthetic(
    np.zeros((1200, 1200), np.uint16), syntax=DeflatedExplicitVRLittleEndian
  )
  assert len(data) < 10_000
  monkeypatch.setattr(dicom, "MAX_PIXELS", 1000)
  with pytest.raises(UserError, match="inflates"):
    decode.decoded(data, name="bomb")


PLANTED = "PLANTED^NAME"


def test_nothing_of_the_patient_reaches_an_error_or_a_log(caplog, capfd):
  caplog.set_level(logging.DEBUG)
  for elements in (
    {"RescaleSlope": 0, "RescaleIntercept": 0},
    {"PixelData": b"\0"},
    {"PhotometricInterpretation": PLANTED},
    {"NumberOfFrames": 7},
  ):
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      data = synthetic(
        RAMP,
        PatientName=PLANTED,
        PatientID=PLANTED,
        PatientBirthDate=PLANTED,
        **elements,
      )
    with pytest.raises(UserError) as caught:
      decode.decoded(data, name="a")
    assert PLANTED not in str(caught.value)
    assert caught.value.__suppress_context__ or not caught.value.__context__
  assert PLANTED not in caplog.text
  assert PLANTED not in "".join(capfd.readouterr())


def test_the_patient_key_is_a_hash_that_is_equal_for_one_patient(tmp_path):
  keys = []
  for number, patient in enumerate(["P1", "P1", "P2", None]):
    elements = {} if patient is None else {"PatientID": patient}
    path = tmp_path / f"{number}.dcm"
    path.write_bytes(synthetic(RAMP, **elements))
    keys.append(decode.patient_key(path))
  assert keys[0] == keys[1] != keys[2]
  assert keys[3] == "" and "P1" not in keys[0] and len(keys[0]) == 16


def test_the_bits_are_known_before_decoding(data_dir, tmp_path):
  path = data_dir / "volumes" / "dicom_samples.zip"
  with zipfile.ZipFile(path) as archive:
    for name in archive.namelist():
      (tmp_path / "a").write_bytes(archive.read(name))
      try:
        image = decode.decoded(tmp_path / "a", name=name, frame=0)
      except UserError:
        continue
      assert decode.bits(tmp_path / "a") == image.dtype


@pytest.mark.parametrize(
  ("value", "others"),
  [
    (65535, {"PixelPaddingValue": 65535}),
    (60000, {"PixelPaddingValue": 59000, "PixelPaddingRangeLimit": 65535}),
  ],
)
def test_declared_padding_is_black_and_counts_in_no_range(value, others):
  tissue = np.array([[1000, 1100, 1200], [1300, 1400, 1500]], np.uint16)
  tissue[0, 0] = value
  shown = decode.decoded(synthetic(tissue, **others), name="a")[:, :, 0]
  assert shown.tolist() == [[0, 0, 16384], [32768, 49151, 65535]]


def test_padding_of_signed_pixels_is_known_by_its_value():
  tissue = np.array([[-32768, -100], [0, 100]], np.int16)
  data = synthetic(tissue, PixelRepresentation=1, PixelPaddingValue=-32768)
  shown = decode.decoded(data, name="a")[:, :, 0]
  assert shown.tolist() == [[0, 0], [32768, 65535]]


@pytest.mark.parametrize(("value", "signed"), [(63488, 0), (-2000, 1)])
def test_padding_is_known_where_some_bits_do_not_count(value, signed):
  kind = np.int16 if signed else np.uint16
  tissue = np.array([[value, 1100], [1200, 1300]]).astype(kind)
  depth = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": signed}
  data = synthetic(tissue, PixelPaddingValue=value, **depth)
  shown = decode.decoded(data, name="a")[:, :, 0]
  assert shown[0, 0] == 0 < shown[0, 1] < shown[1, 0]


def test_padding_stays_black_where_the_image_is_inverted():
  tissue = np.array([[0, 0], [100, 200]], np.uint8)
  kind = {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0}
  shown = decode.decoded(synthetic(tissue, **kind), name="a")[:, :, 0]
  assert shown.tolist() == [[0, 0], [155, 55]]


def test_an_image_of_padding_alone_is_black():
  data = synthetic(np.full((2, 2), 7, np.uint16), PixelPaddingValue=7)
  assert not decode.decoded(data, name="a").any()


@pytest.mark.parametrize(
  ("frame", "place"), [("first", 0), ("middle", 1), ("last", 3), ("2", 2)]
)
def test_a_frame_is_chosen_by_place_or_number(frame, place):
  frames = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
  data = synthetic(frames[0], NumberOfFrames=4, PixelData=frames.tobytes())
  found = decode.decoded(data, name="a", frame=frame)[:, :, 0]
  np.testing.assert_array_equal(found, frames[place])


def test_several_frames_name_the_setting_that_chooses_one():
  frames = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
  data = synthetic(frames[0], NumberOfFrames=2, PixelData=frames.tobytes())
  with pytest.raises(UserError, match="set frame to first, middle, last or a"):
    decode.decoded(data, name="a")
  with pytest.raises(UserError, match="frame='centre': expected first, middle"):
    decode.decoded(data, name="a", frame="centre")
