"""TFDS builders written as array_record, without TensorFlow.

`prepared` writes the clean, typed examples of a `Builder` once, decodes them
once into a memory-mapped cache, and gives the splits.

Features by name: `id` (Text), `patient` (Text, optional) and `group_<name>`
(Text, optional) become the ids, patients and groups of a split; every other
feature becomes one of its arrays: of one shape in every example, or a `Ragged`
column where its shape has None for its first axis, or for all of them.
What works without TensorFlow: `Text`, `ClassLabel`, `Scalar`,
`Sequence`, `Tensor` (with encoding="zlib" for pixels), and `Image` fed with
the bytes or the path of an encoded image, never with an array.
"""

import collections
import contextlib
import functools
import hashlib
import io
import json
import logging
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from medfm import jsons
from medfm.data import decoded, disk, splits
from medfm.types import Folders, Reading, Split, UserError

Raw = pathlib.Path | Mapping[str, pathlib.Path] | None
_MANIFEST = "manifest.json"


class Prepared(NamedTuple):
  """splits by name; changes: [{"what", "count"}]; fingerprint: sha256.

  reading: the trained model that they are read for, as in `Folders`.
  """

  splits: dict[str, Split]
  changes: list[dict[str, Any]]
  fingerprint: str
  reading: Reading | None = None


def counted(changes: Mapping[str, int]) -> list[dict[str, Any]]:
  """The changes that occurred, for the data card; from what -> how many."""
  return [{"what": k, "count": int(n)} for k, n in changes.items() if n]


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A TFDS builder that knows its raw files and counts what it changes.

  Subclasses: `class Name(records.Builder, skip_registration=True)` with
  VERSION, `features`, `_split_generators` and `_generate_examples`; raise
  VERSION whenever the examples change. Settings of a subclass are keyword
  arguments that `prepared` passes on. The class must be in an importable
  module.
  """

  VERSION = tfds.core.Version("1.0.0")
  shuffled = True  # False keeps the order in which examples are generated.

  def __init__(self, *, raw: Raw = None, **kwargs):
    self.raw = raw
    self._changes = collections.Counter()
    super().__init__(file_format="array_record", **kwargs)

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    raise NotImplementedError

  def _info(self) -> tfds.core.DatasetInfo:
    features = tfds.features.FeaturesDict(self.features())
    return tfds.core.DatasetInfo(
      builder=self, features=features, disable_shuffling=not self.shuffled
    )

  def changed(self, what: str, count: int = 1) -> None:
    """Counts examples dropped, repaired or relabelled, for the data card."""
    self._changes[what] += count

  @property
  def changes(self) -> list[dict[str, Any]]:
    """What was counted, in the order of its first occurrence."""
    return counted(self._changes)


class RowsBuilder(Builder, skip_registration=True):
  """Writes N cleaned rows in their order; subclasses give `rows`.

  Rows are an object with `ids`; `strings`, `groups` and `arrays` [N, ...] by
  name (`patient` is a string); `part`, the split of each, or None if none is
  given; `changes` for the data card; and `schema`, what the arrays mean,
  JSON-able, which comes last among the changes.
  """

  shuffled = False

  def rows(self) -> Any:
    raise NotImplementedError

  @functools.cached_property
  def _rows(self) -> Any:
    return self.rows()

  @functools.cached_property
  def _texts(self) -> dict[str, Sequence[str] | np.ndarray]:
    groups = {f"group_{k}": cells for k, cells in self._rows.groups.items()}
    return {"id": self._rows.ids, **self._rows.strings, **groups}

  @property
  def changes(self) -> list[dict[str, Any]]:
    return [*self._rows.changes, self._rows.schema]

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    features = {name: tfds.features.Text() for name in self._texts}
    for name, array in self._rows.arrays.items():
      shape, kind = array.shape[1:], array.dtype.type
      features[name] = tfds.features.Scalar(kind)
      if shape:
        features[name] = tfds.features.Tensor(shape=shape, dtype=kind)
    return features

  def _split_generators(self, dl_manager):
    part = self._rows.part
    if part is None:
      part = np.full(len(self._rows.ids), splits.WHOLE)
    return {
      name: self._generate_examples(np.flatnonzero(part == name).tolist())
      for name in (splits.WHOLE, *splits.NAMES)
      if (part == name).any()
    }

  def _generate_examples(self, indices):
    arrays = self._rows.arrays
    for index in indices:
      example = {name: str(cells[index]) for name, cells in self._texts.items()}
      yield index, example | {name: a[index] for name, a in arrays.items()}


def read(array: np.ndarray) -> np.ndarray:
  """A recorded column as it was written: TFDS reads a float32 as float64."""
  array = np.asarray(array)
  return array.astype(np.float32) if array.dtype == np.float64 else array


def prepared(
  builder_class: type[Builder], folders: Folders, *, raw: Raw, **settings: Any
) -> Prepared:
  """The dataset of a builder, from the cache or made from the raw files.

  Records and cache are kept under the fingerprint of the raw bytes and of the
  builder's name, version and settings, so that records of another raw file are
  never read.
  """
  paths = raw if isinstance(raw, Mapping) else {"": raw} if raw else {}
  fingerprint = _digest(
    {
      "builder": builder_class.name,
      "version": str(builder_class.VERSION),
      "config": None,
      "settings": settings,
      "raw": {name: disk.digest(path) for name, path in paths.items()},
    }
  )
  cache = pathlib.Path(folders.cache).expanduser()
  root = cache / "records" / fingerprint[:16]
  arguments = {"raw": raw, "data_dir": root, **settings}

  def made() -> tuple[dict[str, "_Records"], list[dict[str, Any]]]:
    with disk.locked(root):
      builder, changes = _written(builder_class, arguments)
      names = builder.info.splits
      return {name: _Records(builder, name) for name in names}, changes

  folder = cache / "decoded" / fingerprint
  return Prepared(*decoded.cached(folder, made), fingerprint, folders.reading)


class _Records:
  """The examples of a split; any damage raises the same error.

  ragged: feature -> how many of its axes differ between examples.
  """

  def __init__(self, builder: Builder, split: str):
    self._split = split
    with self._checked():
      self._source = builder.as_data_source(split=split)
    self.ragged = {
      name: axes
      for name, feature in builder.info.features.items()
      if not isinstance(feature, tfds.features.Text)
      and (axes := [*feature.shape].count(None))
    }

  def __len__(self) -> int:
    return len(self._source)

  def __iter__(self) -> Iterator[dict[str, Any]]:
    with self._checked():
      yield from decoded.examples(self._source)

  @contextlib.contextmanager
  def _checked(self):
    try:
      yield
    except Exception as error:  # Each reader raises other types.
      reason = " ".join(str(error).split())[:200]
      raise UserError(
        f"the records of split {self._split!r} cannot be read ({reason}): "
        "check the disk"
      ) from error


def _written(
  builder_class: type[Builder], arguments: dict[str, Any]
) -> tuple[Builder, list[dict[str, Any]]]:
  """A builder whose records are sound, and its list of changes."""
  root = arguments["data_dir"]
  place = root / _MANIFEST
  why = _unsound(root)
  if why is None:
    changes = jsons.read(place)["changes"]
    return builder_class(**arguments), changes
  if root.exists():
    logging.warning("%s: %s: writing the records again", root, why)
    shutil.rmtree(root)
  builder = builder_class(**arguments)
  tfds.disable_progress_bar()
  with contextlib.redirect_stdout(io.StringIO()), disk.errors(root):
    builder.download_and_prepare()
  paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
  files = {p.relative_to(root).as_posix(): disk.digest(p) for p in paths}
  content = {"changes": builder.changes, "files": files}
  # Written last, so that a killed run leaves none.
  place.write_text(json.dumps(content | {"sha256": _digest(content)}))
  return builder, builder.changes


def _unsound(root: pathlib.Path) -> str | None:
  """Why records cannot be used, or None."""
  try:
    content = jsons.read(root / _MANIFEST)
    if content.pop("sha256") != _digest(content):
      return f"{_MANIFEST} is damaged"
    for name, digest in content["files"].items():
      if not (root / name).is_file() or disk.digest(root / name) != digest:
        return f"{name} is damaged"
  except (OSError, ValueError, LookupError, TypeError, AttributeError):
    return f"{_MANIFEST} is missing or damaged"
  return None


def _digest(content: Any) -> str:
  text = json.dumps(content, sort_keys=True, default=str)
  return hashlib.sha256(text.encode()).hexdigest()
