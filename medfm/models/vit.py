"""The vision transformer."""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.dropout import Dropout
from medfm.nn.transformer import Block, normalisation, run_blocks
from medfm.types import Batch, UserError


class ViT(nn.Module):
  """Vision transformer (Dosovitskiy et al. 2021): image -> logits [B,K].

  The defaults are ViT-B/16, whose weights in the Hugging Face layout fit this
  module exactly: patches of the image, [CLS] before them, learned positions,
  pre-norm blocks with exact GELU, and the [CLS] state after the last norm.

  Reads `image` [B,H,W,C] (float, scaled), whose sides are multiples of
  `patch` and fixed by the first image the model sees; and `id` for dropout.
  Returns `tokens` [B,P,E], the patches' states row by row; `embedding`
  [B,E], that of [CLS]; and `logits`.

  outputs: K; 0 gives no logits.
  hidden: width of the blocks' hidden layer; 0 means 4 * width.
  scan_layers, remat: see `transformer.run_blocks`.
  """

  outputs: int
  patch: int = 16
  width: int = 768
  depth: int = 12
  heads: int = 12
  hidden: int = 0
  activation: str = "gelu"
  dropout: float = 0.0
  epsilon: float = 1e-12
  scan_layers: bool = False
  remat: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    patches = _patches(batch["image"], self.patch)
    dense = nn.Dense(
      self.width, dtype=self.dtype, kernel_init=_normal, name="embed_patches"
    )
    x = dense(patches)
    cls = self.param("cls", _normal, (1, 1, self.width)).astype(x.dtype)
    cls = jnp.broadcast_to(cls, (x.shape[0], 1, self.width))
    x = jnp.concatenate([cls, x], 1)
    shape = (1, x.shape[1], self.width)
    x = x + self.param("positions", _normal, shape).astype(x.dtype)
    x = Dropout(self.dropout)(x, batch["id"], train=train)
    block = functools.partial(
      Block,
      self.heads,
      self.hidden or 4 * self.width,
      dropout=self.dropout,
      activation=self.activation,
      epsilon=self.epsilon,
      std=0.02,
      dtype=self.dtype,
    )
    x = run_blocks(
      block,
      self.depth,
      x,
      batch["id"],
      scan_layers=self.scan_layers,
      remat=self.remat,
      train=train,
    )
    x = normalisation("layer", "norm", self.epsilon)(x)
    x = x.astype(jnp.float32)
    result = {"embedding": x[:, 0], "tokens": x[:, 1:]}
    if self.outputs:
      head = nn.Dense(self.outputs, kernel_init=_normal, name="head")
      result["logits"] = head(x[:, 0])
    return result


def _patches(image: jax.Array, size: int) -> jax.Array:
  """[B,H,W,C] -> [B,P,size*size*C]: patches row by row, each [size,size,C].

  A convolution of that stride is one matrix product over these.
  """
  rows, height, width, channels = image.shape
  if height % size or width % size:
    raise UserError(
      f"images of {height} x {width} are not whole patches of {size}: set "
      "model.patch or the images' size"
    )
  x = image.reshape(rows, height // size, size, width // size, size, channels)
  return x.swapaxes(2, 3).reshape(rows, -1, size * size * channels)


_normal = nn.initializers.normal(0.02)
