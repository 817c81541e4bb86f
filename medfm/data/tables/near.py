"""Near copies of rows: values rounded, or some of them changed or missing."""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from medfm.data import pairing
from medfm.data.pairing import Pairs
from medfm.data.tables import design, rough
from medfm.types import Arrays

RULE = (
  "rows with the same categories and missing values whose numbers differ by "
  "less than 0.001 of a standard deviation each; or rows that differ in one "
  "column alone, whatever it holds, unless more than 1 in 100 training rows "
  "have such a twin among themselves (then that is chance); or, unless 1 in "
  "200 have one, rows whose numbers differ by at most 0.1 of a standard "
  "deviation each, as rounding does, but for one column of ten, which may "
  "hold anything"
)
_CELLS = 1 << 20
_PAIRS = 1 << 16  # Compared at a time.
_MAX_STEP = 1e-3
_FAR = 1e5  # Missing values are put this many SD from any number.
_FEWEST, _MOST = 4, 2000  # Columns by which rows that differ in one are found.
_BY_CHANCE, _ROUGHLY = 0.01, 0.005
_WORK = 40_000_000  # Cells of training; each column costs a sort of all rows.


class _Distinct(NamedTuple):
  """The different rows of a split.

  row: [D] the first row of each; place: [N] which of them each row equals.
  codes: [D,F] from `_codes`; values: [D,F] numbers in standard deviations,
  then codes of categories.
  """

  row: np.ndarray
  place: np.ndarray
  codes: np.ndarray
  values: np.ndarray

  def all_of(self, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(index into j, row) of each row that equals one of the rows j."""
    rows, which = pairing.equal(self.place, j)
    return which, rows


def search(splits: Mapping[str, Arrays]) -> Callable[[str, str], Pairs]:
  """(a, b) -> rows i of split a, j of split b that are alike.

  Of several equal rows of a, only the first is given.
  """
  mean, std = design.moments(_numbers(next(iter(splits.values()))))
  std = np.where(std > 0, std, 1)
  held = {k: _distinct(arrays, mean, std) for k, arrays in splits.items()}
  train = next(iter(held.values()))
  coded = np.arange(train.values.shape[1]) >= len(mean)
  alone = _differ_by_choice(train.codes)
  looks = _looks(train.values, coded)

  def alike(a: str, b: str) -> Pairs:
    first, second = held[a], held[b]
    pairs = [np.zeros((2, 0), int)]
    if len(mean):
      pairs.append(np.stack(_alike(first.values, second.values)))
    if alone:
      pairs.append(_but_one(first.codes, second.codes))
    if looks:
      both = (rough.Rows(each.values, coded) for each in (first, second))
      pairs.append(np.stack(rough.pairs(looks, *both)))
    i, j = np.unique(np.concatenate(pairs, axis=1), axis=1)
    which, rows = second.all_of(j)
    firsts = first.row[i[which]]
    order = np.lexsort((rows, firsts))
    return firsts[order], rows[order]

  return alike


def _numbers(arrays: Arrays) -> np.ndarray:
  """[N,F] numbers; F is 0 if there are only categories."""
  none = np.zeros((len(next(iter(arrays.values()))), 0))
  return np.asarray(arrays.get("features", none), float)


def _distinct(arrays: Arrays, mean: np.ndarray, std: np.ndarray) -> _Distinct:
  features = _numbers(arrays)
  categories = arrays.get("categories", np.zeros((len(features), 0)))
  codes = _codes(features, categories)
  _, row, place = np.unique(
    codes.sum(axis=1, dtype=np.uint64), return_index=True, return_inverse=True
  )
  values = (features[row] - mean) / std
  values = np.where(np.isnan(values), _FAR, values)
  # Whole numbers are far more than the largest step apart.
  values = np.concatenate([values, np.asarray(categories)[row]], axis=1)
  return _Distinct(row, place.ravel(), codes[row], values)


def _looks(train: np.ndarray, coded: np.ndarray) -> rough.Looks | None:
  """How to look up rows that agree roughly; None if many do by chance."""
  if len(train) < 2 or train.shape[1] < _FEWEST:
    return None
  rows = rough.Rows(train, coded)
  looks = rough.Looks.of(rows)
  i, j = rough.pairs(looks, rows, rows)
  share = len(np.unique(j[i != j])) / len(train)
  if share > _ROUGHLY:
    logging.info(
      "near copies of a table: rows that agree except for rounding are not "
      "looked for, since %.1f %% of training rows have such a twin",
      100 * share,
    )
  return looks if share <= _ROUGHLY else None


def _codes(features: np.ndarray, categories: np.ndarray) -> np.ndarray:
  """[N,F] uint64 hashes, equal for equal cells of a column."""
  features = np.asarray(features, np.float32) + np.float32(0)
  features = np.where(np.isnan(features), np.float32(np.nan), features)
  bits = np.concatenate(
    [features.view(np.uint32), np.asarray(categories, np.int32).view("u4")],
    axis=1,
  ).astype(np.uint64)
  column = np.arange(1, bits.shape[1] + 1, dtype=np.uint64) << np.uint64(32)
  return pairing.scattered(bits + column)


def _differ_by_choice(train: np.ndarray) -> bool:
  """Whether rows that differ in one column alone are rare in training."""
  columns = train.shape[1]
  if not _FEWEST <= columns <= _MOST or len(train) < 2:
    return False
  if train.size > _WORK:
    logging.info(
      "near copies of a table: rows with one value changed are not looked for "
      "in more than %s cells",
      f"{_WORK:,}",
    )
    return False
  _, j = _but_one(train, train)
  share = len(np.unique(j)) / len(train)
  if share > _BY_CHANCE:
    logging.info(
      "near copies of a table: rows with one value changed are not looked for, "
      "since %.0f %% of training rows differ from another in one column alone",
      100 * share,
    )
  return share <= _BY_CHANCE


def _but_one(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """[2,n]: rows i of a and j of b [N,F] that differ in exactly one column.

  For each column, one of the rows of a that differ from j in it alone.
  """
  # The sum of a row's codes without one of them is a hash of the others.
  sums = [codes.sum(axis=1, dtype=np.uint64) for codes in (a, b)]
  pairs = [np.zeros((2, 0), int)]
  for column in range(a.shape[1] if len(a) and len(b) else 0):
    rest = [s - c[:, column] for s, c in zip(sums, (a, b), strict=True)]
    # Sorted by the others, then by the column: equal rows stand together.
    order = np.lexsort((a[:, column], rest[0]))
    held = rest[0][order]
    low = np.searchsorted(held, rest[1], side="left")
    high = np.searchsorted(held, rest[1], side="right") - 1
    j = np.flatnonzero(high >= low)
    for end in (low, high):  # If not all cells are equal, one end differs.
      i = order[end[j]]
      other = a[i, column] != b[j, column]
      pairs.append(np.stack([i[other], j[other]]))
  return np.concatenate(pairs, axis=1)


def _alike(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Rows i of a, j of b whose numbers all differ by less than `_MAX_STEP`.

  Rows close in every column are close along any direction. So both are sorted
  along one direction, and only rows within reach of each other there are
  compared in full; none is missed.
  """
  direction = np.random.Generator(np.random.Philox(0)).normal(size=a.shape[1])
  reach = _MAX_STEP * np.abs(direction).sum()
  order = np.argsort(a @ direction, kind="stable")
  line = (a @ direction)[order]
  low = np.searchsorted(line, b @ direction - reach, side="left")
  high = np.searchsorted(line, b @ direction + reach, side="right")
  ends = np.cumsum(high - low)
  # Rows have few or many candidates; each chunk has about as many pairs.
  cuts = np.flatnonzero(np.diff(ends // _CELLS)) + 1
  pairs = [np.zeros((2, 0), int)]
  for rows in np.split(np.arange(len(b)), cuts):
    which, place = pairing.spread(low[rows], high[rows])
    both = np.stack([order[place], rows[which]])
    for start in range(0, both.shape[1], _PAIRS):
      part = both[:, start : start + _PAIRS]
      step = np.abs(a[part[0]] - b[part[1]]).max(axis=1)
      pairs.append(part[:, (step > 0) & (step < _MAX_STEP)])
  i, j = np.concatenate(pairs, 1)
  return i, j
