"""Recurrent networks over tokens."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import text
from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.nn.recurrent import CELLS, Recurrent
from medfm.spec import chosen
from medfm.types import Batch


class RNN(nn.Module):
  """LSTM or GRU, in both directions or one: tokens [B,L] -> logits [B,K].

  Reads what `nn.text.text` reads, and `id`; each segment starts from zero.
  Returns `tokens` [B,L,E], the last layer's states with E = width, twice
  that if bidirectional; `embedding` [B,E]; and `logits`.

  embed: width of the token embedding; 0 means `width`.
  width: of the state in each direction.
  pooling: of the embedding: "last" is the last state of each direction,
    "mean" or "max" that of all states of the row.
  dropout: after the embedding and every layer.
  """

  outputs: int
  vocabulary: int = 0
  embed: int = 0
  width: int = 256
  depth: int = 1
  cell: str = "lstm"
  bidirectional: bool = True
  pooling: str = "max"
  dropout: float = 0.2
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    chosen("model.cell", self.cell, CELLS)
    poolings = dict.fromkeys(("last", "mean", "max"))
    chosen("model.pooling", self.pooling, poolings)
    tokens, segment, _ = text.text(batch, vocabulary=self.vocabulary)
    embed = self.embed or self.width
    x = nn.Embed(self.vocabulary, embed, name="embed_tokens")(tokens)
    x = x.astype(self.dtype)
    x = Dropout(self.dropout)(x, batch["id"], train=train)
    for index in range(self.depth):
      ways = [
        Recurrent(
          self.width, self.cell, reverse, self.dtype, name=f"{name}{index}"
        )(x, segment)
        for name, reverse in (("forward", False), ("backward", True))
        if self.bidirectional or not reverse
      ]
      x = jnp.concatenate(ways, -1)
      x = Dropout(self.dropout)(x, batch["id"], train=train)
    x = x.astype(jnp.float32)
    if self.pooling == "mean":
      embedding = text.mean(x, segment)
    elif self.pooling == "max":
      real = (segment > 0)[:, :, None]
      # A row of padding alone gives zero, not minus infinity.
      most = jnp.where(real, x, -jnp.inf).max(1)
      embedding = jnp.where(real.any(1), most, 0)
    else:
      ends = text.at(x, text.last(segment))[:, : self.width]
      embedding = jnp.concatenate([ends, x[:, 0, self.width :]], -1)
    result = {"tokens": x, "embedding": embedding}
    return with_logits(result, self.outputs, embedding)
