"""What splits share: patients, equal examples and near duplicates.

Every count of a pair "a/b" is the number of examples of b that have a twin in
a: for "train/test", of test examples that training has seen.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import cards, hashes, spelling
from medfm.types import PRESENT, Dataset, Info, Split, UserError, view

Pairs = tuple[np.ndarray, np.ndarray]
"""Rows i[n] of one split and their twins j[n] of another."""

_LISTED = 20


def leakage(dataset: Dataset) -> dict[str, Any]:
  """What the splits share, JSON-able.

  {"whom": what "patients" are, "patients" or "documents",
   "pairs": {"train/test": {"patients", "exact", "near"}, ...},
   "within": {"train": {"exact"}, ...}, "near_rule": str | None}; each entry
  is {"count": int, "examples": the ids of at most 20 pairs of twins}, or None
  if it cannot be known (no patients named, no rule for such an input).

  exact: equal content, whatever the label. near: by `near_rule`, without equal
    examples. within/exact counts the repeats: examples minus distinct ones. Of
    several inputs, one that is equal or near is enough; if the card names some
    of them under "compared_by", only these count.
  """
  splits, info = dataset.splits, dataset.info
  names = dataset.card.get("compared_by", tuple(info.inputs))
  inputs = [_Compared(splits, info, name) for name in names]
  ruled = [each for each in inputs if each.near is not None]
  described = {name: info.inputs[name] for name in names}
  rules = {
    k: each.near.rule if each.near else "no rule"
    for k, each in described.items()
  }
  if len(info.inputs) > 1:
    rules = {name: f"{name}: {rule}" for name, rule in rules.items()}
  whom = dataset.card.get("grouped_by", "patient")
  named = whom != "text"  # "text": equal texts were grouped, without names.
  pairs, within = {}, {}
  for a, b in itertools.combinations(splits, 2):
    exact = _union([each.equal(a, b) for each in inputs])
    near = _union([each.alike(a, b) for each in ruled])
    pairs[f"{a}/{b}"] = {
      "patients": _patients(splits[a], splits[b]) if named else None,
      "exact": _entry(splits[a], splits[b], exact),
      "near": _entry(splits[a], splits[b], near) if ruled else None,
    }
  for name, split in splits.items():
    repeats = _union([each.equal(name, name) for each in inputs])
    within[name] = {"exact": _entry(split, split, repeats)}
  rule = "; ".join(rules.values()) if ruled else None
  return {
    "whom": f"{whom}s" if named else "documents",
    "pairs": pairs,
    "within": within,
    "near_rule": rule,
  }


def line(report: dict[str, Any]) -> str:
  """What was found between the splits, as one line for the terminal."""
  whom = report.get("whom", "patients")
  words = {"patients": f"of shared {whom}", "exact": "equal", "near": "alike"}
  lines = []
  for names, pair in report["pairs"].items():
    counts = [
      f"{pair[kind]['count']} {word}"
      for kind, word in words.items()
      if pair[kind]
    ]
    unknown = [] if pair["patients"] else [f"{whom} unknown"]
    lines.append(f"{names} {', '.join(unknown + counts)}")
  return "leakage: " + "; ".join(lines)


def warnings(report: Mapping[str, Any]) -> list[str]:
  """A line for each pair of splits with equal or alike examples."""
  lines = []
  for names, pair in report["pairs"].items():
    a, b = names.split("/")
    counts = [
      f"{cards.amount(pair[kind]['count'], 'example')} {what}"
      for kind, what in (("exact", "equal to"), ("near", "nearly equal to"))
      if pair[kind] and pair[kind]["count"]
    ]
    if counts:
      lines.append(
        f"{b} holds {' and '.join(counts)} examples of {a}: scores on {b} may "
        "be too good; keep copies in one split, or leave them out"
      )
  return lines


def refuse(report: dict[str, Any]) -> None:
  """Raises UserError if a patient is in two splits; names no patient."""
  for names, pair in report["pairs"].items():
    shared = pair["patients"]
    if shared and shared["count"]:
      a, b = names.split("/")
      first, second = shared["examples"][0]
      raise UserError(
        f"{cards.amount(shared['count'], 'example')} of {b} from patients who "
        f"are also in {a} (first: {second} and {first}): split by patient"
      )


def _entry(a: Split, b: Split, twins: Pairs) -> dict[str, Any]:
  """Twins i[n] of a, j[n] of b, counted by the examples of b."""
  listed = zip(*(rows[:_LISTED] for rows in twins), strict=True)
  return {
    "count": len(np.unique(twins[1])),
    "examples": [[str(a.ids[i]), str(b.ids[j])] for i, j in listed],
  }


def _patients(a: Split, b: Split) -> dict[str, Any] | None:
  if a.patients is None or b.patients is None or _windows(a) or _windows(b):
    return None
  keys = [_folded(split.patients) for split in (a, b)]
  i, j = _twins(*keys)
  known = keys[1][j] != ""
  return _entry(a, b, (i[known], j[known]))


def _windows(split: Split) -> bool:
  """Whether the patients are only the texts that the rows are windows of."""
  cut = split.documents is not None
  return cut and bool(np.isin(split.patients, split.ids).all())


def _folded(patients: np.ndarray) -> np.ndarray:
  """[N] str, equal for the same patient in any spelling."""
  names, place = np.unique(np.asarray(patients, str), return_inverse=True)
  return np.array([*map(spelling.owner, names)], str)[place]


def _twins(a: np.ndarray, b: np.ndarray) -> Pairs:
  """(i, j): each row j of b that equals rows of a, with the first of them."""
  values, first = np.unique(a, return_index=True)
  if not len(values):
    return np.zeros(0, int), np.zeros(0, int)
  place = np.minimum(np.searchsorted(values, b), len(values) - 1)
  equal = values[place] == b
  return first[place[equal]], np.flatnonzero(equal)


class _Compared:
  """The splits compared by one of their inputs, over rows that have it."""

  def __init__(self, splits: Mapping[str, Split], info: Info, name: str):
    described = info.inputs[name]
    self._rows, contents = {}, {}
    for part, split in splits.items():
      arrays = view(split.arrays, info.inputs, name)
      content = {k: arrays[k] for k in sorted(described.arrays) if k in arrays}
      self._rows[part] = np.arange(len(split))
      if PRESENT in arrays:
        rows = self._rows[part] = np.flatnonzero(arrays[PRESENT])
        content = {k: array[rows] for k, array in content.items()}
      contents[part] = content
    self._hashes = {
      part: hashes.of_rows(arrays) for part, arrays in contents.items()
    }
    self.near = described.near and described.near.search(contents)

  def equal(self, a: str, b: str) -> Pairs:
    """Rows of b that equal rows of a, or earlier rows if a is b."""
    i, j = _twins(self._hashes[a], self._hashes[b])
    others = (i != j) | (a != b)
    return self._rows[a][i[others]], self._rows[b][j[others]]

  def alike(self, a: str, b: str) -> Pairs:
    """Rows of b that are near rows of a without being equal."""
    i, j = self.near(a, b)
    other = self._hashes[a][i] != self._hashes[b][j]
    i, j = i[other], j[other]
    order = np.lexsort((i, j))
    return self._rows[a][i[order]], self._rows[b][j[order]]


def _union(pairs: Sequence[Pairs]) -> Pairs:
  """The twins by any of the inputs, each once."""
  if len(pairs) == 1:
    return pairs[0]
  together = np.concatenate([np.zeros((2, 0), int), *map(np.stack, pairs)], 1)
  i, j = np.unique(together, axis=1)
  return i, j
