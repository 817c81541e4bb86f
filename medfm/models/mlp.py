"""A multilayer perceptron on a table."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import columns
from medfm.nn.activation import activation
from medfm.nn.dropout import Dropout
from medfm.nn.forward import with_logits
from medfm.types import Batch


class MLP(nn.Module):
  """Dense layers: features [B,F], categories [B,M] -> logits [B,K].

  Reads `features` (standardised, NaN = missing, taken as 0), `categories`
  (one-hot; -1 = missing, all zeros), either of which may be absent, and `id`.
  Initialised after He et al. 2015 (fan-in, normal), the head after LeCun.
  `embedding` is the last hidden layer. `levels`, `indicate_missing`: see
  `columns.vector`. `dropout` follows every hidden layer.
  """

  outputs: int
  levels: tuple[int, ...] = ()
  widths: tuple[int, ...] = (128, 128)
  activation: str = "relu"
  dropout: float = 0.0
  indicate_missing: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    x = columns.vector(batch, self.levels, self.indicate_missing)
    function, he = activation(self.activation), nn.initializers.he_normal()
    for index, width in enumerate(self.widths, 1):
      x = nn.Dense(
        width, dtype=self.dtype, kernel_init=he, name=f"dense{index}"
      )(x)
      x = Dropout(self.dropout)(function(x), batch["id"], train=train)
    x = x.astype(jnp.float32)
    return with_logits({"embedding": x}, self.outputs, x)
