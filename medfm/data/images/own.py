"""A user's own images: a folder of classes, or a CSV file that names them."""

import logging
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from medfm import tasks
from medfm.data import files, records
from medfm.data.images import decode
from medfm.data.images import files as image_files
from medfm.data.tables.labels import Policy, names
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_AHEAD = 256  # Images decoded before the writer asks for them.


class OwnImages(records.RowsBuilder, skip_registration=True):
  """Images of any size and kind, all made one size, depth and colour.

  raw: name -> file; examples: (name, patient, groups, split) of each.
  truth: array's name -> (dtype, its values of each example).
  """

  changes = records.Builder.changes  # What is skipped is known at the end.
  shuffled = True

  def __init__(
    self,
    *,
    raw: Mapping[str, pathlib.Path],
    examples: Sequence[Sequence[Any]],
    truth: Mapping[str, tuple[str, list]],
    groups: tuple[str, ...],
    bad: str,
    max_bad_fraction: float,
    size: int,
    channels: int,
    resize: str,
    window: tuple[float, ...],
    **kwargs,
  ):
    self._paths = [(name, raw[name]) for name, *_ in examples]
    ids, patients, cells, part = zip(*examples, strict=True)
    self._rows = SimpleNamespace(
      ids=ids,
      strings={"patient": patients} if any(patients) else {},
      groups=dict(zip(groups, zip(*cells, strict=True), strict=True)),
      arrays={k: np.array(v, dtype) for k, (dtype, v) in truth.items()},
      part=np.array(part),
    )
    self._shape, self._dtype = (size, size, channels), _widest(raw.values())
    self._reading = (size, channels, resize, window, self._dtype)
    self._bad, self._max_bad, self._skipped = bad, max_bad_fraction, 0
    super().__init__(raw=raw, **kwargs)

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    image = tfds.features.Tensor(
      shape=self._shape, dtype=self._dtype, encoding="zlib"
    )
    return super().features() | {"image": image}

  def _generate_examples(self, rows: list[int]) -> Iterator[tuple[str, dict]]:
    images = decode.in_order(self._decoded, rows, ahead=_AHEAD)
    examples = super()._generate_examples(rows)
    for (_, example), image in zip(examples, images, strict=True):
      if isinstance(image, UserError):
        self._skip(image)
      else:
        yield example["id"], {**example, "image": image}

  def _decoded(self, row: int) -> np.ndarray | UserError:
    try:
      return image_files.read(self._paths[row], *self._reading)
    except UserError as error:
      return error

  def _skip(self, error: UserError) -> None:
    if self._bad == "error":
      raise error
    logging.warning("skipped: %s", error)
    self.changed("images that cannot be read, skipped")
    self._skipped += 1
    total = len(self._paths)
    if self._skipped > self._max_bad * total:
      raise UserError(
        f"{self._skipped} or more of {total} images cannot be read, more than "
        f"max_bad_fraction={self._max_bad}; the last: {error}"
      )


@forwards(image_files.listed)
def own_images(
  folders: Folders,
  *,
  path: str,
  size: int = 64,
  channels: int = 1,
  task: str = "multiclass",
  label: str | tuple[str, ...] = "",
  classes: tuple[str, ...] = (),
  missing_label: Policy = "error",
  resize: str = "pad",
  window: tuple[float, ...] = (),
  max_bad_fraction: float = 0.0,
  bad: str = "error",
  name: str = "own_images",
  **listing: Any,
) -> Dataset:
  """Images of a folder or CSV file as image [N,size,size,channels].

  uint16 where any file has more than 8 bits, else uint8 (float32 where all
  files are floating point).

  path: a folder (or a zip or tar of one) with a folder per class, perhaps
    below train, validation (or val) and test; or a CSV file. Relative paths
    start at the folder of raw data.
  label: the CSV's label column. For multilabel one column of names joined by
    ";", or a tuple of columns of 0, 1 and empty; for regression one or more
    columns of numbers.
  classes: their names in order, where the sorted names are not wanted.
  missing_label: "error", or "drop" to leave out such rows, counted.
  image, patient, groups, split_column: columns of the CSV file.
  root: the folder the image paths start at; the CSV file's own where "".
  resize: pad, crop or stretch. window: (low, high) for grey DICOM.
  bad: "error", or "skip" up to `max_bad_fraction` of the images.

  Without a patient column, DICOM files are split by a hash of their
  PatientID. Raises: UserError for whatever the files or columns lack.
  """
  if bad not in ("error", "skip"):
    raise UserError(f"bad={bad!r}: expected error or skip")
  if size < 1 or channels not in (1, 3) or len(window) not in (0, 2):
    raise UserError(
      f"size={size}, channels={channels}, window={window}: expected a size of "
      "1 or more, 1 or 3 channels, and (low, high) or nothing"
    )
  if not 0 <= max_bad_fraction < 1:
    raise UserError(
      f"max_bad_fraction={max_bad_fraction}: expected 0 or more, below 1"
    )
  place = _place(folders, path)
  keys = ("image", "root", "patient", "groups", "split_column")
  columns = filter(None, [label, *map(listing.get, keys)])
  if place.is_dir() and (column := next(columns, None)):
    raise UserError(f"{path} is a folder: {column!r} needs a CSV file")
  labels = tasks.columns_of(
    task,
    {"separator": ";", "none_if_empty": True, "missing_label": missing_label},
    label=names(image_files.FOLDER if place.is_dir() else label),
    classes=tuple(classes),
  )
  images = image_files.listed(place, labels, **listing)
  shape = {
    "size": size,
    "channels": channels,
    "resize": resize,
    "window": tuple(window),
  }
  truth = images.truth.items()
  prepared = records.prepared(
    OwnImages,
    folders,
    raw=images.raw,
    examples=images.examples,
    truth={name: (str(a.dtype), a.tolist()) for name, a in truth},
    groups=tuple(listing.get("groups", ())),
    bad=bad,
    max_bad_fraction=max_bad_fraction,
    **shape,
  )
  train = prepared.splits["train"]
  truth = {key: np.asarray(train.arrays[key]) for key in images.truth}
  return image_files.dataset(
    prepared.splits,
    name=name,
    target=labels.target(images.names, truth),
    card={
      "source": {"file": place.name, "url": None, "official": None},
      "licence": "the user's own data",
      "citation": "",
      "notes": images.notes,
      "changes": [*images.changes, *prepared.changes],
      "split": images.split,
      "fingerprint": prepared.fingerprint,
    },
    image=listing.get("image", ""),
    **shape,
  )


def _place(folders: Folders, path: str) -> pathlib.Path:
  """The folder or CSV file; an archive is unpacked into the cache."""
  if not path:
    raise UserError("own_images needs path=: a folder of images or a CSV file")
  place = files.of_user(folders, path, folder=True)
  if place.name.lower().endswith(_ARCHIVES):
    cache = pathlib.Path(folders.cache).expanduser()
    place = files.unpacked(place, cache / "unpacked" / place.name)
    # The one folder most archives wrap their content in.
    inner = [p for p in place.iterdir() if not p.name.startswith((".", "__"))]
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else place
  if not place.is_dir() and place.suffix.lower() != ".csv":
    raise UserError(f"{path}: expected a folder, a CSV file, a zip or a tar")
  return place


def _widest(paths: Iterable[pathlib.Path]) -> np.dtype:
  """The dtype all images become, from their heads; bad files have no say."""
  kinds = set(decode.in_order(decode.bits, paths)) - {None}
  if kinds == {np.dtype(np.float32)}:
    return np.dtype(np.float32)
  return np.dtype(np.uint16 if np.dtype(np.uint16) in kinds else np.uint8)
