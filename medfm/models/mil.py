"""Multiple-instance learning: a slide is a bag of tiles with one label."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.spec import chosen
from medfm.types import Batch

POOLINGS = ("gated", "attention", "mean", "max")


class MIL(nn.Module):
  """Attention over tiles: bag [B,T,E] -> logits [B,K], attention [B,T].

  z = sum_t a_t h_t, where h_t is one hidden layer of a tile and a_t is the
  softmax over the tiles of w' tanh(V h_t) ("attention", equation 8 of Ilse,
  Tomczak and Welling 2018) or of w' (tanh(V h_t) * sigmoid(U h_t)) ("gated",
  equation 9). "mean" weighs all tiles equally. "max" takes each number of z
  from the tile where it is largest; its attention is the share of numbers that
  a tile gave. `bag/size` [B] says how many tiles are real: padding has no
  weight.

  outputs: K; 0 gives no logits. width: of h and z. hidden: of V and U. dropout:
  of z, which depends on no padding.
  """

  outputs: int
  pooling: str = "gated"
  width: int = 128
  hidden: int = 64
  dropout: float = 0.0
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    bag = batch["bag"]
    size = batch.get("bag/size", jnp.full(len(bag), bag.shape[1]))
    real = jnp.arange(bag.shape[1])[None] < size[:, None]
    x = nn.Dense(self.width, dtype=self.dtype, name="tile")(bag)
    pooled, attention = self._pooled(nn.relu(x), real)
    pooled = pooled.astype(jnp.float32)
    pooled = Dropout(self.dropout)(pooled, batch["id"], train=train)
    result = {"embedding": pooled, "attention": attention}
    return with_logits(result, self.outputs, pooled)

  def _pooled(self, x: jax.Array, real: jax.Array):
    """(z [B,H], attention [B,T]) of x [B,T,H] where real [B,T]."""
    chosen("pooling", self.pooling, dict.fromkeys(POOLINGS))
    if self.pooling == "max":
      masked = jnp.where(real[..., None], x, -jnp.inf)
      first = jax.nn.one_hot(masked.argmax(1), x.shape[1], dtype=jnp.float32)
      # [B,T,H]: a feature that is 0 in every tile is found in none.
      first = jnp.moveaxis(first, 2, 1) * (masked.max(1) > 0)[:, None]
      total = jnp.maximum(first.sum((1, 2)), 1)[:, None]
      pooled = jnp.where(real.any(1)[:, None], masked.max(1), 0)
      return pooled, first.sum(2) / total
    scores = jnp.zeros(real.shape)
    if self.pooling != "mean":
      seen = nn.Dense(self.hidden, dtype=self.dtype, name="attend")(x)
      seen = jnp.tanh(seen)
      if self.pooling == "gated":
        gate = nn.Dense(self.hidden, dtype=self.dtype, name="gate")(x)
        seen = seen * jax.nn.sigmoid(gate)
      scores = nn.Dense(1, use_bias=False, dtype=jnp.float32, name="weigh")(
        seen
      )
      scores = scores[..., 0]
    weight = jax.nn.softmax(jnp.where(real, scores, -1e30))
    weight = jnp.where(real, weight, 0)
    return jnp.einsum("bt,bth->bh", weight, x.astype(jnp.float32)), weight
