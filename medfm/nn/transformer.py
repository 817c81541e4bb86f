"""Transformer blocks for any sequence of tokens [B,L,E]."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import backend
from medfm.nn.activation import activation
from medfm.nn.dropout import Dropout
from medfm.spec import chosen

normal = nn.initializers.normal(0.02)
"""As BERT, GPT-2 and ViT initialise embeddings and heads."""


class Block(nn.Module):
  """Self-attention and an MLP around two shortcuts: [B,L,E] -> [B,L,E].

  Pre-norm as in GPT-2 and ViT: x + attention(norm(x)), then x + mlp(norm(x));
  post-norm as in BERT: norm(x + attention(x)), then norm(x + mlp(x)). Dropout
  acts on the MLP's hidden layer and on both branches before they are added,
  not on the attention weights (jax's fused attention has no dropout).

  heads: must divide E.
  hidden: width of the MLP's hidden layer.
  gated: the MLP is (f(xW) * xV)U, as in ReGLU and SwiGLU (Shazeer 2020).
  causal: a position sees only itself and earlier positions.
  hidden_dropout: of the MLP's hidden layer; below 0 means as `dropout`.
  norm: "layer", or "rms" (Zhang and Sennrich 2019).
  rotary: queries and keys are rotated by their position (Su et al. 2021).
  std: of normal initial kernels; 0 means Xavier's uniform.
  out_std: std of the two kernels that end a branch; 0 means as `std`.
  """

  heads: int
  hidden: int
  dropout: float = 0.0
  activation: str = "gelu"
  gated: bool = False
  causal: bool = False
  dtype: str = "float32"
  hidden_dropout: float = -1.0
  post_norm: bool = False
  norm: str = "layer"
  epsilon: float = 1e-5
  rotary: bool = False
  std: float = 0.0
  out_std: float = 0.0

  @nn.compact
  def __call__(
    self, x: jax.Array, ids: jax.Array, *inputs: Any, train: bool = False
  ) -> jax.Array:
    """ids: [B]. inputs: the arguments of `Attention` after x."""
    norm1, norm2 = (
      normalisation(self.norm, name, self.epsilon, self.dtype)
      for name in ("norm1", "norm2")
    )
    inside = self.dropout if self.hidden_dropout < 0 else self.hidden_dropout
    kernels = (self.dtype, self.std, self.out_std)
    attention = Attention(
      *kernels, self.heads, self.causal, self.rotary, name="attention"
    )
    mlp = MLP(
      *kernels, self.hidden, inside, self.activation, self.gated, name="mlp"
    )
    drop1, drop2 = Dropout(self.dropout), Dropout(self.dropout)
    if self.post_norm:
      y = attention(x, *inputs)
      x = norm1(x + drop1(y, ids, train=train))
      return norm2(x + drop2(mlp(x, ids, train=train), ids, train=train))
    y = attention(norm1(x), *inputs)
    x = x + drop1(y, ids, train=train)
    return x + drop2(mlp(norm2(x), ids, train=train), ids, train=train)


class Attention(nn.Module):
  """Multi-head self-attention: [B,L,E] -> [B,L,E].

  One matrix gives queries, keys and values: `qkv/kernel` [E,3,heads,E/heads];
  `out/kernel` is [heads,E/heads,E].
  """

  dtype: str
  std: float
  out_std: float
  heads: int
  causal: bool
  rotary: bool

  @nn.compact
  def __call__(
    self,
    x: jax.Array,
    mask: jax.Array | None = None,
    positions: jax.Array | None = None,
    slot: jax.Array | None = None,
  ) -> jax.Array:
    """
    mask: [B,L], False where no query may look (padding), or [B,L,S] per query.
    positions: [B,L], read only by `rotary`; None counts from 0.
    slot: scalar; None attends within x. Else keys and values are kept in the
      collection `cache` [B,S,heads,E/heads], those of x from this slot on,
      and queries look at all S slots that the mask [B,L,S] allows.
    """
    width = x.shape[-1]
    if width % self.heads:
      raise ValueError(f"width {width} is not a multiple of {self.heads} heads")
    dense = functools.partial(nn.DenseGeneral, dtype=self.dtype)
    shape = (3, self.heads, width // self.heads)
    qkv = dense(shape, kernel_init=_kernel(self.std), name="qkv")(x)
    query, key, value = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
    if self.rotary:
      query, key = rotated(query, positions), rotated(key, positions)
    if slot is not None:
      key = self._kept("key", key, mask, slot)
      value = self._kept("value", value, mask, slot)
    if mask is not None:
      mask = mask[:, None, None] if mask.ndim == 2 else mask[:, None]
    causal = self.causal and slot is None
    way = backend.attention(query, key)
    y = jax.nn.dot_product_attention(
      query, key, value, mask=mask, is_causal=causal, implementation=way
    )
    init = _kernel(self.out_std or self.std)
    return dense(width, axis=(-2, -1), kernel_init=init, name="out")(y)

  def _kept(self, name, new, mask, slot):
    """The cache of all slots, with `new` [B,L,heads,D] written from `slot`."""
    shape = (new.shape[0], mask.shape[-1], *new.shape[2:])
    cache = self.variable("cache", name, jnp.zeros, shape, new.dtype)
    cache.value = jax.lax.dynamic_update_slice_in_dim(cache.value, new, slot, 1)
    return cache.value


class MLP(nn.Module):
  """Two dense layers per token: [B,L,E] -> [B,L,E]."""

  dtype: str
  std: float
  out_std: float
  hidden: int
  dropout: float
  activation: str
  gated: bool

  @nn.compact
  def __call__(
    self, x: jax.Array, ids: jax.Array, *, train: bool = False
  ) -> jax.Array:
    dense = functools.partial(nn.Dense, dtype=self.dtype)
    function = activation(self.activation)
    width = self.hidden * (2 if self.gated else 1)
    y = dense(width, kernel_init=_kernel(self.std), name="in")(x)
    if self.gated:
      gate, y = jnp.split(y, 2, -1)
      y = function(gate) * y
    else:
      y = function(y)
    y = Dropout(self.dropout)(y, ids, train=train)
    init = _kernel(self.out_std or self.std)
    return dense(x.shape[-1], kernel_init=init, name="out")(y)


def run_blocks(
  model: Any, x: jax.Array, *inputs: Any, train: bool, **settings: Any
) -> jax.Array:
  """x [B,L,E] through a model's blocks; called within its compact method.

  model: has the fields `depth`, `heads`, `width`, `hidden` (0 is 4 * width),
    `dropout`, `activation`, `epsilon`, `dtype`, and these two.
    scan_layers: parameters are one `blocks` whose leaves have a leading axis
    of depth, not `block0`, `block1`, ...; one block is compiled instead of
    all (slower on CPU).
    remat: the gradient computes blocks again, except their products with
    parameters.
  inputs: the arguments of every block after x. settings: others of `Block`.
  """
  hidden = model.hidden or 4 * model.width
  shared = (model.heads, hidden, model.dropout, model.activation)
  given = {"epsilon": model.epsilon, "dtype": model.dtype, "std": 0.02}
  given |= {"hidden_dropout": 0.0, **settings}
  block = functools.partial(Block, *shared, **given)

  def applied(layer, x):
    return layer(x, *inputs, train=train)

  if model.remat:
    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    applied = nn.remat(
      applied, policy=policy, prevent_cse=not model.scan_layers
    )
  if not model.scan_layers:
    for index in range(model.depth):
      x = applied(block(name=f"block{index}"), x)
    return x
  x, _ = nn.scan(
    lambda layer, x, _: (applied(layer, x), None),
    variable_axes={"params": 0, "cache": 0},
    split_rngs={"params": True, "dropout": True},
    length=model.depth,
  )(block(name="blocks"), x, None)
  return x


def same_segment(segment: jax.Array) -> jax.Array:
  """[B,L] -> mask [B,L,L]: a position sees its own segment, itself always."""
  return segment[:, :, None] == segment[:, None, :]


def normalisation(
  kind: str, name: str, epsilon: float = 1e-5, dtype: str = "float32"
) -> nn.Module:
  """Layer or RMS normalisation of the last axis; statistics in float32."""
  module = chosen("norm", kind, {"layer": nn.LayerNorm, "rms": nn.RMSNorm})
  return module(epsilon=epsilon, dtype=dtype, name=name)


def rotated(x: jax.Array, positions: jax.Array | None = None) -> jax.Array:
  """x [B,L,heads,D] with each pair (i, i + D/2) rotated by its position.

  By position / 10000^(2i/D) radians (Su et al. 2021); pairs are half of D
  apart, as in GPT-NeoX and Llama. positions: [B,L] int; None counts from 0.
  """
  half = x.shape[-1] // 2
  if positions is None:
    positions = jnp.arange(x.shape[1])[None]
  rates = 10000.0 ** (-jnp.arange(half) / half)
  angles = positions[:, :, None, None] * rates.reshape(1, 1, 1, -1)
  cos, sin = jnp.cos(angles), jnp.sin(angles)
  first, second = jnp.split(x.astype(jnp.float32), 2, -1)
  turned = [first * cos - second * sin, second * cos + first * sin]
  return jnp.concatenate(turned, -1).astype(x.dtype)


def _kernel(std):
  return (
    nn.initializers.normal(std) if std else nn.initializers.xavier_uniform()
  )
