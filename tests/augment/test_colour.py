"""Colours: against colorsys, PIL and scikit-image."""

import colorsys
import functools

import jax
import numpy as np
import PIL.Image
import PIL.ImageEnhance
import pytest

from medfm.augment import colour
from tests.augment.test_geometry import of_keys, picture

ALWAYS = {"probability": 1.0}
CHANGES = {
  "jitter": colour.jitter,
  "greyscale": colour.greyscale,
  "stain": colour.stain,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_keeps_shape_and_range_and_is_made_as_often_as_asked(name):
  image = picture(6, 8, 3)
  found = of_keys(functools.partial(CHANGES[name], probability=0.3), image, 400)
  assert found.shape == (400, 6, 8, 3) and found.dtype == np.float32
  assert found.min() >= 0 and found.max() <= 1
  changed = (found != image).any((1, 2, 3)).mean()
  assert changed == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(6, 8, 1), (4, 5, 6, 2)])
def test_pictures_without_three_channels_stay_as_they_are(name, shape):
  image = picture(*shape)
  assert (of_keys(CHANGES[name], image, 5) == image).all()


@pytest.mark.parametrize("turn", [-0.4, 0.0, 0.1, 0.5])
def test_hue_is_turned_as_by_colorsys(turn):
  image = np.concatenate(
    [picture(30, 3), np.eye(3, dtype=np.float32), np.full((1, 3), 0.4, "f")]
  )
  expected = []
  for rgb in image:
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb.tolist())
    expected.append(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
  np.testing.assert_allclose(
    colour._turned(image[None], turn)[0], expected, atol=1e-5
  )


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.6])
def test_saturation_is_pils(factor):
  image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
  theirs = PIL.ImageEnhance.Color(PIL.Image.fromarray(image)).enhance(factor)
  mine = colour._saturated(image.astype(np.float32) / 255, factor)
  np.testing.assert_allclose(mine * 255, np.asarray(theirs), atol=1.6)


def test_greyscale_is_pils_luma():
  image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
  theirs = np.asarray(PIL.Image.fromarray(image).convert("L"))
  mine = colour.greyscale(
    image.astype(np.float32) / 255, jax.random.key(0), **ALWAYS
  )
  for channel in range(3):
    np.testing.assert_allclose(mine[..., channel] * 255, theirs, atol=1)


def test_stains_are_those_of_scikit_image():
  reference = pytest.importorskip("skimage.color")
  image = 0.02 + 0.96 * picture(9, 7, 3)
  stains = np.maximum(colour._unmixed(image), 0)  # As scikit-image has them.
  np.testing.assert_allclose(stains, reference.rgb2hed(image), atol=1e-5)
  np.testing.assert_allclose(
    colour._mixed(stains), reference.hed2rgb(stains), atol=1e-4
  )


def test_stains_that_nothing_is_done_to_give_every_picture_back():
  colours = 0.02 + 0.96 * picture(9, 7, 3)
  same = colour.stain(colours, jax.random.key(0), factor=0, shift=0, **ALWAYS)
  np.testing.assert_allclose(same, colours, atol=1e-4)


def test_each_stain_is_changed_by_its_own_draw():
  tissue = np.asarray(colour._mixed(np.full((2, 2, 3), 0.1, np.float32)))
  change = functools.partial(colour.stain, factor=0.5, shift=0.0, **ALWAYS)
  found = np.asarray(colour._unmixed(of_keys(change, tissue, 500)))[:, 0, 0]
  assert found.min(0) == pytest.approx([0.05] * 3, abs=0.003)
  assert found.max(0) == pytest.approx([0.15] * 3, abs=0.003)
  assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.15
