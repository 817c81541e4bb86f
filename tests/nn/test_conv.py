"""Convolution against lax and against `nn.Conv`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from medfm.nn import backend
from medfm.nn.conv import Conv, conv

# Image height and width, kernel, stride, padding.
SHAPES = [
  (4, 4, 3, 1, ((1, 1), (1, 1))),
  (7, 5, 3, 2, ((1, 1), (1, 1))),
  (1, 1, 3, 1, "SAME"),
  (2, 2, 3, 1, ((1, 1), (1, 1))),
  (2, 2, 3, 2, ((1, 1), (1, 1))),
  (3, 2, 7, 2, ((3, 3), (3, 3))),
  (5, 5, 3, 1, "VALID"),
  (6, 4, 1, 2, "VALID"),
  (4, 4, 1, 1, "SAME"),
  (9, 8, 3, 1, "SAME"),
  (11, 9, 3, 2, ((1, 0), (2, 1))),
  (14, 13, 3, 1, "SAME"),
]


def _lax(x, kernel, stride, padding):
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    padding,
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )


def _ours(x, kernel, stride, padding):
  return conv(x, kernel, strides=(stride, stride), padding=padding)


def _value_and_gradients(f, x, kernel, stride, padding):
  @jax.jit
  def run(x, kernel):
    y, pull = jax.vjp(lambda x, k: f(x, k, stride, padding), x, kernel)
    shift = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
    return y, *pull(shift.astype(y.dtype))

  return run(x, kernel)


def _operands(height, width, window, dtype="float32"):
  generator = np.random.default_rng(0)
  x = generator.standard_normal((2, height, width, 3)).astype(dtype)
  kernel = generator.standard_normal((window, window, 3, 5)).astype(dtype)
  return jnp.asarray(x), jnp.asarray(kernel)


@pytest.mark.parametrize(("height", "width", "window", "stride", "pad"), SHAPES)
def test_values_and_gradients_are_those_of_lax(
  height, width, window, stride, pad
):
  operands = _operands(height, width, window)
  ours = _value_and_gradients(_ours, *operands, stride, pad)
  theirs = _value_and_gradients(_lax, *operands, stride, pad)
  for got, expected in zip(ours, theirs, strict=True):
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_bfloat16_agrees_with_float32_of_the_same_numbers():
  x, kernel = _operands(4, 4, 3, jnp.bfloat16)
  got = _value_and_gradients(_ours, x, kernel, 1, "SAME")
  wide = x.astype("float32"), kernel.astype("float32")
  expected = _value_and_gradients(_lax, *wide, 1, "SAME")
  for value, reference in zip(got, expected, strict=True):
    assert value.dtype == jnp.bfloat16
    np.testing.assert_allclose(
      value.astype("float32"), reference, rtol=0.05, atol=0.1
    )


def test_a_convolution_with_few_places_runs_as_a_dot_on_cpu():
  x, kernel = _operands(4, 4, 3)
  text = jax.jit(lambda x, k: conv(x, k)).lower(x, kernel).as_text()
  assert "dot_general" in text and "stablehlo.convolution" not in text


def test_the_gradient_for_a_small_input_runs_as_a_dot_on_cpu():
  x, kernel = _operands(9, 8, 3)
  gradient = jax.jit(jax.grad(lambda x, k: conv(x, k).sum()))
  text = gradient.lower(x, kernel).as_text()
  assert "dot_general" in text and "stablehlo.convolution" not in text


def test_a_convolution_of_few_numbers_a_place_runs_as_a_dot_on_cpu():
  x, kernel = _operands(20, 20, 3)
  grey = jax.jit(conv).lower(x[..., :1], kernel[:, :, :1]).as_text()
  assert "dot_general" in grey and "stablehlo.convolution" not in grey
  assert "stablehlo.convolution" in jax.jit(conv).lower(x, kernel).as_text()


def test_other_backends_get_the_plain_convolution(monkeypatch):
  monkeypatch.setattr(backend, "on_cpu", lambda: False)
  x, kernel = _operands(4, 4, 3)
  text = jax.jit(lambda x, k: conv(x, k)).lower(x, kernel).as_text()
  assert "stablehlo.convolution" in text and "dot_general" not in text


def test_taps_that_see_only_padding_are_not_computed():
  x, kernel = _operands(1, 1, 3)
  gradient = jax.jit(jax.grad(lambda k: conv(x, k).sum()))
  flops = gradient.lower(kernel).compile().cost_analysis()["flops"]
  assert flops < 2 * 2 * kernel.size


@pytest.mark.parametrize("size", [4, 6])
def test_parameters_are_interchangeable_with_those_of_flax(size):
  x = _operands(size, size, 3)[0]
  ours, theirs = Conv(5), nn.Conv(5, (3, 3))
  variables = jax.jit(ours.init)(jax.random.key(0), x)
  variables["params"]["bias"] = jnp.ones(5)
  np.testing.assert_allclose(
    jax.jit(ours.apply)(variables, x),
    jax.jit(theirs.apply)(variables, x),
    atol=1e-5,
  )


def test_per_example_gradients_work_through_vmap():
  x, kernel = _operands(3, 3, 3)
  single = jax.grad(lambda k, x: jnp.square(conv(x[None], k)).sum())
  each = jax.jit(jax.vmap(single, (None, 0)))(kernel, x)
  whole = jax.jit(jax.grad(lambda k: jnp.square(conv(x, k)).sum()))(kernel)
  np.testing.assert_allclose(each.sum(0), whole, rtol=1e-5, atol=1e-4)
