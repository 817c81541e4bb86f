"""Rows of tables that are alike up to rounding."""

from collections.abc import Callable, Mapping

import numpy as np

from medfm.types import Arrays

_ROWS = 1024
_CELLS = 1 << 20  # Pairs compared at a time.
_MAX_STEP = 1e-3
RULE = (
  "rows with the same categories and missing values whose numbers differ by "
  "less than 0.001 of a standard deviation each: what saving with fewer "
  "digits or converting units does, and less than one step of a clinical "
  "measurement"
)


def search(
  splits: Mapping[str, Arrays],
) -> Callable[[str, str], tuple[np.ndarray, np.ndarray]]:
  """(a, b) -> rows i of split a, j of split b that are alike."""
  prepared = _standardised(splits)
  return lambda a, b: _alike(prepared[a], prepared[b])


def _standardised(splits: Mapping[str, Arrays]) -> dict[str, np.ndarray]:
  """[N,F] per split: standardised by the first split, NaN marked apart."""
  first = np.asarray(next(iter(splits.values()))["features"], float)
  known = ~np.isnan(first)
  count = np.maximum(known.sum(axis=0), 1)
  mean = np.where(known, first, 0).sum(axis=0) / count
  spread = np.where(known, first - mean, 0)
  std = np.sqrt((spread**2).sum(axis=0) / count)
  std = np.where(std > 0, std, 1)
  tables = {}
  for name, arrays in splits.items():
    features = np.asarray(arrays["features"], float)
    missing = np.isnan(features)
    # Whole numbers are far more than the largest step apart.
    columns = [np.where(missing, 0, (features - mean) / std), missing]
    columns.append(arrays.get("categories", np.zeros((len(features), 0))))
    tables[name] = np.concatenate(columns, axis=1, dtype=float)
  return tables


def _alike(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Rows that lie close in every column lie close on any one line.

  Both are put in order along one direction, and only rows within reach of
  each other there are compared in full, so that none is missed.
  """
  direction = np.random.Generator(np.random.Philox(0)).normal(size=a.shape[1])
  reach = _MAX_STEP * np.abs(direction).sum()
  order = np.argsort(a @ direction, kind="stable")
  line = (a @ direction)[order]
  low = np.searchsorted(line, b @ direction - reach, side="left")
  high = np.searchsorted(line, b @ direction + reach, side="right")
  ends = np.cumsum(high - low)
  # Rows with few or many candidates: each chunk has about as many pairs.
  cuts = np.flatnonzero(np.diff(ends // _CELLS)) + 1
  pairs = [np.zeros((2, 0), int)]
  for rows in np.split(np.arange(len(b)), cuts):
    counts = (high - low)[rows]
    j = np.repeat(rows, counts)
    within = np.arange(len(j)) - np.repeat(np.cumsum(counts) - counts, counts)
    i = order[low[j] + within]
    kept = np.zeros(len(i), bool)
    for start in range(0, len(i), 64 * _ROWS):
      part = slice(start, start + 64 * _ROWS)
      step = np.abs(a[i[part]] - b[j[part]]).max(axis=1)
      kept[part] = (step > 0) & (step < _MAX_STEP)
    pairs.append(np.stack([i[kept], j[kept]]))
  i, j = np.concatenate(pairs, 1)
  return i, j
