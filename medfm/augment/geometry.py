"""Where a picture's pixels come from: crops, flips, turns. See `views`."""

import math

import jax
import jax.numpy as jnp

from medfm.types import UserError


def resized_crop(
  picture: jax.Array,
  key: jax.Array,
  *,
  share: tuple[float, float] = (0.2, 1.0),
  stretch: float = 4 / 3,
  size: tuple[int, ...] = (),
) -> jax.Array:
  """A random part of the picture, resized to `size` (Szegedy et al. 2015).

  Linear interpolation, averaged where the part is larger than `size`.

  share: least and greatest share of the area (or volume) that is kept.
  stretch: how much longer, at most, one side of the part may become against
    another than it is in the picture.
  size: of the result [*S]; () is that of the picture.
  """
  extents = picture.shape[:-1]
  if size and len(size) != len(extents):
    raise UserError(
      f"resized_crop: size={size} has {len(size)} extents, the pictures "
      f"{len(extents)}"
    )
  size = tuple(size) or extents
  area_key, shape_key, place_key = jax.random.split(key, 3)
  low, high = share
  area = jax.random.uniform(area_key, (), minval=low, maxval=high)
  ratios = jax.random.uniform(
    shape_key, (len(extents),), minval=-1.0, maxval=1.0
  )
  # Of two sides one grows as the other shrinks, so that the area holds.
  ratios = (ratios - ratios.mean()) * math.log(stretch) / 2
  sides = jnp.minimum(area ** (1 / len(extents)) * jnp.exp(ratios), 1.0)
  sides = sides * jnp.array(extents, jnp.float32)
  free = jnp.array(extents, jnp.float32) - sides
  start = jax.random.uniform(place_key, (len(extents),)) * free
  return _resized(picture, start, sides, size)


def _resized(
  picture: jax.Array, start: jax.Array, sides: jax.Array, size: tuple[int, ...]
) -> jax.Array:
  """The box from `start` with these `sides`, in pixels, as [*size,C]."""
  scale = jnp.array(size, jnp.float32) / sides
  resized = jax.image.scale_and_translate(
    picture,
    (*size, picture.shape[-1]),
    tuple(range(len(size))),
    scale,
    -start * scale,
    "linear",
    antialias=True,
  )
  return jnp.clip(resized, 0, 1)


def flip(
  picture: jax.Array,
  key: jax.Array,
  *,
  axes: tuple[int, ...] = (-1,),
  probability: float = 0.5,
) -> jax.Array:
  """Mirrors the picture along each of these axes of space, or does not.

  axes: -1 is the last one, left and right of an image. Not for pictures whose
    sides mean something, such as a chest with its heart.
  """
  space = picture.ndim - 1
  for place, axis in enumerate(axes):
    drawn = jax.random.bernoulli(jax.random.fold_in(key, place), probability)
    mirrored = jnp.flip(picture, axis % space)
    picture = jnp.where(drawn, mirrored, picture)
  return picture


def quarter_turn(
  picture: jax.Array, key: jax.Array, *, plane: tuple[int, int] = (-2, -1)
) -> jax.Array:
  """Turns the picture by 0, 90, 180 or 270 degrees in a plane of its axes.

  By 0 or 180 alone where the plane is not square.
  """
  space = picture.ndim - 1
  first, second = (axis % space for axis in plane)
  quarters = jax.random.randint(key, (), 0, 4)
  if picture.shape[first] == picture.shape[second]:
    turned = jnp.rot90(picture, 1, (first, second))
    picture = jnp.where(quarters % 2 == 1, turned, picture)
  half = jnp.flip(picture, (first, second))
  return jnp.where(quarters >= 2, half, picture)
