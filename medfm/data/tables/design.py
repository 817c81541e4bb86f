"""A table's columns for classical models, fitted on the training split."""

from collections.abc import Mapping, Sequence

import numpy as np

from medfm.types import Design, Split

MAX_LEVELS = 64
Levels = Mapping[str, Sequence[str]]


def linear(train: Split, numeric: tuple[str, ...], columns: Levels) -> Design:
  """For linear models: no NaN left, columns in raw units.

  Features: the median for a missing value, and a column `x missing` if values
  are missing in the training split. Categories (`columns`): a column `x=level`
  for each of the 64 commonest training levels but the first, and a column
  `x missing`.
  """
  seen = _features(train)
  missing = np.isnan(seen)
  medians = np.array(
    [
      np.median(column[~gap]) if not gap.all() else 0.0
      for column, gap in zip(seen.T, missing.T, strict=True)
    ]
  )
  flagged = np.flatnonzero(missing.any(0) & ~missing.all(0))
  names = [*numeric, *(f"{numeric[i]} missing" for i in flagged)]
  wanted = []
  kept, codes = _kept(train), _codes(train)
  for m, (name, levels) in enumerate(columns.items()):
    names += [f"{name}={levels[level]}" for level in kept[m][1:]]
    wanted += [(m, level) for level in kept[m][1:]]
    if (codes[:, m] < 0).any():
      names.append(f"{name} missing")
      wanted.append((m, -1))

  def of(split: Split) -> np.ndarray:
    values, codes = _features(split), _codes(split)
    gaps = np.isnan(values)
    hot = [codes[:, m] == level for m, level in wanted]
    return np.column_stack(
      [np.where(gaps, medians, values), gaps[:, flagged], *hot]
    )

  return Design(tuple(names), of)


def native(train: Split, numeric: tuple[str, ...], columns: Levels) -> Design:
  """For trees: NaN is missing, and categories are codes.

  The 64 commonest training levels keep their codes; others are NaN.
  """
  kept = _kept(train)

  def of(split: Split) -> np.ndarray:
    codes = [
      np.where(np.isin(c, levels), np.searchsorted(levels, c), np.nan)
      for c, levels in zip(_codes(split).T, kept, strict=True)
    ]
    return np.column_stack([_features(split), *codes])

  names = (*numeric, *columns)
  return Design(names, of, tuple(range(len(numeric), len(names))))


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Mean and population SD [F] of the observed values of [N,F], else 0, 0."""
  observed = ~np.isnan(values)
  count = np.maximum(observed.sum(0), 1)
  mean = np.where(observed, values, 0).sum(0) / count
  deviation = np.where(observed, values - mean, 0)
  return mean, np.sqrt((deviation**2).sum(0) / count)


def _features(split: Split) -> np.ndarray:
  values = split.arrays.get("features", np.zeros((len(split), 0)))
  values = np.asarray(values, np.float64)
  return np.where(np.isfinite(values), values, np.nan)


def _codes(split: Split) -> np.ndarray:
  """[N,M] int; -1 where missing."""
  codes = split.arrays.get("categories", np.zeros((len(split), 0), np.int32))
  return np.maximum(np.asarray(codes), -1)


def _kept(train: Split) -> list[np.ndarray]:
  """Per column the commonest training levels, in ascending order."""
  kept = []
  for column in _codes(train).T:
    levels, counts = np.unique(column[column >= 0], return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    kept.append(np.sort(levels[commonest]))
  return kept
