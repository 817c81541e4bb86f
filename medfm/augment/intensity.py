"""How bright, sharp and noisy a picture is, of any channels. See `views`."""

import math

import jax
import jax.numpy as jnp


def sometimes(
  picture: jax.Array, changed: jax.Array, key: jax.Array, probability: float
) -> jax.Array:
  """The changed picture with this probability, else the picture."""
  return jnp.where(jax.random.bernoulli(key, probability), changed, picture)


def brightness_contrast(
  picture: jax.Array,
  key: jax.Array,
  *,
  brightness: float = 0.2,
  contrast: float = 0.2,
  probability: float = 0.8,
) -> jax.Array:
  """contrast * (x - mean) + mean + brightness.

  brightness: the most that is added or taken away.
  contrast: the factor is drawn from 1 - contrast to 1 + contrast.
  """
  whether, first, second = jax.random.split(key, 3)
  factor = 1 + jax.random.uniform(first, (), minval=-contrast, maxval=contrast)
  shift = jax.random.uniform(second, (), minval=-brightness, maxval=brightness)
  mean = picture.mean()
  changed = jnp.clip((picture - mean) * factor + mean + shift, 0, 1)
  return sometimes(picture, changed, whether, probability)


def gamma(
  picture: jax.Array,
  key: jax.Array,
  *,
  span: tuple[float, float] = (0.7, 1.5),
  probability: float = 0.3,
) -> jax.Array:
  """x ** gamma; its logarithm is drawn evenly over `span`."""
  whether, own = jax.random.split(key)
  low, high = (math.log(end) for end in span)
  power = jnp.exp(jax.random.uniform(own, (), minval=low, maxval=high))
  # The gradient of 0 ** power may be infinite.
  changed = jnp.where(picture > 0, jnp.maximum(picture, 1e-6) ** power, 0)
  return sometimes(picture, changed, whether, probability)


def blur(
  picture: jax.Array,
  key: jax.Array,
  *,
  span: tuple[float, float] = (0.1, 2.0),
  probability: float = 0.5,
) -> jax.Array:
  """A Gaussian's weighted mean of what lies within the picture.

  span: of its standard deviation, in pixels.
  """
  whether, own = jax.random.split(key)
  sigma = jax.random.uniform(own, (), minval=span[0], maxval=span[1])
  changed = picture
  for axis in range(picture.ndim - 1):
    place = jnp.arange(picture.shape[axis])
    apart = (place[:, None] - place[None, :]).astype(jnp.float32)
    kernel = jnp.exp(-0.5 * jnp.square(apart / sigma))
    kernel = kernel / kernel.sum(1, keepdims=True)
    changed = jnp.moveaxis(jnp.tensordot(kernel, changed, (1, axis)), 0, axis)
  return sometimes(picture, jnp.clip(changed, 0, 1), whether, probability)


def noise(
  picture: jax.Array,
  key: jax.Array,
  *,
  most: float = 0.1,
  probability: float = 0.3,
) -> jax.Array:
  """Adds normal noise, whose standard deviation is drawn from 0 to `most`."""
  whether, own, spread = jax.random.split(key, 3)
  size = jax.random.uniform(spread, (), maxval=most)
  changed = picture + size * jax.random.normal(own, picture.shape)
  return sometimes(picture, jnp.clip(changed, 0, 1), whether, probability)


def cutout(
  picture: jax.Array,
  key: jax.Array,
  *,
  share: tuple[float, float] = (0.02, 0.2),
  probability: float = 0.5,
) -> jax.Array:
  """One box becomes the picture's mean (DeVries and Taylor 2017 take 0).

  share: least and greatest share of the area (or volume) of the box, whose
    sides are in proportion to the picture's.
  """
  whether, area, place = jax.random.split(key, 3)
  space = picture.shape[:-1]
  side = jax.random.uniform(area, (), minval=share[0], maxval=share[1])
  side = side ** (1 / len(space))
  corner = jax.random.uniform(place, (len(space),)) * (1 - side)
  inside = jnp.ones(space, bool)
  for axis, extent in enumerate(space):
    at = (jnp.arange(extent) + 0.5) / extent
    within = (at >= corner[axis]) & (at < corner[axis] + side)
    shape = [-1 if i == axis else 1 for i in range(len(space))]
    inside &= within.reshape(shape)
  mean = picture.mean(tuple(range(len(space))), keepdims=True)
  changed = jnp.where(inside[..., None], mean, picture)
  return sometimes(picture, changed, whether, probability)
