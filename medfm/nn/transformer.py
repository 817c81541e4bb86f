"""Transformer blocks for any sequence of tokens [B,L,E]."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import backend
from medfm.nn.activation import activation
from medfm.nn.dropout import Dropout
from medfm.nn.rotary import rotated
from medfm.spec import nearest
from medfm.types import UserError

init = nn.initializers.xavier_uniform()


class Block(nn.Module):
  """Self-attention and an MLP around two shortcuts: [B,L,E] -> [B,L,E].

  Pre-norm as in GPT-2 and ViT: x + attention(norm(x)), then x + mlp(norm(x)).
  Post-norm as in Vaswani et al. 2017 and BERT: norm(x + attention(x)), then
  norm(x + mlp(x)). Dropout acts on the MLP's hidden layer and on both
  branches before they are added, not on the attention weights (the fused
  attention of jax knows none).

  heads: must divide E.
  hidden: width of the MLP's hidden layer.
  gated: the MLP is (f(xW) * xV)U, as in ReGLU and SwiGLU (Shazeer 2020).
  causal: a position sees itself and what precedes it.
  hidden_dropout: of the MLP's hidden layer; below 0 means as `dropout`.
  norm: "layer", or "rms" (Zhang and Sennrich 2019).
  rotary: positions turn queries and keys (Su et al. 2021).
  std: of normal initial kernels; 0 means Xavier's uniform.
  out_std: of the two kernels that end a branch; 0 means as `std`.
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
    self,
    x: jax.Array,
    ids: jax.Array,
    mask: jax.Array | None = None,
    positions: jax.Array | None = None,
    slot: jax.Array | None = None,
    *,
    train: bool = False,
  ) -> jax.Array:
    """ids: [B]. The rest is as `Attention` has it."""
    norms = [
      normalisation(self.norm, name, self.epsilon, self.dtype)
      for name in ("norm1", "norm2")
    ]
    inside = self.dropout if self.hidden_dropout < 0 else self.hidden_dropout
    stds = {"std": self.std, "out_std": self.out_std}
    attention = Attention(
      self.heads,
      self.causal,
      self.dtype,
      rotary=self.rotary,
      name="attention",
      **stds,
    )
    mlp = MLP(
      self.hidden,
      inside,
      self.activation,
      self.gated,
      self.dtype,
      name="mlp",
      **stds,
    )
    drop = [Dropout(self.dropout), Dropout(self.dropout)]
    if self.post_norm:
      y = attention(x, mask, positions, slot)
      x = norms[0](x + drop[0](y, ids, train=train))
      y = mlp(x, ids, train=train)
      return norms[1](x + drop[1](y, ids, train=train))
    y = attention(norms[0](x), mask, positions, slot)
    x = x + drop[0](y, ids, train=train)
    y = mlp(norms[1](x), ids, train=train)
    return x + drop[1](y, ids, train=train)


class Attention(nn.Module):
  """Multi-head self-attention: [B,L,E] -> [B,L,E].

  One matrix gives queries, keys and values: `qkv/kernel` [E,3,heads,E/heads];
  `out/kernel` is [heads,E/heads,E].
  """

  heads: int
  causal: bool = False
  dtype: str = "float32"
  rotary: bool = False
  std: float = 0.0
  out_std: float = 0.0

  @nn.compact
  def __call__(
    self,
    x: jax.Array,
    mask: jax.Array | None = None,
    positions: jax.Array | None = None,
    slot: jax.Array | None = None,
  ) -> jax.Array:
    """
    mask: [B,L], False where nobody may look (padding), or [B,L,S] per query.
    positions: [B,L], read by `rotary` alone; None counts from 0.
    slot: scalar; None attends within x. Else keys and values are kept in the
      collection `cache` [B,S,heads,E/heads], those of x from this slot on,
      and queries look at all S slots as the mask [B,L,S] allows.
    """
    width = x.shape[-1]
    if width % self.heads:
      raise ValueError(f"width {width} is no multiple of {self.heads} heads")
    qkv = nn.DenseGeneral(
      (3, self.heads, width // self.heads),
      dtype=self.dtype,
      kernel_init=_kernel(self.std),
      name="qkv",
    )(x)
    query, key, value = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
    if self.rotary:
      query, key = rotated(query, positions), rotated(key, positions)
    if slot is not None:
      key = self._kept("key", key, mask, slot)
      value = self._kept("value", value, mask, slot)
    if mask is not None:
      mask = mask[:, None, None] if mask.ndim == 2 else mask[:, None]
    y = jax.nn.dot_product_attention(
      query,
      key,
      value,
      mask=mask,
      is_causal=self.causal and slot is None,
      implementation=backend.attention(query, key),
    )
    return nn.DenseGeneral(
      width,
      axis=(-2, -1),
      dtype=self.dtype,
      kernel_init=_kernel(self.out_std or self.std),
      name="out",
    )(y)

  def _kept(self, name, new, mask, slot):
    """The cache of all slots, with `new` [B,L,heads,D] written from `slot`."""
    shape = (new.shape[0], mask.shape[-1], *new.shape[2:])
    cache = self.variable("cache", name, jnp.zeros, shape, new.dtype)
    cache.value = jax.lax.dynamic_update_slice_in_dim(cache.value, new, slot, 1)
    return cache.value


class MLP(nn.Module):
  """Two dense layers per token: [B,L,E] -> [B,L,E]."""

  hidden: int
  dropout: float = 0.0
  activation: str = "gelu"
  gated: bool = False
  dtype: str = "float32"
  std: float = 0.0
  out_std: float = 0.0

  @nn.compact
  def __call__(
    self, x: jax.Array, ids: jax.Array, *, train: bool = False
  ) -> jax.Array:
    width = self.hidden * (2 if self.gated else 1)
    y = nn.Dense(
      width, dtype=self.dtype, kernel_init=_kernel(self.std), name="in"
    )(x)
    function = activation(self.activation)
    if self.gated:
      gate, y = jnp.split(y, 2, -1)
      y = function(gate) * y
    else:
      y = function(y)
    y = Dropout(self.dropout)(y, ids, train=train)
    return nn.Dense(
      x.shape[-1],
      dtype=self.dtype,
      kernel_init=_kernel(self.out_std or self.std),
      name="out",
    )(y)


def run_blocks(
  block: Callable[..., Block],
  depth: int,
  x: jax.Array,
  *inputs: jax.Array | None,
  scan_layers: bool = False,
  remat: bool = False,
  train: bool = False,
) -> jax.Array:
  """x through `depth` blocks; called within a compact module.

  block: called with `name`. Parameters are `block0`, `block1`, ...; with
    `scan_layers` one `blocks` whose leaves have a leading axis of depth, and
    one block is compiled instead of all (slower on CPU).
  inputs: what every block gets after x.
  remat: blocks are computed again for the gradient instead of being kept,
    all but their products with a matrix of parameters.
  """

  def one(layer, x):
    return layer(x, *inputs, train=train)

  if remat:
    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    one = nn.remat(one, policy=policy, prevent_cse=not scan_layers)
  if not scan_layers:
    for index in range(depth):
      x = one(block(name=f"block{index}"), x)
    return x
  x, _ = nn.scan(
    lambda layer, x, _: (one(layer, x), None),
    variable_axes={"params": 0, "cache": 0},
    split_rngs={"params": True, "dropout": True},
    length=depth,
  )(block(name="blocks"), x, None)
  return x


def same_segment(segment: jax.Array) -> jax.Array:
  """[B,L] -> mask [B,L,L]: a position sees its own segment, itself always."""
  return segment[:, :, None] == segment[:, None, :]


def normalisation(
  kind: str, name: str, epsilon: float = 1e-5, dtype: str = "float32"
) -> nn.Module:
  """Layer or RMS normalisation of the last axis; statistics in float32."""
  kinds = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
  if kind not in kinds:
    raise UserError(
      f"no normalisation {kind!r}{nearest(kind, kinds)}; choose one of "
      + ", ".join(kinds)
    )
  return kinds[kind](epsilon=epsilon, dtype=dtype, name=name)


def layer_norm(name: str, dtype: str = "float32") -> nn.LayerNorm:
  """Layer normalisation with epsilon 1e-5; statistics in float32."""
  return normalisation("layer", name, 1e-5, dtype)


def _kernel(std):
  return nn.initializers.normal(std) if std else init
