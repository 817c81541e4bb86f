"""Patches of images and volumes."""

import jax
import numpy as np
import pytest

from medfm.nn import patches
from medfm.types import UserError

SHAPES = {
  "image": ((2, 6, 8, 3), 2, (3, 4)),
  "oblong patches": ((2, 6, 8, 1), (3, 2), (2, 4)),
  "volume": ((2, 4, 6, 8, 2), 2, (2, 3, 4)),
  "thick slices": ((2, 3, 8, 4, 1), (1, 4, 2), (3, 2, 2)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_cut_and_joined_are_each_others_inverse(name):
  shape, patch, counts = SHAPES[name]
  x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
  assert patches.grid(shape, patch) == counts
  cut = patches.cut(x, patch)
  assert cut.shape[:2] == (2, np.prod(counts))
  assert (patches.joined(cut, counts, patch) == x).all()


@pytest.mark.parametrize("name", SHAPES)
def test_the_first_and_last_patch_are_the_corners(name):
  shape, patch, counts = SHAPES[name]
  x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
  sides = patches.sides_of(patch, len(counts))
  first = x[(0, *(slice(side) for side in sides))]
  last = x[(0, *(slice(-side, None) for side in sides))]
  cut = patches.cut(x, patch)
  assert (cut[0, 0] == first.ravel()).all()
  assert (cut[0, -1] == last.ravel()).all()


def test_sides_that_are_no_whole_patches_are_refused():
  with pytest.raises(UserError, match="6 x 9 are not whole patches of 2"):
    patches.grid((1, 6, 9, 1), 2)
  with pytest.raises(UserError, match="expected one number, or 3 of them"):
    patches.grid((1, 6, 8, 4, 1), (2, 2))


@pytest.mark.parametrize("counts", [(4,), (3, 5), (2, 3, 4)])
def test_every_place_has_waves_of_its_own(counts):
  waves = patches.waves(counts, 32)
  assert waves.shape == (np.prod(counts), 32)
  apart = np.abs(waves[:, None] - waves[None]).max(-1)
  assert (apart + np.eye(len(waves)) > 0.1).all()


def test_the_waves_of_one_axis_are_those_of_the_paper():
  waves = patches.waves((7,), 8)
  angle = np.arange(7)[:, None] / 10_000 ** (np.arange(4) / 4)
  np.testing.assert_allclose(waves[:, :4], np.sin(angle), atol=1e-6)
  np.testing.assert_allclose(waves[:, 4:], np.cos(angle), atol=1e-6)


def test_positions_move_to_a_finer_grid_and_keep_the_first():
  ramp = np.stack(
    np.meshgrid(np.arange(4.0), np.arange(6.0), indexing="ij"), -1
  )
  learned = np.concatenate([np.full((1, 2), 9.0), ramp.reshape(-1, 2)])[None]
  moved = np.asarray(patches.moved(learned, (8, 12), first=1))
  assert moved.shape == (1, 97, 2)
  assert (moved[0, 0] == 9).all()
  inner = moved[0, 1:].reshape(8, 12, 2)[3:-3, 3:-3]
  expected = np.stack(
    np.meshgrid(
      np.arange(8) / 2 - 0.25, np.arange(12) / 2 - 0.25, indexing="ij"
    ),
    -1,
  )[3:-3, 3:-3]
  np.testing.assert_allclose(inner, expected, atol=0.02)
  same = patches.moved(jax.numpy.asarray(learned), (4, 6), first=1)
  np.testing.assert_allclose(same, learned, atol=1e-5)


def test_positions_of_other_proportions_are_refused():
  with pytest.raises(
    UserError, match="24 patches do not fit a picture of 3 x 3"
  ):
    patches.moved(np.zeros((1, 25, 2)), (3, 3), first=1)
