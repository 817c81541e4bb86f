"""Random views of pictures, on the device: what is done to them, in turn.

A change of a picture is `(image, key, *, configuration) -> image`, of one
example: float32 [*S,C] with values from 0 to 1, where S are two extents of an
image or three of a volume. It keeps that range. The other files of this folder
hold such changes; a config lists them, bound.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from medfm import rng
from medfm.types import Batch, Info, UserError, key, view

Change = Callable[[jax.Array, jax.Array], jax.Array]

PICTURES = ("image", "volume")
"""Arrays of inputs that are pictures."""


def view_of(
  pictures: jax.Array, keys: jax.Array, changes: Sequence[Change]
) -> jax.Array:
  """One view of each picture [B,*S,C]; float32 in [0, 1].

  Integers are first divided by the largest of their kind. An example's draws
  depend on its key [B] alone, and those of a change on its place in `changes`.
  """

  def changed(picture: jax.Array, own: jax.Array) -> jax.Array:
    for place, change in enumerate(changes):
      picture = change(picture, jax.random.fold_in(own, place))
    return picture

  return jax.vmap(changed)(unit(pictures), keys)


def unit(pictures: jax.Array) -> jax.Array:
  """float32; integers are divided by the largest of their kind."""
  top = 1.0
  if jnp.issubdtype(pictures.dtype, jnp.integer):
    top = float(jnp.iinfo(pictures.dtype).max)
  return pictures.astype(jnp.float32) / top


def augmented(
  batch: Batch, info: Info, keys: jax.Array, *, changes: Sequence[Change]
) -> Batch:
  """The batch with one view of every picture, for `Run.augment`.

  Several pictures of one example are changed by draws of their own.
  """
  result = dict(batch)
  for place, (name, each) in enumerate(info.inputs.items()):
    part = view(batch, info.inputs, name)
    for array in set(each.arrays) & set(PICTURES) & set(part):
      own = jax.vmap(jax.random.fold_in, (0, None))(keys, place)
      result[key(info, name, array)] = view_of(part[array], own, changes)
  if not any(set(each.arrays) & set(PICTURES) for each in info.inputs.values()):
    raise UserError(
      f"augment: {info.name} holds {info.describe()}, and no picture to change"
    )
  return result


def pictures(info: Info) -> str:
  """The name of the array of the sole input's pictures."""
  names = [name for name in info.only.arrays if name in PICTURES]
  if not names:
    raise UserError(
      f"objective: {info.name} holds {info.describe()}; this one is for "
      "images and volumes"
    )
  return names[0]


def pair(
  pictures: jax.Array,
  step_key: jax.Array,
  ids: jax.Array,
  changes: Sequence[Change],
) -> tuple[jax.Array, jax.Array]:
  """Two independent views of each picture, by its id [B] alone."""
  first, second = jax.random.split(step_key)
  return (
    view_of(pictures, rng.per_example(first, ids), changes),
    view_of(pictures, rng.per_example(second, ids), changes),
  )
