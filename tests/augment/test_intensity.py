"""Brightness, gamma, blur, noise and cutout: against numpy and scipy."""

import functools

import jax
import numpy as np
import pytest
import scipy.ndimage

from medfm.augment import intensity
from tests.augment.test_geometry import of_keys, picture

ALWAYS = {"probability": 1.0}
CHANGES = {
  "brightness_contrast": intensity.brightness_contrast,
  "gamma": intensity.gamma,
  "blur": intensity.blur,
  "noise": intensity.noise,
  "cutout": intensity.cutout,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(9, 7, 1), (6, 8, 3), (5, 6, 7, 2)])
def test_a_change_keeps_shape_and_range_and_is_made_as_often_as_asked(
  name, shape
):
  image = picture(*shape)
  often = functools.partial(CHANGES[name], probability=0.3)
  found = of_keys(often, image, 400)
  assert found.shape == (400, *shape) and found.dtype == np.float32
  assert found.min() >= 0 and found.max() <= 1
  changed = (found != image).any(tuple(range(1, found.ndim))).mean()
  assert changed == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("shape", [(15, 11, 2), (7, 9, 8, 1)])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_a_blur_is_a_gaussians_within_the_picture(shape, sigma):
  image = picture(*shape)
  blur = functools.partial(intensity.blur, span=(sigma, sigma), **ALWAYS)
  mine = of_keys(blur, image, 1)[0]
  kernel = functools.partial(
    scipy.ndimage.gaussian_filter,
    sigma=(*[sigma] * (len(shape) - 1), 0),
    mode="constant",
    truncate=40,
  )
  within = kernel(image.astype(np.float64)) / kernel(np.ones(shape))
  np.testing.assert_allclose(mine, within, atol=1e-5)


def test_gamma_is_a_power_drawn_evenly_by_its_logarithm():
  image = np.full((2, 2, 1), 0.5, np.float32)
  found = of_keys(
    functools.partial(intensity.gamma, span=(0.5, 2.0), **ALWAYS), image, 2000
  )
  powers = np.log2(np.log(found[:, 0, 0, 0]) / np.log(0.5))
  assert powers.min() == pytest.approx(-1, abs=0.02)
  assert powers.max() == pytest.approx(1, abs=0.02)
  assert powers.mean() == pytest.approx(0, abs=0.05)


def test_gamma_has_a_finite_gradient_at_black():
  slope = jax.jit(
    jax.grad(lambda x: intensity.gamma(x, jax.random.key(0), **ALWAYS).sum())
  )
  assert np.isfinite(slope(np.zeros((2, 2, 1), np.float32))).all()


def test_contrast_turns_about_the_mean_and_brightness_moves_it():
  image = 0.5 + 0.1 * (picture(6, 6, 1) - 0.5)
  change = functools.partial(
    intensity.brightness_contrast, brightness=0.2, contrast=0.5, **ALWAYS
  )
  found = of_keys(change, image, 500)
  factor = found.std((1, 2, 3)) / image.std()
  shift = found.mean((1, 2, 3)) - image.mean()
  assert factor.min() == pytest.approx(0.5, abs=0.02)
  assert factor.max() == pytest.approx(1.5, abs=0.02)
  assert shift.min() == pytest.approx(-0.2, abs=0.01)
  assert shift.max() == pytest.approx(0.2, abs=0.01)
  assert abs(np.corrcoef(factor, shift)[0, 1]) < 0.15


def test_noise_is_of_every_strength_up_to_the_most():
  image = np.full((40, 40, 1), 0.5, np.float32)
  found = of_keys(
    functools.partial(intensity.noise, most=0.1, **ALWAYS), image, 200
  )
  spread = found.std((1, 2, 3))
  assert spread.max() == pytest.approx(0.1, abs=0.01)
  assert np.median(spread) == pytest.approx(0.05, abs=0.015)


def test_a_cut_box_has_the_share_asked_for_and_the_mean():
  image = picture(40, 50, 2)
  found = of_keys(
    functools.partial(intensity.cutout, share=(0.1, 0.3), **ALWAYS), image, 300
  )
  cut = (found != image).all(-1)
  share = cut.mean((1, 2))
  assert share.min() > 0.08 and share.max() < 0.33
  assert share.max() - share.min() > 0.15
  for one, where in zip(found[:20], cut[:20], strict=True):
    np.testing.assert_allclose(
      one[where],
      np.broadcast_to(image.mean((0, 1)), (where.sum(), 2)),
      rtol=1e-5,
    )
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    assert where[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
