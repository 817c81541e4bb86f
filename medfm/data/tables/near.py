"""Rows of tables that are alike up to rounding."""

from collections.abc import Callable, Mapping

import numpy as np

from medfm.data.tables import design
from medfm.types import Arrays

_CELLS = 1 << 20
_PAIRS = 1 << 16  # Compared at a time.
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
  first = next(iter(splits.values()))["features"]
  mean, std = design.moments(np.asarray(first, float))
  std = np.where(std > 0, std, 1)
  tables = {}
  for name, arrays in splits.items():
    features = np.asarray(arrays["features"], float)
    missing = np.isnan(features)
    # Whole numbers are far more than the largest step apart.
    columns = [np.where(missing, 0, (features - mean) / std), missing]
    columns.append(arrays.get("categories", np.zeros((len(features), 0))))
    tables[name] = np.concatenate(columns, axis=1, dtype=float)
  return lambda a, b: _alike(tables[a], tables[b])


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
    both = np.stack([order[low[j] + within], j])
    for start in range(0, both.shape[1], _PAIRS):
      part = both[:, start : start + _PAIRS]
      step = np.abs(a[part[0]] - b[part[1]]).max(axis=1)
      pairs.append(part[:, (step > 0) & (step < _MAX_STEP)])
  i, j = np.concatenate(pairs, 1)
  return i, j
