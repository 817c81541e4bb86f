"""GPT, the transformer that reads from left to right."""

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
from medfm.types import Batch


class GPT(nn.Module):
  """GPT-2 (Radford et al. 2019): tokens [B,L] -> logits [B,K].

  Its weights in the Hugging Face layout fit this module exactly. `rotary`,
  `norm="rms"` and `gated` make it the modern variant (Llama's). Deviation:
  dropout does not reach into attention.

  Reads `tokens`; `segment` (0 = padding; no position sees another segment)
  and `positions`, where absent those of one text; and `id` for dropout.
  For generation also `slot` and `mask`, as `nn.transformer.Attention` has
  them; see `nn.generation`.
  Returns `tokens` [B,L,E], the states; `embedding` [B,E], that of the row's
  last token; and `logits`. The vocabulary's logits are the states times
  `embed_tokens`, which a language objective computes where it needs them.

  outputs: K; 0 gives no logits.
  vocabulary: number of token ids; an objective takes it from the data.
  length: positions there are; a longer row is refused, unless `rotary`.
  hidden: width of the blocks' hidden layer; 0 means 4 * width.
  scan_layers, remat: see `transformer.run_blocks`.
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
    read = text.text(
      batch,
      vocabulary=self.vocabulary,
      length=0 if self.rotary else self.length,
    )
    x = self._embed(self.vocabulary, "embed_tokens")(read.tokens)
    if not self.rotary:
      x = x + self._embed(self.length, "embed_positions")(read.positions)
    x = Dropout(self.dropout)(x, batch["id"], train=train).astype(self.dtype)
    block = functools.partial(
      Block,
      self.heads,
      self.hidden or 4 * self.width,
      dropout=self.dropout,
      hidden_dropout=0.0,
      activation=self.activation,
      gated=self.gated,
      causal=True,
      norm=self.norm,
      epsilon=self.epsilon,
      rotary=self.rotary,
      std=0.02,
      out_std=0.02 / (2 * self.depth) ** 0.5,
      dtype=self.dtype,
    )
    x = run_blocks(
      block,
      self.depth,
      x,
      batch["id"],
      batch.get("mask", same_segment(read.segment)),
      read.positions,
      batch.get("slot"),
      scan_layers=self.scan_layers,
      remat=self.remat,
      train=train,
    )
    x = normalisation(self.norm, "norm", self.epsilon)(x)
    x = x.astype(jnp.float32)
    embedding = text.at(x, text.last(read.segment))
    result = {"tokens": x, "embedding": embedding}
    if self.outputs:
      y = Dropout(self.dropout)(embedding, batch["id"], train=train)
      head = nn.Dense(
        self.outputs, use_bias=False, kernel_init=_normal, name="head"
      )
      result["logits"] = head(y)
    return result

  def _embed(self, size: int, name: str) -> nn.Embed:
    return nn.Embed(size, self.width, embedding_init=_normal, name=name)


_normal = nn.initializers.normal(0.02)
