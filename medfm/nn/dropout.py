"""Dropout whose draws belong to the example, not to its place in a batch."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from medfm import rng


class Dropout(nn.Module):
  """Dropout (Srivastava et al. 2014) of [B,...] with one key per example.

  Whether an element is dropped depends only on the `dropout` key, this layer's
  path and the example's id: padding, batch order, accumulation and devices
  change nothing. A draw takes 8 bits, so the rate is rounded to the nearest
  1/256.
  """

  rate: float

  @nn.compact
  def __call__(
    self, x: jax.Array, ids: jax.Array, *, train: bool = False
  ) -> jax.Array:
    """ids: [B] int, unique per example."""
    cut = cut_of(self.rate)
    if not train or cut == 0:
      return x
    keep = draws(self.make_rng("dropout"), ids, x.shape[1:]) >= cut
    scaled = x * jnp.asarray(256 / (256 - cut), x.dtype)
    return jnp.where(keep, scaled, jnp.zeros((), x.dtype))


def cut_of(rate: float) -> int:
  """How many of a draw's 256 values drop an element; ValueError for all."""
  cut = round(rate * 256)
  if not 0 <= rate < 1 or cut == 256:
    raise ValueError(f"dropout rate {rate} is outside [0, 0.998)")
  return cut


def draws(key: jax.Array, ids: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Uniform uint8 draws [B,*shape], four from each 32 random bits."""
  size = math.prod(shape)
  words = jax.vmap(lambda k: jax.random.bits(k, (-(-size // 4),), jnp.uint32))(
    rng.per_example(key, ids)
  )
  octets = lax.bitcast_convert_type(words, jnp.uint8)
  return octets.reshape(ids.shape[0], -1)[:, :size].reshape(-1, *shape)
