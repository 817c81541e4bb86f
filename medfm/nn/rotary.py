"""Rotary position embedding (Su et al. 2021)."""

import jax
import jax.numpy as jnp

BASE = 10000.0


def rotated(x: jax.Array, positions: jax.Array | None = None) -> jax.Array:
  """x [B,L,heads,D] with each pair (i, i + D/2) turned by its position.

  Pair i turns by position / 10000^(2i/D) radians, halves apart as in GPT-NeoX
  and Llama, so that a product of two depends on their distance alone.

  positions: [B,L] int; None counts from 0.
  """
  half = x.shape[-1] // 2
  if positions is None:
    positions = jnp.arange(x.shape[1])[None]
  rates = BASE ** (-jnp.arange(half) / half)
  angles = positions[:, :, None, None] * rates.reshape(1, 1, 1, -1)
  cos, sin = jnp.cos(angles), jnp.sin(angles)
  one, two = jnp.split(x.astype(jnp.float32), 2, -1)
  turned = [one * cos - two * sin, two * cos + one * sin]
  return jnp.concatenate(turned, -1).astype(x.dtype)
