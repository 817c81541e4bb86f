"""Grids of another spacing, against interpolation written out by hand."""

import numpy as np
import pytest
from scipy import ndimage

from medfm.data.volumes import resample, scan
from medfm.types import UserError
from tests.data.volumes import made

pytestmark = pytest.mark.once

NOISE = np.random.default_rng(0).normal(size=(12, 10, 9)).astype(np.float32)


def smooth(shape):
  axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
  return sum(np.sin(a / 4 + n) for n, a in enumerate(axes)).astype(np.float32)


def by_hand(values, shape, order):
  """Each new centre, by its place in the box that both grids cover."""
  centres = [
    (np.arange(new) + 0.5) * old / new - 0.5
    for old, new in zip(values.shape, shape, strict=True)
  ]
  grid = np.meshgrid(*centres, indexing="ij")
  return ndimage.map_coordinates(
    values.astype(np.float64), grid, order=order, mode="nearest"
  )


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("shape", [(24, 7, 9), (8, 14, 13), (1, 1, 1)])
def test_the_outer_edges_of_both_grids_lie_on_each_other(order, shape):
  got = resample.to_shape(NOISE, shape, order=order)
  wanted = by_hand(NOISE, shape, order).clip(NOISE.min(), NOISE.max())
  np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_a_ramp_in_mm_stays_one_and_the_affine_says_where():
  affine = made.affine("LPS", (1, 2, 3), turn=0.3)
  shape = (12, 10, 9)
  index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
  x_mm = np.einsum("j,j...->...", affine[0, :3], index) + affine[0, 3]
  image = made.a_scan(x_mm.astype(np.float32), affine)
  got = resample.of_scan(image, (1.5, 1.0, 2.0), order=1)
  index = np.stack(
    np.meshgrid(*map(np.arange, got.values.shape), indexing="ij")
  )
  places = np.einsum("j,j...->...", got.affine[0, :3], index)
  inside = (slice(2, -2),) * 3  # At the edges the ramp ends.
  np.testing.assert_allclose(
    got.values[inside], (places + got.affine[0, 3])[inside], atol=1e-4
  )
  np.testing.assert_allclose(got.spacing_mm, (1.5, 1, 27 / 14), atol=1e-9)


def test_a_coarse_axis_is_apart():
  spacing = (1, 1, 5)
  got = resample.resampled(NOISE, spacing, (0.5, 0.5, 2.5))
  assert got.shape == (24, 20, 18)
  for place in range(18):
    plane = by_hand(NOISE[:, :, place // 2], (24, 20), 3)
    plane = plane.clip(
      NOISE[:, :, place // 2].min(), NOISE[:, :, place // 2].max()
    )
    np.testing.assert_allclose(got[:, :, place], plane, atol=1e-5)


def test_along_a_coarse_axis_each_plane_takes_the_nearest():
  got = resample.resampled(NOISE, (1, 1, 5), (1, 1, 7.5))
  # Their centres lie at the old planes 0.25, 1.75, 3.25, 4.75, 6.25, 7.75.
  assert np.array_equal(got, NOISE[:, :, [0, 2, 3, 5, 6, 8]])


def test_two_coarse_axes_are_not_apart():
  got = resample.resampled(NOISE, (5, 1, 5), (2.5, 1, 2.5), order=1)
  np.testing.assert_allclose(got, by_hand(NOISE, (24, 10, 18), 1), atol=1e-5)


def test_channels_are_resampled_each_by_itself():
  both = np.stack([NOISE, -2 * NOISE], axis=-1)
  got = resample.resampled(both, (1, 1, 1), (2, 2, 2), order=1)
  np.testing.assert_allclose(got[..., 1], -2 * got[..., 0], atol=1e-5)


def test_a_cubic_spline_does_not_overshoot():
  step = np.zeros((8, 8, 8), np.float32)
  step[4:] = 1
  got = resample.to_shape(step, (17, 17, 17))
  assert got.min() >= 0 and got.max() <= 1


def test_the_same_grid_changes_nothing():
  assert np.array_equal(resample.to_shape(NOISE, NOISE.shape), NOISE)
  mask = (NOISE > 0).astype(np.uint8)
  assert np.array_equal(resample.mask_to_shape(mask, mask.shape), mask)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (1, 1, 4)])
def test_a_mask_gets_the_label_with_the_most(spacing):
  mask = np.random.default_rng(1).integers(0, 4, (9, 8, 7)).astype(np.uint8)
  mask[mask == 2] = 7
  shape = (15, 11, 7)
  labels = np.array([0, 1, 3, 7])
  shares = np.stack(
    [by_hand((mask == label) * 1.0, shape, 1) for label in labels]
  )
  got = resample.mask_to_shape(mask, shape, spacing)
  top = np.sort(shares, axis=0)
  sure = top[-1] - top[-2] > 1e-6
  assert sure.mean() > 0.9 and got.dtype == np.uint8
  assert np.array_equal(got[sure], labels[shares.argmax(0)][sure])


def test_images_and_masks_come_back_to_their_own_grid():
  affine = made.affine("PIR", (2, 1.5, 1), turn=0.2)
  image = made.a_scan(smooth((30, 28, 26)), affine)
  fine = resample.of_scan(image, (1, 1, 1))
  again = resample.back(fine.values, image.geometry, order=3)
  assert again.shape == image.values.shape
  inside = (slice(3, -3),) * 3
  assert abs(again - image.values)[inside].max() < 0.01
  mask = (fine.values > 0.5).astype(np.uint8)
  back = resample.back(mask, image.geometry)
  truth = image.values > 0.5
  dice = 2 * (back.astype(bool) & truth).sum() / (back.sum() + truth.sum())
  assert back.dtype == np.uint8 and dice > 0.98


def test_the_affine_goes_back_as_well():
  affine = made.affine("LPS", turn=0.3)
  there = resample.affine_at(affine, (4, 3, 2), (9, 5, 2))
  np.testing.assert_allclose(
    resample.affine_at(there, (9, 5, 2), (4, 3, 2)), affine, atol=1e-9
  )
  assert np.allclose(scan.spacing(there) * (9, 5, 2), (4, 6, 6))


@pytest.mark.parametrize("to_mm", [(0, 1, 1), (1, 1), (1, 1, np.nan)])
def test_an_impossible_spacing_is_refused(to_mm):
  with pytest.raises(UserError, match=r"expected three lengths of 0\.001 to"):
    resample.resampled(NOISE, (1, 1, 1), to_mm)


def test_an_unknown_order_is_refused():
  with pytest.raises(UserError, match=r"order=2: expected 3 \(cubic\)"):
    resample.to_shape(NOISE, (3, 3, 3), order=2)


def test_a_flat_mask_comes_back_to_its_own_grid():
  mask = np.zeros((40, 60), np.uint8)
  mask[8:24, 12:32], mask[26:36, 40:56] = 1, 2
  small = resample.mask_to_shape(mask, (20, 30))
  np.testing.assert_array_equal(small, mask[::2, ::2])
  back = resample.mask_to_shape(small, (40, 60))
  assert back.dtype == np.uint8 and (back != mask).mean() < 0.01


def test_a_mask_of_floats_is_refused():
  with pytest.raises(UserError, match="a mask of float32 with 3 axes"):
    resample.mask_to_shape(NOISE, (3, 3, 3))
