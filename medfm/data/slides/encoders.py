"""What turns tiles into the numbers of a bag, whoever computes them.

A trained image model is one such encoder (`medfm.embedder`); the one here needs
no training and is the classical floor.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

CHANNELS = ("red", "green", "blue", "haematoxylin", "eosin")
_STAINS = np.array(
  [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], np.float32
)
"""Optical density of haematoxylin, eosin, DAB (Ruifrok and Johnston 2001)."""

_PATTERNS = 10


class Encoder(NamedTuple):
  """Tiles uint8 [B,S,S,3] -> float32 [B,E].

  words: what it is, for reports. key: changes whenever its numbers would.
  batch_size: tiles at a time.
  """

  words: str
  key: str
  of: Callable[[np.ndarray], np.ndarray]
  batch_size: int = 64


def colour_and_texture() -> Encoder:
  """Means and spreads of colours and stains, local binary patterns, edges.

  Of red, green, blue (0..1) and the optical densities of haematoxylin and
  eosin: mean, standard deviation and 10th and 90th percentile. Of the grey
  image: the shares of the ten rotation-invariant uniform patterns of 8
  neighbours (Ojala et al. 2002) and the mean and spread of its gradient.
  """
  words = "colour and texture (32 numbers)"
  return Encoder(words, "colour-texture-1", _numbers, batch_size=16)


def _numbers(tiles: np.ndarray) -> np.ndarray:
  """float32 [B,32]."""
  colour = tiles.astype(np.float32) / 255
  unit = _STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True)
  density = -np.log(np.maximum(colour, 1 / 255)) @ np.linalg.inv(unit)
  planes = np.concatenate([colour, density[..., :2]], -1)
  flat = planes.reshape(len(tiles), -1, planes.shape[-1])
  low, high = np.quantile(flat[:, ::7], (0.1, 0.9), axis=1)
  grey = colour.mean(-1)
  down, across = np.diff(grey, axis=1), np.diff(grey, axis=2)
  edges = np.hypot(down[:, :, 1:], across[:, 1:]).reshape(len(tiles), -1)
  measures = [flat.mean(1), flat.std(1), low, high, _patterns(grey)]
  measures += [np.stack([edges.mean(1), edges.std(1)], 1)]
  return np.concatenate(measures, 1).astype(np.float32)


def _patterns(grey: np.ndarray) -> np.ndarray:
  """[B,10] shares of the uniform local binary patterns of grey [B,H,W]."""
  middle = grey[:, 1:-1, 1:-1]
  ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
  height, width = middle.shape[1:]
  above = np.stack(
    [grey[:, y : y + height, x : x + width] >= middle for y, x in ring]
  )
  turns = (above != np.roll(above, 1, 0)).sum(0)
  code = np.where(turns <= 2, above.sum(0), _PATTERNS - 1)
  flat = code.reshape(len(grey), -1)
  return np.stack([(flat == k).mean(1) for k in range(_PATTERNS)], 1)
