"""Normalisation independent of padded rows and the number of devices."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

DATA_AXIS = "data"
"""The mapped axis over which examples are divided between devices."""


class BatchNorm(nn.Module):
  """Batch normalisation of [B,...,C] over all axes but the last.

  Ioffe and Szegedy 2015, with torch's settings: momentum 0.9 (which torch calls
  0.1), epsilon 1e-5, biased variance to normalise, unbiased variance in the
  running average (flax keeps the biased one). In training, rows of weight 0 are
  ignored, and a batch of only such rows leaves the averages unchanged.

  Parameters `scale`, `bias` [C]; `batch_stats` `mean`, `var` [C], all float32
  as in flax. Statistics are float32; the result has x's dtype.
  """

  scale_init: Callable = nn.initializers.ones

  @nn.compact
  def __call__(
    self, x: jax.Array, weight: jax.Array | None = None, *, train: bool = False
  ) -> jax.Array:
    """weight: [B]; rows of weight 0 are left out; None counts every row."""
    channels = x.shape[-1]
    scale = self.param("scale", self.scale_init, (channels,))
    bias = self.param("bias", nn.initializers.zeros, (channels,))
    mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
    var = self.variable("batch_stats", "var", jnp.ones, (channels,))
    if train:
      now_mean, now_var, count = masked_moments(x, weight)
      if not self.is_initializing():
        unbiased = now_var * count / jnp.maximum(count - 1, 1)
        keep = jnp.where(count > 0, 0.9, 1.0)
        mean.value = keep * mean.value + (1 - keep) * now_mean
        var.value = keep * var.value + (1 - keep) * unbiased
    else:
      now_mean, now_var = mean.value, var.value
    factor = lax.rsqrt(now_var + 1e-5) * scale
    return _affine(x, factor, bias - now_mean * factor)


class GroupNorm(nn.Module):
  """Group normalisation of [B,...,C] (Wu and He 2018), per example.

  groups: the most groups; the largest number up to it is taken that divides C
    and leaves every group two channels. `weight` and `train` change nothing.
  """

  groups: int = 32
  scale_init: Callable = nn.initializers.ones

  @nn.compact
  def __call__(
    self, x: jax.Array, weight: jax.Array | None = None, *, train: bool = False
  ) -> jax.Array:
    del weight, train
    channels = x.shape[-1]
    scale = self.param("scale", self.scale_init, (channels,))
    bias = self.param("bias", nn.initializers.zeros, (channels,))
    most = max(min(self.groups, channels // 2), 1)
    groups = next(n for n in range(most, 0, -1) if channels % n == 0)
    shape = (x.shape[0], -1, groups, channels // groups)
    parts = x.astype(jnp.float32).reshape(shape)
    mean = parts.mean((1, 3), keepdims=True)
    var = jnp.square(parts - mean).mean((1, 3), keepdims=True)
    parts = (parts - mean) * lax.rsqrt(var + 1e-5)
    return _affine(parts.reshape(x.shape), scale, bias).astype(x.dtype)


class InstanceNorm(nn.Module):
  """Every channel of every example by itself: [B,*S,C] (Ulyanov et al. 2016).

  Parameters `scale`, `bias` [C]; statistics are float32, over the places.
  """

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    channels = x.shape[-1]
    scale = self.param("scale", nn.initializers.ones, (channels,))
    bias = self.param("bias", nn.initializers.zeros, (channels,))
    values = x.astype(jnp.float32)
    axes = tuple(range(1, x.ndim - 1))
    mean = values.mean(axes, keepdims=True)
    var = jnp.square(values - mean).mean(axes, keepdims=True)
    scale, bias = (p.reshape(*(1,) * len(axes), 1, -1) for p in (scale, bias))
    factor = lax.rsqrt(var + 1e-5) * scale
    return (values * factor + (bias - mean * factor)).astype(x.dtype)


def masked_moments(
  x: jax.Array, weight: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Mean [C], biased variance [C] and count of x [B,...,C], rows of weight > 0.

  Two passes (the mean first), so that a large offset costs no precision.
  """
  x = x.astype(jnp.float32)
  axes = tuple(range(x.ndim - 1))
  places = math.prod(x.shape[1:-1])
  if weight is None:
    rows = jnp.float32(x.shape[0])
  else:
    mask = (weight > 0).reshape(-1, *(1,) * (x.ndim - 1))
    rows = mask.sum(dtype=jnp.float32)
  count = over_devices(rows * places)
  divisor = jnp.maximum(count, 1)

  def average(values):
    if weight is not None:
      values = jnp.where(mask, values, 0)
    return over_devices(values.sum(axes)) / divisor

  mean = average(x)
  centred = x - mean.reshape(*(1,) * (x.ndim - 1), -1)
  return mean, average(jnp.square(centred)), count


def over_devices(value: jax.Array) -> jax.Array:
  """The sum over the mapped data axis, if there is one (`pmap`)."""
  try:
    lax.axis_index(DATA_AXIS)
  except NameError:
    return value
  return lax.psum(value, DATA_AXIS)


def _affine(x, scale, bias):
  """x * scale + bias per channel, in x's dtype."""
  shape = (*(1,) * (x.ndim - 1), -1)
  y = x.astype(jnp.float32) * scale.reshape(shape) + bias.reshape(shape)
  return y.astype(x.dtype)
