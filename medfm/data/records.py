"""TFDS builders written as array_record, without TensorFlow.

A subclass of `Builder` reads raw files and yields clean, typed examples;
`prepared` writes them as records once, decodes them once into a memory-mapped
cache, and gives the splits.

Features by name: `id` (Text), `patient` (Text, optional) and `group_<name>`
(Text, optional) become the ids, patients and groups of a split; every other
feature becomes one of its arrays, so that its shape is the same in every
example. What works without TensorFlow: `Text`, `ClassLabel`, `Scalar`,
`Sequence`, `Tensor` (with encoding="zlib" for pixels), and `Image` fed with
the bytes or the path of an encoded image, never with an array.
"""

import collections
import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow_datasets as tfds

from medfm.data import decoded, disk
from medfm.types import Folders, Split, UserError

Raw = pathlib.Path | Mapping[str, pathlib.Path] | None
_CHANGES = "changes.json"


class Prepared(NamedTuple):
  """splits by name; changes: [{"what", "count"}]; fingerprint: sha256."""

  splits: dict[str, Split]
  changes: list[dict[str, Any]]
  fingerprint: str


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A TFDS builder that knows its raw files and counts what it changes.

  Subclasses: `class Name(records.Builder, skip_registration=True)` with
  VERSION, `_info`, `_split_generators` and `_generate_examples`; raise
  VERSION whenever the examples change. Settings of their own are keyword
  arguments that `prepared` passes on. They live in an importable module.
  """

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, *, raw: Raw = None, **kwargs):
    self.raw = raw
    self._changes = collections.Counter()
    super().__init__(file_format="array_record", **kwargs)

  def changed(self, what: str, count: int = 1) -> None:
    """Counts examples dropped, repaired or relabelled, for the data card."""
    self._changes[what] += count

  @property
  def changes(self) -> list[dict[str, Any]]:
    """What was counted, in the order of its first occurrence."""
    return [
      {"what": what, "count": count}
      for what, count in self._changes.items()
      if count
    ]


def prepared(
  builder_class: type[Builder],
  folders: Folders,
  *,
  raw: Raw,
  config: str | tfds.core.BuilderConfig | None = None,
  **kwargs,
) -> Prepared:
  """The dataset of a builder, from the cache or made from the raw files.

  Records and cache are kept under the fingerprint of the raw bytes and of the
  builder's name, config, version and `kwargs`, so that another raw file never
  meets old records.

  Raises: UserError of the builder, and where the records cannot be read even
    after they were written anew.
  """
  fingerprint = _fingerprint(builder_class, raw, config, kwargs)
  cache = pathlib.Path(folders.cache).expanduser()
  root = cache / "records" / fingerprint[:16]
  arguments = {"raw": raw, "data_dir": root, "config": config, **kwargs}

  def made():
    with disk.locked(root):
      return _sources(_written(builder_class, arguments))

  folder = cache / "decoded" / fingerprint
  try:
    return Prepared(*decoded.cached(folder, made), fingerprint)
  except _DamagedError as error:
    logging.warning("%s: %s: writing the records again", root, error)
    shutil.rmtree(root)
  try:
    return Prepared(*decoded.cached(folder, made), fingerprint)
  except _DamagedError as error:
    raise UserError(
      f"{root}: the records cannot be read ({error}): check the disk"
    ) from error


class _DamagedError(Exception):
  """Records that cannot be read."""


class _Records:
  """The examples of a split, with one error for every way to be damaged."""

  def __init__(self, builder: Builder, split: str):
    self._split = split
    with self._checked():
      self._source = builder.as_data_source(split=split)

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    with self._checked():
      return self._source[index]

  @contextlib.contextmanager
  def _checked(self):
    try:
      yield
    except Exception as error:  # Each reader has errors of its own.
      reason = " ".join(str(error).split())[:200]
      raise _DamagedError(f"split {self._split!r}: {reason}") from error


def _written(
  builder_class: type[Builder], arguments: dict[str, Any]
) -> Builder:
  """A builder whose records and list of changes exist."""
  builder = builder_class(**arguments)
  folder = pathlib.Path(builder.data_dir)
  if (folder / _CHANGES).exists():
    return builder
  if folder.exists():  # Killed before the last file was written.
    shutil.rmtree(folder)
    builder = builder_class(**arguments)
  tfds.disable_progress_bar()
  with contextlib.redirect_stdout(io.StringIO()):
    builder.download_and_prepare()
  (folder / _CHANGES).write_text(json.dumps(builder.changes))
  return builder


def _sources(
  builder: Builder,
) -> tuple[dict[str, _Records], list[dict[str, Any]]]:
  changes = json.loads((pathlib.Path(builder.data_dir) / _CHANGES).read_text())
  return {name: _Records(builder, name) for name in builder.info.splits}, (
    changes
  )


def _fingerprint(
  builder_class: type[Builder], raw: Raw, config: Any, kwargs: dict[str, Any]
) -> str:
  paths = raw if isinstance(raw, Mapping) else {"": raw} if raw else {}
  if dataclasses.is_dataclass(config):
    config = dataclasses.asdict(config)
  content = {
    "builder": builder_class.name,
    "version": str(builder_class.VERSION),
    "config": config,
    "settings": kwargs,
    "raw": {name: disk.digest(path) for name, path in paths.items()},
  }
  text = json.dumps(content, sort_keys=True, default=str)
  return hashlib.sha256(text.encode()).hexdigest()
