"""Linear and logistic regression on a table."""

import jax.numpy as jnp
from flax import linen as nn

from medfm.nn import columns
from medfm.types import Batch


class Linear(nn.Module):
  """y = wx + b: features [B,F], categories [B,M] -> logits [B,K].

  Reads `features` (standardised, NaN = missing, taken as 0) and `categories`
  (one-hot; -1 = missing, all zeros); either may be absent. Under `multiclass`
  this is logistic regression, under `regression` least squares. Starts at 0.
  `embedding` is the vector x that enters the product.

  outputs: K; 0 gives no logits.
  levels: number of levels of each categorical column.
  indicate_missing: one more 0/1 input per feature, 1 where it is missing.
  """

  outputs: int
  levels: tuple[int, ...] = ()
  indicate_missing: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    del train
    x = columns.vector(
      batch, self.levels, indicate_missing=self.indicate_missing
    )
    result = {"embedding": x}
    if self.outputs:
      head = nn.Dense(
        self.outputs,
        dtype=self.dtype,
        kernel_init=nn.initializers.zeros,
        name="head",
      )
      result["logits"] = head(x).astype(jnp.float32)
    return result
