"""Decoded examples, kept by column on the disk and memory-mapped.

Decoding is far slower than training a small model, so that it is done once.
The files of a cache are listed with their sizes and hashes in its manifest: a
cache that a killed run left half written, or that was damaged later, is made
anew and never read.
"""

import json
import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import disk
from medfm.types import Ragged, Split, UserError

_FORMAT = 1
_MANIFEST = "manifest.json"
_HASHED_BELOW = 256 << 20
_CHUNK = 512
_UTF8, _ENDS = "@utf8", "@ends"
_VALUES, _SHAPES = "@values", "@shapes"
_sound: set[pathlib.Path] = set()  # Caches this process has hashed.

Sources = Mapping[str, Sequence[Mapping[str, Any]]]


def cached(
  folder: pathlib.Path, made: Callable[[], tuple[Sources, list[dict[str, Any]]]]
) -> tuple[dict[str, Split], list[dict[str, Any]]]:
  """(splits, changes) of a cache folder, which is made where it is not sound.

  made: gives split -> examples by index, and the card's list of changes; an
    example holds `id`, perhaps `patient` and `group_*`, and arrays. Arrays
    that a source's `ragged` names, with how many of their axes differ, become
    `Ragged` columns. Only called where the cache must be made.
  """
  with disk.locked(folder):
    why = _unsound(folder)
    if why:
      if folder.exists():
        logging.warning("%s: %s: decoding again", folder, why)
      sources, changes = made()
      with disk.replaced(folder) as part:
        for name, source in sources.items():
          _write_split(part / name, source)
        _write_manifest(part, changes, tuple(sources))
      _sound.add(folder)
    return _read(folder)


def _unsound(folder: pathlib.Path) -> str | None:
  """Why a cache cannot be read, or None."""
  try:
    manifest = json.loads((folder / _MANIFEST).read_text())
    if manifest["format"] != _FORMAT:
      return "written by another version"
    for name, entry in manifest["files"].items():
      path = folder / name
      if not path.is_file() or path.stat().st_size != entry["size"]:
        return f"{name} is incomplete"
      if (
        folder not in _sound
        and entry["size"] < _HASHED_BELOW
        and disk.digest(path) != entry["sha256"]
      ):
        return f"{name} is damaged"
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return f"{_MANIFEST} is missing or damaged"
  _sound.add(folder)
  return None


def _read(
  folder: pathlib.Path,
) -> tuple[dict[str, Split], list[dict[str, Any]]]:
  manifest = json.loads((folder / _MANIFEST).read_text())
  columns = {name: {} for name in manifest["splits"]}
  for name in manifest["files"]:
    split, _, key = name.removesuffix(".npy").partition("/")
    array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    columns[split][key] = array
  for column in columns.values():
    for key in [key for key in column if key.endswith(_UTF8)]:
      name = key.removesuffix(_UTF8)
      column[name] = _texts(column.pop(key), column.pop(name + _ENDS))
    for key in [key for key in column if key.endswith(_VALUES)]:
      name = key.removesuffix(_VALUES)
      ends, shapes = column.pop(name + _ENDS), column.pop(name + _SHAPES, None)
      column[name] = Ragged(
        column.pop(key),
        np.array(ends),
        None if shapes is None else np.array(shapes),
      )
  return {name: _split(column) for name, column in columns.items()}, manifest[
    "changes"
  ]


def _split(columns: dict[str, np.ndarray]) -> Split:
  """Names and groups are read into memory: reports ask for all of them."""
  ids = np.array(columns.pop("id"))
  patients = columns.pop("patient", None)
  groups = {
    key.removeprefix("group_"): np.array(columns.pop(key))
    for key in sorted(columns)
    if key.startswith("group_")
  }
  return Split(
    arrays=columns,
    ids=ids,
    patients=None if patients is None else np.array(patients),
    groups=groups,
  )


def _write_manifest(
  folder: pathlib.Path, changes: list[dict[str, Any]], splits: tuple[str, ...]
) -> None:
  files = {}
  for path in sorted(folder.rglob("*.npy")):
    disk.synced(path)
    name = path.relative_to(folder).as_posix()
    files[name] = {"size": path.stat().st_size, "sha256": disk.digest(path)}
  manifest = {
    "format": _FORMAT,
    "splits": splits,
    "changes": changes,
    "files": files,
  }
  path = folder / _MANIFEST
  path.write_text(json.dumps(manifest, indent=2))
  disk.synced(path)


def _write_split(
  folder: pathlib.Path, source: Sequence[Mapping[str, Any]]
) -> None:
  """Every column of a split as one array file, filled chunk by chunk."""
  folder.mkdir()
  n = len(source)
  if not n:
    raise UserError(f"split {folder.name!r} has no examples")
  arrays: dict[str, np.ndarray] = {}
  strings: dict[str, list[str]] = {}
  ragged = {
    key: _RaggedFile(folder, key, axes)
    for key, axes in getattr(source, "ragged", {}).items()
  }
  for start in range(0, n, _CHUNK):
    rows = range(start, min(start + _CHUNK, n))
    for row, example in zip(rows, _examples(source, rows), strict=True):
      for key, value in example.items():
        if key in ("id", "patient") or isinstance(value, str | bytes):
          strings.setdefault(key, []).append(_text(value))
          continue
        value = _narrow(np.asarray(value), key)
        if key in ragged:
          ragged[key].append(value)
          continue
        if key not in arrays:
          arrays[key] = np.lib.format.open_memmap(
            folder / f"{key}.npy", "w+", value.dtype, (n, *value.shape)
          )
        if value.shape != arrays[key].shape[1:]:
          raise ValueError(
            f"{key} of example {row} has the shape {value.shape}, the ones "
            f"before {arrays[key].shape[1:]}: the builder must make them equal"
          )
        arrays[key][row] = value
  for array in arrays.values():
    array.flush()
  for file in ragged.values():
    file.close()
  for key, values in strings.items():
    if key in ("id", "patient") or key.startswith("group_"):
      np.save(folder / f"{key}.npy", np.array(values, np.str_))
      continue
    # Texts differ in length far too much for numpy's strings of one width.
    encoded = [value.encode() for value in values]
    joined = np.frombuffer(b"".join(encoded), np.uint8)
    np.save(folder / f"{key}{_UTF8}.npy", joined)
    np.save(folder / f"{key}{_ENDS}.npy", np.cumsum([*map(len, encoded)]))


class _RaggedFile:
  """A ragged column on its way to the disk, one example after another."""

  def __init__(self, folder: pathlib.Path, key: str, axes: int):
    self._place, self._axes = folder / key, axes
    self._file = self._named(_VALUES).open("wb")
    self._ends: list[int] = []
    self._shapes: list[tuple[int, ...]] = []
    self._kind: tuple[np.dtype, tuple[int, ...]] | None = None

  def append(self, value: np.ndarray) -> None:
    """Adds an example, whose first axes alone may differ from others'."""
    flat = self._axes > 1
    if flat and value.ndim != self._axes:
      raise ValueError(
        f"{self._place.name} has {value.ndim} axes, of which {self._axes} "
        "differ: where more than the first one does, all must"
      )
    self._shapes.append(value.shape)
    value = value.reshape(-1) if flat else value
    kind = (value.dtype, value.shape[1:])
    if self._kind is None:
      self._kind = kind
      self._write_header(0)
    if kind != self._kind:
      raise ValueError(
        f"{self._place.name} of an example is {kind}, the ones before are "
        f"{self._kind}: the builder must make them equal"
      )
    self._file.write(np.ascontiguousarray(value).data)
    last = self._ends[-1] if self._ends else 0
    self._ends.append(last + len(value))

  def close(self) -> None:
    """Writes what is known at the end alone: lengths and shapes."""
    self._file.seek(0)
    self._write_header(self._ends[-1])
    self._file.close()
    np.save(self._named(_ENDS), np.array(self._ends, np.int64))
    if self._axes > 1:
      np.save(self._named(_SHAPES), np.array(self._shapes, np.int64))

  def _named(self, suffix: str) -> pathlib.Path:
    return self._place.with_name(f"{self._place.name}{suffix}.npy")

  def _write_header(self, total: int) -> None:
    """Numpy leaves room in it for a longer first axis."""
    dtype, rest = self._kind
    header = {
      "descr": np.lib.format.dtype_to_descr(dtype),
      "fortran_order": False,
      "shape": (total, *rest),
    }
    np.lib.format.write_array_header_1_0(self._file, header)


def _texts(joined: np.ndarray, ends: np.ndarray) -> np.ndarray:
  """[N] str objects of the bytes of all texts and where each ends."""
  content, start = joined.tobytes(), 0
  texts = np.empty(len(ends), object)
  for row, end in enumerate(ends.tolist()):
    texts[row] = content[start:end].decode()
    start = end
  return texts


def _examples(
  source: Sequence[Mapping[str, Any]], rows: Sequence[int]
) -> Sequence[Mapping[str, Any]]:
  """Several at once where the source can: small records come thrice as fast."""
  if hasattr(source, "__getitems__"):
    return source.__getitems__(rows)
  return [source[row] for row in rows]


def _text(value: Any) -> str:
  return value.decode() if isinstance(value, bytes) else str(value)


def _narrow(value: np.ndarray, key: str) -> np.ndarray:
  """64-bit integers (a ClassLabel reads as one) become int32, as in jax."""
  if value.dtype != np.int64:
    return value
  if value.size and np.abs(value).max() > np.iinfo(np.int32).max:
    raise ValueError(f"{key} holds an integer beyond 32 bits")
  return value.astype(np.int32)
