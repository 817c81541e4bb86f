"""Images as columns for classical models."""

import numpy as np

from medfm.types import Design, Split

MAX_PIXELS = 512
COMPONENTS = 64
_FIT_ROWS = 5000


def pixels(train: Split, seed: int) -> Design:
  """Pixels 0..1, or 64 principal components if more than 512 pixels."""
  size = int(np.prod(train.arrays["image"].shape[1:]))
  if size <= MAX_PIXELS:
    names = tuple(f"pixel {i}" for i in range(size))
    return Design(names, lambda split: _flat(split).astype(np.float64))
  from sklearn.decomposition import PCA

  rows = np.random.default_rng(seed).permutation(len(train))[:_FIT_ROWS]
  sample = _flat(train, np.sort(rows))
  pca = PCA(
    min(COMPONENTS, len(sample) - 1), svd_solver="randomized", random_state=seed
  ).fit(sample)

  def of(split: Split) -> np.ndarray:
    # In pieces: the flattened float copy of a large split may not fit.
    starts = range(0, len(split), _FIT_ROWS)
    pieces = [
      pca.transform(_flat(split, slice(start, start + _FIT_ROWS)))
      for start in starts
    ]
    shape = (0, pca.n_components_)
    return np.concatenate([np.zeros(shape), *pieces])

  return Design(tuple(f"component {i}" for i in range(pca.n_components_)), of)


def _flat(split: Split, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
  images = split.arrays["image"][rows]
  flat = np.asarray(images).reshape(len(images), -1).astype(np.float32)
  if np.issubdtype(images.dtype, np.integer):
    flat /= np.iinfo(images.dtype).max
  return flat
