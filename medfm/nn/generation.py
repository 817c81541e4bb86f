"""Generating tokens with a causal model and its key-value cache."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm import rng
from medfm.nn import text
from medfm.types import UserError


class Generated(NamedTuple):
  """tokens [B,new] int32, `end` after the end; lengths [B] of the new text."""

  tokens: jax.Array
  lengths: jax.Array


def generation(
  model: nn.Module, *, new: int, end: int
) -> Callable[..., Generated]:
  """A compiled generator of `new` tokens after each prompt of a batch.

  It is compiled once for each shape of the prompts. These are padded on the
  right; a row's tokens do not depend on the padding or on other rows.

  model: such as `models.gpt.GPT`, without outputs.
  end: the token that ends a text; -1 always generates `new` tokens.

  The generator is called with (variables, tokens [B,P], segment [B,P], key=,
  ids=, temperature=, top_k=, top_p=); `segment` is 0 at padding. temperature
  0 is greedy, top_k 0 and top_p 1 leave everything in. `ids` [B] name the
  rows' streams of randomness. UserError if the model has too few positions for
  prompt and continuation.
  """

  @jax.jit
  def generate(
    variables, tokens, segment, *, key, ids, temperature, top_k, top_p
  ):
    rows, prompt = tokens.shape
    total = prompt + new
    if not model.rotary and total > model.length:
      raise UserError(
        f"a prompt of {prompt} tokens and {new} new ones need {total} "
        f"positions, but the model has {model.length}: shorten the prompt or "
        "lower new"
      )
    lengths = (segment > 0).sum(1, dtype=jnp.int32)
    settings = jnp.float32(temperature), jnp.int32(top_k), jnp.float32(top_p)
    table = variables["params"]["embed_tokens"]["embedding"]
    # [B,S]: slots that hold a token once they are written.
    ready = jnp.pad(segment > 0, ((0, 0), (0, new)), constant_values=True)

    def read(cache, tokens, positions, slot):
      """One pass over tokens [B,L] that begin at a slot."""
      here = slot + jnp.arange(tokens.shape[1])
      past = jnp.arange(total)[None] <= here[:, None]
      batch = {
        "tokens": tokens,
        "positions": positions,
        "mask": ready[:, None] & past[None],
        "slot": slot,
        "id": ids,
      }
      whole = {**variables, **cache}
      outputs, cache = model.apply(whole, batch, mutable=["cache"])
      return outputs["tokens"], cache

    def drawn(states, number):
      keys = rng.per_example(jax.random.fold_in(key, number), ids)
      return sampled(text.vocabulary_logits(states, table), keys, *settings)

    def body(carry):
      number, token, done, cache, written = carry
      token = token[:, None]
      written = jax.lax.dynamic_update_slice_in_dim(written, token, number, 1)
      done = done | (token[:, 0] == end)
      places = (lengths + number)[:, None]
      states, cache = read(cache, token, places, prompt + number)
      token = jnp.where(done, end, drawn(states[:, 0], number + 1))
      return number + 1, token, done, cache, written

    places = jnp.broadcast_to(jnp.arange(prompt)[None], tokens.shape)
    states, cache = read({}, tokens, places, jnp.int32(0))
    last = jnp.maximum(lengths - 1, 0)[:, None, None]
    first = drawn(jnp.take_along_axis(states, last, 1)[:, 0], 0)
    written = jnp.full((rows, new), end, jnp.int32)
    *_, written = jax.lax.while_loop(
      lambda carry: (carry[0] < new) & ~carry[2].all(),
      body,
      (jnp.int32(0), first, jnp.zeros(rows, bool), cache, written),
    )
    kept = jnp.cumsum(written == end, 1) == 0
    counts = kept.sum(1) if end >= 0 else jnp.full(rows, new)
    return Generated(written, counts)

  return generate


def sampled(
  logits: jax.Array,
  keys: jax.Array,
  temperature: jax.Array,
  top_k: jax.Array,
  top_p: jax.Array,
) -> jax.Array:
  """One token [B] from logits [B,V], by the keys [B].

  top_k: only the k likeliest; 0 means all. top_p: only the likeliest whose
  probabilities, after temperature, reach p (Holtzman et al. 2020); at least
  one token always stays.
  """

  def draw(logits):
    logits = logits / temperature
    cut = jax.lax.cond(
      (top_k > 0) | (top_p < 1), _limited, lambda x, *_: x, logits, top_k, top_p
    )
    return jax.vmap(jax.random.categorical)(keys, cut)

  return jax.lax.cond(
    temperature > 0, draw, lambda logits: logits.argmax(-1), logits
  ).astype(jnp.int32)


def _limited(logits, top_k, top_p):
  """The logits, -inf for tokens that top_k or top_p leave out."""
  ordered = -jnp.sort(-logits, -1)
  rank = jnp.arange(logits.shape[-1])[None]
  stay = (top_k <= 0) | (rank < top_k)
  probs = jax.nn.softmax(jnp.where(stay, ordered, -jnp.inf))
  before = jnp.cumsum(probs, -1) - probs
  stay &= (before < top_p) | (rank == 0)
  lowest = jnp.where(stay, ordered, jnp.inf).min(-1, keepdims=True)
  return jnp.where(logits >= lowest, logits, -jnp.inf)
