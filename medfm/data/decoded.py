"""Decoded examples, kept by column on the disk and memory-mapped.

Decoding takes far longer than training a small model, so it is done once. A
cache's manifest lists its files with their sizes and hashes: a cache that a
killed run left half written, or that was damaged later, is made again and never
read. Every process hashes the whole cache once, which also reads into memory
what training reads next. Files are written with ordinary writes, not through a
memory map: on a full disk a write raises an error, while a memory map would end
the process (SIGBUS).
"""

import hashlib
import itertools
import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent import futures
from typing import IO, Any

import numpy as np

from medfm import jsons
from medfm.data import disk
from medfm.types import Ragged, Split, UserError

_FORMAT = 2
_MANIFEST = "manifest.json"
_TOLD_ABOVE = 4 << 30  # Bytes whose hashing takes seconds.
_CHUNK = 512  # Examples read at once.
_UTF8, _ENDS = "@utf8", "@ends"
_VALUES, _SHAPES = "@values", "@shapes"
_sound: set[pathlib.Path] = set()  # Caches this process has hashed.

Sources = Mapping[str, Collection[Mapping[str, Any]]]
Changes = list[dict[str, Any]]
Made = tuple[dict[str, Split], Changes]


def cached(
  folder: pathlib.Path, made: Callable[[], tuple[Sources, Changes]]
) -> Made:
  """(splits, changes) of a cache folder, which is made unless it is sound.

  made: gives split -> its examples, and the card's list of changes; an
    example holds `id`, perhaps `patient` and `group_*`, and arrays. Arrays
    named in a source's `ragged`, which says how many of their axes differ,
    become `Ragged` columns. Called only if the cache must be made.
  """
  with disk.locked(folder):
    why = _unsound(folder)
    if why:
      if folder.exists():
        logging.warning("%s: %s: decoding again", folder, why)
      sources, changes = made()
      with disk.errors(folder), disk.replaced(folder) as part:
        part.mkdir()
        keys: dict[str, str] = {}
        for name, source in sources.items():
          keys |= _write_split(part / name, source)
        _write_manifest(part, changes, tuple(sources), keys)
      _sound.add(folder)
    return _read(folder)


def _unsound(folder: pathlib.Path) -> str | None:
  """Why a cache cannot be read, or None."""
  try:
    manifest = jsons.read(folder / _MANIFEST)
    if manifest["format"] != _FORMAT:
      return "written by another version"
    if manifest.pop("sha256") != _sum(manifest):
      return f"{_MANIFEST} is damaged"
    files = manifest["files"]
    for name, entry in files.items():
      path = folder / name
      if not path.is_file() or path.stat().st_size != entry["size"]:
        return f"{name} is incomplete"
    if folder in _sound:
      return None
    total = sum(entry["size"] for entry in files.values())
    if total > _TOLD_ABOVE:
      print(f"checking {total / 2**30:.0f} GiB of prepared data", flush=True)
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
      digests = pool.map(disk.digest, [folder / name for name in files])
      for (name, entry), digest in zip(files.items(), digests, strict=True):
        if digest != entry["sha256"]:
          return f"{name} is damaged"
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return f"{_MANIFEST} is missing or damaged"
  _sound.add(folder)
  return None


def _read(folder: pathlib.Path) -> Made:
  manifest = jsons.read(folder / _MANIFEST)
  columns = {name: {} for name in manifest["splits"]}
  for name in manifest["files"]:
    split, _, place = name.removesuffix(".npy").partition("/")
    place, at, part = place.partition("@")
    key = manifest.get("keys", {}).get(place, place), at + part
    array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    columns[split][key] = array
  splits = {name: _split(files) for name, files in columns.items()}
  return splits, manifest["changes"]


def _split(files: Mapping[tuple[str, str], np.ndarray]) -> Split:
  """A split; ids, patients and groups are read into memory, arrays mapped.

  files: by column, and the part of it that they hold ("" for all).
  """
  arrays = {key: array for (key, part), array in files.items() if not part}
  ids, patients = arrays.pop("id"), arrays.pop("patient", None)
  groups = {
    key.removeprefix("group_"): np.array(arrays.pop(key))
    for key in [*arrays]
    if key.startswith("group_")
  }
  for (key, part), array in files.items():
    if part == _UTF8:
      arrays[key] = _texts(array, files[key, _ENDS])
    elif part == _VALUES:
      shapes = files.get((key, _SHAPES))
      shapes = None if shapes is None else np.array(shapes)
      arrays[key] = Ragged(array, np.array(files[key, _ENDS]), shapes)
  patients = None if patients is None else np.array(patients)
  return Split(arrays, np.array(ids), patients, groups)


def _texts(joined: np.ndarray, ends: np.ndarray) -> np.ndarray:
  """[N] str objects of the bytes of all texts and where each ends."""
  content, places = joined.tobytes(), itertools.pairwise([0, *ends.tolist()])
  texts = np.empty(len(ends), object)
  texts[:] = [content[start:end].decode() for start, end in places]
  return texts


def _write_manifest(
  folder: pathlib.Path,
  changes: Changes,
  splits: Sequence[str],
  keys: Mapping[str, str],
) -> None:
  """keys: name of a file -> name of its column, if they differ."""
  manifest = {"format": _FORMAT, "splits": splits, "changes": changes}
  manifest["keys"] = keys
  files = manifest["files"] = {}
  for path in sorted(folder.rglob("*.npy")):
    disk.synced(path)
    name = path.relative_to(folder).as_posix()
    files[name] = {"size": path.stat().st_size, "sha256": disk.digest(path)}
  path = folder / _MANIFEST
  manifest["sha256"] = _sum(manifest)
  path.write_text(json.dumps(manifest, indent=2))
  disk.synced(path)


def _sum(manifest: Mapping[str, Any]) -> str:
  text = json.dumps(manifest, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _placed(key: str) -> str:
  """The name of a column's file; a column's name may be any text."""
  if re.fullmatch(r"[\w. -]{1,100}", key):
    return key
  return f"column-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _write_split(
  folder: pathlib.Path, source: Collection[Mapping[str, Any]]
) -> dict[str, str]:
  """Every column of a split as one array file; file -> column, if not equal."""
  folder.mkdir()
  n = len(source)
  if not n:
    raise UserError(f"split {folder.name!r} has no examples")
  arrays: dict[str, _ArrayFile] = {}
  strings: dict[str, list[str]] = {}
  ragged = {
    key: _RaggedFile(folder, _placed(key), axes)
    for key, axes in getattr(source, "ragged", {}).items()
  }
  for row, example in zip(range(n), source, strict=False):
    for key, value in example.items():
      if key in ("id", "patient") or isinstance(value, str | bytes):
        text = value.decode() if isinstance(value, bytes) else str(value)
        strings.setdefault(key, []).append(text)
        continue
      value = _narrow(np.asarray(value), key)
      if key in ragged:
        ragged[key].append(value)
        continue
      if key not in arrays:
        arrays[key] = _ArrayFile(folder / f"{_placed(key)}.npy", n, value)
      arrays[key].append(value, row)
  for array in arrays.values():
    array.close()
  for column in ragged.values():
    column.close()
  for key, values in strings.items():
    if key in ("id", "patient") or key.startswith("group_"):
      np.save(folder / f"{_placed(key)}.npy", np.array(values, np.str_))
      continue
    # Texts differ in length far too much for numpy's strings of one width.
    encoded = [value.encode() for value in values]
    joined = np.frombuffer(b"".join(encoded), np.uint8)
    np.save(folder / f"{_placed(key)}{_UTF8}.npy", joined)
    ends = np.cumsum([*map(len, encoded)])
    np.save(folder / f"{_placed(key)}{_ENDS}.npy", ends)
  return {
    _placed(k): k for k in (*arrays, *ragged, *strings) if k != _placed(k)
  }


def examples(source: Any) -> Iterator[Mapping[str, Any]]:
  """All examples of a TFDS data source, small ones read many at once."""
  for start in range(0, len(source), _CHUNK):
    rows = range(start, min(start + _CHUNK, len(source)))
    yield from source.__getitems__(rows)


class _ArrayFile:
  """An array [n, ...] on its way to the disk, row by row.

  like: an example of its rows.
  """

  def __init__(self, path: pathlib.Path, n: int, like: np.ndarray):
    self._path, self._missing = path, n
    self._dtype, self._shape = like.dtype, like.shape
    self._file = path.open("wb")
    _write_header(self._file, like.dtype, (n, *like.shape))

  def append(self, value: np.ndarray, row: int) -> None:
    if value.shape != self._shape:
      raise ValueError(
        f"{self._path.stem} of example {row} has the shape {value.shape}, "
        f"earlier ones {self._shape}: the builder must make them equal"
      )
    self._missing -= 1
    self._file.write(value.astype(self._dtype, copy=False).tobytes())

  def close(self) -> None:
    self._file.close()
    if self._missing:
      raise ValueError(f"{self._path.stem} is not in every example")


class _RaggedFile:
  """A ragged column on its way to the disk; its first `axes` axes differ."""

  def __init__(self, folder: pathlib.Path, key: str, axes: int):
    self._place, self._axes = folder / key, axes
    self._file = (folder / f"{key}{_VALUES}.npy").open("wb")
    self._shapes: list[tuple[int, ...]] = []
    self._kind: tuple[np.dtype, tuple[int, ...]] | None = None

  def append(self, value: np.ndarray) -> None:
    kind = (value.dtype, value.shape[self._axes :])
    if self._kind is None:
      self._kind = kind
      self._write_header(0)
    if kind != self._kind or (self._axes > 1 and kind[1]):
      raise ValueError(
        f"{self._place.name} of an example is {kind} beyond the {self._axes} "
        f"axes that differ, expected {self._kind}, and no axis beyond several"
      )
    self._shapes.append(value.shape[: self._axes])
    self._file.write(np.ascontiguousarray(value).data)

  def close(self) -> None:
    """Writes what is known only at the end: lengths and shapes."""
    shapes = np.array(self._shapes, np.int64)
    ends = np.cumsum(shapes.prod(1))
    self._write_header(int(ends[-1]))
    self._file.close()
    np.save(f"{self._place}{_ENDS}.npy", ends)
    if self._axes > 1:
      np.save(f"{self._place}{_SHAPES}.npy", shapes)

  def _write_header(self, total: int) -> None:
    dtype, rest = self._kind
    self._file.seek(0)
    _write_header(self._file, dtype, (total, *rest))


def _write_header(file: IO, dtype: np.dtype, shape: tuple[int, ...]) -> None:
  """Writes numpy's header, which leaves room for a longer first axis."""
  descr = np.lib.format.dtype_to_descr(dtype)
  np.lib.format.write_array_header_1_0(
    file, {"descr": descr, "fortran_order": False, "shape": shape}
  )


def _narrow(value: np.ndarray, key: str) -> np.ndarray:
  """64-bit integers (a ClassLabel reads as one) become int32, as in jax."""
  if value.dtype != np.int64:
    return value
  if value.size and np.abs(value).max() > np.iinfo(np.int32).max:
    raise ValueError(f"{key} holds an integer beyond 32 bits")
  return value.astype(np.int32)
