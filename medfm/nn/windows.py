"""A model of patches on pictures of any size: windows that overlap."""

import itertools
import math
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

  Windows lie evenly over the picture, neighbours `overlap` of a patch over one
  another or more. Where several windows see a place their logits are averaged
  by a Gaussian around each window's middle, of an eighth of the patch in
  standard deviation (Isensee et al. 2021).

  Sums are kept for as many planes as a window is deep, so that memory beside
  the picture and the result does not grow with the first axis.

  function: [B,*patch,C] -> logits [B,*patch,K].
  size: [B,R] the true extents (entries after R are not read). A window is left
    out where those before it reach the end of every example. None if the
    pictures fill S.
  """
  extents, patch = image.shape[1:-1], tuple(patch)
  first, *others = zip(extents, patch, strict=True)
  count, stride = _even(*first, overlap)
  starts = [_starts(extent, width, overlap) for extent, width in others]
  spaces = [patch[0] + (count - 1) * stride]
  spaces += [max(extent, width) for extent, width in others]
  edges = [(0, s - e) for s, e in zip(spaces, extents, strict=True)]
  image = jnp.pad(image, [(0, 0), *edges, (0, 0)])
  places = jnp.array(list(itertools.product(*starts)), jnp.int32)
  ends = [
    [0, *(each[:-1] + width)]  # What the windows before it reach, by window.
    for each, (_, width) in zip(starts, others, strict=True)
  ]
  covered = jnp.array(list(itertools.product(*ends)), jnp.int32)
  weights = _bell(patch)[None, ..., None]
  part = jax.ShapeDtypeStruct(
    (len(image), *patch, image.shape[-1]), image.dtype
  )
  classes = jax.eval_shape(function, part).shape[-1]

  def slab(sums, index):
    def add(number, sums):
      start = (index * stride, *places[number])
      where = (0, *start, 0)
      window = lax.dynamic_slice(image, where, part.shape)
      here = (0, 0, *start[1:], 0)
      shape = (*part.shape[:-1], classes)
      before = lax.dynamic_slice(sums, here, shape)
      after = before + weights * function(window).astype(jnp.float32)
      return lax.dynamic_update_slice(sums, after, here)

    def add_if_seen(number, sums):
      if size is None:
        return add(number, sums)
      done = jnp.where(index > 0, (index - 1) * stride + patch[0], 0)
      done = jnp.stack([done, *covered[number]])
      needed = (done[None] < size[:, : len(patch)]).all(1).any()
      return lax.cond(needed, add, lambda number, sums: sums, number, sums)

    sums = lax.fori_loop(0, len(places), add_if_seen, sums)
    done, rest = sums[:, :stride], sums[:, stride:]
    rest = jnp.pad(rest, [(0, 0), (0, stride), *((0, 0),) * len(patch)])
    return rest, done.argmax(-1).astype(jnp.uint8)

  sums = jnp.zeros((len(image), patch[0], *spaces[1:], classes))
  sums, planes = lax.scan(slab, sums, jnp.arange(count))
  planes = jnp.moveaxis(planes, 1, 0)
  planes = planes.reshape(len(image), -1, *planes.shape[3:])
  rest = sums[:, : patch[0] - stride].argmax(-1).astype(jnp.uint8)
  whole = jnp.concatenate([planes, rest], 1)
  return whole[tuple(slice(n) for n in (len(image), *extents))]


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


def _even(extent: int, width: int, overlap: float) -> tuple[int, int]:
  """How many windows of a width cover an extent, and their equal distance."""
  free = max(extent - width, 0)
  count = math.ceil(free / max(int(width * (1 - overlap)), 1)) + 1
  return count, width if count == 1 else -(-free // (count - 1))


def _starts(extent: int, width: int, overlap: float) -> np.ndarray:
  """Where windows begin, the last of which ends where the picture does."""
  count, _ = _even(extent, width, overlap)
  return np.linspace(0, max(extent - width, 0), count).round().astype(int)


def _bell(patch: Sequence[int]) -> np.ndarray:
  """[*patch] the Gaussian, 1 in the middle, nowhere below a thousandth."""
  weight = np.ones((), np.float32)
  for extent in patch:
    apart = np.arange(extent) - (extent - 1) / 2
    along = np.exp(-0.5 * (apart / (extent / 8)) ** 2)
    weight = weight[..., None] * along.astype(np.float32)
  return np.maximum(weight / weight.max(), 1e-3)
