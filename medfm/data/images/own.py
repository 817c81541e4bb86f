"""A user's own images: a folder of classes, or a CSV file that names them."""

import collections
import functools
import logging
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from medfm import tasks
from medfm.data import cards, files, records
from medfm.data.images import decode, masks, trained
from medfm.data.images import files as image_files
from medfm.data.images import input as image_input
from medfm.data.images import listing as listings
from medfm.data.tables.labels import Policy, adopted, names
from medfm.spec import forwards
from medfm.types import Dataset, Folders, UserError

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_AHEAD = 256  # Images decoded before the writer asks for them.


_AUTO = "auto"
_DEPTHS = (8, 10, 12, 14)
_SURE = 8  # Files needed to believe in 13 to 15 used bits; 12 are common.


class OwnImages(records.RowsBuilder, skip_registration=True):
  """Images of any size and kind, all given one size, depth and colour.

  raw: name -> file; examples: (name, patient, groups, split) of each.
  truth: array's name -> (dtype, its value for each example).
  channels: 1, 3 or "auto", for those of the files.
  texts: of each example, if they are kept beside the images.
  dtype, bits: as a trained model needs them, in the order in which the images
    are listed; "" and 0 for those of the files.
  """

  VERSION = tfds.core.Version("2.0.0")  # 2: padding, white is zero, 12 bits.
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
    channels: int | str,
    resize: str,
    window: tuple[float, ...],
    frame: str,
    texts: Sequence[str] = (),
    dtype: str = "",
    bits: int = 0,
    **kwargs,
  ):
    self._paths = [(name, raw[name]) for name, *_ in examples]
    ids, patients, cells, part = zip(*examples, strict=True)
    strings = {"patient": patients} if any(patients) else {}
    self._rows = SimpleNamespace(
      ids=ids,
      strings={**strings, "text": texts} if texts else strings,
      groups=dict(zip(groups, zip(*cells, strict=True), strict=True)),
      arrays={k: np.array(v, dtype) for k, (dtype, v) in truth.items()},
      part=np.array(part),
    )
    heads = [*decode.in_order(decode.head, raw.values())]
    heads = {p: h for p, h in zip(raw.values(), heads, strict=True) if h}
    if channels == _AUTO:
      channels = _channels(heads, frame)
    self._shape = image_files.Shape(
      size,
      channels,
      resize,
      window,
      np.dtype(dtype) if dtype else _widest(heads.values()),
      frame,
      bits or _bits(heads, frame),
    )
    self.shuffled = not dtype
    self._bad, self._max_bad, self._skipped = bad, max_bad_fraction, 0
    self._sizes, self._made = collections.Counter(), collections.Counter()
    super().__init__(raw=raw, **kwargs)

  @property
  def changes(self) -> list[dict[str, Any]]:
    """What was skipped; last, what the images were and what was changed.

    Known once all are written.
    """
    counts, size = self._sizes, self._shape.size
    other = {shape: n for shape, n in counts.items() if shape != (size, size)}
    made = dict(self._made)
    if other:
      made = {
        f"of {image_files.sizes(other)} made {size} x {size} "
        f"({self._shape.resize})": sum(other.values()),
        **made,
      }
    summary = {"images": sum(counts.values()), "bits": self._shape.bits}
    return [*records.counted(self._changes), summary | {"made": made}]

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    shape = self._shape
    image = tfds.features.Tensor(
      shape=(shape.size, shape.size, shape.channels),
      dtype=shape.dtype,
      encoding="zlib",
    )
    return super().features() | {"image": image}

  def _generate_examples(self, rows: list[int]) -> Iterator[tuple[str, dict]]:
    images = decode.in_order(self._decoded, rows, ahead=_AHEAD)
    examples = super()._generate_examples(rows)
    for (row, example), image in zip(examples, images, strict=True):
      if isinstance(image, UserError):
        self._skip(image)
        continue
      self._sizes[image.size] += 1
      self._made.update(image.changes)
      name = example["id"] if self.shuffled else row
      yield name, {**example, "image": image.pixels}

  def _decoded(self, row: int) -> image_files.Read | UserError:
    try:
      return image_files.read(self._paths[row], self._shape)
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
        f"at least {self._skipped} of {cards.amount(total, 'image')} cannot be "
        f"read, more than max_bad_fraction={self._max_bad}; the last: {error}"
      )


@forwards(listings.listed)
def own_images(
  folders: Folders,
  text: str = "",
  *,
  path: str,
  size: int = 64,
  channels: int | str = _AUTO,
  task: str = "multiclass",
  label: str | tuple[str, ...] = "",
  classes: tuple[str, ...] = (),
  missing_label: Policy = "error",
  resize: str = "pad",
  window: tuple[float, ...] = (),
  frame: str = "",
  max_bad_fraction: float = 0.0,
  bad: str = "error",
  name: str = "own_images",
  **listing: Any,
) -> Dataset:
  """Images of a folder or CSV file as image [N,size,size,channels].

  uint16 if any file has more than 8 bits, else uint8 (float32 if all files are
  floating point).

  text: the CSV's column of a text of each image, kept as the array `text` of
    strings, which no model of images reads; for `data.captions`.
  path: a folder (or a zip or tar of one) with a folder per class, perhaps
    below train, validation (or val) and test; or a CSV file. Relative paths
    start at the folder of raw data.
  channels: 3 (colour), 1 (grey), or "auto": 3 if any file shows colour.
  label: the CSV's label column. For multilabel one column of names joined by
    ";", or a tuple of columns of 0, 1 and empty; for regression one or more
    columns of numbers.
  classes: the names of the classes in order; () for the sorted names.
  missing_label: "error", or "drop" to leave out rows without a label.
  image, patient, groups, split_column: columns of the CSV file; delimiter:
    the character between its cells.
  exclude: patterns of a folder's files that are not images, such as *_mask*.
  root: the folder that image paths start at; "" for that of the CSV file.
  resize: pad, crop or stretch. window: (low, high) for grey DICOM.
  frame: which frame of a DICOM or TIFF file of several is the image: first,
    middle, last or a number from 0 on; "" refuses such a file.
  bad: "error", or "skip" up to `max_bad_fraction` of the images.

  Without a patient column, DICOM files are split by a hash of their
  PatientID. Raises: UserError for missing or damaged files or columns.
  """
  if bad not in ("error", "skip"):
    raise UserError(f"bad={bad!r}: expected error or skip")
  asked = int(channels) if str(channels) in ("1", "3") else channels
  if size < 1 or asked not in (1, 3, _AUTO) or len(window) not in (0, 2):
    raise UserError(
      f"size={size}, channels={channels}, window={window}: expected a size of "
      "1 or more, 1 or 3 channels or auto, and (low, high) or nothing"
    )
  if not 0 <= max_bad_fraction < 1:
    raise UserError(
      f"max_bad_fraction={max_bad_fraction}: expected 0 or more, below 1"
    )
  place = _place(folders, path)
  keys = ("image", "root", "patient", "groups", "split_column")
  columns = filter(None, [label, text, *map(listing.get, keys)])
  if place.is_dir() and (column := next(columns, None)):
    raise UserError(f"{path} is a folder: {column!r} needs a CSV file")
  labels = tasks.columns_of(
    task,
    {"separator": ";", "none_if_empty": True, "missing_label": missing_label},
    label=names(listings.FOLDER if place.is_dir() else label),
    classes=tuple(classes),
  )
  reading = folders.reading
  labels = adopted(labels, reading)
  images = listings.listed(place, labels, bool(reading), text, **listing)
  shape = {
    "size": size,
    "channels": asked,
    "resize": resize,
    "window": tuple(window),
    "frame": frame,
  }
  of_training = {}
  if reading:
    given = {**shape, "bits": 16}
    of_training = trained.shape(reading, place.name, given)
    images.changes.extend(trained.overruled(given, of_training))
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
    **({"texts": images.texts} if images.texts else {}),
    **shape | of_training,
  )
  *changes, summary = prepared.changes
  train = next(iter(prepared.splits.values()))
  described = image_input.of(train)
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
      cards.READ: _read(described, "" if reading else asked, summary),
      "changes": [*images.changes, *changes],
      **cards.warned(cards.doubts(images.names), masks.warnings(images.raw)),
      "split": images.split,
      "fingerprint": prepared.fingerprint,
    },
    image=listing.get("image", ""),
    exclude=tuple(listing.get("exclude", ())),
    delimiter=listing.get("delimiter", ","),
    **shape | {"channels": described.channels, "bits": summary["bits"]},
  )


def _read(
  described: image_input.Image, asked: int | str, summary: Mapping[str, Any]
) -> str:
  """A line on how the images were read and how many were changed in what way.

  asked: the channels; "" if training decides.
  """
  why = "as the files have" if asked == _AUTO else f"as channels={asked} says"
  why = why if asked else "as in training"
  depth = 8 * np.dtype(described.dtype).itemsize
  made = [f"{count:,} {what}" for what, count in summary["made"].items()]
  return (
    f"images: {summary['images']:,}, read as {described.describe()} ({why}) "
    f"and {depth} bits: {', '.join(made) or 'none was changed'}"
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


def _widest(heads: Iterable[decode.Head]) -> np.dtype:
  """The dtype that all images become; damaged files are ignored."""
  kinds = {head.dtype for head in heads}
  if kinds == {np.dtype(np.float32)}:
    return np.dtype(np.float32)
  return np.dtype(np.uint16 if np.dtype(np.uint16) in kinds else np.uint8)


def _channels(heads: Mapping[pathlib.Path, decode.Head], frame: str) -> int:
  """3 if any image shows colour; three equal channels are grey."""
  perhaps = [path for path, head in heads.items() if head.colour]
  read = functools.partial(decode.is_colour, frame=frame)
  return 3 if any(decode.in_order(read, perhaps, ahead=_AHEAD)) else 1


def _bits(heads: Mapping[pathlib.Path, decode.Head], frame: str) -> int:
  """How many bits are used by 16-bit files that do not say so themselves.

  Images of 10- or 12-bit scanners are often saved in 16 bits, and look nearly
  black then. A few dark images could be chance, so 14 bits need several files.
  """
  words = [path for path, head in heads.items() if head.word]
  read = functools.partial(decode.top, frame=frame)
  highest = max(decode.in_order(read, words), default=0)
  enough = [d for d in _DEPTHS if 0 < highest < 2**d]
  if not enough or (enough[0] > 12 and len(words) < _SURE):
    return 16
  return enough[0]
