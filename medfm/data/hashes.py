"""The hash of each row of a split, and of all of them in any order."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from medfm.types import Ragged

_ROWS = 1024


def of_rows(columns: Mapping[str, Any]) -> np.ndarray:
  """[N] the hash of each row's content, as 32 hexadecimal digits (S32).

  columns: [N, ...] arrays, often memory-mapped, or `Ragged`; a thousand rows
    are in memory at a time. Equal rows have equal hashes: NaN is NaN whatever
    its bits, and -0 is 0.
  """
  count = len(next(iter(columns.values()))) if columns else 0
  hashes = []
  for start in range(0, count, _ROWS):
    rows = slice(start, min(start + _ROWS, count))
    chunk = [_bytes(column, rows) for column in columns.values()]
    hashes += [
      hashlib.blake2b(b"".join(row), digest_size=16).hexdigest().encode()
      for row in zip(*chunk, strict=True)
    ]
  return np.array(hashes, "S32")


def of_all(columns: Mapping[str, Any]) -> str:
  """sha256 of the rows of all columns, whatever the order of either."""
  named = {name: columns[name] for name in sorted(columns)}
  digest = hashlib.sha256("\n".join(named).encode())
  digest.update(np.sort(of_rows(named)).tobytes())
  return digest.hexdigest()


def _bytes(column: Any, rows: slice) -> Iterable[bytes]:
  """The bytes of each of these rows; rows of other shapes have other bytes."""
  if isinstance(column, Ragged):
    return _ragged(column, range(rows.start, rows.stop))
  array = np.asarray(column[rows])
  if array.dtype.kind in "OU":
    return (f"{len(text)}:{text}".encode(_UTF8, _LONE) for text in array)
  flat = np.ascontiguousarray(_canonical(array)).reshape(len(array), -1)
  return (row.tobytes() for row in flat)


_UTF8, _LONE = "utf-8", "surrogatepass"


def _ragged(column: Ragged, rows: Iterable[int]) -> Iterator[bytes]:
  for row in rows:
    array = np.asarray(column[row])
    yield str(array.shape).encode() + _canonical(array).tobytes()


def _canonical(array: np.ndarray) -> np.ndarray:
  """With one NaN and one zero, so that equal means equal bytes."""
  if array.dtype.kind != "f":
    return array
  return np.where(np.isnan(array), np.nan, array + 0.0).astype(array.dtype)
