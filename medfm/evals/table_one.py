"""Table 1: who is in each split, and whether the splits are alike.

Numbers are mean (SD), or median [quartiles] if they are skewed; categories are
n (%) of the known values. The share of missing values is shown beside them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.evals import shifts
from medfm.evals.context import REVIEW, Block
from medfm.types import Info, Profile, Split

SHOWN = 100
"""How many characteristics of one input are shown."""
LEVELS = 12
SKEWED = 1.0
"""Beyond this skewness the median is shown instead of the mean."""
NOTICEABLE = shifts.NOTICEABLE


class Characteristic(NamedTuple):
  """A characteristic by split: numbers [N] with NaN, or codes [N] with -1.

  levels: of codes; () of numbers.
  """

  name: str
  values: Mapping[str, np.ndarray]
  levels: tuple[str, ...] = ()


def block(splits: Mapping[str, Split], info: Info) -> Block:
  """The table of these splits; with differences if "train" is among them.

  The outcome comes first, then groups, then inputs.
  """
  outcome, *parts = _profiles(splits, info).items()
  measured, left = [], 0
  for part, profiles in parts:
    prefix = f"{part}, " if len(parts) > 1 else ""
    listed = list(_characteristics(profiles))
    measured += [
      each._replace(name=prefix + each.name) for each in listed[:SHOWN]
    ]
    first = next(iter(profiles.values()))
    left += len(first.names) + len(first.levels) - len(listed[:SHOWN])
  every = [*_characteristics(outcome[1]), *_groups(splits, measured), *measured]
  others = [name for name in splits if name != "train"]
  compared = others if "train" in splits else []
  rows, differing = [], []
  for each in every:
    apart = {o: difference(each, "train", o) for o in compared}
    differing += [each.name] if _noticeable(apart) else []
    rows += _rows(each, apart)
  sizes = ["n", *(f"{len(split):,}" for split in splits.values())]
  note = (
    "Numbers are mean (SD), or median [quartiles] if they are skewed; "
    "categories are n (% of the known). "
  )
  if compared:
    note += (
      "SMD: the standardised difference from the training split (Yang & Dalton "
      "2012 for categories); beyond 0.1 splits are taken to differ (Austin "
      "2009). With few examples, chance alone can exceed this."
    )
  if left:
    note += f" {left:,} more characteristics are not shown."
  headline = ""
  if compared:
    headline = (
      f"{len(differing)} of {len(every)} characteristics differ between splits "
      f"by more than {NOTICEABLE:g} of a standard deviation"
    )
    shown = ", ".join(differing[:5]) + (", …" if len(differing) > 5 else "")
    headline += f": {shown}" if differing else ""
    headline += "" if headline.endswith("…") else "."
  titles = [f"SMD {name}" for name in compared]
  return {
    "kind": "table",
    "title": "Characteristics by split (table 1)",
    "columns": ["", *splits, *titles],
    "rows": [[*sizes, *("" for _ in compared)], *rows] if every else [],
    "note": note,
    "section": REVIEW,
    "headline": headline,
  }


def _profiles(
  splits: Mapping[str, Split], info: Info
) -> dict[str, dict[str, Profile]]:
  """ "" (the outcome) and each input -> split -> its profile."""
  parts: dict[str, dict[str, Profile]] = {"": {}}
  for name, split in splits.items():
    parts[""][name] = shifts.target(split, info)
    for part, profile in shifts.inputs(split.arrays, info):
      parts.setdefault(part, {})[name] = profile
  return parts


def _characteristics(
  profiles: Mapping[str, Profile],
) -> Iterator[Characteristic]:
  """The first numbers and the levels of one part, by split.

  None if the splits have different characteristics, as rows of words and rows
  of tokens do.
  """
  first = next(iter(profiles.values()))
  if any(each.names != first.names for each in profiles.values()):
    return
  columns = {
    name: np.asarray(profile.values[:, :SHOWN], np.float64)
    for name, profile in profiles.items()
  }
  for k, name in enumerate(first.names[:SHOWN]):
    values = {split: column[:, k] for split, column in columns.items()}
    yield Characteristic(
      name, {s: np.where(np.isfinite(v), v, np.nan) for s, v in values.items()}
    )
  for name, (levels, _) in first.levels.items():
    codes = {s: np.asarray(p.levels[name][1]) for s, p in profiles.items()}
    yield Characteristic(name, codes, tuple(levels))


def _groups(
  splits: Mapping[str, Split], inputs: Sequence[Characteristic]
) -> Iterator[Characteristic]:
  """The groups that every split names and no category of an input repeats."""
  of_levels = {each.name for each in inputs if each.levels}
  of_numbers = {each.name for each in inputs if not each.levels}
  for name in next(iter(splits.values())).groups:
    if name in of_levels or not all(name in s.groups for s in splits.values()):
      continue
    cells = {
      s: np.asarray(split.groups[name], str) for s, split in splits.items()
    }
    levels = sorted({*np.concatenate(list(cells.values()))} - {""})
    code = {level: k for k, level in enumerate(levels)}
    codes = {
      s: np.array([code.get(cell, -1) for cell in column], int)
      for s, column in cells.items()
    }
    title = f"{name} group" if name in of_numbers else name
    yield Characteristic(title, codes, tuple(map(str, levels)))


def _rows(
  each: Characteristic, apart: Mapping[str, float | None]
) -> Iterator[list[Any]]:
  """The row of a number, or one for each level."""
  differences = [_difference(value) for value in apart.values()]
  if not each.levels:
    skewed = _is_skewed(np.concatenate(list(each.values.values())))
    cells = [_number(values, skewed) for values in each.values.values()]
    yield [each.name, *cells, *differences]
    return
  blank = ["" for _ in differences]
  counts = {
    split: np.bincount(codes[codes >= 0], minlength=len(each.levels))
    for split, codes in each.values.items()
  }
  total = sum(counts.values())
  order = np.argsort(-total, kind="stable")
  shown = sorted(order[:LEVELS]) if len(order) > LEVELS else range(len(order))
  for place, level in enumerate(shown):
    cells = [_share(c[level], c.sum()) for c in counts.values()]
    yield [
      f"{each.name}: {each.levels[level]}",
      *cells,
      *(blank if place else differences),
    ]
  rest = [level for level in range(len(order)) if level not in set(shown)]
  if rest:
    cells = [_share(c[rest].sum(), c.sum()) for c in counts.values()]
    yield [f"{each.name}: {len(rest)} other levels", *cells, *blank]
  missing = [(codes < 0).sum() for codes in each.values.values()]
  if any(missing):
    sizes = map(len, each.values.values())
    cells = [_share(m, n) for m, n in zip(missing, sizes, strict=True)]
    yield [f"{each.name}: missing", *cells, *blank]


def difference(each: Characteristic, a: str, b: str) -> float | None:
  """The standardised difference of split b from split a; None without one.

  Signed for numbers; for categories the distance of their shares, 0 or more.
  """
  if each.levels:
    return _of_shares(each.values[a], each.values[b], len(each.levels))
  first, second = (each.values[s][~np.isnan(each.values[s])] for s in (a, b))
  if min(len(first), len(second)) < 2:
    return None
  spread = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
  apart = float(second.mean() - first.mean())
  if spread <= 1e-7 * max(abs(first.mean()), abs(second.mean())):
    return 0.0 if abs(apart) <= spread else None
  return apart / spread


def _of_shares(a: np.ndarray, b: np.ndarray, levels: int) -> float | None:
  """Mahalanobis' distance of the shares of all levels but one.

  Yang & Dalton 2012, A unified approach to measuring the effect size between
  two groups using SAS; for two levels it is the difference of proportions over
  their root mean variance.
  """
  counts = [np.bincount(c[c >= 0], minlength=levels) for c in (a, b)]
  if min(c.sum() for c in counts) == 0:
    return None
  kept = np.flatnonzero(sum(counts) > 0)
  shares = [c[kept] / c.sum() for c in counts]
  if len(kept) < 2:
    return 0.0
  first, second = (share[1:] for share in shares)
  spread = sum(np.diag(p) - np.outer(p, p) for p in (first, second)) / 2
  apart = second - first
  if np.linalg.matrix_rank(spread) < len(spread):
    return None if np.abs(apart).max() > 1e-12 else 0.0
  return float(np.sqrt(max(apart @ np.linalg.solve(spread, apart), 0)))


def _noticeable(apart: Mapping[str, float | None]) -> bool:
  return any(x is not None and abs(x) > NOTICEABLE for x in apart.values())


def _difference(value: float | None) -> str:
  return "n/a" if value is None else f"{value:.2f}".replace("-", "−")


def _is_skewed(values: np.ndarray) -> bool:
  values = values[~np.isnan(values)]
  spread = values.std() if len(values) else 0.0
  if spread == 0:
    return False
  return bool(abs(np.mean(((values - values.mean()) / spread) ** 3)) > SKEWED)


def _number(values: np.ndarray, skewed: bool) -> str:
  known = values[~np.isnan(values)]
  if not len(known):
    return "all missing"
  lost = 1 - len(known) / len(values)
  if skewed:
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    middle, low, high = _digits((middle, low, high), high - low)
    text = f"{middle} [{low}, {high}]"
  else:
    spread = known.std(ddof=1) if len(known) > 1 else 0.0
    mean, spread = _digits((known.mean(), spread), spread)
    text = f"{mean} ({spread})"
  return f"{text}; {100 * lost:.1f} % missing" if lost else text


def _digits(values: Sequence[float], spread: float) -> list[str]:
  """Numbers with as many decimals as two digits of their spread have."""
  if not spread > 0:
    return [f"{value:.3g}".replace("-", "−") for value in values]
  decimals = 1 - math.floor(math.log10(spread))
  if decimals > 5:
    return [f"{value:.1e}".replace("-", "−") for value in values]
  shown = (f"{value:,.{max(0, decimals)}f}" for value in values)
  return [text.replace("-", "−") for text in shown]


def _share(count: int, total: int) -> str:
  if not total:
    return "none known"
  return f"{int(count):,} ({100 * count / total:.1f} %)"
