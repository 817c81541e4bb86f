"""Random changes of images together with what is marked in them."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from medfm.augment.views import Change
from medfm.types import Batch, Info, UserError


def regions(
  batch: Batch,
  info: Info,
  keys: jax.Array,
  *,
  mirror: tuple[int, ...] = (),
  turn_degrees: float = 15.0,
  zoom: tuple[float, float] = (0.8, 1.25),
  probability: float = 0.3,
  changes: Sequence[Change] = (),
) -> Batch:
  """`image` and `regions` moved alike, the image changed, for `Run.augment`.

  mirror: axes of space along which both may be mirrored; () where left and
    right differ.
  turn_degrees, zoom: an example is turned in each plane by up to so many
    degrees and made larger by a factor of this range, with the `probability`;
    linear interpolation of the image, the nearest of regions, and places from
    beyond the edge repeat it.
  changes: of brightness and sharpness (`augment.intensity`); for them the patch
    is scaled so that its least value is 0 and its largest 1, and scaled back.
  """
  if "regions" not in batch or not hasattr(info.only, "axes"):
    raise UserError(
      f"augment: {info.name} marks no regions in its images; use "
      "medfm.augment.views.augmented"
    )
  image, marked = batch["image"].astype(jnp.float32), batch["regions"]

  def changed(image, marked, key):
    for axis in mirror:
      drawn = jax.random.bernoulli(jax.random.fold_in(key, axis))
      image, marked = (
        jnp.where(drawn, jnp.flip(each, axis), each) for each in (image, marked)
      )
    place = jax.random.fold_in(key, image.ndim)
    if probability and (turn_degrees or tuple(zoom) != (1, 1)):
      image, marked = _moved(
        image, marked, place, turn_degrees, zoom, probability
      )
    if changes:
      low = image.min()
      span = image.max() - low + 1e-6
      picture = (image - low) / span
      for number, change in enumerate(changes):
        own = jax.random.fold_in(place, number)
        picture = change(picture, own)
      image = picture * span + low
    return image, marked

  image, marked = jax.vmap(changed)(image, marked, keys)
  return {**batch, "image": image, "regions": marked}


def _moved(image, marked, key, turn_degrees, zoom, probability):
  """Both under one random turn and zoom about the middle, or as they are."""
  whether, turning, zooming = jax.random.split(key, 3)
  extents, axes = marked.shape, marked.ndim
  matrix = jnp.eye(axes)
  planes = [(a, b) for a in range(axes) for b in range(a + 1, axes)]
  limit = turn_degrees * math.pi / 180
  angles = jax.random.uniform(
    turning, (len(planes),), minval=-limit, maxval=limit
  )
  for (a, b), angle in zip(planes, angles, strict=True):
    turn = jnp.eye(axes)
    turn = turn.at[a, a].set(jnp.cos(angle)).at[b, b].set(jnp.cos(angle))
    turn = turn.at[a, b].set(-jnp.sin(angle)).at[b, a].set(jnp.sin(angle))
    matrix = matrix @ turn
  low, high = (math.log(end) for end in zoom)
  factor = jnp.exp(jax.random.uniform(zooming, (), minval=low, maxval=high))
  drawn = jax.random.bernoulli(whether, probability)
  matrix = jnp.where(drawn, matrix / factor, jnp.eye(axes))
  middle = [(extent - 1) / 2 for extent in extents]
  grids = jnp.meshgrid(
    *(jnp.arange(n) - m for n, m in zip(extents, middle, strict=True)),
    indexing="ij",
  )
  places = [
    sum(matrix[axis, other] * grids[other] for other in range(axes))
    + middle[axis]
    for axis in range(axes)
  ]
  channels = [
    map_coordinates(image[..., c], places, 1, mode="nearest")
    for c in range(image.shape[-1])
  ]
  nearest = map_coordinates(marked, places, 0, mode="nearest")
  return jnp.stack(channels, -1), nearest
