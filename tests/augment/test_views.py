"""Views of a batch: whose draws they are, and of which arrays."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm import rng
from medfm.augment import geometry, intensity, recipes, views
from medfm.data.images.input import Image
from medfm.spec import build
from medfm.tasks.pretext import Nothing
from medfm.types import Info, UserError
from tests import infos

CHANGES = (
  functools.partial(geometry.resized_crop, share=(0.3, 1.0)),
  geometry.flip,
  functools.partial(intensity.noise, probability=1.0),
)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), np.uint8)


view_of = jax.jit(views.view_of, static_argnums=2)


def keys(ids):
  return rng.per_example(jax.random.key(3), jnp.asarray(ids))


def test_an_examples_view_depends_on_its_key_alone():
  ids = np.array([4, 9, 2, 7, 5, 1])
  whole = view_of(IMAGES, keys(ids), CHANGES)
  order = np.array([3, 0, 5])
  some = view_of(IMAGES[order], keys(ids[order]), CHANGES)
  np.testing.assert_allclose(some, np.asarray(whole)[order], atol=1e-6)
  again = view_of(IMAGES, keys(ids + 1), CHANGES)
  assert (np.asarray(again) != np.asarray(whole)).any((1, 2, 3)).all()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_views_are_scaled_by_the_kind_of_number(kind):
  top = 1 if kind == "float32" else np.iinfo(kind).max
  image = (IMAGES / 255 * top).astype(kind)
  found = view_of(image, keys(range(6)), ())
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found, image / np.float32(top), rtol=1e-6)


def test_every_picture_of_an_example_is_changed_and_nothing_else():
  info = Info("toy", {"left": Image(), "right": Image()}, Nothing())
  batch = {
    "left/image": IMAGES,
    "right/image": IMAGES,
    "weight": np.ones(6, np.float32),
    "id": np.arange(6),
  }
  changes = (functools.partial(intensity.noise, probability=1.0),)
  found = views.augmented(batch, info, keys(range(6)), changes=changes)
  assert found["weight"] is batch["weight"] and found["id"] is batch["id"]
  assert (found["left/image"] != found["right/image"]).any()


def test_data_without_pictures_are_refused():
  info = infos.info(
    "toy", numeric=("a",), numeric_mean=(0.0,), numeric_std=(1.0,)
  )
  with pytest.raises(UserError, match="no picture to change"):
    views.augmented({"features": IMAGES}, info, keys(range(6)), changes=CHANGES)
  with pytest.raises(UserError, match="is for images and volumes"):
    views.pictures(info)


@pytest.mark.parametrize("name", ["grey", "coloured", "stained"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_recipe_is_a_list_of_bound_changes(name, channels):
  changes = build(getattr(recipes, name)())
  image = np.repeat(IMAGES, channels, -1)
  found = view_of(image, keys(range(6)), changes)
  assert found.shape == image.shape
  assert (np.asarray(found) != image / np.float32(255)).any((1, 2, 3)).all()
  assert found.min() >= 0 and found.max() <= 1
