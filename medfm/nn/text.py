"""Arrays that every model of tokens reads from a batch."""

import jax
import jax.numpy as jnp

from medfm.types import Batch, UserError


def text(
  batch: Batch, *, vocabulary: int, length: int = 0
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Tokens, segments and positions of a batch, each [B,L] int32.

  Segment 0 is padding; several texts in one row have segments 1, 2, ..., which
  do not see each other. Positions count within a text. A batch without segments
  and positions is read as one text per row.

  vocabulary: the model's number of token ids, as set by the objective.
  length: the model's longest text; longer rows are refused; 0 allows any.
  """
  if "tokens" not in batch:
    names = ", ".join(sorted(batch))
    raise UserError(f"a model of text needs `tokens`; the batch has {names}")
  tokens = batch["tokens"]
  if vocabulary < 1:
    raise UserError(
      "the model has no vocabulary: set model.vocabulary to the tokenizer's "
      "number of tokens"
    )
  if length and tokens.shape[1] > length:
    raise UserError(
      f"rows have {tokens.shape[1]} tokens, but the model has {length} "
      f"positions: lower data.length to {length} or raise model.length"
    )
  count = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None]
  count = jnp.broadcast_to(count, tokens.shape)
  segment = batch.get("segment", jnp.ones_like(tokens))
  return tokens, segment, batch.get("positions", count)


def last(segment: jax.Array) -> jax.Array:
  """[B,L] -> [B]: the place of a row's last token; 0 for an empty row."""
  places = jnp.arange(segment.shape[1])[None]
  return jnp.where(segment > 0, places, 0).max(1)


def at(states: jax.Array, places: jax.Array) -> jax.Array:
  """States [B,L,E] at places [B] or [B,P] -> [B,E] or [B,P,E]."""
  if places.ndim == 1:
    return at(states, places[:, None])[:, 0]
  return jnp.take_along_axis(states, places[:, :, None], 1)


def mean(states: jax.Array, segment: jax.Array) -> jax.Array:
  """[B,L,E] -> [B,E]: the mean over places that are not padding."""
  real = (segment > 0)[:, :, None]
  total = jnp.where(real, states, 0).sum(1)
  return total / jnp.maximum(real.sum(1), 1)


def vocabulary_logits(states: jax.Array, table: jax.Array) -> jax.Array:
  """States [...,E] and the token embedding [V,E] -> logits [...,V] float32."""
  table = table.astype(states.dtype)
  return jnp.einsum(
    "...e,ve->...v", states, table, preferred_element_type=jnp.float32
  )
