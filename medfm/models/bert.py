"""BERT, the bidirectional transformer over tokens."""

import functools

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import text
from medfm.nn.dropout import Dropout
from medfm.nn.transformer import (
  Block,
  normalisation,
  run_blocks,
  same_segment,
)
from medfm.types import Batch, UserError

POOLINGS = ("cls", "mean")


class Bert(nn.Module):
  """BERT (Devlin et al. 2019): tokens [B,L] -> logits [B,K].

  Post-norm with exact GELU as published, whose weights in the Hugging Face
  layout fit this module exactly. Deviation: dropout does not reach into
  attention. With `pre_norm` (Xiong et al. 2020) the embeddings' norm moves
  behind the last block, and deep models need no warm-up.

  Reads `tokens`; `segment` (0 = padding; no position sees another segment),
  `positions` and `token_type`, where absent those of one text of one type;
  and `id` for dropout.
  Returns `tokens` [B,L,E], the states; `embedding` [B,E]; and `logits`.

  outputs: K; 0 gives no logits.
  vocabulary: number of token ids; an objective takes it from the data.
  length: positions there are; a longer row is refused.
  hidden: width of the blocks' hidden layer; 0 means 4 * width.
  pooling: of the embedding: "cls" is tanh(dense) of the first state, as
    published; "mean" the mean over the tokens.
  scan_layers, remat: see `transformer.run_blocks`.
  """

  outputs: int
  vocabulary: int = 0
  width: int = 768
  depth: int = 12
  heads: int = 12
  hidden: int = 0
  length: int = 512
  types: int = 2
  activation: str = "gelu"
  dropout: float = 0.1
  pre_norm: bool = False
  epsilon: float = 1e-12
  pooling: str = "cls"
  scan_layers: bool = False
  remat: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    if self.pooling not in POOLINGS:
      raise UserError(
        f"model.pooling={self.pooling!r}: choose one of {', '.join(POOLINGS)}"
      )
    read = text.text(batch, vocabulary=self.vocabulary, length=self.length)
    types = batch.get("token_type", jnp.zeros_like(read.tokens))
    x = self._embed(self.vocabulary, "embed_tokens")(read.tokens)
    x = x + self._embed(self.length, "embed_positions")(read.positions)
    x = x + self._embed(self.types, "embed_types")(types)
    norm = functools.partial(normalisation, "layer", epsilon=self.epsilon)
    if not self.pre_norm:
      x = norm(name="embed_norm")(x)
    x = Dropout(self.dropout)(x, batch["id"], train=train).astype(self.dtype)
    block = functools.partial(
      Block,
      self.heads,
      self.hidden or 4 * self.width,
      dropout=self.dropout,
      hidden_dropout=0.0,
      activation=self.activation,
      post_norm=not self.pre_norm,
      epsilon=self.epsilon,
      std=0.02,
      dtype=self.dtype,
    )
    x = run_blocks(
      block,
      self.depth,
      x,
      batch["id"],
      same_segment(read.segment),
      scan_layers=self.scan_layers,
      remat=self.remat,
      train=train,
    )
    if self.pre_norm:
      x = norm(name="norm")(x)
    x = x.astype(jnp.float32)
    embedding = self._pooled(x, read.segment)
    result = {"tokens": x, "embedding": embedding}
    if self.outputs:
      y = Dropout(self.dropout)(embedding, batch["id"], train=train)
      head = nn.Dense(self.outputs, kernel_init=_normal, name="head")
      result["logits"] = head(y)
    return result

  def _embed(self, size, name):
    return nn.Embed(size, self.width, embedding_init=_normal, name=name)

  def _pooled(self, x, segment):
    if self.pooling == "mean":
      return text.mean(x, segment)
    pooler = nn.Dense(self.width, kernel_init=_normal, name="pooler")
    return jnp.tanh(pooler(x[:, 0]))


_normal = nn.initializers.normal(0.02)
