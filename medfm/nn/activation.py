"""Activation functions by name."""

import functools
from collections.abc import Callable

import jax

from medfm.spec import chosen

_BY_NAME = {
  "relu": jax.nn.relu,
  "sigmoid": jax.nn.sigmoid,
  "tanh": jax.numpy.tanh,
  "gelu": functools.partial(jax.nn.gelu, approximate=False),
  "gelu_tanh": jax.nn.gelu,
  "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
  "silu": jax.nn.silu,
  "identity": jax.nn.identity,
}

MONOTONE = frozenset({"relu", "sigmoid", "tanh", "identity"})
"""Activations that commute with taking a maximum."""


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
  """The elementwise function of this name; UserError if there is none.

  `gelu` is exact, x * Phi(x), as in torch and BERT; `gelu_tanh` is its tanh
  approximation, as in GPT-2; `quick_gelu` is x * sigmoid(1.702 x), as in CLIP.
  """
  return chosen("activation", name, _BY_NAME)
