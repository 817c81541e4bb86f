"""A small convolutional network, of the kind every Keras tutorial trains."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn.activation import MONOTONE, activation
from medfm.nn.conv import Conv, glorot, max_pool
from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.types import Batch, UserError


class CNN(nn.Module):
  """Convolution and pooling, twice: image [B,H,W,C] -> logits [B,K].

  As in Keras: Conv2D(32, 3), MaxPooling2D, Conv2D(64, 3), MaxPooling2D,
  Flatten, Dense(128), Dense(K), one convolution without padding for each of
  `widths`. Weights start as Keras's do (Glorot uniform, bias 0) and depend on
  the images' size, from 10 x 10 for two convolutions.

  Reads `image` (float, scaled) and `id`. `embedding` is the dense layer's
  output [B,hidden], or the flattened image features for hidden=0.
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
      conv = Conv(
        width,
        padding="VALID",
        kernel_init=glorot,
        dtype=self.dtype,
        name=f"conv{index}",
      )
      x = function(conv(x, before_bias=max_pool if rising else None))
      x = x if rising else max_pool(x)
    x = x.reshape(x.shape[0], -1)
    if self.hidden:
      dense = nn.Dense(
        self.hidden, dtype=self.dtype, kernel_init=glorot, name="dense"
      )
      x = function(dense(x))
    x = Dropout(self.dropout)(x, batch["id"], train=train).astype(jnp.float32)
    return with_logits({"embedding": x}, self.outputs, x, kernel_init=glorot)
