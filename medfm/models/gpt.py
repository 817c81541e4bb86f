"""GPT, the transformer that reads from left to right."""

import functools

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import text
from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.nn.transformer import normal, normalisation, run_blocks, same_segment
from medfm.types import Batch


class GPT(nn.Module):
  """GPT-2 (Radford et al. 2019): tokens [B,L] -> logits [B,K].

  The published weights in the Hugging Face layout fit this module exactly.
  `rotary`, `norm="rms"` and `gated` make it the modern variant (Llama's).
  Deviation: no dropout inside attention.

  Reads what `nn.text.text` reads; `id`; and, to generate (`nn.generation`),
  `slot` and `mask`, as in `nn.transformer.Attention`.
  Returns `tokens` [B,L,E], the states, whose products with `embed_tokens` are
  the vocabulary's logits; `embedding` [B,E], the last state; and `logits`.

  length: the number of positions; unlimited with `rotary`.
  hidden, scan_layers, remat: see `transformer.run_blocks`.
  """

  outputs: int
  vocabulary: int = 0
  width: int = 768
  depth: int = 12
  heads: int = 12
  hidden: int = 0
  length: int = 1024
  activation: str = "gelu_tanh"
  gated: bool = False
  rotary: bool = False
  norm: str = "layer"
  epsilon: float = 1e-5
  dropout: float = 0.1
  scan_layers: bool = False
  remat: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    length = 0 if self.rotary else self.length
    tokens, segment, positions = text.text(
      batch, vocabulary=self.vocabulary, length=length
    )
    embed = functools.partial(
      nn.Embed, features=self.width, embedding_init=normal
    )
    x = embed(self.vocabulary, name="embed_tokens")(tokens)
    if not self.rotary:
      x = x + embed(self.length, name="embed_positions")(positions)
    x = Dropout(self.dropout)(x, batch["id"], train=train).astype(self.dtype)
    x = run_blocks(
      self,
      x,
      batch["id"],
      batch.get("mask", same_segment(segment)),
      positions,
      batch.get("slot"),
      train=train,
      gated=self.gated,
      causal=True,
      norm=self.norm,
      rotary=self.rotary,
      out_std=0.02 / (2 * self.depth) ** 0.5,
    )
    x = normalisation(self.norm, "norm", self.epsilon)(x)
    x = x.astype(jnp.float32)
    embedding = text.at(x, text.last(segment))
    result = {"tokens": x, "embedding": embedding}
    y = Dropout(self.dropout)(embedding, batch["id"], train=train)
    return with_logits(
      result, self.outputs, y, kernel_init=normal, use_bias=False
    )
