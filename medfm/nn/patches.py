"""Pictures as rows of patches, in two dimensions of space or three."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from medfm.types import UserError


def grid(shape: tuple[int, ...], patch: int | tuple[int, ...]) -> tuple:
  """How many patches a picture [B,*S,C] has along each axis of space."""
  space = shape[1:-1]
  sides = sides_of(patch, len(space))
  if any(extent % side for extent, side in zip(space, sides, strict=True)):
    words = " x ".join(map(str, space))
    window = " x ".join(map(str, dict.fromkeys(sides)))
    raise UserError(
      f"images of {words} are not whole patches of {window}: set model.patch "
      "or the images' size"
    )
  return tuple(n // side for n, side in zip(space, sides, strict=True))


def sides_of(patch: int | tuple[int, ...], space: int) -> tuple[int, ...]:
  """The sides of a patch: one number for all, or one per axis of space."""
  sides = (patch,) * space if isinstance(patch, int) else tuple(patch)
  if len(sides) != space:
    raise UserError(
      f"model.patch={patch}: expected one number, or {space} of them"
    )
  return sides


def cut(picture: jax.Array, patch: int | tuple[int, ...]) -> jax.Array:
  """[B,*S,C] -> [B,P,prod(patch)*C], patches row by row."""
  counts = grid(picture.shape, patch)
  sides = sides_of(patch, len(counts))
  pairs = [n for pair in zip(counts, sides, strict=True) for n in pair]
  rows, channels = picture.shape[0], picture.shape[-1]
  x = picture.reshape(rows, *pairs, channels)
  space = len(counts)
  # All counts first, then all sides.
  order = [0, *range(1, 2 * space, 2), *range(2, 2 * space + 1, 2)]
  x = x.transpose(*order, 2 * space + 1)
  return x.reshape(rows, math.prod(counts), math.prod(sides) * channels)


def joined(
  patches: jax.Array, counts: tuple[int, ...], patch: int | tuple[int, ...]
) -> jax.Array:
  """[B,P,prod(patch)*C] -> [B,*S,C]: what `cut` gives, put together again."""
  sides, space = sides_of(patch, len(counts)), len(counts)
  channels = patches.shape[-1] // math.prod(sides)
  x = patches.reshape(patches.shape[0], *counts, *sides, channels)
  order = [0] + [n for i in range(space) for n in (1 + i, 1 + space + i)]
  x = x.transpose(*order, 2 * space + 1)
  extents = [n * side for n, side in zip(counts, sides, strict=True)]
  return x.reshape(patches.shape[0], *extents, channels)


@functools.cache
def waves(counts: tuple[int, ...], width: int) -> np.ndarray:
  """[P,width] sines and cosines of each patch's place (Vaswani et al. 2017).

  The width is shared out evenly among the axes of space, in pairs; what is
  left over stays 0.
  """
  each = width // (2 * len(counts))
  rates = 10_000.0 ** (-np.arange(each) / max(each, 1))
  places = np.meshgrid(*map(np.arange, counts), indexing="ij")
  columns = []
  for place in places:
    angle = place.reshape(-1, 1) * rates
    columns += [np.sin(angle), np.cos(angle)]
  found = np.concatenate(columns, 1)
  rest = np.zeros((len(found), width - found.shape[1]))
  return np.concatenate([found, rest], 1).astype(np.float32)


def moved(
  positions: jax.Array, counts: tuple[int, ...], first: int = 0
) -> jax.Array:
  """Learned positions [1,first+P,E] for another grid of patches.

  Cubic interpolation in a picture of the same proportions (Dosovitskiy et al.
  2021). The first ones, of tokens that are no patches, stay.
  """
  learned = positions.shape[1] - first
  scale = (learned / math.prod(counts)) ** (1 / len(counts))
  before = tuple(round(n * scale) for n in counts)
  if math.prod(before) != learned:
    raise UserError(
      f"positions of {learned} patches do not fit a picture of "
      f"{' x '.join(map(str, counts))}: its proportions must be those of the "
      "pictures that the model was made for"
    )
  width = positions.shape[-1]
  kept, rest = positions[:, :first], positions[0, first:]
  spread = jax.image.resize(
    rest.reshape(*before, width), (*counts, width), "cubic"
  )
  return jnp.concatenate([kept, spread.reshape(1, -1, width)], 1)
