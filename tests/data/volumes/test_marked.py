"""Images and their masks are read together, or refused by name."""

import numpy as np
import PIL.Image
import pytest

from medfm.data.volumes import marked
from medfm.data.volumes.style import UNKNOWN, Style
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once

PICTURE = Style(axes=2, dtype="uint8")


def _png(path, values):
  PIL.Image.fromarray(np.asarray(values)).save(path)
  return path


@pytest.fixture
def picture(tmp_path):
  return _png(tmp_path / "a.png", np.arange(30, dtype=np.uint8).reshape(5, 6))


def _mask(path, where, value=1):
  values = np.zeros((5, 6), np.uint8)
  values[where] = value
  return _png(path, values)


def test_one_structure_may_be_stored_as_255(tmp_path, picture):
  mask = _mask(tmp_path / "m.png", np.s_[1:3, 2:4], 255)
  read = marked.read([picture], [mask], PICTURE)
  assert read.image.shape == (5, 6, 1) and read.image.dtype == np.uint8
  assert read.regions.sum() == 4 and read.regions.max() == 1
  assert np.isnan(read.spacing_mm).all()


def test_structures_take_the_values_that_are_named(tmp_path, picture):
  values = np.zeros((5, 6), np.uint8)
  values[0], values[1] = 7, 3
  mask = _png(tmp_path / "m.png", values)
  style = PICTURE._replace(structures=2, values=(7, 3))
  regions = marked.read([picture], [mask], style).regions
  assert (regions[0] == 1).all() and (regions[1] == 2).all()


def test_a_label_outside_the_list_is_refused_with_its_count(tmp_path, picture):
  mask = _mask(tmp_path / "m.png", np.s_[0, :5], 9)
  with pytest.raises(
    UserError, match=r"m.png: holds the labels 9 \(5 places\)"
  ):
    marked.read([picture], [mask], PICTURE)


def test_masks_of_structures_are_laid_over_each_other(tmp_path, picture):
  masks = [
    _mask(tmp_path / "1.png", np.s_[0:2], 255),
    _mask(tmp_path / "2.png", np.s_[1:3], 255),
  ]
  style = PICTURE._replace(masks="structures", structures=2)
  read = marked.read([picture], masks, style)
  assert read.regions[:, 0].tolist() == [1, 2, 2, 0, 0]
  assert any("several masks" in change for change in read.changes)


def test_objects_are_numbered_by_file_and_instances_without_gaps(
  tmp_path, picture
):
  masks = [_mask(tmp_path / f"{k}.png", np.s_[k, k], 255) for k in range(3)]
  found = marked.read([picture], masks, PICTURE._replace(masks="objects"))
  assert found.regions.dtype == np.uint16
  assert np.diag(found.regions).tolist() == [1, 2, 3, 0, 0]
  values = np.zeros((5, 6), np.uint16)
  values[0, 0], values[4, 4] = 900, 65000
  one = _png(tmp_path / "i.png", values)
  found = marked.read([picture], [one], PICTURE._replace(masks="instances"))
  assert (found.regions[0, 0], found.regions[4, 4]) == (1, 2)


def test_an_empty_mask_is_told(tmp_path, picture):
  mask = _mask(tmp_path / "m.png", np.s_[0:0])
  read = marked.read([picture], [mask], PICTURE)
  assert read.changes == ("masks in which nothing is marked",)
  assert not read.regions.any()


@pytest.mark.parametrize(
  ("values", "words"),
  [
    (np.zeros((5, 7), np.uint8), "a mask of 5 x 7 for a.png of 5 x 6"),
    (np.full((5, 6), 0.5, np.float32), "holds fractions"),
    (np.tile([[[1, 2, 3]]], (5, 6, 1)).astype(np.uint8), "mask in colours"),
  ],
)
def test_a_mask_that_does_not_fit_is_refused(tmp_path, picture, values, words):
  mask = tmp_path / "m.tiff"
  PIL.Image.fromarray(values).save(mask)
  with pytest.raises(UserError, match=words):
    marked.read([picture], [mask], PICTURE)


def test_damaged_masks_and_several_masks_are_refused(tmp_path, picture):
  broken = tmp_path / "b.png"
  broken.write_bytes(b"\x89PNG broken")
  with pytest.raises(UserError, match=r"b.png: not a PNG"):
    marked.read([picture], [broken], PICTURE)
  two = [_mask(tmp_path / f"{k}.png", np.s_[0]) for k in range(2)]
  with pytest.raises(UserError, match="expected one mask"):
    marked.read([picture], two, PICTURE)


def test_volumes_are_read_in_one_orientation_with_their_masks(tmp_path):
  values = made.values((4, 3, 2))
  mask = (values % 3 == 0).astype(np.uint8)
  turned = made.affine("LPS")
  image = made.nifti(tmp_path / "v.nii.gz", values, turned)
  drawn = made.nifti(tmp_path / "m.nii.gz", mask, turned)
  read = marked.read([image], [drawn], Style())
  assert read.image.shape == (4, 3, 2, 1)
  np.testing.assert_array_equal(read.image[..., 0], values[::-1, ::-1])
  np.testing.assert_array_equal(read.regions, mask[::-1, ::-1])
  np.testing.assert_allclose(read.spacing_mm, (1, 2, 3))


def test_channels_of_a_volume_must_lie_on_one_grid(tmp_path):
  paths = [
    made.nifti(tmp_path / f"{k}.nii.gz", made.values((4, 3, 2)) + k)
    for k in range(2)
  ]
  read = marked.read(paths, [], Style())
  assert read.image.shape == (4, 3, 2, 2)
  moved = made.affine(origin=(0, 0, 0))
  paths.append(made.nifti(tmp_path / "o.nii.gz", made.values(), moved))
  with pytest.raises(UserError, match=r"o.nii.gz: lies on another grid"):
    marked.read(paths, [], Style())


def test_values_that_are_not_finite_are_made_0_and_told(tmp_path):
  values = made.values(dtype=np.float32)
  values[0, 0, 0] = np.nan
  path = made.nifti(tmp_path / "v.nii.gz", values)
  read = marked.read([path], [], Style())
  assert read.image[0, 0, 0, 0] == 0
  assert any("not finite" in change for change in read.changes)


def test_resampled_volumes_have_the_spacing_that_was_asked_for(tmp_path):
  values = np.random.default_rng(0).normal(size=(8, 8, 8)).astype("float32")
  mask = np.zeros((8, 8, 8), np.uint8)
  mask[2:6, 2:6, 2:6] = 1
  at = made.affine(spacing_mm=(2, 2, 2))
  image = made.nifti(tmp_path / "v.nii.gz", values, at)
  drawn = made.nifti(tmp_path / "m.nii.gz", mask, at)
  style = Style(spacing_mm=(1.0, 1.0, 2.0))
  read = marked.read([image], [drawn], style)
  assert read.image.shape == (16, 16, 8, 1)
  assert read.resampled.sum() == 4 * 64
  np.testing.assert_allclose(read.spacing_mm, (1, 1, 2))
  np.testing.assert_array_equal(read.regions, mask)  # As they were drawn.
  assert read.file_extents.tolist() == [8, 8, 8]
  np.testing.assert_allclose(read.file_spacing_mm, (2, 2, 2))


def test_pictures_are_resized_to_their_longer_side_and_masks_kept(tmp_path):
  ramp = np.tile(np.arange(0, 120, 2, dtype=np.uint8), (40, 1))
  image = _png(tmp_path / "a.png", ramp)
  values = np.zeros((40, 60), np.uint8)
  values[10:30, 20:40] = 1
  mask = _png(tmp_path / "m.png", values)
  read = marked.read([image], [mask], PICTURE._replace(side=30))
  assert read.image.shape == (20, 30, 1)
  np.testing.assert_allclose(read.image[5, 3:-3, 0], ramp[0, 6:-6:2] + 1)
  np.testing.assert_array_equal(read.regions, values)
  np.testing.assert_array_equal(read.resampled, values[::2, ::2])
  assert "pictures resized" in read.changes


def test_structures_without_a_file_are_not_there(tmp_path, picture):
  mask = _mask(tmp_path / "m.png", np.s_[1:3])
  style = PICTURE._replace(masks="structures", structures=2)
  read = marked.read([picture], [None, mask], style)
  assert set(np.unique(read.regions)) == {0, 2}
  assert any("no mask file" in change for change in read.changes)
  with pytest.raises(UserError, match="expected a mask for each of 2"):
    marked.read([picture], [mask], style)


def test_places_that_are_not_known_are_marked_so(tmp_path, picture):
  values = np.zeros((5, 6), np.uint8)
  values[0], values[1] = 1, 2
  mask = _png(tmp_path / "m.png", values)
  regions = marked.read([picture], [mask], PICTURE._replace(ignored=2)).regions
  assert set(np.unique(regions)) == {0, 1, UNKNOWN}


def test_a_mask_that_shows_through_or_has_many_numbers_is_refused(
  tmp_path, picture
):
  clear = np.full((5, 6, 4), 255, np.uint8)
  clear[:3, ..., 3] = 0
  with pytest.raises(UserError, match="partly transparent"):
    marked.read([picture], [_png(tmp_path / "t.png", clear)], PICTURE)
  soft = np.arange(30, dtype=np.uint8).reshape(5, 6)
  style = PICTURE._replace(masks="objects")
  with pytest.raises(UserError, match=r"s.png: holds 30 numbers.*threshold"):
    marked.read([picture], [_png(tmp_path / "s.png", soft)], style)


def test_a_palette_of_black_and_white_is_read_by_its_colours(tmp_path, picture):
  drawn = PIL.Image.fromarray(np.ones((5, 6), np.uint8), "P")
  drawn.putpalette([255, 255, 255, 0, 0, 0])  # Index 0 is white.
  drawn.paste(0, (0, 0, 6, 2))
  drawn.save(tmp_path / "m.png")
  regions = marked.read([picture], [tmp_path / "m.png"], PICTURE).regions
  assert regions[:2].all() and not regions[2:].any()


def test_a_picture_and_its_mask_are_turned_alike(tmp_path):
  values = np.arange(36, dtype=np.uint8).reshape(6, 6)
  turned = PIL.Image.Exif()
  turned[0x0112] = 3  # Upside down.
  for name in ("i", "m"):
    image = PIL.Image.fromarray(values if name == "i" else values // 30)
    image.save(tmp_path / f"{name}.png", exif=turned)
  read = marked.read([tmp_path / "i.png"], [tmp_path / "m.png"], PICTURE)
  np.testing.assert_array_equal(read.image[..., 0], values[::-1, ::-1])
  np.testing.assert_array_equal(read.regions, values[::-1, ::-1] // 30)
  assert "pictures turned as their EXIF says" in read.changes


def test_values_that_whole_numbers_cannot_hold_are_refused(tmp_path):
  small = made.values().astype(np.float32) / 1000
  path = made.nifti(tmp_path / "adc.nii.gz", small)
  with pytest.raises(UserError, match="too near each other for int16: set"):
    marked.read([path], [], Style(dtype="int16"))
  path = made.nifti(tmp_path / "big.nii.gz", made.values().astype("f4") * 1e5)
  with pytest.raises(UserError, match="outside the range of int16"):
    marked.read([path], [], Style(dtype="int16"))


def test_a_mask_with_soft_edges_needs_a_threshold(tmp_path, picture):
  values = np.zeros((5, 6), np.uint8)
  values[1:4, 1:5], values[2, 2:4] = 90, 250
  mask = _png(tmp_path / "m.png", values)
  with pytest.raises(
    UserError, match=r"or --config.data.threshold=128 for a mask"
  ):
    marked.read([picture], [mask], PICTURE)
  soft = marked.read([picture], [mask], PICTURE._replace(threshold=128))
  assert soft.regions.sum() == 2
  each = PICTURE._replace(masks="objects", threshold=80)
  assert marked.read([picture], [mask], each).regions.sum() == 12


def test_places_are_those_of_the_structures_and_the_same_each_time():
  regions = np.zeros((30, 30, 30), np.uint8)
  regions[:20] = 2
  regions[25, 3, 4] = 1
  found = marked.places(regions, "case")
  assert (found[:, 0] == 2).sum() == marked.PLACES
  assert found[found[:, 0] == 1].tolist() == [[1, 25, 3, 4]]
  assert (regions[tuple(found[:, 1:].T)] == found[:, 0]).all()
  np.testing.assert_array_equal(found, marked.places(regions, "case"))
  assert not np.array_equal(found, marked.places(regions, "other"))
  assert marked.places(np.zeros((3, 3, 3), np.uint8), "a").shape == (0, 4)
