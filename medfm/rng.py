"""Named random streams: no key is kept in a state or passed through a loop."""

import zlib

import jax


def stream(seed: int, name: str, step: int | jax.Array = 0) -> jax.Array:
  """The key of one named stream at one step.

  Adding a stream never shifts another, and a resumed run needs no saved key.
  """
  root = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
  return jax.random.fold_in(root, step)


def per_example(key: jax.Array, ids: jax.Array) -> jax.Array:
  """One key [B] per example, from its `id` [B] alone.

  So padding, accumulation, batch order and the number of devices do not change
  an example's draws.
  """
  return jax.vmap(jax.random.fold_in, (None, 0))(key, ids)
