"""A multilayer perceptron on a table."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import columns
from medfm.nn.activation import activation
from medfm.nn.dropout import Dropout
from medfm.types import Batch

_he = nn.initializers.he_normal()


class MLP(nn.Module):
  """Dense layers: features [B,F], categories [B,M] -> logits [B,K].

  Reads `features` (standardised, NaN = missing, taken as 0), `categories`
  (one-hot; -1 = missing, all zeros), either of which may be absent, and `id`
  for dropout. Initialised after He et al. 2015 (fan-in, normal), the head
  after LeCun. `embedding` is the last hidden layer.

  outputs: K; 0 gives no logits.
  levels: number of levels of each categorical column.
  widths: of the hidden layers.
  dropout: after every hidden layer.
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
    x = columns.vector(
      batch, self.levels, indicate_missing=self.indicate_missing
    )
    function = activation(self.activation)
    for index, width in enumerate(self.widths, 1):
      x = nn.Dense(
        width, dtype=self.dtype, kernel_init=_he, name=f"dense{index}"
      )(x)
      x = Dropout(self.dropout)(function(x), batch["id"], train=train)
    x = x.astype(jnp.float32)
    result = {"embedding": x}
    if self.outputs:
      result["logits"] = nn.Dense(self.outputs, name="head")(x)
    return result
