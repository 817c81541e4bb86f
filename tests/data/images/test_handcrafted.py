"""Edges, texture and colour as columns for classical models."""

import numpy as np
import pytest

from medfm.data.images import handcrafted
from medfm.data.images.input import Image
from medfm.tasks import multiclass
from medfm.tasks.multiclass import Classes
from medfm.types import Info, Split, UserError


def _split(images):
  return Split({"image": images}, np.arange(len(images)).astype(str))


def test_gradients_are_those_of_scikit_image():
  feature = pytest.importorskip("skimage.feature")
  grey = np.random.default_rng(0).random((2, 32, 48)).astype(np.float32)
  expected = [
    feature.hog(each, 9, (4, 6), (2, 2), block_norm="L2-Hys")
    for each in grey.astype(np.float64)
  ]
  np.testing.assert_allclose(handcrafted.hog(grey), expected, atol=1e-5)


def test_patterns_are_those_of_the_definition():
  grey = np.random.default_rng(0).random((12, 13)).astype(np.float32)
  for place, radius in enumerate((1, 2)):
    counts = np.zeros(10)
    for y in range(radius, 12 - radius):
      for x in range(radius, 13 - radius):
        around = [
          (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)
        ]  # fmt: skip
        ones = [
          grey[y + radius * dy, x + radius * dx] >= grey[y, x]
          for dy, dx in around
        ]
        changes = sum(ones[i] != ones[i - 1] for i in range(8))
        counts[sum(ones) if changes <= 2 else 9] += 1
    found = handcrafted.colour_texture(grey[None, :, :, None])
    expected = counts / counts.sum()
    np.testing.assert_allclose(
      found[0, 10 * place : 10 * place + 10], expected, atol=1e-5
    )


def test_an_upright_edge_falls_into_the_first_orientation():
  grey = np.zeros((1, 16, 16), np.float32)
  grey[:, :, 8:] = 1
  found = handcrafted.hog(grey).reshape(-1, 9)
  assert found[:, 0].max() > 0.4
  assert found[:, 1:].max() == 0


def test_a_flat_picture_has_one_pattern_and_one_bin_of_each_colour():
  images = np.full((1, 16, 16, 3), (0, 128, 255), np.uint8)
  design = handcrafted.design(_split(images), "colour_texture")
  (row,) = design.of(_split(images))
  assert row.nonzero()[0].tolist() == [8, 18, 20, 32, 43]
  assert len(design.names) == len(row) == 44


def test_integers_of_any_depth_and_floats_give_the_same_columns():
  pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1))
  wide, real = pixels.astype(np.uint16) * 257, pixels.astype(np.float32) / 255
  for kind in handcrafted.KINDS:
    first, *others = (
      handcrafted.design(_split(images), kind).of(_split(images))
      for images in (pixels.astype(np.uint8), wide, real.astype(np.float32))
    )
    for other in others:
      np.testing.assert_allclose(first, other, atol=1e-5)


def test_no_rows_give_no_rows():
  images = np.zeros((2, 16, 16, 1), np.uint8)
  design = handcrafted.design(_split(images), "hog")
  assert design.of(_split(images[:0])).shape == (0, len(design.names))


def test_pictures_without_room_for_cells_are_refused():
  with pytest.raises(UserError, match=r"8 x 20 are too small .* 16 pixels"):
    handcrafted.design(_split(np.zeros((1, 8, 20, 1), np.uint8)), "hog")


@pytest.mark.parametrize("kind", handcrafted.KINDS)
def test_rivals_tell_stripes_from_their_turn(kind):
  generator = np.random.default_rng(0)
  label = np.arange(40, dtype=np.int32) % 2
  images = generator.integers(0, 60, (40, 16, 16, 1)).astype(np.uint8)
  images[label == 0, :, ::4] += 120
  images[label == 1] += 90
  split = Split({"image": images, "label": label}, np.arange(40).astype(str))
  info = Info("toy", {"image": Image((16, 16))}, Classes(("a", "b")))
  fit = multiclass.RIVALS[f"{kind}_logistic_regression"]
  fitted = fit(split, {"test": split}, info, 0)
  assert (fitted.predicted["test"]["probs"].argmax(1) == label).all()
