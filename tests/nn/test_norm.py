"""Normalisation: padding, devices, running averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.sharding import AxisType, PartitionSpec

from medfm.nn.norm import BatchNorm, GroupNorm


def _images(rows=8, channels=4):
  generator = np.random.default_rng(0)
  x = generator.standard_normal((rows, 3, 2, channels)) * 3 + 5
  return jnp.asarray(x, jnp.float32)


def _run(x, weight=None):
  module = BatchNorm()

  @jax.jit
  def run(x, weight):
    variables = module.init(jax.random.key(0), x)
    y, updates = module.apply(
      variables, x, weight, train=True, mutable=["batch_stats"]
    )
    return y, updates["batch_stats"]

  return run(x, weight)


def test_training_output_has_mean_zero_and_variance_one():
  y, _ = _run(_images())
  np.testing.assert_allclose(y.mean((0, 1, 2)), np.zeros(4), atol=1e-5)
  np.testing.assert_allclose(y.var((0, 1, 2)), np.ones(4), atol=1e-4)


def test_training_output_is_that_of_flax():
  x = _images()
  theirs = nn.BatchNorm(use_running_average=False, epsilon=1e-5)
  variables = jax.jit(theirs.init)(jax.random.key(0), x)
  expected, _ = theirs.apply(variables, x, mutable=["batch_stats"])
  np.testing.assert_allclose(_run(x)[0], expected, atol=1e-5)


def test_running_averages_follow_torch():
  x = _images()
  _, stats = _run(x)
  mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2), ddof=1)
  np.testing.assert_allclose(stats["mean"], 0.1 * mean, rtol=1e-5)
  np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * var, rtol=1e-5)


def test_padded_rows_never_count():
  x = _images()
  weight = jnp.array([1, 1, 1, 0, 1, 0, 1, 1], jnp.float32)
  y, stats = _run(x.at[3].set(1e4).at[5].set(-7), weight)
  kept = np.array([0, 1, 2, 4, 6, 7])
  expected, expected_stats = _run(x[kept])
  np.testing.assert_allclose(y[kept], expected, atol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
    stats,
    expected_stats,
  )


def test_padded_rows_get_no_gradient_through_the_statistics():
  weight = jnp.array([1, 1, 0, 1], jnp.float32)
  module = BatchNorm()

  @jax.jit
  def gradient(x):
    variables = module.init(jax.random.key(0), x)

    def total(x):
      y, _ = module.apply(
        variables, x, weight, train=True, mutable=["batch_stats"]
      )
      return (y**3 * weight.reshape(-1, 1, 1, 1)).sum()

    return jax.grad(total)(x)

  assert not gradient(_images(4))[2].any()


def test_a_batch_of_padding_leaves_the_averages_alone():
  y, stats = _run(_images(), jnp.zeros(8))
  assert np.isfinite(y).all()
  np.testing.assert_array_equal(stats["mean"], np.zeros(4))
  np.testing.assert_array_equal(stats["var"], np.ones(4))


def test_evaluation_uses_the_running_averages():
  x = _images()
  y = jax.jit(lambda x: BatchNorm().init_with_output(jax.random.key(0), x)[0])
  np.testing.assert_allclose(y(x), x / np.sqrt(1 + 1e-5), rtol=1e-5)


def _mapped(x, weight, kind):
  module = BatchNorm()
  variables = jax.jit(module.init)(jax.random.key(0), x)

  def run(x, weight):
    return module.apply(
      variables, x, weight, train=True, mutable=["batch_stats"]
    )

  if kind == "pmap":
    split = lambda a: a.reshape(4, -1, *a.shape[1:])  # noqa: E731
    y, updates = jax.pmap(run, axis_name="data", devices=jax.devices()[:4])(
      split(x), split(weight)
    )
    updates = jax.tree.map(lambda a: a[0], updates)
    return y.reshape(x.shape), updates["batch_stats"]
  mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
  rows = PartitionSpec("data")
  y, updates = jax.jit(
    jax.shard_map(
      run, mesh=mesh, in_specs=rows, out_specs=(rows, PartitionSpec())
    )
  )(x, weight)
  return y, updates["batch_stats"]


@pytest.mark.parametrize("kind", ["pmap", "shard_map"])
def test_four_devices_see_one_batch(kind):
  x, weight = _images(), jnp.array([1, 1, 1, 0, 1, 1, 0, 0], jnp.float32)
  y, stats = _mapped(x, weight, kind)
  expected, expected_stats = _run(x, weight)
  np.testing.assert_allclose(y, expected, atol=1e-5)
  np.testing.assert_allclose(stats["var"], expected_stats["var"], rtol=1e-5)


def test_group_norm_is_that_of_flax():
  x = _images(channels=8)
  ours, theirs = GroupNorm(4), nn.GroupNorm(4, epsilon=1e-5)
  variables = jax.jit(ours.init)(jax.random.key(0), x)
  np.testing.assert_allclose(
    jax.jit(ours.apply)(variables, x),
    jax.jit(theirs.apply)(variables, x),
    atol=1e-5,
  )


def test_group_norm_takes_fewer_groups_for_narrow_layers():
  x = _images(channels=6)
  y, _ = jax.jit(lambda x: GroupNorm(4).init_with_output(jax.random.key(0), x))(
    x
  )
  pairs = np.asarray(y).reshape(8, -1, 3, 2)
  np.testing.assert_allclose(pairs.mean((1, 3)), np.zeros((8, 3)), atol=1e-5)


@pytest.mark.parametrize("module", [BatchNorm(), GroupNorm()])
def test_bfloat16_goes_in_and_out(module):
  x = _images(channels=8).astype(jnp.bfloat16)
  y, variables = jax.jit(
    lambda x: module.init_with_output(jax.random.key(0), x)
  )(x)
  assert y.dtype == jnp.bfloat16
  assert variables["params"]["scale"].dtype == jnp.float32
