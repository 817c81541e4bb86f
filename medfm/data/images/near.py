"""Images that look alike: another save, brightness or size of one picture."""

from collections.abc import Callable, Mapping

import numpy as np

from medfm.types import Arrays

_ROWS = 1024
_CELLS = 1 << 20  # Pairs compared at a time by their hashes,
_PAIRS = 1 << 12  # and by their averages.
_HASH_SIDE = 8
_GRID_SIDE = 14
_MAX_BITS = 6
_MAX_DIFFERENCE = 0.1
RULE = (
  "images whose 8x8 brightness hashes differ in at most 6 of 64 bits and "
  "whose 14x14 averages, scaled to mean 0 and standard deviation 1, differ by "
  "less than 0.1 on average: JPEG, gain, mild noise and resizing stay below "
  "it, different patients' radiographs start at 0.18"
)


def search(
  splits: Mapping[str, Arrays],
) -> Callable[[str, str], tuple[np.ndarray, np.ndarray]]:
  """(a, b) -> rows i of split a, j of split b that look alike."""
  prepared = {
    name: pictures(arrays["image"]) for name, arrays in splits.items()
  }
  return lambda a, b: _alike(*prepared[a], *prepared[b])


def pictures(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """([N] uint64 hashes, [N,P] scaled averages) of images [N,H,W,C]."""
  bits, grids = [], []
  for start in range(0, len(images), _ROWS):
    grey = np.asarray(images[start : start + _ROWS], np.float32).mean(axis=-1)
    coarse = _averages(grey, _HASH_SIDE)
    padded = np.zeros((len(grey), _HASH_SIDE**2), bool)
    padded[:, : coarse.shape[1]] = coarse > coarse.mean(axis=1, keepdims=True)
    bits.append(np.packbits(padded, axis=1).view(np.uint64)[:, 0])
    fine = _averages(grey, _GRID_SIDE)
    fine -= fine.mean(axis=1, keepdims=True)
    grids.append(fine / np.maximum(fine.std(axis=1, keepdims=True), 1e-6))
  return np.concatenate(bits), np.concatenate(grids)


def _averages(grey: np.ndarray, side: int) -> np.ndarray:
  """[n,H,W] -> [n, side * side] averages of its cells; fewer if smaller."""
  for axis in (1, 2):
    size = grey.shape[axis]
    edges = np.linspace(0, size, min(side, size) + 1).round().astype(int)
    shape = [1, 1, 1]
    shape[axis] = -1
    grey = np.add.reduceat(grey, edges[:-1], axis=axis)
    grey /= np.diff(edges).reshape(shape).astype(np.float32)
  return grey.reshape(len(grey), -1)


def _alike(
  bits_a: np.ndarray,
  grids_a: np.ndarray,
  bits_b: np.ndarray,
  grids_b: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  pairs = [np.zeros((2, 0), int)]
  if grids_a.shape[1:] == grids_b.shape[1:]:
    rows = max(1, _CELLS // max(1, len(bits_a)))
    for start in range(0, len(bits_b), rows):
      different = np.bitwise_count(bits_b[start : start + rows, None] ^ bits_a)
      j, i = np.nonzero(different <= _MAX_BITS)
      both = np.stack([i, j + start])
      for first in range(0, len(i), _PAIRS):
        part = both[:, first : first + _PAIRS]
        difference = np.abs(grids_a[part[0]] - grids_b[part[1]]).mean(axis=1)
        pairs.append(part[:, difference < _MAX_DIFFERENCE])
  i, j = np.concatenate(pairs, 1)
  return i, j
