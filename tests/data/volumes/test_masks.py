"""Masks in the grid of their image."""

import nibabel
import numpy as np
import pytest

from medfm.data.volumes import nifti
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once


def labels(dtype=np.uint8, shape=made.SIZES):
  return (made.values(shape) % 3).astype(dtype)


def test_a_mask_of_another_orientation_is_turned_to_its_image(tmp_path):
  image = made.a_scan(labels(), made.affine("LPS", turn=0.2))
  turned = nibabel.as_closest_canonical(
    nibabel.Nifti1Image(labels(), made.affine("LPS", turn=0.2))
  ).as_reoriented([[2, 1], [0, -1], [1, 1]])
  nibabel.save(turned, tmp_path / "mask.nii.gz")
  mask = nifti.read_mask(tmp_path / "mask.nii.gz", image, (0, 1, 2))
  assert np.array_equal(mask.values, image.values)
  assert mask.values.dtype == np.uint8


def test_axes_at_45_degrees_are_matched_with_those_of_the_image(tmp_path):
  image = made.a_scan(labels(), made.affine(turn=np.pi / 4 - 1e-7))
  at = made.affine(turn=np.pi / 4 + 1e-7)
  path = made.nifti(tmp_path / "mask.nii", labels(), at, nibabel.Nifti2Image)
  assert np.array_equal(nifti.read_mask(path, image).values, image.values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mask_of_whole_floats_is_told_and_read(tmp_path, dtype):
  path = made.nifti(tmp_path / "mask.nii.gz", labels(dtype))
  mask = nifti.read_mask(path, made.a_scan(), (0, 1, 2))
  assert np.array_equal(mask.values, labels())
  assert mask.values.dtype == np.uint8
  assert mask.changes[-1].startswith("masks of floats, all whole numbers")


def test_a_mask_of_other_floats_is_refused(tmp_path):
  path = made.nifti(tmp_path / "mask.nii.gz", labels(np.float32) / 2)
  refused(path, r"floats that are not whole numbers \(such as 0\.5\)")


def test_a_mask_with_nan_is_refused(tmp_path):
  odd = labels(np.float32)
  odd[0, 0, 0] = np.nan
  refused(made.nifti(tmp_path / "mask.nii.gz", odd), "not whole numbers")


def test_labels_outside_the_list_are_named_and_counted(tmp_path):
  path = made.nifti(tmp_path / "mask.nii.gz", labels())
  refused(path, r"holds the labels 2 \(8 voxels\); expected only 0, 1", (0, 1))


def test_a_mask_in_which_nothing_is_marked_is_told(tmp_path):
  path = made.nifti(tmp_path / "mask.nii.gz", labels() * 0)
  mask = nifti.read_mask(path, made.a_scan(), (0, 1))
  assert mask.changes == ("masks in which nothing is marked",)


def test_sixteen_bit_masks_of_instances_stay_so(tmp_path):
  path = made.nifti(tmp_path / "mask.nii.gz", made.values() + 300)
  mask = nifti.read_mask(path, made.a_scan())
  assert mask.values.dtype == np.uint16 and mask.values.max() == 323


def test_another_shape_is_refused(tmp_path):
  path = made.nifti(tmp_path / "mask.nii.gz", labels(shape=(4, 3, 3)))
  refused(path, "the mask has 4 x 3 x 3 voxels, its image 4 x 3 x 2")


def test_another_place_is_refused(tmp_path):
  at = made.affine(origin=(-10, 20, 30.2))
  path = made.nifti(tmp_path / "mask.nii.gz", labels(), at)
  refused(path, r"lie up to 0\.2 mm apart \(allowed: 0\.1; axes RAS and RAS\)")


def test_a_tenth_of_a_voxel_is_let_pass(tmp_path):
  at = made.affine(origin=(-10, 20, 30.09))
  path = made.nifti(tmp_path / "mask.nii.gz", labels(), at)
  assert np.array_equal(nifti.read_mask(path, made.a_scan()).values, labels())


def test_the_same_voxels_with_another_orientation_are_refused(tmp_path):
  path = made.nifti(tmp_path / "mask.nii.gz", labels(), made.affine("LAS"))
  refused(path, "axes RAS and RAS|apart")


def test_a_mask_of_several_volumes_is_refused(tmp_path):
  path = made.nifti(tmp_path / "mask.nii.gz", labels(shape=(4, 3, 2, 2)))
  refused(path, "holds 2 volumes where one is meant")


def refused(path, why, values=None):
  with pytest.raises(UserError, match=why) as error:
    nifti.read_mask(path, made.a_scan(), values)
  assert str(error.value).startswith(path.name)
  assert "\n" not in str(error.value)
