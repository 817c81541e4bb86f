"""Recurrent networks over tokens."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import text
from medfm.nn.dropout import Dropout
from medfm.nn.recurrent import CELLS, Recurrent
from medfm.types import Batch, UserError

POOLINGS = ("last", "mean", "max")


class RNN(nn.Module):
  """LSTM or GRU, in both directions or one: tokens [B,L] -> logits [B,K].

  Reads `tokens`; `segment` (0 = padding; the state starts anew with each
  segment), where absent that of one text; and `id` for dropout.
  Returns `tokens` [B,L,E], the last layer's states with E = width, twice
  that if bidirectional; `embedding` [B,E]; and `logits`.

  outputs: K; 0 gives no logits.
  vocabulary: number of token ids; an objective takes it from the data.
  embed: width of the token embedding; 0 means `width`.
  width: of the state in each direction.
  cell: "lstm" or "gru".
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
    for setting, value, known in (
      ("cell", self.cell, CELLS),
      ("pooling", self.pooling, POOLINGS),
    ):
      if value not in known:
        raise UserError(
          f"model.{setting}={value!r}: choose one of {', '.join(known)}"
        )
    read = text.text(batch, vocabulary=self.vocabulary)
    table = nn.Embed(
      self.vocabulary, self.embed or self.width, name="embed_tokens"
    )
    x = table(read.tokens).astype(self.dtype)
    x = Dropout(self.dropout)(x, batch["id"], train=train)
    for index in range(self.depth):
      ways = [
        Recurrent(
          self.width, self.cell, reverse, self.dtype, name=f"{name}{index}"
        )(x, read.segment)
        for name, reverse in (("forward", False), ("backward", True))
        if self.bidirectional or not reverse
      ]
      x = jnp.concatenate(ways, -1)
      x = Dropout(self.dropout)(x, batch["id"], train=train)
    x = x.astype(jnp.float32)
    embedding = self._pooled(x, read.segment)
    result = {"tokens": x, "embedding": embedding}
    if self.outputs:
      result["logits"] = nn.Dense(self.outputs, name="head")(embedding)
    return result

  def _pooled(self, x, segment):
    if self.pooling == "mean":
      return text.mean(x, segment)
    if self.pooling == "max":
      real = (segment > 0)[:, :, None]
      # A row of nothing but padding is zero, not minus infinity.
      most = jnp.where(real, x, -jnp.inf).max(1)
      return jnp.where(real.any(1), most, 0)
    ends = text.at(x, text.last(segment))
    if not self.bidirectional:
      return ends
    return jnp.concatenate([ends[:, : self.width], x[:, 0, self.width :]], -1)
