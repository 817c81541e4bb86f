"""Linear and logistic regression on a table."""

from flax import linen as nn

from medfm.nn import columns
from medfm.nn.forward import with_logits
from medfm.types import Batch


class Linear(nn.Module):
  """y = wx + b: features [B,F], categories [B,M] -> logits [B,K].

  Reads `features` (standardised, NaN = missing, taken as 0) and `categories`
  (one-hot; -1 = missing, all zeros); either may be absent. Under `multiclass`
  this is logistic regression, under `regression` least squares. Starts at 0.
  `embedding` is x. `levels`, `indicate_missing`: see `columns.vector`.
  """

  outputs: int
  levels: tuple[int, ...] = ()
  indicate_missing: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(self, batch: Batch, *, train: bool = False) -> dict:
    del train
    x = columns.vector(batch, self.levels, self.indicate_missing)
    zeros = nn.initializers.zeros
    return with_logits(
      {"embedding": x}, self.outputs, x, dtype=self.dtype, kernel_init=zeros
    )
