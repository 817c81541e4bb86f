"""NIfTI and its kin: what is read, told and refused."""

import gzip
import struct
import tracemalloc

import nibabel
import numpy as np
import pytest

from medfm.data.volumes import nifti
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
  "name, kind",
  [
    ("a.nii", nibabel.Nifti1Image),
    ("a.nii.gz", nibabel.Nifti1Image),
    ("a.NII.GZ", nibabel.Nifti1Image),
    ("a.nii.gz", nibabel.Nifti2Image),
    ("a.img", nibabel.Nifti1Pair),
    ("a.img.gz", nibabel.Nifti2Pair),
    ("a.mgz", nibabel.MGHImage),
    ("a.mgh", nibabel.MGHImage),
    ("a.img", nibabel.Spm99AnalyzeImage),
  ],
)
@pytest.mark.parametrize("axes", ["RAS", "LPS", "SRP"])
def test_every_format_gives_the_voxels_and_affine_of_nibabel(
  tmp_path, name, kind, axes
):
  path = made.nifti(
    tmp_path / name, made.values(), made.affine(axes, turn=0.2), kind
  )
  mine = nifti.read(path)
  other = nibabel.as_closest_canonical(nibabel.load(path))
  assert np.array_equal(mine.values, np.asarray(other.dataobj))
  assert mine.values.dtype == np.int16
  np.testing.assert_allclose(mine.affine, other.affine, atol=1e-5)


def test_either_half_of_a_pair_opens_it(tmp_path):
  made.nifti(tmp_path / "a.img", made.values(), kind=nibabel.Nifti1Pair)
  halves = [nifti.read(tmp_path / f"a.{half}") for half in ("hdr", "img")]
  assert np.array_equal(halves[0].values, halves[1].values)


def test_half_of_a_pair_alone_is_refused(tmp_path):
  made.nifti(tmp_path / "a.img", made.values(), kind=nibabel.Nifti1Pair)
  (tmp_path / "a.img").unlink()
  refused(tmp_path / "a.hdr", r"its other half a\.img is missing")


def test_the_content_of_a_file_decides_not_its_name(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  path.rename(tmp_path / "b.nii.gz")
  assert nifti.read(tmp_path / "b.nii.gz").values.shape == made.SIZES
  packed = tmp_path / "c.nii"
  packed.write_bytes(gzip.compress((tmp_path / "b.nii.gz").read_bytes()))
  assert nifti.read(packed).values.shape == made.SIZES


def test_integers_stay_and_a_scale_gives_floats(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values(dtype=np.uint8))
  assert nifti.read(path).values.dtype == np.uint8
  data = bytearray(path.read_bytes())
  data[112:120] = struct.pack("<ff", 0.1, -3.0)
  path.write_bytes(data)
  scaled = nifti.read(path).values
  assert scaled.dtype == np.float32
  np.testing.assert_allclose(scaled, made.values() * 0.1 - 3, atol=1e-5)


def test_the_order_of_bytes_does_not_matter(tmp_path):
  header = nibabel.Nifti1Header(endianness=">")
  header.set_data_dtype(np.int16)
  image = nibabel.Nifti1Image(made.values(), made.affine(), header)
  nibabel.save(image, tmp_path / "a.nii")
  read = nifti.read(tmp_path / "a.nii").values
  assert np.array_equal(read, made.values()) and read.dtype.isnative


def test_doubles_are_told_to_become_floats(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values(dtype=np.float64))
  read = nifti.read(path)
  assert read.values.dtype == np.float32
  assert read.changes == ("64-bit floats read as 32-bit",)


def test_colours_become_channels(tmp_path):
  kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
  colours = np.zeros(made.SIZES, kind)
  for place, key in enumerate("RGB"):
    colours[key] = made.values() + 50 * place
  read = nifti.read(made.nifti(tmp_path / "a.nii", colours))
  assert read.values.shape == (*made.SIZES, 3)
  assert np.array_equal(read.values[..., 2], made.values() + 100)


# Several volumes in one file.


def several(tmp_path, count=3):
  arrays = made.values((*made.SIZES, count))
  return made.nifti(tmp_path / "a.nii.gz", arrays), arrays


def test_several_volumes_are_refused_where_one_is_meant(tmp_path):
  path, _ = several(tmp_path)
  refused(path, "holds 3 volumes where one is meant: for an image set --config")


@pytest.mark.parametrize(
  "frame, place", [("first", 0), ("middle", 1), ("last", 2), (1, 1), ("2", 2)]
)
def test_one_of_several_volumes_is_chosen(tmp_path, frame, place):
  path, arrays = several(tmp_path)
  read = nifti.read(path, frame=frame)
  assert np.array_equal(read.values, arrays[..., place])
  assert read.changes == ("one volume of several read",)


def test_all_volumes_become_channels(tmp_path):
  path, arrays = several(tmp_path)
  assert np.array_equal(nifti.read(path, frame="all").values, arrays)


@pytest.mark.parametrize(
  "frame, why", [("one", "frame='one'"), (3, "no volume 3")]
)
def test_an_unknown_volume_is_refused(tmp_path, frame, why):
  with pytest.raises(UserError, match=why):
    nifti.read(several(tmp_path)[0], frame=frame)


def test_a_fourth_axis_of_length_1_is_dropped_and_told(tmp_path):
  path, _ = several(tmp_path, 1)
  read = nifti.read(path)
  assert read.values.shape == made.SIZES
  assert read.changes == ("a fourth axis of length 1 dropped",)


def test_two_dimensions_are_one_slice(tmp_path):
  read = nifti.read(made.nifti(tmp_path / "a.nii", made.values((4, 3))))
  assert read.values.shape == (4, 3, 1)
  assert read.changes == ("of two dimensions, read as one slice",)


def test_five_axes_are_refused(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values((4, 3, 2, 2, 3)))
  refused(path, r"has 5 axes \(4 x 3 x 2 x 2 x 3\), expected 3")


# Damage.


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9, 0.999])
def test_a_flipped_byte_of_a_gzip_file_is_noticed(tmp_path, place):
  noise = np.random.default_rng(0).integers(0, 999, (20, 20, 20), np.int16)
  path = made.nifti(tmp_path / "a.nii.gz", noise)
  data = bytearray(path.read_bytes())
  data[int(len(data) * place)] ^= 4
  path.write_bytes(data)
  refused(path, "the gzip file is cut short or damaged")


def test_a_wrong_checksum_after_all_voxels_is_noticed(tmp_path):
  noise = np.random.default_rng(0).integers(0, 999, (40, 40, 40), np.int16)
  path = made.nifti(tmp_path / "a.nii.gz", noise)
  data = bytearray(path.read_bytes())
  data[-8] ^= 1  # The checksum itself: every voxel is right.
  path.write_bytes(data)
  assert np.asarray(nibabel.load(path).dataobj).size  # It does not look.
  refused(path, "its checksum disagrees")


@pytest.mark.parametrize("left", [0.3, 0.9, -1])
def test_a_gzip_file_cut_short_is_refused(tmp_path, left):
  path = made.nifti(tmp_path / "a.nii.gz", made.values())
  data = path.read_bytes()
  path.write_bytes(data[: left if left < 0 else int(len(data) * left)])
  refused(path, "the gzip file is cut short or damaged")


def test_gzip_files_of_several_members_are_read_whole(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  data = path.read_bytes()
  both = gzip.compress(data[:360]) + gzip.compress(data[360:]) + b"\0" * 9
  path.write_bytes(both)
  assert np.array_equal(nifti.read(path).values, made.values())


def test_bytes_after_the_voxels_are_told(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  path.write_bytes(path.read_bytes() + bytes(2000))
  read = nifti.read(path)
  assert np.array_equal(read.values, made.values())
  assert read.changes == ("bytes after the last voxel left out",)


def test_a_gzip_file_keeps_no_more_than_its_voxels(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  path.write_bytes(gzip.compress(path.read_bytes() + bytes(2**26)))
  nifti.read(path)
  tracemalloc.start()
  nifti.read(path)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < 2**26


def test_an_unpacked_file_cut_short_is_refused(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  path.write_bytes(path.read_bytes()[:-1])
  refused(path, "is cut short: 399 bytes where its header promises 400")


@pytest.mark.parametrize(
  "content, why",
  [
    (b"", "the file is empty"),
    (b"notes of the ward", "not a volume, or damaged; expected NIfTI, MGH"),
    (b"TRACK\0" + bytes(1000), "is tractography, expected a volume"),
    (b"NRRD0004\n", "is NRRD, expected a volume"),
    (bytes(128) + b"DICM", "is a DICOM file, expected NIfTI"),
  ],
)
def test_what_is_no_nifti_file_is_refused(tmp_path, content, why):
  path = tmp_path / "a.nii"
  path.write_bytes(content)
  refused(path, why)


def test_a_header_of_noise_is_refused(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  data = bytearray(path.read_bytes())
  data[70:72] = b"\xff\x7f"  # The type of the voxels.
  path.write_bytes(data)
  refused(
    path, "the file is damaged, cut short or no volume that nibabel reads"
  )


# The grid.


@pytest.mark.parametrize("number", [0.0, np.nan])
def test_a_spacing_of_nothing_without_a_sform_is_refused(tmp_path, number):
  path = made.nifti(tmp_path / "a.nii", made.values())
  patched(path, sform_code=0, qform_code=1, second=number)
  refused(path, r"its spacing \(pixdim\) is zero or not a number")


def test_a_sform_stands_in_for_an_unusable_spacing(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  patched(path, sform_code=1, qform_code=0, second=0.0)
  read = nifti.read(path)
  assert read.changes == (
    "an unusable spacing (pixdim), that of the sform taken",
  )
  np.testing.assert_allclose(read.spacing_mm, (1, 2, 3))


def test_a_negative_spacing_is_told(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  patched(path, sform_code=0, qform_code=1, second=-2.0)
  read = nifti.read(path)
  assert "a negative spacing (pixdim), its sign dropped" in read.changes
  np.testing.assert_allclose(read.spacing_mm, (1, 2, 3), atol=1e-5)


def test_a_file_without_a_place_is_told_to_be_guessed(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  patched(path, sform_code=0, qform_code=0, second=2.0)
  told = nifti.read(path).changes
  assert told[0] == "neither sform nor qform, orientation guessed as LAS"


def test_a_disagreement_of_sform_and_qform_is_told(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values())
  image = nibabel.load(path)
  image.set_qform(made.affine(origin=(-10, 20, 31)), 1)
  nibabel.save(image, tmp_path / "b.nii")
  read = nifti.read(tmp_path / "b.nii")
  assert read.changes == ("sform and qform disagree, the sform taken",)
  np.testing.assert_allclose(read.affine, made.affine(), atol=1e-5)


@pytest.mark.parametrize("unit, scale", [("meter", 1e3), ("micron", 1e-3)])
def test_other_units_become_millimetres(tmp_path, unit, scale):
  image = nibabel.Nifti1Image(made.values(), made.affine())
  image.header.set_xyzt_units(unit)
  nibabel.save(image, tmp_path / "a.nii")
  read = nifti.read(tmp_path / "a.nii")
  np.testing.assert_allclose(read.spacing_mm, np.array([1, 2, 3]) * scale)
  assert read.changes[0].startswith(f"spacing in {unit[:3]}")


def test_a_spacing_without_a_unit_is_told(tmp_path):
  path = made.nifti(tmp_path / "a.nii", made.values(), xyzt_units=0)
  assert nifti.read(path).changes == ("spacing without a unit, taken as mm",)


def test_analyze_does_not_state_left_and_right(tmp_path):
  path = made.nifti(
    tmp_path / "a.img", made.values(), np.diag([-1, 2, 3, 1]),
    nibabel.AnalyzeImage,
  )  # fmt: skip
  told = nifti.read(path).changes
  assert told[0] == "Analyze files do not state left and right, taken as LAS"


def test_axes_that_lean_are_told(tmp_path):
  affine = made.affine()
  affine[0, 1] = 0.3
  read = nifti.read(
    made.nifti(
      tmp_path / "a.mgz", made.values(dtype="f4"), affine, nibabel.MGHImage
    )
  )
  assert read.changes == ("axes not at right angles, taken as they are",)


def patched(path, *, sform_code, qform_code, second):
  """The raw header: codes, and the spacing of the second axis."""
  data = bytearray(path.read_bytes())
  data[84:88] = struct.pack("<f", second)
  data[252:256] = struct.pack("<hh", qform_code, sform_code)
  path.write_bytes(data)


def refused(path, why):
  with pytest.raises(UserError, match=why) as error:
    nifti.read(path)
  assert str(error.value).startswith(path.name.split(".")[0])
  assert "\n" not in str(error.value)
