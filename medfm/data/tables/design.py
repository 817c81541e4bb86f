"""A table's columns for classical models, fitted on the training split."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medfm.types import Design, Split

MAX_LEVELS = 64
Levels = Mapping[str, Sequence[str]]


def linear(train: Split, numeric: tuple[str, ...], columns: Levels) -> Design:
  """For linear models: no NaN left, columns in raw units.

  Features: the median for a missing value, and a column `x missing` where
  the training split has one. Categories: a column `x=level` for each level
  but the first seen in training, at most the 64 commonest, and `x missing`.

  columns: the levels of each categorical column.
  """
  parts = []
  if numeric:
    parts.append(_imputed(train, numeric))
  if columns:
    parts.append(_one_hot(train, columns))
  return _beside(parts)


def native(train: Split, numeric: tuple[str, ...], columns: Levels) -> Design:
  """For trees: NaN is missing, and the columns of categories are codes.

  Of a category only the 64 commonest training levels are told apart; the
  others, and a missing one, are NaN.
  """
  parts = []
  if numeric:
    parts.append(Design(numeric, _features))
  if columns:
    parts.append(Design(tuple(columns), _codes(train)))
  count = len(numeric)
  return _beside(parts)._replace(
    levels=tuple(range(count, count + len(columns)))
  )


def _beside(parts: Sequence[Design]) -> Design:
  return Design(
    tuple(name for part in parts for name in part.names),
    lambda split: np.concatenate([part.of(split) for part in parts], axis=1),
  )


def _features(split: Split) -> np.ndarray:
  values = np.asarray(split.arrays["features"], np.float64)
  return np.where(np.isfinite(values), values, np.nan)


def _imputed(train: Split, numeric: tuple[str, ...]) -> Design:
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

  flags = tuple(f"{numeric[i]} missing" for i in flagged)
  return Design((*numeric, *flags), of)


def _kept(train: Split) -> list[np.ndarray]:
  """Per column the commonest training levels, in ascending order."""
  kept = []
  for column in np.asarray(train.arrays["categories"]).T:
    levels, counts = np.unique(column[column >= 0], return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    kept.append(np.sort(levels[commonest]))
  return kept


def _one_hot(train: Split, columns: Levels) -> Design:
  names, wanted = [], []
  stored = np.asarray(train.arrays["categories"])
  kept = _kept(train)
  for m, (name, levels) in enumerate(columns.items()):
    for level in kept[m][1:]:
      names.append(f"{name}={levels[level]}")
      wanted.append((m, level))
    if (stored[:, m] < 0).any():
      names.append(f"{name} missing")
      wanted.append((m, -1))

  def of(split: Split) -> np.ndarray:
    values = np.maximum(np.asarray(split.arrays["categories"]), -1)
    hot = np.zeros((len(values), len(wanted)))
    for i, (m, level) in enumerate(wanted):
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
