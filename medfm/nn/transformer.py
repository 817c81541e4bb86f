"""Pre-norm transformer blocks for any sequence of tokens [B,L,E]."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.activation import activation
from medfm.nn.dropout import Dropout

init = nn.initializers.xavier_uniform()


class Block(nn.Module):
  """x + attention(norm(x)), then x + mlp(norm(x)): [B,L,E] -> [B,L,E].

  The pre-norm block of Vaswani et al. 2017 as in GPT-2 and ViT. Dropout acts
  on the MLP's hidden layer and on both branches before they are added, not
  on the attention weights (the fused attention of jax knows none).

  heads: must divide E.
  hidden: width of the MLP's hidden layer.
  gated: the MLP is (f(xW) * xV)U, as in ReGLU and SwiGLU (Shazeer 2020).
  causal: a position sees itself and what precedes it.
  """

  heads: int
  hidden: int
  dropout: float = 0.0
  activation: str = "gelu"
  gated: bool = False
  causal: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self,
    x: jax.Array,
    ids: jax.Array,
    mask: jax.Array | None = None,
    *,
    train: bool = False,
  ) -> jax.Array:
    """ids: [B]. mask: [B,L], False where nobody may look (padding)."""
    y = layer_norm("norm1", self.dtype)(x)
    y = Attention(self.heads, self.causal, self.dtype, name="attention")(
      y, mask
    )
    x = x + Dropout(self.dropout)(y, ids, train=train)
    y = layer_norm("norm2", self.dtype)(x)
    y = MLP(
      self.hidden,
      self.dropout,
      self.activation,
      self.gated,
      self.dtype,
      name="mlp",
    )(y, ids, train=train)
    return x + Dropout(self.dropout)(y, ids, train=train)


class Attention(nn.Module):
  """Multi-head self-attention: [B,L,E] -> [B,L,E].

  One matrix gives queries, keys and values: `qkv/kernel` [E,3,heads,E/heads];
  `out/kernel` is [heads,E/heads,E].
  """

  heads: int
  causal: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    width = x.shape[-1]
    if width % self.heads:
      raise ValueError(f"width {width} is no multiple of {self.heads} heads")
    qkv = nn.DenseGeneral(
      (3, self.heads, width // self.heads),
      dtype=self.dtype,
      kernel_init=init,
      name="qkv",
    )(x)
    y = jax.nn.dot_product_attention(
      qkv[:, :, 0],
      qkv[:, :, 1],
      qkv[:, :, 2],
      mask=None if mask is None else mask[:, None, None, :],
      is_causal=self.causal,
    )
    return nn.DenseGeneral(
      width, axis=(-2, -1), dtype=self.dtype, kernel_init=init, name="out"
    )(y)


class MLP(nn.Module):
  """Two dense layers per token: [B,L,E] -> [B,L,E]."""

  hidden: int
  dropout: float = 0.0
  activation: str = "gelu"
  gated: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self, x: jax.Array, ids: jax.Array, *, train: bool = False
  ) -> jax.Array:
    width = self.hidden * (2 if self.gated else 1)
    y = nn.Dense(width, dtype=self.dtype, kernel_init=init, name="in")(x)
    function = activation(self.activation)
    if self.gated:
      gate, y = jnp.split(y, 2, -1)
      y = function(gate) * y
    else:
      y = function(y)
    y = Dropout(self.dropout)(y, ids, train=train)
    return nn.Dense(
      x.shape[-1], dtype=self.dtype, kernel_init=init, name="out"
    )(y)


def layer_norm(name: str, dtype: str = "float32") -> nn.LayerNorm:
  """Layer normalisation with epsilon 1e-5; statistics in float32."""
  return nn.LayerNorm(epsilon=1e-5, dtype=dtype, name=name)
