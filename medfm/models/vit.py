"""The vision transformer."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.nn.transformer import normal, normalisation, run_blocks
from medfm.types import Batch, UserError


class ViT(nn.Module):
  """Vision transformer (Dosovitskiy et al. 2021): image -> logits [B,K].

  The defaults are ViT-B/16, whose published weights in the Hugging Face layout
  fit this module exactly: patches of the image, [CLS] before them, learned
  positions, pre-norm blocks with exact GELU, and the [CLS] state after the last
  norm.

  Reads `image` [B,H,W,C] (float, scaled), whose sides are multiples of
  `patch` and fixed by the first image the model sees; and `id`.
  Returns `tokens` [B,P,E], the patches' states row by row; `embedding`
  [B,E], that of [CLS]; and `logits`.

  hidden, scan_layers, remat: see `transformer.run_blocks`.
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
    size = self.patch
    rows, height, width, channels = batch["image"].shape
    if height % size or width % size:
      raise UserError(
        f"images of {height} x {width} do not divide into patches of {size}: "
        "set model.patch or the images' size"
      )
    # A convolution of that stride is one product over patches [B,P,S*S*C].
    shape = (rows, height // size, size, width // size, size, channels)
    x = batch["image"].reshape(shape).swapaxes(2, 3)
    x = nn.Dense(
      self.width, dtype=self.dtype, kernel_init=normal, name="embed_patches"
    )(x.reshape(rows, -1, size * size * channels))
    cls = self.param("cls", normal, (1, 1, self.width)).astype(x.dtype)
    cls = jnp.broadcast_to(cls, (x.shape[0], 1, self.width))
    x = jnp.concatenate([cls, x], 1)
    shape = (1, x.shape[1], self.width)
    x = x + self.param("positions", normal, shape).astype(x.dtype)
    x = Dropout(self.dropout)(x, batch["id"], train=train)
    x = run_blocks(
      self, x, batch["id"], train=train, hidden_dropout=self.dropout
    )
    x = normalisation("layer", "norm", self.epsilon)(x).astype(jnp.float32)
    result = {"embedding": x[:, 0], "tokens": x[:, 1:]}
    return with_logits(result, self.outputs, x[:, 0], kernel_init=normal)
