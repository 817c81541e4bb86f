"""3-D convolution by planes: the values and gradients of XLA's own."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from medfm.nn import planes

_LAYOUT = ("NXYZC", "XYZIO", "NXYZC")


def _drawn(*shape, seed=0):
  return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize(
  ("window", "strides", "extents", "channels"),
  [
    ((3, 3, 3), (1, 1, 1), (7, 8, 6), 3),
    ((3, 3, 3), (1, 1, 1), (7, 8, 6), 8),
    ((3, 3, 3), (1, 2, 1), (6, 4, 4), 8),
    ((3, 3, 3), (1, 1, 1), (1, 4, 4), 8),
    ((3, 1, 1), (1, 1, 1), (5, 2, 2), 8),
    ((3, 3, 3), (2, 1, 2), (7, 8, 6), 8),
    ((1, 3, 3), (1, 2, 2), (7, 8, 6), 8),
  ],
)
def test_values_and_gradients_are_those_of_xla(
  window, strides, extents, channels
):
  x = _drawn(2, *extents, channels)
  kernel = _drawn(*window, channels, 4, seed=1) / math.sqrt(channels)
  padding = tuple((n // 2, n // 2) for n in window)

  def ours(x, kernel):
    return planes.conv(x, kernel, strides=strides, padding=padding)

  def theirs(x, kernel):
    return lax.conv_general_dilated(
      x, kernel, strides, padding, dimension_numbers=_LAYOUT
    )

  np.testing.assert_allclose(ours(x, kernel), theirs(x, kernel), atol=1e-5)
  for mine, other in zip(
    *(
      jax.grad(lambda x, k, f=f: jnp.sin(f(x, k)).sum(), (0, 1))(x, kernel)
      for f in (ours, theirs)
    ),
    strict=True,
  ):
    np.testing.assert_allclose(mine, other, atol=1e-4)


def test_two_planes_at_once_need_fewer_products_but_not_in_16_bits():
  kernel = _drawn(3, 3, 3, 16, 16)

  def flops(dtype, channels=16):
    x = jnp.zeros((1, 8, 8, 8, channels), dtype)
    given = {"strides": (1, 1, 1), "padding": ((1, 1),) * 3}
    function = jax.jit(functools.partial(planes.conv, **given))
    lowered = function.lower(x, kernel[..., :channels, :].astype(dtype))
    return lowered.cost_analysis()["flops"]

  plain = 2 * 27 * 16 * 16 * 8**3
  assert 0.55 * plain < flops("float32") < 0.8 * plain
  assert flops("bfloat16") > 0.8 * plain
  assert flops("float32", 4) > 0.8 * plain / 4


@pytest.mark.parametrize("axes", [2, 3])
def test_a_layer_takes_pictures_and_volumes(axes):
  x = _drawn(2, *(6,) * axes, 3)
  layer = planes.Conv(5, (3,) * axes, (2,) * axes)
  variables = layer.init(jax.random.key(1), x)
  kernel = variables["params"]["kernel"]
  letters = "XYZ"[:axes]
  expected = lax.conv_general_dilated(
    x,
    kernel,
    (2,) * axes,
    [(1, 1)] * axes,
    dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
  )
  np.testing.assert_allclose(layer.apply(variables, x), expected, atol=1e-5)


@pytest.mark.parametrize("factors", [(2, 2), (1, 2, 2), (2, 3, 1)])
def test_enlarging_is_a_transposed_convolution(factors):
  axes = len(factors)
  x = _drawn(2, *range(2, 2 + axes), 3)
  layer = planes.Enlarge(4, factors)
  variables = layer.init(jax.random.key(1), x)
  letters = "XYZ"[:axes]
  kernel = variables["params"]["kernel"]
  expected = lax.conv_transpose(
    x,
    jnp.flip(kernel, range(axes)),  # lax turns the kernel round.
    factors,
    "VALID",
    dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
  )
  turned = layer.apply(variables, x)
  assert turned.shape[1:-1] == tuple(
    n * f for n, f in zip(x.shape[1:-1], factors, strict=True)
  )
  plain = lax.conv_transpose(
    x,
    kernel,
    factors,
    "VALID",
    dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
  )
  nearest = min(float(abs(turned - each).max()) for each in (expected, plain))
  assert nearest < 1e-5
