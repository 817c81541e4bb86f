"""What a classical model sees of a split: one table of numbers, [N,D].

Everything is fitted on the training split: medians, levels, scales and
principal components.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from medfm.types import Info, Split, UserError

MAX_LEVELS = 64
MAX_PIXELS = 512
COMPONENTS = 64
_FIT_ROWS = 5000


@dataclasses.dataclass(frozen=True)
class Design:
  """names: of the D columns; of: split -> [N,D] float64."""

  names: tuple[str, ...]
  of: Callable[[Split], np.ndarray]


def linear(train: Split, info: Info, seed: int) -> Design:
  """For linear models: no NaN left, columns in raw units.

  Features: the median for a missing value, and a column `x missing` where
  the training split has one. Categories: a column `x=level` for each level
  but the first seen in training, at most the 64 commonest, and `x missing`.
  Images: pixels 0..1, or 64 principal components if more than 512 pixels.
  """
  parts = []
  if "features" in train.arrays:
    parts.append(_imputed(train, info))
  if "categories" in train.arrays:
    parts.append(_one_hot(train, info))
  if "image" in train.arrays:
    parts.append(_pixels(train, seed))
  return _joined(parts, info)


def native(train: Split, info: Info, seed: int) -> tuple[Design, list[int]]:
  """For trees: NaN is missing; also gives the columns that are levels.

  Of a category only the 64 commonest training levels are told apart; the
  others, and a missing one, are NaN.
  """
  parts, levels = [], []
  if "features" in train.arrays:
    parts.append(Design(info.numeric, _features))
  if "categories" in train.arrays:
    names = tuple(info.categorical)
    start = len(info.numeric) if parts else 0
    levels = list(range(start, start + len(names)))
    parts.append(Design(names, _codes(train)))
  if "image" in train.arrays:
    parts.append(_pixels(train, seed))
  return _joined(parts, info), levels


def _joined(parts: list[Design], info: Info) -> Design:
  if not parts:
    raise UserError(
      f"{info.name}: a baseline reads `features`, `categories` or `image`,"
      " and this dataset has none of them; set its baselines to ()"
    )
  return Design(
    tuple(name for part in parts for name in part.names),
    lambda split: np.concatenate([part.of(split) for part in parts], axis=1),
  )


def _features(split: Split) -> np.ndarray:
  values = np.asarray(split.arrays["features"], np.float64)
  return np.where(np.isfinite(values), values, np.nan)


def _imputed(train: Split, info: Info) -> Design:
  seen = _features(train)
  missing = np.isnan(seen)
  medians = np.array(
    [
      np.median(column[~gap]) if not gap.all() else 0.0
      for column, gap in zip(seen.T, missing.T, strict=True)
    ]
  )
  flagged = np.flatnonzero(missing.any(0) & ~missing.all(0))

  def of(split: Split) -> np.ndarray:
    values = _features(split)
    gaps = np.isnan(values)
    return np.concatenate(
      [np.where(gaps, medians, values), gaps[:, flagged]], axis=1
    )

  flags = tuple(f"{info.numeric[i]} missing" for i in flagged)
  return Design((*info.numeric, *flags), of)


def _kept(train: Split) -> list[np.ndarray]:
  """Per column the commonest training levels, in ascending order."""
  kept = []
  for column in np.asarray(train.arrays["categories"]).T:
    levels, counts = np.unique(column[column >= 0], return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    kept.append(np.sort(levels[commonest]))
  return kept


def _one_hot(train: Split, info: Info) -> Design:
  names, columns = [], []
  stored = np.asarray(train.arrays["categories"])
  kept = _kept(train)
  for m, (name, levels) in enumerate(info.categorical.items()):
    for level in kept[m][1:]:
      names.append(f"{name}={levels[level]}")
      columns.append((m, level))
    if (stored[:, m] < 0).any():
      names.append(f"{name} missing")
      columns.append((m, -1))

  def of(split: Split) -> np.ndarray:
    values = np.maximum(np.asarray(split.arrays["categories"]), -1)
    hot = np.zeros((len(values), len(columns)))
    for i, (m, level) in enumerate(columns):
      hot[:, i] = values[:, m] == level
    return hot

  return Design(tuple(names), of)


def _codes(train: Split) -> Callable[[Split], np.ndarray]:
  kept = _kept(train)

  def of(split: Split) -> np.ndarray:
    values = np.asarray(split.arrays["categories"])
    codes = np.full(values.shape, np.nan)
    for m, levels in enumerate(kept):
      known = np.isin(values[:, m], levels)
      codes[known, m] = np.searchsorted(levels, values[known, m])
    return codes

  return of


def _flat(split: Split, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
  images = split.arrays["image"][rows]
  flat = np.asarray(images).reshape(len(images), -1).astype(np.float32)
  if np.issubdtype(images.dtype, np.integer):
    flat /= np.iinfo(images.dtype).max
  return flat


def _pixels(train: Split, seed: int) -> Design:
  size = int(np.prod(train.arrays["image"].shape[1:]))
  if size <= MAX_PIXELS:
    names = tuple(f"pixel {i}" for i in range(size))
    return Design(names, lambda split: _flat(split).astype(np.float64))
  from sklearn.decomposition import PCA

  rows = np.random.default_rng(seed).permutation(len(train))[:_FIT_ROWS]
  sample = _flat(train, np.sort(rows))
  pca = PCA(
    min(COMPONENTS, len(sample) - 1),
    svd_solver="randomized",
    random_state=seed,
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
