"""A transformer over the columns of a table."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from medfm.nn import columns
from medfm.nn.forward import with_logits
from medfm.nn.transformer import Block, normalisation
from medfm.types import Batch, UserError


class TabularTransformer(nn.Module):
  """FT-Transformer: features [B,F], categories [B,M] -> logits [B,K].

  Gorishniy et al. 2021: every column becomes a token, [CLS] joins them, and
  its last state gives the logits through norm, ReLU and a linear head; blocks
  are pre-norm with ReGLU. Deviations: each column has a separate token for a
  missing value; the first norm is kept; no dropout inside attention.

  Reads `features` (standardised, NaN = missing), `categories` (-1 =
  missing), either of which may be absent; if present `mask_features` [B,F+M]
  bool, columns to hide behind one learned token; and `id`.
  Returns `embedding` [B,E] (the [CLS] state after the last norm), `tokens`
  [B,F+M,E] (features first, then categories) and `logits`.

  levels: number of levels of each categorical column.
  hidden: width of the blocks' hidden layer; 0 means 4/3 of the width.
  """

  outputs: int
  levels: tuple[int, ...] = ()
  width: int = 192
  depth: int = 3
  heads: int = 8
  hidden: int = 0
  dropout: float = 0.1
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    x = ColumnTokens(self.width, self.levels, name="tokens")(batch)
    cls = self.param("cls", _uniform(self.width), (1, 1, self.width))
    cls = jnp.broadcast_to(cls, (len(x), 1, self.width))
    x = jnp.concatenate([cls, x], 1).astype(self.dtype)
    hidden = self.hidden or self.width * 4 // 3
    options = {"activation": "relu", "gated": True, "dtype": self.dtype}
    block = functools.partial(
      Block, self.heads, hidden, self.dropout, **options
    )
    for index in range(self.depth):
      x = block(name=f"block{index}")(x, batch["id"], train=train)
    x = normalisation("layer", "norm", dtype=self.dtype)(x).astype(jnp.float32)
    result = {"embedding": x[:, 0], "tokens": x[:, 1:]}
    return with_logits(result, self.outputs, nn.relu(x[:, 0]))


class ColumnTokens(nn.Module):
  """One token per column: [B,F] and [B,M] -> [B,F+M,E].

  token = value part + `column` [F+M,E]; the value part is x * `scale`, the
  category's `level` row, the column's `missing` row, or the shared `mask`.
  """

  width: int
  levels: tuple[int, ...] = ()

  @nn.compact
  def __call__(self, batch: Batch) -> jax.Array:
    levels = columns.categories(batch, self.levels)
    features = batch.get("features", jnp.zeros((levels.shape[0], 0)))
    numeric, total = features.shape[1], features.shape[1] + levels.shape[1]
    if not total:
      raise UserError("a tabular model needs `features` or `categories`")
    init = _uniform(self.width)
    absent = jnp.concatenate([jnp.isnan(features), levels < 0], 1)
    parts = []
    if numeric:
      scale = self.param("scale", init, (numeric, self.width))
      known = jnp.where(jnp.isnan(features), 0, features)
      parts.append(known[:, :, None] * scale[None])
    if self.levels:
      first = np.cumsum([0, *self.levels[:-1]]).astype(np.int32)
      table = self.param("level", init, (sum(self.levels), self.width))
      parts.append(table[jnp.maximum(levels, 0) + first[None]])
    x = jnp.concatenate(parts, 1)
    missing = self.param("missing", init, (total, self.width))
    x = jnp.where(absent[:, :, None], missing[None], x)
    mask = self.param("mask", init, (self.width,))
    if "mask_features" in batch:
      hidden = batch["mask_features"][:, :, None]
      x = jnp.where(hidden, mask.reshape(1, 1, -1), x)
    return x + self.param("column", init, (total, self.width))[None]


def _uniform(width):
  """Uniform within +-1/sqrt(width), as the paper initialises its tokens."""
  bound = width**-0.5

  def init(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init
