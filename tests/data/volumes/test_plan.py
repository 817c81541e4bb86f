"""The plan follows from the training images and the memory it may take."""

import numpy as np
import pytest

from medfm.data.volumes import plan
from medfm.types import UserError

pytestmark = pytest.mark.once


def test_small_volumes_are_covered_by_one_patch():
  made = plan.planned(np.array([[36, 50, 35]] * 5), (1, 1, 1))
  assert made.patch == (40, 56, 40)
  assert made.strides == ((1, 1, 1), *((2, 2, 2),) * 3)
  assert made.batch_size == 2
  assert made.memory_gib < 2


def test_a_patch_shrinks_until_a_step_fits_into_memory():
  shapes = np.array([[512, 512, 400]])
  sizes = []
  for gib in (2.0, 4.0, 8.0):
    made = plan.planned(shapes, (0.8, 0.8, 1), memory_gib=gib)
    assert made.memory_gib <= gib
    sizes.append(np.prod(made.patch))
  assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_thick_slices_are_halved_later_and_convolved_over_later():
  made = plan.planned(np.array([[320, 320, 20]]), (0.6, 0.6, 3.6))
  assert made.strides[1] == (2, 2, 1) and made.strides[2] == (2, 2, 1)
  assert made.kernels[0] == (3, 3, 1)
  assert made.kernels[-1] == (3, 3, 3)
  assert made.patch[2] <= 24


def test_every_patch_can_be_divided_by_its_strides():
  generator = np.random.default_rng(0)
  for axes in (2, 3):
    for _ in range(30):
      shapes = generator.integers(8, 300, (3, axes))
      spacing = generator.choice([0.5, 1.0, 3.0, 5.0], axes)
      made = plan.planned(shapes, spacing, memory_gib=3)
      assert not (np.array(made.patch) % np.prod(made.strides, 0)).any()


def test_what_cannot_fit_is_refused_with_the_settings_to_change():
  with pytest.raises(UserError, match=r"memory_gib=0.001"):
    plan.planned(np.array([[64, 64, 64]]), (1, 1, 1), memory_gib=0.001)
  with pytest.raises(UserError, match="expected multiples of"):
    plan.planned(np.array([[64, 64]]), (1, 1), patch=(33, 32))
  with pytest.raises(UserError, match="expected 2 extents"):
    plan.planned(np.array([[64, 64]]), (1, 1), patch=(32, 32, 32))


def test_a_batch_is_no_larger_than_the_training_split():
  flat = np.tile([96, 96], (20, 1))
  assert plan.planned(flat, (np.nan, np.nan)).batch_size == 16
  assert plan.planned(flat[:5], (np.nan, np.nan)).batch_size == 5
  assert plan.planned(flat[:5], (np.nan, np.nan), batch_size=8).batch_size == 8


def test_equal_spacings_are_kept_and_unknown_ones_are_none():
  shapes = np.full((4, 3), 50)
  assert plan.spacing(np.ones((4, 3)), shapes) == (1.0, 1.0, 1.0)
  assert not plan.uneven(np.ones((4, 3)))
  assert plan.spacing(np.full((4, 2), np.nan), shapes[:, :2]) == ()
  assert not plan.uneven(np.full((4, 2), np.nan))
  assert plan.uneven(np.array([[1, 1, 1], [1, 1, 1.01]]))


def test_different_spacings_become_the_median_or_less_of_thick_slices():
  mixed = np.array([[1, 1, 1], [1, 1, 2], [1, 1, 3.0]])
  assert plan.spacing(mixed, np.full((3, 3), 50)) == (1.0, 1.0, 2.0)
  thick = np.array([[0.5, 0.5, 4], [0.5, 0.5, 5], [0.5, 0.5, 6.0]])
  shapes = np.array([[400, 400, 20]] * 3)
  chosen = plan.spacing(thick, shapes)
  assert chosen[:2] == (0.5, 0.5) and 4 <= chosen[2] < 5
