"""Splits by patient, nested label fractions, and the hash of a split.

Patients are ordered by sha256(seed, patient), never by random draws, so that a
split stays the same in every version of numpy, and adding a patient does not
change the order of the others.
"""

import collections
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import cards, hashes, spelling
from medfm.data.tables.table import Table, shortened
from medfm.spec import nearest
from medfm.types import Dataset, Lengths, Ragged, Split, UserError

NAMES = ("train", "validation", "test")
WORDS = {
  "train": "train", "training": "train",
  "validation": "validation", "valid": "validation", "val": "validation",
  "dev": "validation",
  "test": "test", "testing": "test",
}  # fmt: skip
"""What users call the splits."""

WHOLE = "whole"


def by_patient(
  ids: np.ndarray,
  patients: np.ndarray | None,
  label: np.ndarray | None,
  *,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  seed: int = 0,
) -> dict[str, np.ndarray]:
  """Rows of each split, in their order, no patient in two splits.

  ids: [N]; patients: [N], or None where each example is its own patient; a
    patient of "" (unknown) is its own patient as well.
  label: [N] classes or [N,K] of 0, 1 and NaN, kept in proportion over the
    splits; other values (regression) are kept in proportion by quintile.
  fractions: of the patients, for train, validation and test; a fraction of
    0 leaves that split out. A class with at least as many patients as there
    are splits is present in each of them.

  Raises: UserError for fractions that do not add up to 1, or too few patients.
  """
  if (
    not 0 < len(fractions) <= len(NAMES)
    or min(fractions) < 0
    or not math.isclose(sum(fractions), 1, abs_tol=1e-6)
  ):
    raise UserError(
      f"fractions {tuple(fractions)}: expected at most three numbers of 0 or "
      "more (train, validation, test) with the sum 1"
    )
  names = [name for name, f in zip(NAMES, fractions, strict=False) if f]
  shares = np.array([f for f in fractions if f])
  owned, strata = _strata(ids, patients, _levels(label, len(ids)), seed)
  if len(owned) < len(names):
    raise UserError(
      f"{cards.amount(len(owned), 'patient')} cannot fill {len(names)} splits: "
      "give more data "
      "or fewer splits"
    )
  parts: list[list[int]] = [[] for _ in names]
  # A patient that a split loses to rounding in one class is given back in the
  # next, so that many small classes do not starve the smallest split.
  owed = np.zeros(len(names))
  for members in sorted(strata, key=len):
    wanted = shares * len(members) + owed
    counts = np.full(len(names), int(len(members) >= len(names)))
    for _ in range(len(members) - counts.sum()):
      counts[np.argmax(wanted - counts)] += 1
    owed = wanted - counts
    ends = np.cumsum(counts)
    for part, start, stop in zip(parts, ends - counts, ends, strict=True):
      part += itertools.chain(*members[start:stop])
  return {
    name: np.array(sorted(part), np.int64)
    for name, part in zip(names, parts, strict=True)
  }


def completed(
  given: dict[str, Split],
  seed: int,
  fractions: tuple[float, ...],
  stratify: str = "label",
) -> tuple[dict[str, Split], str]:
  """The three splits, and how they were made, in words for the card.

  given: the split "whole", which is cut into three; or "train" and "test", and
    validation is taken out of train; or all three.
  stratify: the array that is kept in proportion, if any.
  """
  whole = WHOLE in given
  source = given[WHOLE if whole else "train"]
  note = ""
  if source.patients is None:
    note = "; each row was taken for a separate patient"
  if "validation" in given:
    return dict(given), f"given{note}"
  shared = 1 if whole else 2
  if min((*fractions, 0, 0)[:shared]) <= 0:
    raise UserError(
      f"fractions {tuple(fractions)}: {' and '.join(NAMES[:shared])} need a "
      "share of more than 0"
    )
  if not whole:
    total = fractions[0] + fractions[1]
    fractions = (fractions[0] / total, fractions[1] / total)
  label = source.arrays.get(stratify)
  rows = by_patient(
    source.ids, source.patients, label, fractions=tuple(fractions), seed=seed
  )
  parts = {name: source.take(indices) for name, indices in rows.items()}
  shares = ", ".join(f"{share:.3g}" for share in fractions)
  how = f"by patient, fractions {shares}, seed {seed}{note}"
  if whole:
    return parts, how
  return {**parts, "test": given["test"]}, f"test given; validation {how}"


def together(parts: Mapping[str, Split]) -> Split:
  """All rows of all splits as one, in their order.

  An id that occurs in several splits gets the split's name added.
  """
  if len(parts) == 1:
    return next(iter(parts.values()))
  held = list(parts.values())
  ids = [np.asarray(split.ids) for split in held]
  if len(np.unique(np.concatenate(ids))) < sum(map(len, ids)):
    ids = [
      np.array([f"{name}:{each}" for each in split.ids])
      for name, split in parts.items()
    ]
  patients = [split.patients for split in held]
  known = [names for names in patients if names is not None]
  lengths = [split.lengths for split in held if split.lengths is not None]
  return Split(
    arrays={
      name: _end_to_end([split.arrays[name] for split in held])
      for name in held[0].arrays
    },
    ids=np.concatenate(ids),
    patients=np.concatenate(known) if len(known) == len(held) else None,
    groups={
      name: np.concatenate([split.groups[name] for split in held])
      for name in held[0].groups
    },
    lengths=Lengths(
      np.concatenate([each.sizes for each in lengths]), lengths[0].columns
    )
    if lengths
    else None,
  )


def _end_to_end(columns: Sequence[Any]) -> Any:
  """[N,...] arrays one after another, or `Ragged` columns."""
  if not isinstance(columns[0], Ragged):
    return np.concatenate(columns)
  sizes = [0, *(len(column.values) for column in columns[:-1])]
  shifts = np.cumsum(sizes)
  shapes = [column.shapes for column in columns if column.shapes is not None]
  pairs = list(zip(columns, shifts, strict=True))
  return Ragged(
    np.concatenate([column.values for column in columns]),
    np.concatenate([column.ends + shift for column, shift in pairs]),
    np.concatenate(shapes) if shapes else None,
    np.concatenate([column.begins + shift for column, shift in pairs]),
  )


def fraction(
  split: Split, fraction: float, seed: int, stratify: str = "label"
) -> Split:
  """The part of a split whose labels a run may see, by patient and label.

  Nested: with one seed, 10 % is a subset of 25 %. Every class of the split
  keeps at least one example, so that very small fractions give a little more
  than they say. The rows keep their order.
  """
  if not 0 < fraction <= 1:
    raise UserError(
      f"label fraction {fraction}: expected more than 0 and at most 1"
    )
  if fraction == 1 or not len(split):
    return split
  levels = _levels(split.arrays.get(stratify), len(split))
  owned, strata = _strata(split.ids, split.patients, levels, seed)
  kept: set[int] = set()
  for members in strata:
    count = max(1, math.floor(fraction * len(members) + 0.5))
    kept.update(*members[:count])
  # A class may occur only in patients who are in the stratum of a rarer class,
  # so the first patient of every class is taken at every fraction (nested).
  seen: set[int] = set()
  for rows in owned:
    new = {levels[row] for row in rows} - seen
    if new:
      kept.update(rows)
      seen |= new
  return split.take(np.array(sorted(kept), np.int64))


def sha256(split: Split, arrays: Sequence[str] | None = None) -> str:
  """The hash of a split: of ids, labels and inputs, in any order of the rows.

  arrays: names of the arrays that it covers beside the ids; None for all. With
    those of the truth alone, it shows which question was asked, whatever the
    inputs were.
  """
  chosen = split.arrays if arrays is None else arrays
  columns = {k: split.arrays[k] for k in chosen if k in split.arrays}
  return hashes.of_all({"id": np.asarray(split.ids, str), **columns})


def units(split: Split) -> int:
  """How many examples a split holds; all windows of a text count as one."""
  if split.documents is None:
    return len(split)
  return len(np.unique(split.documents))


def manifest(dataset: Dataset) -> dict[str, dict]:
  """split -> {"n", "patients" (None where unknown), "sha256"}.

  n: of the examples, as `units` counts them.
  """
  return {
    name: {
      "n": units(split),
      "patients": None
      if split.patients is None
      else len(set(_owners(split.ids, split.patients))),
      "sha256": sha256(split),
    }
    for name, split in dataset.splits.items()
  }


def _owners(ids: np.ndarray, patients: np.ndarray | None) -> list[str]:
  """[N] the patient of each example, else its id; a prefix says which."""
  if patients is None:
    return [f"example {name}" for name in ids]
  return [
    f"patient {patient}" if patient else f"example {name}"
    for name, patient in zip(ids, map(str, patients), strict=True)
  ]


def folds(
  split: Split, count: int, stratify: str = "", seed: int = 0
) -> np.ndarray:
  """[N] int from 0: the fold of each row; a patient's rows share one fold.

  Patients are dealt to the `count` folds in the order of a hash, one class of
  the array `stratify` after another, so that each fold gets its share of every
  class.
  """
  levels = _levels(split.arrays.get(stratify), len(split))
  _, strata = _strata(split.ids, split.patients, levels, seed)
  part = np.zeros(len(split), int)
  dealt = itertools.chain(*sorted(strata, key=len))
  for place, rows in enumerate(dealt):
    part[rows] = place % count
  return part


def _levels(label: np.ndarray | None, n: int) -> list[int]:
  """[N] the class by which each example is kept in proportion."""
  if label is None:
    return [0] * n
  label = np.asarray(label)
  if label.ndim == 1 and label.dtype.kind in "iub":
    return label.astype(int).tolist()
  label = label.reshape(n, -1).astype(np.float64)
  if np.isin(label[~np.isnan(label)], (0, 1)).all():
    rarest = np.argsort(np.nansum(label, axis=0), kind="stable")
    positive = label[:, rarest] == 1
    known, level = positive.any(axis=1), rarest[positive.argmax(axis=1)]
  else:
    first = label[:, 0]
    edges = np.nanquantile(first, (0.2, 0.4, 0.6, 0.8))
    known, level = ~np.isnan(first), np.searchsorted(edges, first, side="right")
  return np.where(known, level, -1).tolist()


def _strata(
  ids: np.ndarray,
  patients: np.ndarray | None,
  levels: Sequence[int],
  seed: int,
) -> tuple[list[list[int]], list[list[list[int]]]]:
  """Each patient's rows in the seed's order; and grouped by rarest class."""
  rows = collections.defaultdict(list)
  for row, owner in enumerate(_owners(ids, patients)):
    rows[owner].append(row)

  def place(owner: str) -> str:
    return hashlib.sha256(f"{seed}\n{owner}".encode()).hexdigest()

  owned = [rows[owner] for owner in sorted(rows, key=place)]
  common = collections.Counter(levels)
  strata = collections.defaultdict(list)
  for held in owned:
    classes = {levels[row] for row in held}
    rarest = min(classes, key=lambda level: (common[level], level))
    strata[rarest].append(held)
  return owned, list(strata.values())


def in_several(places: Iterable[tuple[str, str]]) -> int:
  """How many owners of these pairs (owner, split) are in several splits.

  An owner of "" is unknown and not counted; spellings must be equal.
  """
  counts = collections.Counter(owner for owner, _ in set(places) if owner)
  return sum(count > 1 for count in counts.values())


def given(
  table: Table, column: str, owner: str, what: str
) -> np.ndarray | None:
  """[N] the split of each row, as given by a column or a second file.

  owner: the column, called `what` in messages, whose rows must share a split;
    "" for none.
  """
  if len(table.paths) > 1:
    if column:
      raise UserError("give split_column or test_path, not both")
    part = np.where(table.files > 0, "test", "train")
  elif column:
    part = of_words(table, column)
    for name in ("train", "test"):
      if not (part == name).any():
        raise UserError(f"{table.path}: no row has {name!r} in {column!r}")
  else:
    return None
  first: dict[str, int] = {}
  for index, name in enumerate(table[owner] if owner else ()):
    seen = first.setdefault(name, index)
    if name and part[seen] != part[index]:
      raise UserError(
        f"{table.place(seen)} ({part[seen]}) and {table.place(index)} "
        f"({part[index]}) are of the same {what}: move all rows of a {what} "
        f"into one split ({spelling.ALIKE} do not tell {what}s apart)"
      )
  return part


def of_words(table: Table, column: str) -> np.ndarray:
  """[N] the splits that a column names, in any of their usual spellings."""
  cells = table[column]
  words = [WORDS.get(spelling.folded(cell), "") for cell in cells]
  if "" in words:
    index = words.index("")
    raise table.error(
      index,
      column,
      f"{shortened(cells[index])} is not a split: expected train, validation "
      f"or test{nearest(cells[index], WORDS)}",
    )
  return np.array(words)
