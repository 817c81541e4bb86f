"""Which implementation of an operation runs here: the only place to choose.

On XLA's CPU backend a convolution with few output places costs up to 130
times its arithmetic, and the gradient of a max pool (select-and-scatter) half
of a small network's step. There, and only there, our own forms of the same
values and gradients take over.
"""

import jax

SMALL_OUTPUT = 16
"""Output places (height x width) up to which a CPU convolution is a dot."""


def on_cpu() -> bool:
  """Whether programs compile for the CPU by default."""
  return jax.default_backend() == "cpu"


def conv_as_dot(places: int) -> bool:
  """Whether a convolution with this many output places becomes one dot."""
  return on_cpu() and places <= SMALL_OUTPUT


def pool_by_index() -> bool:
  """Whether max pooling remembers its winners instead of searching again."""
  return on_cpu()
