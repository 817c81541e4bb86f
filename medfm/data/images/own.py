"""A user's own images: a folder of classes, or a CSV file that names them."""

import functools
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from medfm import tasks
from medfm.data import files, records
from medfm.data.images import decode, lists
from medfm.data.images import files as image_files
from medfm.data.images import input as image_input
from medfm.data.images.lists import Item, Listing
from medfm.data.tables.labels import Policy, names
from medfm.types import Dataset, Folders, Info, UserError

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_AHEAD = 256  # Images decoded before the writer asks for them.


class OwnImages(records.Builder, skip_registration=True):
  """Images of any size and kind, all made one size, depth and colour.

  raw: name -> file; examples: (name, patient, groups, split) of each.
  truth: array's name -> (dtype, its values of each example).
  """

  def __init__(
    self,
    *,
    examples: Sequence[Sequence[Any]],
    truth: Mapping[str, tuple[str, list]],
    groups: tuple[str, ...],
    size: int,
    channels: int,
    resize: str,
    window: tuple[float, ...],
    bad: str,
    max_bad_fraction: float,
    **kwargs,
  ):
    raw: Mapping[str, pathlib.Path] = kwargs["raw"]
    self._items = [Item(name, raw[name], *rest) for name, *rest in examples]
    self._groups = groups
    arrays = {name: np.array(v, dtype) for name, (dtype, v) in truth.items()}
    self._truth = {
      item.name: {name: array[row] for name, array in arrays.items()}
      for row, item in enumerate(self._items)
    }
    self._kinds = {name: records.feature(a) for name, a in arrays.items()}
    self._shape = (size, size, channels)
    self._read = image_files.reader(
      size=size, channels=channels, resize=resize, window=window
    )
    self._bad, self._max_bad, self._skipped = bad, max_bad_fraction, []
    self._dtype = _widest(self._items)
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    features = {
      "id": tfds.features.Text(),
      "image": tfds.features.Tensor(
        shape=self._shape, dtype=self._dtype, encoding="zlib"
      ),
      **{f"group_{name}": tfds.features.Text() for name in self._groups},
    }
    if any(item.patient for item in self._items):
      features["patient"] = tfds.features.Text()
    features |= self._kinds
    return tfds.core.DatasetInfo(
      builder=self, features=tfds.features.FeaturesDict(features)
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    present = {item.split for item in self._items}
    return {
      split: self._generate_examples(split)
      for split in ("train", "validation", "test")
      if split in present
    }

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict]]:
    items = [item for item in self._items if item.split == split]
    decoded = decode.in_order(self._decoded, items, ahead=_AHEAD)
    for item, image in zip(items, decoded, strict=True):
      if isinstance(image, UserError):
        self._skip(image)
      else:
        yield item.name, self._example(item, image)

  def _decoded(self, item: Item) -> np.ndarray | UserError:
    """The image, or why there is none where the policy is to skip it."""
    try:
      image = self._read((item.name, item.path))
    except UserError as error:
      if self._bad == "skip":
        return error
      raise
    return decode.with_dtype(image, self._dtype, item.name)

  def _skip(self, error: UserError) -> None:
    logging.warning("skipped: %s", error)
    self.changed("images that cannot be read, skipped")
    self._skipped.append(error)
    count, total = len(self._skipped), len(self._items)
    if count > self._max_bad * total:
      raise UserError(
        f"{count} or more of {total} images cannot be read, more than "
        f"max_bad_fraction={self._max_bad}; the first: {self._skipped[0]}"
      )

  def _example(self, item: Item, image: np.ndarray) -> dict[str, Any]:
    example = {"id": item.name, "image": image}
    example |= {
      f"group_{name}": value
      for name, value in zip(self._groups, item.groups, strict=True)
    }
    if "patient" in self.info.features:
      example["patient"] = item.patient
    return example | self._truth[item.name]


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
  image: str = "",
  root: str = "",
  patient: str = "",
  groups: tuple[str, ...] = (),
  split_column: str = "",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  resize: str = "pad",
  window: tuple[float, ...] = (),
  max_bad_fraction: float = 0.0,
  bad: str = "error",
  name: str = "own_images",
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
  _check(bad, size, channels, max_bad_fraction)
  place = _place(folders, path)
  in_folders = place.is_dir()
  if in_folders:
    for setting in (label, image, root, patient, groups, split_column):
      if setting:
        raise UserError(f"{path} is a folder: {setting!r} needs a CSV file")
    label = lists.FOLDER
  labels = tasks.columns_of(
    task,
    {"separator": ";", "none_if_empty": True, "missing_label": missing_label},
    label=names(label),
    classes=tuple(classes),
  )
  if in_folders:
    listing = lists.from_folders(place, labels)
  else:
    listing = lists.from_table(
      place,
      labels,
      root=place.parent / pathlib.Path(root).expanduser(),
      image=image,
      patient=patient,
      groups=groups,
      split_column=split_column,
    )
  if not patient:
    listing = lists.with_dicom_patients(listing)
  listing = lists.with_splits(
    listing, stratify=labels.stratify, fractions=fractions, seed=seed
  )
  prepared = records.prepared(
    OwnImages,
    folders,
    raw={item.name: item.path for item in listing.items},
    examples=[(item.name, *item[2:]) for item in listing.items],
    truth={
      name: (str(array.dtype), array.tolist())
      for name, array in listing.truth.items()
    },
    groups=tuple(groups),
    size=size,
    channels=channels,
    resize=resize,
    window=tuple(window),
    bad=bad,
    max_bad_fraction=max_bad_fraction,
  )
  train = prepared.splits["train"]
  truth = {key: np.asarray(train.arrays[key]) for key in listing.truth}
  info = Info(
    name=name,
    inputs={"image": image_input.of(train)},
    target=labels.target(listing.names, truth),
  )
  dtype = prepared.splits["train"].arrays["image"].dtype
  encode = functools.partial(
    image_files.encoded,
    info=info,
    size=size,
    channels=channels,
    resize=resize,
    window=tuple(window),
    dtype=str(dtype),
    image=image,
  )
  return Dataset(
    splits=prepared.splits,
    info=info,
    card=_card(place, listing, prepared),
    encode=encode,
  )


def _check(bad: str, size: int, channels: int, max_bad_fraction: float) -> None:
  if bad not in ("error", "skip"):
    raise UserError(f"bad={bad!r}: expected error or skip")
  if size < 1 or channels not in (1, 3):
    raise UserError(
      f"size={size}, channels={channels}: expected a size of 1 or more and 1 "
      "or 3 channels"
    )
  if not 0 <= max_bad_fraction < 1:
    raise UserError(
      f"max_bad_fraction={max_bad_fraction}: expected 0 or more, below 1"
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


def _widest(items: Sequence[Item]) -> np.dtype:
  """The dtype all images become, from their heads; bad files have no say."""

  def bits(item: Item) -> np.dtype | None:
    try:
      return decode.bits(item.path, name=item.name)
    except UserError:
      return None

  kinds = set(decode.in_parallel(bits, items)) - {None}
  if kinds == {np.dtype(np.float32)}:
    return np.dtype(np.float32)
  return np.dtype(np.uint16 if np.dtype(np.uint16) in kinds else np.uint8)


def _card(
  place: pathlib.Path, listing: Listing, prepared: records.Prepared
) -> dict[str, Any]:
  return {
    "source": {"file": place.name, "url": None, "official": None},
    "licence": "the user's own data",
    "citation": "",
    "notes": listing.notes,
    "changes": [*listing.changes, *prepared.changes],
    "split": listing.split,
    "fingerprint": prepared.fingerprint,
  }
