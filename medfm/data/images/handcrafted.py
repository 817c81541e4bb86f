"""Hand-crafted features of images: edges, or colour and fine texture.

What images were classified by before networks: histograms of oriented gradients
(HOG; Dalal and Triggs 2005), and histograms of each colour beside
rotation-invariant local binary patterns (LBP; Ojala et al. 2002). Nothing is
fitted.
"""

from collections.abc import Callable

import numpy as np

from medfm.data.images import near
from medfm.types import Design, Split, UserError

CELLS, BINS = 8, 9  # Of HOG: cells a side, and orientations of 20 degrees.
_BLOCK, _CLIP = 2, 0.2
_SMALLEST = 2 * CELLS  # Pixels a side, so that every cell has a gradient.
_SIDE = 128  # Larger images are averaged down to this.
_RADII = (1, 2)
_PATTERNS = 10  # 0 to 8 brighter neighbours in one run, or anything else.
_COLOURS = 8  # Bins of a colour's histogram.
_READ = 256  # Images at a time.


def design(train: Split, kind: str) -> Design:
  """The columns of `image` [N,H,W,C], of a kind in `KINDS`."""
  height, width = train.arrays["image"].shape[1:3]
  if min(height, width) < _SMALLEST:
    raise UserError(
      f"images of {height} x {width} are too small for hand-crafted features: "
      f"expected {_SMALLEST} pixels a side or more"
    )
  computed = KINDS[kind]

  def of(split: Split) -> np.ndarray:
    images = split.arrays["image"]
    pieces = [
      computed(_scaled(np.asarray(images[start : start + _READ])))
      for start in range(0, len(images), _READ)
    ]
    return np.concatenate([np.zeros((0, columns)), *pieces])

  # One image tells how many columns there are.
  columns = computed(_scaled(np.asarray(train.arrays["image"][:1]))).shape[1]
  return Design(tuple(f"{kind} {i}" for i in range(columns)), of)


def _scaled(images: np.ndarray) -> np.ndarray:
  """[N,H,W,C] float32 in 0..1, at most 128 pixels a side."""
  values = images.astype(np.float32)
  if np.issubdtype(images.dtype, np.integer):
    values /= np.iinfo(images.dtype).max
  shown = [near.averages(plane, _SIDE) for plane in np.moveaxis(values, -1, 0)]
  return np.stack(shown, -1)


def edges(images: np.ndarray) -> np.ndarray:
  """HOG of the mean of the channels, [N,H,W,C] in 0..1 -> [N,1764]."""
  return hog(images.mean(-1))


def colour_texture(images: np.ndarray) -> np.ndarray:
  """[N,H,W,C] in 0..1 -> [N,20+8C]: shares of patterns and of values."""
  grey = images.mean(-1)
  parts = [_patterns(grey, radius) for radius in _RADII]
  parts += [_histogram(plane) for plane in np.moveaxis(images, -1, 0)]
  return np.concatenate(parts, 1)


def hog(grey: np.ndarray) -> np.ndarray:
  """Histograms of oriented gradients of [N,H,W] -> [N,D].

  8 x 8 cells over the whole picture, 9 unsigned orientations, overlapping
  blocks of 2 x 2 cells, each scaled to length 1, cut at 0.2 and scaled again.
  Rows and columns beyond a multiple of 8 are left out.
  """
  n, height, width = grey.shape
  down, across = np.zeros_like(grey), np.zeros_like(grey)
  down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
  across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
  strength = np.hypot(down, across)
  angle = np.rad2deg(np.arctan2(down, across)) % 180
  bins = np.minimum(angle * (BINS / 180), BINS - 1).astype(int)
  tall, wide = height // CELLS, width // CELLS
  split = (n, CELLS, tall, CELLS, wide)
  cells = np.empty((n, CELLS, CELLS, BINS), np.float32)
  for k in range(BINS):
    kept = np.where(bins == k, strength, 0)[:, : CELLS * tall, : CELLS * wide]
    cells[..., k] = kept.reshape(split).mean((2, 4))
  places = range(CELLS - _BLOCK + 1)
  blocks = [
    _unit(cells[:, i : i + _BLOCK, j : j + _BLOCK].reshape(n, -1))
    for i in places
    for j in places
  ]
  return np.concatenate(blocks, 1)


def _unit(block: np.ndarray) -> np.ndarray:
  """[N,D] of length 1, without single large values (L2-Hys)."""
  for cut in (_CLIP, np.inf):
    size = np.sqrt((block**2).sum(1, keepdims=True) + 1e-10)
    block = np.minimum(block / size, cut)
  return block


def _patterns(grey: np.ndarray, radius: int) -> np.ndarray:
  """[N,10]: how often each pattern of eight neighbours occurs.

  A neighbour is 1 if it is at least as bright as its centre. Patterns with at
  most two changes around the circle count by their number of ones.
  """
  n, height, width = grey.shape
  inner = slice(radius, height - radius), slice(radius, width - radius)
  ring = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
  centre = grey[:, *inner]
  brighter = np.stack(
    [
      np.roll(grey, (-radius * y, -radius * x), (1, 2))[:, *inner] >= centre
      for y, x in ring
    ]
  )
  changes = (brighter != np.roll(brighter, 1, 0)).sum(0)
  codes = np.where(changes <= 2, brighter.sum(0), _PATTERNS - 1)
  return _shares(codes.reshape(n, -1), _PATTERNS)


def _histogram(values: np.ndarray) -> np.ndarray:
  """[N,H,W] in 0..1 -> [N,8] shares of its pixels."""
  codes = np.clip(values * _COLOURS, 0, _COLOURS - 1).astype(int)
  return _shares(codes.reshape(len(values), -1), _COLOURS)


def _shares(codes: np.ndarray, count: int) -> np.ndarray:
  """[N,P] codes -> [N,count] the share of each code in its row."""
  return np.stack([(codes == k).mean(1) for k in range(count)], 1)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  "hog": edges,
  "colour_texture": colour_texture,
}
