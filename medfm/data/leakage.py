"""Does a split know another's examples? Patients, copies and near copies.

Every count of a pair "a/b" is the number of examples of b that have a twin in
a: of test examples that training has seen, for "train/test".
"""

import hashlib
import itertools
from typing import Any

import numpy as np

from medfm.types import Dataset, Split, UserError

_LISTED = 20
_ROWS = 1024
_CELLS = 1 << 20  # Pairs compared at a time.
_NOT_CONTENT = ("label", "document")

_HASH_SIDE = 8
_GRID_SIDE = 14
_MAX_BITS = 6
_MAX_DIFFERENCE = 0.1
_IMAGE_RULE = (
  "images whose 8x8 brightness hashes differ in at most 6 of 64 bits and "
  "whose 14x14 averages, scaled to mean 0 and standard deviation 1, differ by "
  "less than 0.1 on average: JPEG, gain, mild noise and resizing stay below "
  "it, different patients' radiographs start at 0.18"
)
_MAX_STEP = 1e-3
_TABLE_RULE = (
  "rows with the same categories and missing values whose numbers differ by "
  "less than 0.001 of a standard deviation each: what saving with fewer "
  "digits or converting units does, and less than one step of a clinical "
  "measurement"
)


def leakage(dataset: Dataset) -> dict[str, Any]:
  """What the splits share, JSON-able.

  {"pairs": {"train/test": {"patients", "exact", "near"}, ...},
   "within": {"train": {"exact"}, ...}, "near_rule": str | None}; each entry
  is {"count": int, "examples": the ids of at most 20 pairs of twins}, or None
  where it cannot be known (no patients named, no images or tables).

  exact: equal content, whatever the label. near: by `near_rule`, without the
    equal ones. within/exact counts the repeats: examples minus distinct ones.
  """
  splits = dataset.splits
  hashes = {name: _hashes(split) for name, split in splits.items()}
  near = _near_of(dataset)
  pairs = {}
  for a, b in itertools.combinations(splits, 2):
    pairs[f"{a}/{b}"] = {
      "patients": _patients(splits[a], splits[b]),
      "exact": _entry(splits[a], splits[b], *_twins(hashes[a], hashes[b])),
      "near": near and _entry(splits[a], splits[b], *near(a, b, hashes)),
    }
  within = {
    name: {"exact": _entry(split, split, *_repeats(hashes[name]))}
    for name, split in splits.items()
  }
  return {"pairs": pairs, "within": within, "near_rule": _rule(splits)}


def line(report: dict[str, Any]) -> str:
  """What was found between the splits, as one line for the terminal."""
  words = {"patients": "of shared patients", "exact": "equal", "near": "alike"}
  found = []
  for names, pair in report["pairs"].items():
    counts = [
      "patients unknown"
      if pair[kind] is None and kind == "patients"
      else f"{pair[kind]['count']} {word}"
      for kind, word in words.items()
      if pair[kind] is not None or kind == "patients"
    ]
    found.append(f"{names} {', '.join(counts)}")
  return "leakage: " + "; ".join(found)


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
  found = values[place] == b
  return first[place[found]], np.flatnonzero(found)


def _repeats(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  i, j = _twins(a, a)
  return i[i != j], j[i != j]


def _hashes(split: Split) -> np.ndarray:
  """[N] of 16 bytes: the content of each example, whatever its label."""
  names = sorted(set(split.arrays) - set(_NOT_CONTENT))
  hashes = []
  for start in range(0, len(split), _ROWS):
    chunk = [
      _canonical(split.arrays[name][start : start + _ROWS]) for name in names
    ]
    for row in range(len(chunk[0]) if chunk else 0):
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


def _rule(splits: dict[str, Split]) -> str | None:
  arrays = [split.arrays for split in splits.values()]
  if arrays and all("image" in names for names in arrays):
    return _IMAGE_RULE
  if arrays and all("features" in names for names in arrays):
    return _TABLE_RULE
  return None


def _near_of(dataset: Dataset):
  """The search (a, b, hashes) -> (i, j) that fits the data, or None."""
  splits = dataset.splits
  rule = _rule(splits)
  if rule is None:
    return None
  if rule is _IMAGE_RULE:
    prepared = {
      name: _pictures(split.arrays["image"]) for name, split in splits.items()
    }
    search = _near_images
  else:
    prepared = _tables(splits)
    search = _near_rows

  def near(a, b, hashes):
    i, j = search(prepared[a], prepared[b])
    other = hashes[a][i] != hashes[b][j]
    order = np.lexsort((i[other], j[other]))
    return i[other][order], j[other][order]

  return near


def _pictures(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """([N] uint64 hashes, [N,P] scaled averages) of images [N,H,W,C]."""
  bits, grids = [], []
  for start in range(0, len(images), _ROWS):
    grey = np.asarray(images[start : start + _ROWS], np.float32).mean(axis=-1)
    coarse = _averages(grey, _HASH_SIDE)
    padded = np.zeros((len(grey), _HASH_SIDE**2), bool)
    padded[:, : coarse.shape[1]] = coarse > coarse.mean(axis=1, keepdims=True)
    bits.append(np.packbits(padded, axis=1).view(np.uint64)[:, 0])
    fine = _averages(grey, _GRID_SIDE)
    fine -= fine.mean(axis=1, keepdims=True)
    grids.append(fine / np.maximum(fine.std(axis=1, keepdims=True), 1e-6))
  return np.concatenate(bits), np.concatenate(grids)


def _averages(grey: np.ndarray, side: int) -> np.ndarray:
  """[n,H,W] -> [n, side * side] averages of its cells; fewer if smaller."""
  for axis in (1, 2):
    size = grey.shape[axis]
    edges = np.linspace(0, size, min(side, size) + 1).round().astype(int)
    shape = [1, 1, 1]
    shape[axis] = -1
    grey = np.add.reduceat(grey, edges[:-1], axis=axis)
    grey /= np.diff(edges).reshape(shape).astype(np.float32)
  return grey.reshape(len(grey), -1)


def _near_images(a, b) -> tuple[np.ndarray, np.ndarray]:
  (bits_a, grids_a), (bits_b, grids_b) = a, b
  if grids_a.shape[1:] != grids_b.shape[1:]:
    return np.zeros(0, int), np.zeros(0, int)
  rows = max(1, _CELLS // max(1, len(bits_a)))
  found = []
  for start in range(0, len(bits_b), rows):
    different = np.bitwise_count(bits_b[start : start + rows, None] ^ bits_a)
    j, i = np.nonzero(different <= _MAX_BITS)
    found.append(_close(grids_a, grids_b, i, j + start))
  return _joined(found)


def _close(
  grids_a: np.ndarray, grids_b: np.ndarray, i: np.ndarray, j: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Those candidates whose scaled averages hardly differ."""
  kept = np.zeros(len(i), bool)
  for start in range(0, len(i), 4 * _ROWS):
    part = slice(start, start + 4 * _ROWS)
    difference = np.abs(grids_a[i[part]] - grids_b[j[part]]).mean(axis=1)
    kept[part] = difference < _MAX_DIFFERENCE
  return i[kept], j[kept]


def _tables(splits: dict[str, Split]) -> dict[str, np.ndarray]:
  """[N,F] per split: standardised by the first split, NaN marked apart."""
  first = np.asarray(next(iter(splits.values())).arrays["features"], float)
  known = ~np.isnan(first)
  count = np.maximum(known.sum(axis=0), 1)
  mean = np.where(known, first, 0).sum(axis=0) / count
  spread = np.where(known, first - mean, 0)
  std = np.sqrt((spread**2).sum(axis=0) / count)
  std = np.where(std > 0, std, 1)
  tables = {}
  for name, split in splits.items():
    features = np.asarray(split.arrays["features"], float)
    missing = np.isnan(features)
    # Whole numbers are far more than the largest step apart.
    columns = [np.where(missing, 0, (features - mean) / std), missing]
    columns.append(split.arrays.get("categories", np.zeros((len(split), 0))))
    tables[name] = np.concatenate(columns, axis=1, dtype=float)
  return tables


def _near_rows(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
  found = []
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
    found.append((i[kept], j[kept]))
  return _joined(found)


def _joined(found) -> tuple[np.ndarray, np.ndarray]:
  if not found:
    return np.zeros(0, int), np.zeros(0, int)
  i, j = zip(*found, strict=True)
  return np.concatenate(i), np.concatenate(j)
