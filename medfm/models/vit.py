"""The vision transformer, of images and volumes."""

import math

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import patches
from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.nn.transformer import normal, normalisation, run_blocks
from medfm.spec import chosen
from medfm.types import Batch


class ViT(nn.Module):
  """Vision transformer (Dosovitskiy et al. 2021): image -> logits [B,K].

  The defaults are ViT-B/16, whose weights in the Hugging Face layout fit this
  module exactly: patches of the image, [CLS] before them, learned positions,
  pre-norm blocks with exact GELU, and the [CLS] state after the last norm.

  Reads `image`, [B,H,W,C] or [B,X,Y,Z,C] of volumes (float, scaled), whose
  sides are multiples of `patch`, and `id`. Its positions are those of the first
  picture that it sees; for pictures of other sizes they are interpolated.
  With `visible` [B,V] it sees these patches alone, in that order.
  Returns `tokens` [B,P,E], the states of the patches row by row; `embedding`
  [B,E]; and `logits`.

  patch: its side, or one for each axis of space.
  pooling: the embedding is the state of [CLS] ("cls"), or the mean of those of
    the patches ("mean"), as after masked pre-training (He et al. 2022).
  norm_first, patch_bias: as True and False, the image tower of CLIP (Radford
    et al. 2021): a norm before the blocks, patches without a bias.
  hidden, scan_layers, remat: see `transformer.run_blocks`.
  """

  outputs: int
  patch: int | tuple[int, ...] = 16
  width: int = 768
  depth: int = 12
  heads: int = 12
  hidden: int = 0
  activation: str = "gelu"
  dropout: float = 0.0
  epsilon: float = 1e-12
  pooling: str = "cls"
  norm_first: bool = False
  patch_bias: bool = True
  scan_layers: bool = False
  remat: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    pool = chosen("model.pooling", self.pooling, _POOLS)
    picture = batch["volume"] if "volume" in batch else batch["image"]
    counts = patches.grid(picture.shape, self.patch)
    all_seen = 1 + math.prod(counts)  # [CLS] and every patch.
    x = patches.cut(picture, self.patch)
    visible = batch.get("visible")
    if visible is not None:
      x = jnp.take_along_axis(x, visible[:, :, None], 1)
    # A convolution of that stride is one product over patches.
    x = nn.Dense(
      self.width,
      use_bias=self.patch_bias,
      dtype=self.dtype,
      kernel_init=normal,
      name="embed_patches",
    )(x)
    cls = self.param("cls", normal, (1, 1, self.width)).astype(x.dtype)
    seen = all_seen
    if self.has_variable("params", "positions"):
      seen = self.get_variable("params", "positions").shape[1]
    positions = self.param("positions", normal, (1, seen, self.width))
    if seen != all_seen:
      positions = patches.moved(positions, counts, first=1)
    positions = positions.astype(x.dtype)
    places = positions[:, 1:]
    x = x + (places if visible is None else places[0, visible])
    cls = jnp.broadcast_to(cls + positions[:, :1], (len(x), 1, self.width))
    x = jnp.concatenate([cls, x], 1)
    if self.norm_first:
      x = normalisation("layer", "norm0", self.epsilon, self.dtype)(x)
    x = Dropout(self.dropout)(x, batch["id"], train=train)
    x = run_blocks(
      self, x, batch["id"], train=train, hidden_dropout=self.dropout
    )
    x = normalisation("layer", "norm", self.epsilon)(x).astype(jnp.float32)
    result = {"embedding": pool(x), "tokens": x[:, 1:]}
    return with_logits(
      result, self.outputs, result["embedding"], kernel_init=normal
    )


_POOLS = {"cls": lambda x: x[:, 0], "mean": lambda x: x[:, 1:].mean(1)}
"""States [B,1+P,E] -> the embedding [B,E]."""
