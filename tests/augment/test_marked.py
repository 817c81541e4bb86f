"""Images and their regions are moved alike."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.augment import intensity, marked
from medfm.types import UserError
from tests import infos
from tests.objectives import marked as toy

INFO, BATCH = toy.volumes()
KEYS = jax.random.split(jax.random.key(0), 8)


def _moved(**settings):
  return marked.regions(BATCH, INFO, KEYS, **settings)


def test_mirrored_images_keep_their_regions():
  found = _moved(mirror=(0, 2), probability=0.0)
  drawn = 0
  for row in range(8):
    flips = [(), (0,), (2,), (0, 2)]
    same = [
      np.array_equal(np.flip(BATCH["image"][row], f), found["image"][row])
      and np.array_equal(
        np.flip(BATCH["regions"][row], f), found["regions"][row]
      )
      for f in flips
    ]
    assert sum(same) == 1
    drawn += not same[0]
  assert drawn


def test_a_turn_moves_both_and_keeps_the_labels():
  # The image is the label itself, so that one must follow the other.
  batch = {**BATCH, "image": BATCH["regions"][..., None].astype("float32")}
  grown = {
    name: batch[name].repeat(4, 1).repeat(4, 2).repeat(4, 3)
    for name in ("image", "regions")
  }
  batch |= grown
  found = marked.regions(
    batch, INFO, KEYS, probability=1.0, turn_degrees=30.0, zoom=(0.9, 1.2)
  )
  regions = np.asarray(found["regions"])
  assert set(np.unique(regions)) <= {0, 1, 2}
  assert (regions != batch["regions"]).any((1, 2, 3)).all()
  inner = np.asarray(found["image"])[:, 2:-2, 2:-2, 2:-2, 0]
  apart = abs(inner - regions[:, 2:-2, 2:-2, 2:-2])
  assert apart.mean() < 0.2
  still = batch["image"][:, 2:-2, 2:-2, 2:-2, 0]
  assert abs(inner - still).mean() > 2 * apart.mean()


def test_without_a_draw_nothing_changes():
  found = _moved(probability=0.0)
  np.testing.assert_array_equal(found["image"], BATCH["image"])
  never = _moved(probability=1e-9, changes=())
  np.testing.assert_allclose(never["image"], BATCH["image"], atol=1e-5)
  np.testing.assert_array_equal(never["regions"], BATCH["regions"])


def test_changes_of_brightness_leave_the_regions():
  change = functools.partial(
    intensity.brightness_contrast, brightness=0.3, probability=1.0
  )
  found = _moved(probability=0.0, changes=(change,))
  np.testing.assert_array_equal(found["regions"], BATCH["regions"])
  assert (abs(found["image"] - BATCH["image"]).mean((1, 2, 3, 4)) > 0.01).any()


def test_changes_see_all_values_however_far_from_the_mean():
  bright = BATCH["image"].copy()
  bright[:, 0, 0, 0] = 500.0
  seen = []

  def noted(picture, key):
    seen.append(picture.shape)
    return picture

  found = marked.regions(
    {**BATCH, "image": bright}, INFO, KEYS, probability=0.0, changes=(noted,)
  )
  assert seen
  np.testing.assert_allclose(found["image"], bright, rtol=1e-5, atol=1e-3)


def test_an_examples_draws_depend_on_its_key_alone():
  rows = jnp.array([3, 5])
  part = {name: array[rows] for name, array in BATCH.items()}
  settings = {"probability": 1.0, "mirror": (0, 1, 2)}
  alone = marked.regions(part, INFO, KEYS[rows], **settings)
  np.testing.assert_allclose(
    alone["image"], _moved(**settings)["image"][rows], atol=1e-5
  )


def test_data_without_regions_are_refused():
  info = infos.info("toy")
  with pytest.raises(UserError, match="marks no regions"):
    marked.regions({"image": BATCH["image"]}, info, KEYS)
