"""BERT, the bidirectional transformer over tokens."""

import functools

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import text
from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.nn.transformer import normal, normalisation, run_blocks, same_segment
from medfm.spec import chosen
from medfm.types import Batch


class Bert(nn.Module):
  """BERT (Devlin et al. 2019): tokens [B,L] -> logits [B,K].

  Post-norm with exact GELU as published; the published weights in the Hugging
  Face layout fit this module exactly. Deviation: no dropout inside attention.
  With `pre_norm` (Xiong et al. 2020) the embeddings' norm moves behind the last
  block, and deep models need no warm-up.

  Reads what `nn.text.text` reads, `token_type` (0 if absent), and `id`.
  Returns `tokens` [B,L,E], the states; `embedding` [B,E]; and `logits`.

  pooling: of the embedding: "cls" is tanh(dense) of the first state, as
    published; "mean" the mean over the tokens.
  hidden, scan_layers, remat: see `transformer.run_blocks`.
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
    chosen("model.pooling", self.pooling, dict.fromkeys(("cls", "mean")))
    tokens, segment, positions = text.text(
      batch, vocabulary=self.vocabulary, length=self.length
    )
    types = batch.get("token_type", jnp.zeros_like(tokens))
    embed = functools.partial(
      nn.Embed, features=self.width, embedding_init=normal
    )
    x = embed(self.vocabulary, name="embed_tokens")(tokens)
    x = x + embed(self.length, name="embed_positions")(positions)
    x = x + embed(self.types, name="embed_types")(types)
    norm = functools.partial(normalisation, "layer", epsilon=self.epsilon)
    if not self.pre_norm:
      x = norm(name="embed_norm")(x)
    x = Dropout(self.dropout)(x, batch["id"], train=train).astype(self.dtype)
    mask, post_norm = same_segment(segment), not self.pre_norm
    x = run_blocks(self, x, batch["id"], mask, train=train, post_norm=post_norm)
    if self.pre_norm:
      x = norm(name="norm")(x)
    x = x.astype(jnp.float32)
    if self.pooling == "mean":
      embedding = text.mean(x, segment)
    else:
      pooler = nn.Dense(self.width, kernel_init=normal, name="pooler")
      embedding = jnp.tanh(pooler(x[:, 0]))
    result = {"tokens": x, "embedding": embedding}
    y = Dropout(self.dropout)(embedding, batch["id"], train=train)
    return with_logits(result, self.outputs, y, kernel_init=normal)
