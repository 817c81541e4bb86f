"""Crops, flips and turns: against PIL, and by what they must keep."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from medfm.augment import geometry
from medfm.types import UserError


def picture(*shape, seed=0):
  return np.random.default_rng(seed).random(shape, np.float32)


def of_keys(change, image, count=200):
  """The change of one picture by many keys."""
  keys = jax.random.split(jax.random.key(0), count)
  return np.asarray(jax.jit(jax.vmap(change, (None, 0)))(image, keys))


resized = jax.jit(geometry._resized, static_argnums=3)


@pytest.mark.parametrize("size", [(9, 12), (20, 16), (40, 50)])
@pytest.mark.parametrize(
  "box", [(0.0, 0.0, 16.0, 20.0), (3.25, 2.5, 7.5, 11.0), (9.0, 8.0, 7.0, 12.0)]
)
def test_a_box_is_resized_as_by_pil(box, size):
  image = picture(20, 16, 3)
  left, upper, width, height = box
  mine = resized(
    jnp.asarray(image),
    jnp.array([upper, left]),
    jnp.array([height, width]),
    size,
  )
  for channel in range(3):
    plane = PIL.Image.fromarray(image[..., channel], "F")
    theirs = plane.resize(
      size[::-1],
      PIL.Image.Resampling.BILINEAR,
      box=(left, upper, left + width, upper + height),
    )
    np.testing.assert_allclose(mine[..., channel], theirs, atol=2e-5)


def test_the_part_has_the_share_and_the_proportions_asked_for(monkeypatch):
  boxes = []

  def noted(image, start, sides, size):
    boxes.append(jnp.concatenate([start, sides]))
    return image

  monkeypatch.setattr(geometry, "_resized", noted)
  image = jnp.zeros((40, 80, 1))

  def box(key):
    geometry.resized_crop(image, key, share=(0.2, 0.5), stretch=1.5)
    return boxes.pop()

  keys = jax.random.split(jax.random.key(0), 2000)
  found = np.asarray(jax.jit(jax.vmap(box))(keys))
  start, sides = found[:, :2], found[:, 2:]
  share = sides.prod(1) / (40 * 80)
  assert share.min() == pytest.approx(0.2, abs=0.01)
  assert share.max() == pytest.approx(0.5, abs=0.01)
  stretched = (sides[:, 0] / 40) / (sides[:, 1] / 80)
  assert stretched.min() >= 1 / 1.5 - 1e-5
  assert stretched.max() <= 1.5 + 1e-5
  assert stretched.max() > 1.4
  assert (start >= 0).all() and (start + sides <= [40.001, 80.001]).all()


def test_a_whole_part_is_the_picture():
  image = picture(8, 6, 5, 2)
  whole = functools.partial(
    geometry.resized_crop, share=(1.0, 1.0), stretch=1.0
  )
  np.testing.assert_allclose(of_keys(whole, image, 1)[0], image, atol=1e-6)


def test_a_volume_is_cropped_along_all_its_axes():
  ramp = np.stack(
    np.meshgrid(*[np.linspace(0, 1, n) for n in (8, 10, 12)], indexing="ij"), -1
  ).astype(np.float32)
  crop = functools.partial(
    geometry.resized_crop, share=(0.1, 0.1), size=(4, 5, 6)
  )
  found = of_keys(crop, ramp, 50)
  assert found.shape == (50, 4, 5, 6, 3)
  for axis in range(3):
    values = found[..., axis]
    span = values.max((1, 2, 3)) - values.min((1, 2, 3))
    assert (span < 0.75).all() and (span > 0.1).all()


def test_a_size_of_other_dimensions_is_refused():
  with pytest.raises(UserError, match=r"size=.8, 8.* the pictures 3"):
    geometry.resized_crop(
      jnp.zeros((8, 8, 8, 1)), jax.random.key(0), size=(8, 8)
    )


def test_flips_are_drawn_for_each_axis():
  image = picture(3, 4, 1)
  found = of_keys(functools.partial(geometry.flip, axes=(0, 1)), image)
  kinds = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
  counts = [sum((one == kind).all() for one in found) for kind in kinds]
  assert sum(counts) == len(found)
  assert min(counts) > 0.15 * len(found)


def test_a_flip_of_no_probability_leaves_the_picture():
  image = picture(3, 4, 1)
  found = of_keys(functools.partial(geometry.flip, probability=0.0), image, 20)
  assert (found == image).all()


@pytest.mark.parametrize("shape", [(4, 4, 2), (3, 4, 4, 1)])
def test_square_planes_are_turned_by_all_quarters(shape):
  image = picture(*shape)
  space = len(shape) - 1
  found = of_keys(geometry.quarter_turn, image)
  kinds = [np.rot90(image, k, (space - 2, space - 1)) for k in range(4)]
  counts = [sum((one == kind).all() for one in found) for kind in kinds]
  assert sum(counts) == len(found)
  assert min(counts) > 0.15 * len(found)


def test_planes_that_are_not_square_are_turned_by_half():
  image = picture(4, 6, 1)
  found = of_keys(geometry.quarter_turn, image)
  kinds = [image, image[::-1, ::-1]]
  counts = [sum((one == kind).all() for one in found) for kind in kinds]
  assert sum(counts) == len(found)
  assert min(counts) > 0.35 * len(found)
