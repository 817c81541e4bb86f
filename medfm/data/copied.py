"""Features that give the label away: copies of it, or known only afterwards."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.types import Info, Split, view

AUROC, CORRELATION, PURE = 0.99, 0.999, 0.995
_FEWEST = 10  # Examples of either answer; with fewer, chance does as much.
_ROWS, _COLUMNS = 20_000, 5_000
_ASK = (
  "in training: is it the label in other words, or known only afterwards? then "
  "drop it"
)


def lines(train: Split, info: Info, targets: Sequence[str]) -> Iterator[str]:
  """A warning for each column of a table that gives a target away by itself.

  These are a number with an AUROC above 0.99 for a class or label (either way),
  or whose correlation with a number is above 0.999; a category of which 99.5 %
  of the rows have the commonest answer of their level; and whether a value is
  missing, if that tells as much. Of large tables an even sample of 20,000 rows
  and the first 5,000 columns are checked.

  targets: names of the arrays that are the truth.
  """
  rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), _ROWS)))
  part = train.take(rows.astype(int))
  for name, described in info.inputs.items():
    if "trees" not in described.suits or not len(part):
      continue
    arrays = view(part.arrays, info.inputs, name)
    design = described.native(Split(arrays, part.ids), 0)
    if design is None:
      continue
    values = design.of(Split(arrays, part.ids))[:, :_COLUMNS]
    for place, column in enumerate(values.T):
      readings = _readings(
        f"the feature {design.names[place]!r}", column, place in design.levels
      )
      for (what, values, tells), (answer, truth) in itertools.product(
        readings, list(_answers(arrays, info, targets))
      ):
        if how := tells(values, truth):
          yield f"{what} alone tells {answer}: {how} {_ASK}"
          break


def _readings(
  feature: str, column: np.ndarray, coded: bool
) -> Iterator[tuple[str, np.ndarray, Callable[..., str]]]:
  """(what, values, test) of a column, and of whether its values are missing."""
  yield feature, column, _category if coded else _number
  known = np.isfinite(column)
  if not known.all():
    yield f"whether {feature} is missing", known.astype(float), _number


def _answers(
  arrays: Mapping[str, Any], info: Info, targets: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
  """(what is asked, [N] 0 and 1 or numbers, NaN where it is not known)."""
  names = info.target.names
  for target in (name for name in targets if name in arrays):
    truth = np.asarray(arrays[target])
    if truth.ndim == 1 and truth.dtype.kind in "iu" and len(truth):
      # One of two classes is enough; events are counted from 1, 0 is none.
      none = int(truth.max() >= len(names))
      first = 1 if none or len(names) == 2 else 0
      for code in range(first, len(names) + none):
        positive = np.where(truth < 0, np.nan, truth == code)
        yield repr(names[code - none]), positive
    elif truth.ndim == 1 and truth.dtype.kind == "f":
      yield repr(target), truth.astype(float)
    elif truth.ndim == 2 and truth.dtype.kind == "f":
      for name, column in zip(names, truth.T, strict=False):
        yield repr(name), column.astype(float)


def _number(values: np.ndarray, truth: np.ndarray) -> str:
  """`an AUROC of 0.998`, or "" for a number that tells less."""
  known = np.isfinite(values) & np.isfinite(truth)
  values, truth = values[known], truth[known]
  if not np.isin(truth, (0, 1)).all():
    if len(truth) < _FEWEST or not (values.std() and truth.std()):
      return ""
    r = float(np.corrcoef(values, truth)[0, 1])
    return f"a correlation of {r:.4f}" if abs(r) > CORRELATION else ""
  positive = truth == 1
  count = int(positive.sum())
  if min(count, len(truth) - count) < _FEWEST:
    return ""
  from scipy.stats import rankdata

  ranks = rankdata(values)[positive].sum() - count * (count + 1) / 2
  area = ranks / (count * (len(truth) - count))
  area = max(area, 1 - area)
  return f"an AUROC of {area:.3f}" if area > AUROC else ""


def _category(codes: np.ndarray, truth: np.ndarray) -> str:
  """`99.8 % right`, or "" for a category that tells less."""
  known = np.isfinite(codes) & np.isfinite(truth)
  codes, truth = codes[known].astype(int), truth[known]
  if not np.isin(truth, (0, 1)).all() or len(truth) < 2 * _FEWEST:
    return ""
  sizes = np.bincount(codes)
  positive = np.bincount(codes, weights=truth)
  rare = min(truth.sum(), len(truth) - truth.sum())
  if rare < _FEWEST or (sizes > 0).sum() > len(truth) / _FEWEST:
    return ""
  right = np.maximum(positive, sizes - positive).sum() / len(truth)
  # If an answer is rare, nearly all rows are right whatever the level.
  missed = np.minimum(positive, sizes - positive).sum() / rare
  pure = right >= PURE and missed <= 1 - AUROC
  return f"{100 * right:.1f} % right" if pure else ""
