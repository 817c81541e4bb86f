"""A small convolutional network, of the kind every Keras tutorial trains."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.activation import MONOTONE, activation
from medfm.nn.conv import Conv, glorot
from medfm.nn.dropout import Dropout
from medfm.nn.pool import max_pool
from medfm.types import Batch, UserError


class CNN(nn.Module):
  """Convolution and pooling, twice: image [B,H,W,C] -> logits [B,K].

  Each width w is a 3x3 convolution with w features and no padding, the
  activation and a 2x2 max pool; then come one dense layer and the head, as in
  Keras: Conv2D(32, 3), MaxPooling2D, Conv2D(64, 3), MaxPooling2D, Flatten,
  Dense(128), Dense(K). Weights start as Keras's do (Glorot uniform, bias 0).
  Images of any number of channels and any size from 10 x 10 for two
  convolutions; the parameters depend on the size.

  Reads `image` (float, scaled) and `id` for dropout. `embedding` is the dense
  layer's output [B,hidden], or the flattened image features for hidden=0.

  outputs: K; 0 gives no logits.
  dropout: of the embedding.
  """

  outputs: int
  widths: tuple[int, ...] = (32, 64)
  hidden: int = 128
  activation: str = "relu"
  dropout: float = 0.0
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    x, function = batch["image"], activation(self.activation)
    for index, width in enumerate(self.widths, 1):
      if min(x.shape[1:3]) < 4:
        raise UserError(
          f"images of {batch['image'].shape[1]} x {batch['image'].shape[2]} "
          f"are too small for model.widths={self.widths}; give fewer widths"
        )
      # A rising function, and adding the bias, commute with the maximum:
      # values and gradients are Keras's, on a quarter of the places.
      rising = self.activation in MONOTONE
      x = Conv(
        width,
        padding="VALID",
        kernel_init=glorot,
        dtype=self.dtype,
        name=f"conv{index}",
      )(x, before_bias=max_pool if rising else None)
      x = function(x)
      x = x if rising else max_pool(x)
    x = x.reshape(x.shape[0], -1)
    if self.hidden:
      x = nn.Dense(
        self.hidden, dtype=self.dtype, kernel_init=glorot, name="dense"
      )(x)
      x = function(x)
    x = Dropout(self.dropout)(x, batch["id"], train=train).astype(jnp.float32)
    result = {"embedding": x}
    if self.outputs:
      head = nn.Dense(self.outputs, kernel_init=glorot, name="head")
      result["logits"] = head(x)
    return result
