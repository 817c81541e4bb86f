"""Classical segmentation of toys whose answer is known."""

import numpy as np
import pytest
from scipy import ndimage

from medfm.tasks.regions import classical as rivals

pytestmark = pytest.mark.once


def spot(value=200.0, around=20.0, at=8, side=24, channels=0):
  """An image with a disc, and its mask."""
  y, x = np.mgrid[:side, :side]
  mask = np.hypot(y - at, x - at - 2) <= 5
  noise = np.random.default_rng(at).normal(0, 4, mask.shape)
  image = np.where(mask, value, around) + noise
  if channels:
    image = np.repeat(image[..., None], channels, -1)
  return image.astype(np.float32), mask.astype(np.uint8)


def dice(a, b):
  return 2 * ((a > 0) & (b > 0)).sum() / ((a > 0).sum() + (b > 0).sum())


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_threshold_leaves_the_least_variance_within_the_sides(share):
  generator = np.random.default_rng(0)
  values = generator.normal(np.where(generator.random(999) < share, 9, 2))

  def within(cut):
    sides = values[values <= cut], values[values > cut]
    return sum(len(side) * side.var() for side in sides)

  edges = np.histogram_bin_edges(values, 256)[1:-1]
  best = min(map(within, edges))
  assert within(rivals.threshold(values)) == pytest.approx(best, rel=1e-3)
  assert within(rivals.threshold(values) + 3) > 1.01 * best


def test_a_constant_image_has_a_threshold():
  assert np.isfinite(rivals.threshold(np.ones((4, 4))))


@pytest.mark.parametrize(
  ("values", "side"),
  [((200, 20), "bright"), ((20, 200), "dark")],
)
def test_the_polarity_is_that_of_the_training_masks(values, side):
  cases = [spot(*values, at=k) for k in (7, 9)]
  assert rivals.polarity(cases) == side
  image, truth = spot(*values, at=10)
  assert dice(rivals.otsu(image, side, smooth=0), truth) == 1


def test_images_of_both_polarities_are_taken_at_their_rarer_side():
  cases = [spot(200, 20, at=7), spot(20, 200, at=9)]
  assert rivals.polarity(cases) == "rare"
  for image, truth in cases:
    assert dice(rivals.otsu(image, "rare", smooth=0), truth) == 1


def test_channels_are_averaged_and_a_fourth_is_ignored():
  image, truth = spot(channels=3)
  image = np.concatenate([image, 1e6 * (1 - truth[..., None])], -1)
  assert dice(rivals.otsu(image, "bright", smooth=0), truth) == 1


@pytest.mark.parametrize("channels", [0, 2])
def test_features_have_a_column_for_each_thing_known_of_a_voxel(channels):
  image, _ = spot(channels=channels)
  table = rivals.features(image, 2, (1.0, 2.0))
  assert table.shape == (24 * 24, 5 * max(channels, 1) + 2)
  assert table.dtype == np.float32
  places = table[:, -2:].reshape(24, 24, 2)
  assert places[0, 0].tolist() == [0, 0] and places[-1, 0].tolist() == [1, 0]
  np.testing.assert_allclose(table[:, 0].mean(), 0, atol=1e-5)


def test_features_do_not_depend_on_the_scale_of_intensities():
  image, _ = spot()
  np.testing.assert_allclose(
    rivals.features(image, 2), rivals.features(5 * image - 90, 2), atol=1e-4
  )


def test_boosted_voxels_segment_another_image():
  cases = [spot(at=k) for k in (7, 9)]
  image, truth = spot(at=11)
  predict = rivals.boosted(cases, seed=0, voxels=100, rounds=5, smooth=0)
  made = predict(image)
  assert made.shape == truth.shape and made.dtype == np.uint8
  assert dice(made, truth) > 0.9


def test_smoothed_probabilities_leave_no_single_voxels():
  generator = np.random.default_rng(0)
  cases = [spot(at=k) for k in (7, 9)]
  cases = [
    (image + generator.normal(0, 200, image.shape), labels)
    for image, labels in cases
  ]
  parts = [
    ndimage.label(predict(cases[0][0]))[1]
    for predict in (
      rivals.boosted(cases, seed=0, voxels=300, rounds=15, smooth=smooth)
      for smooth in (0, 1)
    )
  ]
  assert parts[1] < parts[0]


def test_drawn_voxels_stand_for_all_of_their_label():
  labels = np.repeat([0, 1, 2], (90, 8, 2))
  drawn = list(rivals._drawn(labels, 12, np.random.default_rng(0)))
  assert [len(chosen) for _, chosen, _ in drawn] == [4, 4, 2]
  assert [w * len(c) for _, c, w in drawn] == pytest.approx([90, 8, 2])


def test_an_atlas_is_how_often_each_label_was_at_a_place():
  a, b = np.zeros((4, 4), int), np.zeros((4, 4), int)
  a[:2], b[:1] = 1, 2
  made = rivals.atlas([a, b], structures=2, shape=(4, 4))
  np.testing.assert_allclose(made.sum(0), 1)
  assert made[:, 0, 0].tolist() == [0, 0.5, 0.5]
  assert made[:, 1, 0].tolist() == [0.5, 0.5, 0]


def test_an_atlas_is_stretched_to_an_image_of_any_extent():
  labels = np.zeros((8, 6, 4), int)
  labels[:4, :3] = 1
  made = rivals.atlas([labels], structures=1, shape=(16, 12, 4))
  placed = rivals.placed(made, (24, 18, 8))
  assert placed.shape == (24, 18, 8)
  assert placed[:11, :8].all() and not placed[13:].any()
  assert not placed[:, 10:].any()


def test_an_atlas_of_nothing_is_an_error():
  with pytest.raises(ValueError, match="at least one"):
    rivals.atlas([], structures=1, shape=(4, 4))
