"""Which implementation runs, and that it changes no value."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from medfm.nn import backend
from medfm.nn.conv import conv

THRESHOLD = "jax_persistent_cache_min_compile_time_secs"


def loss(w, x):
  return jax.nn.gelu(x @ w).sum()


def arrays(dtype):
  kw, kx = jax.random.split(jax.random.key(0))
  w = jax.random.normal(kw, (256, 256), dtype)
  return w, jax.random.normal(kx, (1024, 256), dtype)


def text_of_a_convolution(compiled):
  x, kernel = jnp.ones((2, 20, 20, 32)), jnp.ones((3, 3, 32, 32))
  return compiled(conv).lower(x, kernel).compile().as_text()


def test_convolutions_are_not_left_to_ynnpack():
  assert "__ynn_fusion" in text_of_a_convolution(jax.jit)
  ours = text_of_a_convolution(backend.compiled)
  assert "convolution" in ours and "__ynn_fusion" not in ours


@pytest.mark.parametrize(
  ("options", "choice"),
  [("_EIGEN", "eigen_convolutions"), ("_ORDER", "least_memory")],
)
def test_an_option_that_xla_no_longer_knows_is_left_out(
  options, choice, monkeypatch
):
  assert getattr(backend, choice)()
  monkeypatch.setattr(backend, options, {"no_such_option": "DOT"})
  assert not getattr(backend, choice)()
  np.testing.assert_allclose(backend.compiled(jnp.negative)(1.0), -1.0)


def test_what_does_not_depend_on_each_other_is_not_held_together():
  def total(x):
    return sum(jnp.sort(jnp.sin(k * x), 0)[9].sum() for k in range(1, 9))

  def held(compiled):
    program = compiled(total).lower(jnp.ones((256, 256))).compile()
    return program.memory_analysis().temp_size_in_bytes

  assert held(backend.compiled) < held(jax.jit) / 2


@pytest.mark.parametrize(
  ("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 2**-7)]
)
def test_onednn_gives_the_same_values(dtype, tolerance):
  gradients = jax.grad(loss, argnums=(0, 1))
  ours = backend.compiled(gradients, onednn=True)(*arrays(dtype))
  for a, b in zip(ours, jax.jit(gradients)(*arrays(dtype)), strict=True):
    scale = np.abs(np.asarray(b, np.float32)).max()
    np.testing.assert_allclose(
      np.asarray(a, np.float32) / scale,
      np.asarray(b, np.float32) / scale,
      atol=tolerance,
    )


def test_a_step_with_onednn_stays_out_of_the_compilation_cache(
  tmp_path,
):
  settings = {"jax_compilation_cache_dir": str(tmp_path), THRESHOLD: 0.0}
  before = {name: getattr(jax.config, name) for name in settings}
  try:
    for name, value in settings.items():
      jax.config.update(name, value)
    compilation_cache.reset_cache()
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      ours = backend.compiled(loss, onednn=True)
      jax.block_until_ready(ours(*arrays("float32")))
    assert getattr(jax.config, THRESHOLD) == 0
    if jax.__version_info__ >= (0, 11):
      assert not any("loss" in path.name for path in tmp_path.iterdir())
  finally:
    for name, value in before.items():
      jax.config.update(name, value)
    compilation_cache.reset_cache()
