"""What every model of tokens reads from a batch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from medfm.types import Batch, UserError


class Text(NamedTuple):
  """The arrays [B,L] int32 of a batch of tokens.

  segment: 0 is padding; several texts in one row have 1, 2, ...
  positions: of each token within its text.
  """

  tokens: jax.Array
  segment: jax.Array
  positions: jax.Array


def text(batch: Batch, *, vocabulary: int, length: int = 0) -> Text:
  """The tokens of a batch; absent `segment` and `positions` are one text's.

  Args:
    vocabulary: the model's number of token ids.
    length: the model's longest text; 0 for any.

  Raises:
    UserError: no tokens, no vocabulary, or rows longer than `length`.
  """
  if "tokens" not in batch:
    raise UserError(
      "a model of text needs `tokens`; the batch has "
      + ", ".join(sorted(batch))
    )
  tokens = batch["tokens"]
  if vocabulary < 1:
    raise UserError(
      "the model has no vocabulary: set model.vocabulary to the tokenizer's "
      "number of tokens"
    )
  if length and tokens.shape[1] > length:
    raise UserError(
      f"rows have {tokens.shape[1]} tokens and the model's positions end at "
      f"{length}: lower data.length to it or set model.length"
    )
  count = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None]
  count = jnp.broadcast_to(count, tokens.shape)
  return Text(
    tokens,
    batch.get("segment", jnp.ones_like(tokens)),
    batch.get("positions", count),
  )


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
  """[B,L,E] -> [B,E]: the mean over what is not padding."""
  real = (segment > 0)[:, :, None]
  total = jnp.where(real, states, 0).sum(1)
  return total / jnp.maximum(real.sum(1), 1)


def vocabulary_logits(states: jax.Array, table: jax.Array) -> jax.Array:
  """States [...,E] and the token embedding [V,E] -> logits [...,V] float32."""
  return jnp.einsum(
    "...e,ve->...v",
    states,
    table.astype(states.dtype),
    preferred_element_type=jnp.float32,
  )
