"""Activation functions by name."""

from collections.abc import Callable

import jax

from medfm.spec import nearest
from medfm.types import UserError


def _exact_gelu(x):
  return jax.nn.gelu(x, approximate=False)


def _identity(x):
  return x


_BY_NAME = {
  "relu": jax.nn.relu,
  "sigmoid": jax.nn.sigmoid,
  "tanh": jax.numpy.tanh,
  "gelu": _exact_gelu,
  "gelu_tanh": jax.nn.gelu,
  "silu": jax.nn.silu,
  "identity": _identity,
}

MONOTONE = frozenset({"relu", "sigmoid", "tanh", "identity"})
"""Those that commute with taking a maximum."""


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
  """The elementwise function of this name.

  `gelu` is the exact one, x * Phi(x), as in torch and BERT; `gelu_tanh` is
  its tanh approximation, as in GPT-2.

  Raises:
    UserError: an unknown name.
  """
  if name not in _BY_NAME:
    raise UserError(
      f"no activation {name!r}{nearest(name, _BY_NAME)}; "
      f"choose one of {', '.join(_BY_NAME)}"
    )
  return _BY_NAME[name]
