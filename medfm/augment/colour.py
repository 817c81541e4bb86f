"""The colours of a picture of red, green and blue. See `views`.

Pictures of another number of channels stay as they are, so that one list of
changes serves grey and coloured sets.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from medfm.augment.intensity import sometimes

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Of red, green and blue in a luma (ITU-R BT.601)."""

_STAINS = np.array(
  [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32
)
"""How much red, green and blue haematoxylin, eosin and DAB absorb (Ruifrok and
Johnston 2001)."""
_LEAST = 1e-6


def jitter(
  picture: jax.Array,
  key: jax.Array,
  *,
  brightness: float = 0.4,
  contrast: float = 0.4,
  saturation: float = 0.4,
  hue: float = 0.1,
  probability: float = 0.8,
) -> jax.Array:
  """Brightness, contrast, saturation and hue, in this order (SimCLR's jitter).

  The first three are blends with black, the mean grey and the grey picture,
  with a factor from 1 - x to 1 + x; hue is turned by up to that share of the
  circle.
  """
  if picture.shape[-1] != 3:
    return picture
  whether, *keys = jax.random.split(key, 5)

  def factor(place: int, most: float) -> jax.Array:
    return 1 + jax.random.uniform(keys[place], (), minval=-most, maxval=most)

  changed = jnp.clip(picture * factor(0, brightness), 0, 1)
  mean = _grey(changed).mean()
  changed = jnp.clip((changed - mean) * factor(1, contrast) + mean, 0, 1)
  changed = _saturated(changed, factor(2, saturation))
  turn = jax.random.uniform(keys[3], (), minval=-hue, maxval=hue)
  changed = _turned(changed, turn)
  return sometimes(picture, changed, whether, probability)


def greyscale(
  picture: jax.Array, key: jax.Array, *, probability: float = 0.2
) -> jax.Array:
  """The luma in all three channels."""
  if picture.shape[-1] != 3:
    return picture
  grey = jnp.broadcast_to(_grey(picture), picture.shape)
  return sometimes(picture, grey, key, probability)


def stain(
  picture: jax.Array,
  key: jax.Array,
  *,
  factor: float = 0.05,
  shift: float = 0.02,
  probability: float = 0.8,
) -> jax.Array:
  """How strongly haematoxylin and eosin stained a slide (Tellez et al. 2018).

  Each of three stains is multiplied by 1 - factor to 1 + factor, and up to
  `shift` is added or taken away, where 1 is the darkest of one stain.
  """
  if picture.shape[-1] != 3:
    return picture
  whether, first, second = jax.random.split(key, 3)
  stains = _unmixed(picture)
  scale = 1 + jax.random.uniform(first, (3,), minval=-factor, maxval=factor)
  more = jax.random.uniform(second, (3,), minval=-shift, maxval=shift)
  each = (*(1,) * (picture.ndim - 1), 3)
  changed = _mixed(stains * scale.reshape(each) + more.reshape(each))
  return sometimes(picture, changed, whether, probability)


def _grey(picture: jax.Array) -> jax.Array:
  """The luma [*S,1]."""
  return (picture @ _GREY)[..., None]


def _saturated(picture: jax.Array, factor: jax.Array) -> jax.Array:
  grey = _grey(picture)
  return jnp.clip((picture - grey) * factor + grey, 0, 1)


def _turned(picture: jax.Array, turn: jax.Array) -> jax.Array:
  """The hue turned by a share of the circle, as in HSV."""
  value, least = picture.max(-1), picture.min(-1)
  chroma = value - least
  safe = jnp.where(chroma > 0, chroma, 1)
  red, green, blue = (picture[..., i] for i in range(3))
  sector = jnp.where(
    value == red,
    (green - blue) / safe,
    jnp.where(
      value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe
    ),
  )
  hue = sector / 6 + turn
  channels = []
  for offset in (5, 3, 1):  # As colorsys and Wikipedia's alternative form.
    k = (offset + 6 * hue) % 6
    channels.append(value - chroma * jnp.clip(jnp.minimum(k, 4 - k), 0, 1))
  return jnp.stack(channels, -1)


def _unmixed(picture: jax.Array) -> jax.Array:
  """Concentrations of the three stains [*S,3]; 1 is the darkest of one.

  Below 0 for colours that the three do not make, so that `_mixed` gives every
  colour back.
  """
  density = jnp.log(jnp.maximum(picture, _LEAST)) / math.log(_LEAST)
  return density @ np.linalg.inv(_STAINS)


def _mixed(stains: jax.Array) -> jax.Array:
  """Red, green and blue of concentrations; the inverse of `_unmixed`."""
  return jnp.clip(jnp.exp(math.log(_LEAST) * (stains @ _STAINS)), 0, 1)
