"""What do splits share? Patients, equal examples and near duplicates.

Every count of a pair "a/b" is the number of examples of b that have a twin in
a: for "train/test", of test examples that training has seen.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.types import PRESENT, Arrays, Dataset, Info, Split, UserError, view

Pairs = tuple[np.ndarray, np.ndarray]
"""Rows i[n] of one split and their twins j[n] of another."""

_LISTED = 20
_ROWS = 1024
_NONE = np.zeros((2, 0), int)


def leakage(dataset: Dataset) -> dict[str, Any]:
  """What the splits share, JSON-able.

  {"pairs": {"train/test": {"patients", "exact", "near"}, ...},
   "within": {"train": {"exact"}, ...}, "near_rule": str | None}; each entry
  is {"count": int, "examples": the ids of at most 20 pairs of twins}, or None
  where it cannot be known (no patients named, no rule for such an input).

  exact: equal content, whatever the label. near: by `near_rule`, without the
    equal ones. within/exact counts the repeats: examples minus distinct ones.
    Where there are several inputs, one that is equal, or near, suffices.
  """
  splits, info = dataset.splits, dataset.info
  compared = [_Compared(splits, info, name) for name in info.inputs]
  ruled = [each for each in compared if each.near is not None]
  pairs = {}
  for a, b in itertools.combinations(splits, 2):
    exact = _union([each.equal(a, b) for each in compared])
    near = _union([each.alike(a, b) for each in ruled])
    pairs[f"{a}/{b}"] = {
      "patients": _patients(splits[a], splits[b]),
      "exact": _entry(splits[a], splits[b], *exact),
      "near": _entry(splits[a], splits[b], *near) if ruled else None,
    }
  within = {
    name: {
      "exact": _entry(
        split, split, *_union([each.repeats(name) for each in compared])
      )
    }
    for name, split in splits.items()
  }
  return {"pairs": pairs, "within": within, "near_rule": _rule(info)}


def line(report: dict[str, Any]) -> str:
  """What was found between the splits, as one line for the terminal."""
  words = {"patients": "of shared patients", "exact": "equal", "near": "alike"}
  lines = []
  for names, pair in report["pairs"].items():
    counts = [
      "patients unknown"
      if pair[kind] is None and kind == "patients"
      else f"{pair[kind]['count']} {word}"
      for kind, word in words.items()
      if pair[kind] is not None or kind == "patients"
    ]
    lines.append(f"{names} {', '.join(counts)}")
  return "leakage: " + "; ".join(lines)


def refuse(report: dict[str, Any]) -> None:
  """Raises UserError where a patient is in two splits; names no patient."""
  for names, pair in report["pairs"].items():
    shared = pair["patients"]
    if shared and shared["count"]:
      a, b = names.split("/")
      first, second = shared["examples"][0]
      raise UserError(
        f"{shared['count']} examples of {b} are of patients that are in {a} "
        f"too (first: {second} and {first}): split by patient"
      )


def _entry(a: Split, b: Split, i: np.ndarray, j: np.ndarray) -> dict[str, Any]:
  """Twins i[n] of a, j[n] of b, counted by the examples of b."""
  return {
    "count": len(np.unique(j)),
    "examples": [
      [str(a.ids[first]), str(b.ids[second])]
      for first, second in zip(i[:_LISTED], j[:_LISTED], strict=True)
    ],
  }


def _patients(a: Split, b: Split) -> dict[str, Any] | None:
  if a.patients is None or b.patients is None:
    return None
  i, j = _twins(a.patients, b.patients)
  known = np.asarray(b.patients)[j] != ""
  return _entry(a, b, i[known], j[known])


def _twins(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """(i, j): each row j of b that equals rows of a, with the first of them."""
  values, first = np.unique(a, return_index=True)
  if not len(values):
    return np.zeros(0, int), np.zeros(0, int)
  place = np.minimum(np.searchsorted(values, b), len(values) - 1)
  equal = values[place] == b
  return first[place[equal]], np.flatnonzero(equal)


class _Compared:
  """The splits compared by one of their inputs."""

  def __init__(self, splits: Mapping[str, Split], info: Info, name: str):
    names = info.inputs[name].arrays
    self._rows: dict[str, np.ndarray | None] = {}
    seen = {}
    for part, split in splits.items():
      arrays = view(split.arrays, info, name)
      present = arrays.get(PRESENT)
      rows = None if present is None else np.flatnonzero(present)
      self._rows[part] = rows
      seen[part] = {
        array: arrays[array] if rows is None else arrays[array][rows]
        for array in sorted(names)
        if array in arrays
      }
    self._hashes = {part: _hashes(arrays) for part, arrays in seen.items()}
    rule = info.inputs[name].near
    self.near = rule and rule.search(seen)

  def equal(self, a: str, b: str) -> Pairs:
    """Rows of b that equal rows of a."""
    return self._placed(a, b, *_twins(self._hashes[a], self._hashes[b]))

  def repeats(self, part: str) -> Pairs:
    """Rows that equal an earlier one of their split."""
    i, j = _twins(self._hashes[part], self._hashes[part])
    return self._placed(part, part, i[i != j], j[i != j])

  def alike(self, a: str, b: str) -> Pairs:
    """Rows of b that are near rows of a without being equal."""
    assert self.near is not None
    i, j = self.near(a, b)
    other = self._hashes[a][i] != self._hashes[b][j]
    order = np.lexsort((i[other], j[other]))
    return self._placed(a, b, i[other][order], j[other][order])

  def _placed(self, a: str, b: str, i: np.ndarray, j: np.ndarray) -> Pairs:
    """Rows of the whole splits, from rows among those that have the input."""
    first, second = self._rows[a], self._rows[b]
    return (
      i if first is None else first[i],
      j if second is None else second[j],
    )


def _union(pairs: Sequence[Pairs]) -> Pairs:
  """The twins by any of the inputs, each once."""
  if len(pairs) == 1:
    return pairs[0]
  together = [np.stack(each) for each in pairs]
  i, j = np.unique(np.concatenate([_NONE, *together], 1), axis=1)
  return i, j


def _rule(info: Info) -> str | None:
  """The rules of the inputs, in words; None where no input has one."""
  rules = {
    name: each.near.rule if each.near else "no rule"
    for name, each in info.inputs.items()
  }
  if not any(each.near for each in info.inputs.values()):
    return None
  if len(rules) == 1:
    return next(iter(rules.values()))
  return "; ".join(f"{name}: {rule}" for name, rule in rules.items())


def _hashes(arrays: Arrays) -> np.ndarray:
  """[N] of 16 bytes: the content of each example."""
  count = len(next(iter(arrays.values()))) if arrays else 0
  hashes = []
  for start in range(0, count, _ROWS):
    chunk = [
      _canonical(array[start : start + _ROWS]) for array in arrays.values()
    ]
    for row in range(len(chunk[0])):
      content = hashlib.blake2b(digest_size=16)
      for array in chunk:
        content.update(array[row])
      hashes.append(content.hexdigest())
  return np.array(hashes, "U32")


def _canonical(array: np.ndarray) -> np.ndarray:
  """[n, ...] with one NaN and one zero, so that equal means equal bytes."""
  array = np.ascontiguousarray(array)
  if array.dtype.kind == "f":
    array = np.where(np.isnan(array), np.nan, array + 0.0).astype(array.dtype)
  return array.reshape(len(array), -1)
