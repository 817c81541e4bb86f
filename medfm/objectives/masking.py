"""Which tokens masked language modelling hides, and what replaces them."""

import math

import jax
import jax.numpy as jnp

from medfm import rng
from medfm.data.text import input as text_input
from medfm.types import Batch, Info, UserError

_PASSES = 8
"""Rounds; each skips words longer than the rest of a row's budget. After a
round less than a word is left, and it shrinks with each word that fits."""
STRUCTURAL = ("pad", "cls", "sep", "mask", "bos", "eos")


def masked(
  batch: Batch, info: Info, key: jax.Array, *, rate: float, whole_word: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Hides round(rate * n) of the n ordinary tokens of each row, at least 1.

  Returns the tokens [B,L] with the hidden ones replaced, the hidden places
  [B,P] in no order, and which of those count [B,P]. 80 % of the hidden tokens
  become [MASK], 10 % a random token and 10 % stay (Devlin et al. 2019). Draws
  belong to the example (`id`) and differ from step to step.

  whole_word: words are hidden as a whole or not at all, in random order. A word
    that would exceed the number is skipped, as in BERT's original code, so a
    row without a word that is short enough hides nothing. `word_start` [B,L]
    says where words begin.
  """
  text, tokens = text_input.only(info), jnp.asarray(batch["tokens"])
  length = tokens.shape[1]
  plain = ordinary(batch, info)
  count = plain.sum(1, keepdims=True)
  budget = jnp.maximum(jnp.round(rate * count), 1)
  room = max(math.ceil(rate * length), 1)
  draws = jax.vmap(lambda k: jax.random.uniform(k, (3, length), minval=1e-6))(
    rng.per_example(key, batch["id"])
  )
  score = draws[:, 0]
  if whole_word:
    score = _of_word(score, batch, plain)
  # Hidden first: by score, ties (the pieces of a word) from left to right.
  order = jnp.argsort(jnp.where(plain, -score, 1.0), 1, stable=True)
  rank = jnp.arange(length)[None]
  chosen = (rank < budget) & (rank < count)
  if whole_word:
    sorted_score = jnp.take_along_axis(score, order, 1)
    chosen = _whole(sorted_score, rank < count, budget)
    front = jnp.argsort(~chosen, 1, stable=True)
    order = jnp.take_along_axis(order, front, 1)
    chosen = jnp.take_along_axis(chosen, front, 1)
  places, known = order[:, :room], chosen[:, :room]
  kind = jnp.take_along_axis(draws[:, 1], places, 1)
  drawn = jnp.take_along_axis(draws[:, 2], places, 1) * text.vocabulary
  other = jnp.minimum(drawn.astype(tokens.dtype), text.vocabulary - 1)
  kept = jnp.take_along_axis(tokens, places, 1)
  new = jnp.where(kind < 0.8, text.special["mask"], other)
  new = jnp.where((kind < 0.9) & known, new, kept)
  rows = jnp.arange(tokens.shape[0])[:, None]
  hidden = tokens.at[rows, places].set(new.astype(tokens.dtype))
  return hidden, places, known


def ordinary(batch: Batch, info: Info) -> jax.Array:
  """[B,L]: whether a token is neither padding nor a special token."""
  tokens, special = batch["tokens"], text_input.only(info).special
  plain = batch.get("segment", jnp.ones_like(tokens)) > 0
  for role in STRUCTURAL:
    if role in special:
      plain &= tokens != special[role]
  return plain


def _of_word(score, batch, ordinary):
  """Every token's score replaced by that of its word's first token."""
  if "word_start" not in batch:
    raise UserError(
      "whole_word=True needs the array `word_start` [B,L] in the data; set "
      "objective.whole_word=False"
    )
  # Special tokens count as words, so that they separate their neighbours.
  start = (batch["word_start"] > 0) | ~ordinary
  places = jnp.arange(score.shape[1])[None]
  first = jax.lax.cummax(jnp.where(start, places, 0), axis=1)
  return jnp.take_along_axis(score, first, 1)


def _whole(score, plain, budget):
  """[B,L]: which ranks are hidden, whole words (equal scores) that fit.

  plain: [B,L], ranks that may be hidden. budget: [B,1], never exceeded.
  """
  length = score.shape[1]
  rank = jnp.broadcast_to(jnp.arange(length)[None], score.shape)
  change = score[:, 1:] != score[:, :-1]
  edge = jnp.ones_like(change[:, :1])
  begins = jnp.concatenate([edge, change], 1)
  ends = jnp.concatenate([change, edge], 1)
  begin = jax.lax.cummax(jnp.where(begins, rank, 0), axis=1)
  end = jax.lax.cummin(jnp.where(ends, rank, length - 1), axis=1, reverse=True)
  size = end - begin + 1

  def taken(fitting):
    """The words in their order, up to the first that exceeds the budget."""
    total = jnp.cumsum(fitting, 1)
    return fitting & (jnp.take_along_axis(total, end, 1) <= budget)

  def without_too_long(_, fitting):
    chosen = taken(fitting)
    left = budget - chosen.sum(1, keepdims=True)
    return chosen | (fitting & (size <= left))

  return taken(jax.lax.fori_loop(0, _PASSES, without_too_long, plain))
