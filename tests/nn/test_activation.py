"""Activations by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from medfm.nn.activation import MONOTONE, activation
from medfm.types import UserError

POINTS = np.linspace(-3, 3, 61, dtype="float32")


def test_gelu_is_the_exact_one():
  expected = POINTS * stats.norm.cdf(POINTS)
  np.testing.assert_allclose(activation("gelu")(POINTS), expected, atol=1e-5)


def test_gelu_tanh_is_the_approximation():
  expected = jax.nn.gelu(POINTS, approximate=True)
  np.testing.assert_allclose(activation("gelu_tanh")(POINTS), expected)


@pytest.mark.parametrize("name", sorted(MONOTONE))
def test_a_monotone_activation_never_falls(name):
  assert (jnp.diff(activation(name)(POINTS)) >= 0).all()


def test_a_typing_error_names_the_nearest():
  with pytest.raises(UserError, match="nearest: relu"):
    activation("rellu")
