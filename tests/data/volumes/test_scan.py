"""Axes brought to RAS+ and back, and grids that are compared."""

import itertools
import json

import nibabel
import numpy as np
import pytest

from medfm.data.volumes import scan
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once

ALL_AXES = [
  "".join(ends)
  for order in itertools.permutations(("RL", "AP", "SI"))
  for ends in itertools.product(*order)
]


@pytest.mark.parametrize("axes", ALL_AXES)
def test_every_orientation_is_brought_to_ras_as_nibabel_does(axes):
  affine = made.affine(axes, turn=0.3)
  values = made.values()
  mine = scan.canonical(values, affine)
  image = nibabel.as_closest_canonical(nibabel.Nifti1Image(values, affine))
  assert scan.codes(affine) == axes
  assert np.array_equal(mine[0], np.asarray(image.dataobj))
  np.testing.assert_allclose(mine[1], image.affine, atol=1e-9)


@pytest.mark.parametrize("axes", ALL_AXES)
def test_a_volume_goes_back_into_the_order_that_it_was_stored_in(axes):
  values = made.values()
  one = made.a_scan(values, made.affine(axes))
  assert np.array_equal(scan.as_stored(one.values, one.geometry), values)
  assert one.values.shape == scan.canonical_shape(one.geometry)
  np.testing.assert_array_equal(one.affine, scan.canonical_affine(one.geometry))


def test_oblique_axes_choose_as_nibabel_does():
  generator = np.random.default_rng(0)
  for _ in range(200):
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    affine[:3, :3] *= generator.uniform(0.5, 5, 3)
    assert scan.codes(affine) == "".join(nibabel.aff2axcodes(affine))


def test_a_grid_survives_json():
  grid = made.a_scan(at=made.affine("LPI", turn=0.1)).geometry
  assert scan.geometry(json.loads(json.dumps(grid))) == grid


def test_voxels_that_are_not_finite_are_counted():
  values = made.values(dtype=np.float32)
  values[0, 0, 0], values[1, 1, 1] = np.nan, -np.inf
  assert made.a_scan(values).not_finite == 2


def test_a_volume_of_another_shape_is_not_put_back():
  grid = made.a_scan().geometry
  with pytest.raises(UserError, match="expected a volume of 4 x 3 x 2 voxels"):
    scan.as_stored(np.zeros((3, 4, 2), np.uint8), grid)


@pytest.mark.parametrize("number", [np.nan, np.inf, 0.0])
def test_an_affine_without_size_is_refused(number):
  affine = made.affine()
  affine[:3, 1] = number
  with pytest.raises(UserError, match=r"a\.nii: its affine is not finite"):
    scan.checked(affine, "a.nii")


def test_an_affine_with_two_equal_axes_is_refused():
  affine = made.affine()
  affine[:3, 1] = affine[:3, 0]
  with pytest.raises(UserError, match="gives a voxel no size"):
    scan.checked(affine, "a.nii")


def test_the_middle_volume_is_the_first_of_two():
  assert [scan.chosen("a", f, 2) for f in ("first", "middle", "last")] == [
    0, 0, 1,
  ]  # fmt: skip
