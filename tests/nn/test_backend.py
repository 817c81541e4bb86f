"""Which implementation runs, and that it changes no value."""

import warnings

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from medfm.nn import backend

THRESHOLD = "jax_persistent_cache_min_compile_time_secs"


def loss(w, x):
  return jax.nn.gelu(x @ w).sum()


def arrays(dtype):
  kw, kx = jax.random.split(jax.random.key(0))
  w = jax.random.normal(kw, (256, 256), dtype)
  return w, jax.random.normal(kx, (1024, 256), dtype)


@pytest.mark.parametrize(
  ("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 2**-7)]
)
def test_onednn_gives_the_same_values(dtype, tolerance):
  gradients = jax.grad(loss, argnums=(0, 1))
  ours = backend.onednn(gradients)(*arrays(dtype))
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
      jax.block_until_ready(backend.onednn(loss)(*arrays("float32")))
    assert getattr(jax.config, THRESHOLD) == 0
    if jax.__version_info__ >= (0, 11):
      assert not any("loss" in path.name for path in tmp_path.iterdir())
  finally:
    for name, value in before.items():
      jax.config.update(name, value)
    compilation_cache.reset_cache()
