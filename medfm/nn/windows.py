"""A model of patches on pictures of any size: windows that overlap."""

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def slid(
  function: Callable[[jax.Array], jax.Array],
  image: jax.Array,
  size: jax.Array | None = None,
  *,
  patch: Sequence[int],
  overlap: float = 0.5,
) -> jax.Array:
  """The most probable class of every place: [B,*S,C] -> uint8 [B,*S].

  Windows lie evenly over each picture from edge to edge, neighbours overlapping
  by `overlap` of a patch or more. They depend on its own extents alone, so
  that a picture gets the same classes whatever else is in the batch. Where
  several windows see a place their logits are averaged by a Gaussian around
  each window's middle, of an eighth of the patch in standard deviation (Isensee
  et al. 2021). A picture smaller than the patch lies in the middle of its
  window, as in training (`data.transforms.patches`).

  Sums are kept for as many planes as a window is deep, so that memory beside
  the picture and the result does not grow with the first axis.

  function: [B,*patch,C] -> logits [B,*patch,K].
  size: [B,R or more], of which the first R are the true extents, beyond which
    `image` is 0 and classes mean nothing. None if the pictures fill S.
  """
  extents, patch = image.shape[1:-1], tuple(patch)
  axes, batch = len(patch), len(image)
  spaces = [max(pair) for pair in zip(extents, patch, strict=True)]
  edges = [(0, s - e) for s, e in zip(spaces, extents, strict=True)]
  image = jnp.pad(image, [(0, 0), *edges, (0, 0)])
  if size is None:
    size = jnp.tile(jnp.array(extents, jnp.int32), (batch, 1))
  free = size[:, :axes] - jnp.array(patch)[None]
  lead = (jnp.maximum(-free, 0) + 1) // 2
  counts, starts = _even(jnp.maximum(free, 0), patch, overlap)
  per_slab = counts[:, 1:].prod(1)  # Windows that begin at one plane.
  weights = _bell(patch)[..., None]
  part = jax.ShapeDtypeStruct((batch, *patch, image.shape[-1]), image.dtype)
  classes = jax.eval_shape(function, part).shape[-1]

  def window(image, corner, lead):
    cut = lax.dynamic_slice(image, (*corner, 0), part.shape[1:])
    return jnp.roll(cut, lead, tuple(range(axes)))

  def added(sums, corner, lead, more):
    # Sums are a ring: plane n lies at n modulo their depth.
    shift = (-lead).at[0].add(corner[0])
    more = jnp.roll(more, shift, tuple(range(axes)))
    here = (0, *corner[1:], 0)
    before = lax.dynamic_slice(sums, here, more.shape)
    return lax.dynamic_update_slice(sums, before + more, here)

  def slab(number, carried):
    sums, result, last = carried
    first = starts(0, number)
    sums = jax.vmap(_forgotten)(sums, last, first)

    def add(index, sums):
      rest, corner = index, [first]
      for axis in range(1, axes):
        corner.append(starts(axis, rest % counts[:, axis]))
        rest = rest // counts[:, axis]
      corner = jnp.stack(corner, 1)
      seen = (number < counts[:, 0]) & (index < per_slab)
      cuts = jax.vmap(window)(image, corner, lead)
      more = function(cuts).astype(jnp.float32) * weights[None]
      more = jnp.where(seen.reshape(-1, *(1,) * (axes + 1)), more, 0)
      return jax.vmap(added)(sums, corner, lead, more)

    most = jnp.where(number < counts[:, 0], per_slab, 0).max()
    sums = lax.fori_loop(0, most, add, sums)
    # Planes that a later slab adds to are written again by it.
    planes = sums.argmax(-1).astype(jnp.uint8)
    result = jax.vmap(_put)(result, planes, first)
    return sums, result, first

  sums = jnp.zeros((batch, patch[0], *spaces[1:], classes))
  result = jnp.zeros((batch, *spaces), jnp.uint8)
  carried = (sums, result, jnp.zeros(batch, jnp.int32))
  _, result, _ = lax.fori_loop(0, counts[:, 0].max(), slab, carried)
  return result[tuple(slice(n) for n in (batch, *extents))]


def _forgotten(sums: jax.Array, last: jax.Array, first: jax.Array) -> jax.Array:
  """The ring of sums [X,...] with 0 for the planes last to first - 1."""
  after = (jnp.arange(len(sums)) - last) % len(sums)
  gone = (after < first - last).reshape(-1, *(1,) * (sums.ndim - 1))
  return jnp.where(gone, 0, sums)


def _put(result: jax.Array, planes: jax.Array, first: jax.Array) -> jax.Array:
  """The result with the planes of a ring [X,...] from `first` on."""
  planes = jnp.roll(planes, -first, 0)
  return lax.dynamic_update_slice_in_dim(result, planes, first, 0)


def mirrored(
  function: Callable[[jax.Array], jax.Array], axes: Sequence[int]
) -> Callable[[jax.Array], jax.Array]:
  """The mean of a function's logits over all mirror images of its input.

  axes: of space, from 0, along which pictures are mirrored.
  """
  chosen = [
    tuple(axis + 1 for axis in some)
    for count in range(len(axes) + 1)
    for some in itertools.combinations(axes, count)
  ]

  def averaged(image: jax.Array) -> jax.Array:
    logits = (jnp.flip(function(jnp.flip(image, s)), s) for s in chosen)
    return sum(logits) / len(chosen)

  return averaged


def _even(
  free: jax.Array, patch: tuple[int, ...], overlap: float
) -> tuple[jax.Array, Callable[[int, jax.Array], jax.Array]]:
  """(how many windows [B,R] lie along each axis, where they begin).

  free: [B,R] int, by how much each picture is longer than the patch.
  The second gives, for (axis, number), where that window begins [B]; the last
  ends where the picture does.
  """
  apart = [max(int(width * (1 - overlap) + 1e-9), 1) for width in patch]
  counts = -(-free // jnp.array(apart)[None]) + 1

  def starts(axis, number):
    last = counts[:, axis] - 1
    number = jnp.minimum(number, last)
    gaps = jnp.maximum(last, 1)
    whole, rest = jnp.divmod(free[:, axis], gaps)  # Or products overflow.
    return number * whole + (2 * number * rest + gaps) // (2 * gaps)

  return counts, starts


def _bell(patch: Sequence[int]) -> np.ndarray:
  """[*patch] the Gaussian, 1 in the middle, nowhere below a thousandth."""
  weight = np.ones((), np.float32)
  for extent in patch:
    apart = np.arange(extent) - (extent - 1) / 2
    along = np.exp(-0.5 * (apart / (extent / 8)) ** 2)
    weight = weight[..., None] * along.astype(np.float32)
  return np.maximum(weight / weight.max(), 1e-3)
