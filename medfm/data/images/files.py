"""A user's image files: found in a folder or a table, and read."""

import collections
import functools
import logging
import math
import os
import pathlib
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np

from medfm.data import cards, files
from medfm.data.images import decode, masks, trained
from medfm.data.images import input as image_input
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.types import Dataset, Info, Reading, Split, Target, UserError

COLUMNS = ("image", "image_path", "path", "file", "filename", "file_name")
"""Names under which a table's image column is found when none is given."""


class Kind(NamedTuple):
  """What the files of a folder are: a noun, suffixes, and how they are known.

  offered: path -> whether a file is one, by its name or first bytes.
  """

  noun: str
  suffixes: tuple[str, ...]
  offered: Callable[[Any], bool]


IMAGES = Kind("image", tuple(decode.SUFFIXES), decode.offered)


class Shape(NamedTuple):
  """The size, channels and depth that all images of a data set are given.

  bits: how many bits 16-bit files use, if they do not say so themselves.
  """

  size: int
  channels: int
  resize: str
  window: tuple[float, ...]
  dtype: Any
  frame: str = ""
  bits: int = 16


class Read(NamedTuple):
  """An image [size,size,channels], its former H and W, and the changes."""

  pixels: np.ndarray
  size: tuple[int, int]
  changes: tuple[str, ...]


def read(item: tuple[str, pathlib.Path], shape: Shape) -> Read:
  """The image of (name, path), brought into `shape`."""
  name, path = item
  return brought(decoded(path, name, shape), shape, name)


def decoded(path: pathlib.Path, name: str, shape: Shape) -> decode.Picture:
  """The whole picture of a file, in its own size and channels."""
  return decode.picture(
    path,
    name=name,
    frame=shape.frame,
    window=shape.window or None,
    bits=shape.bits,
  )


def brought(picture: decode.Picture, shape: Shape, name: str) -> Read:
  """A decoded picture, brought into `shape`."""
  stored, changes = picture
  made = decode.with_channels(stored, shape.channels)
  if made.shape[-1] > stored.shape[-1]:
    changes += ("grey copied to three channels",)
  elif made is not stored and (stored != stored[..., :1]).any():
    changes += ("colour made grey",)
  made = decode.resized(made, shape.size, shape.resize)
  typed = decode.with_dtype(made, shape.dtype, name)
  if typed.dtype != made.dtype:
    before, after = 8 * made.dtype.itemsize, 8 * typed.dtype.itemsize
    changes += (f"of {before} bits made {after}",)
  return Read(typed, stored.shape[:2], changes)


def sizes(shapes: Collection[tuple[int, int]]) -> str:
  """The smallest and the largest of some heights and widths, in words."""
  ends = sorted(shapes, key=math.prod)
  return " to ".join(
    f"{height} x {width}"
    for height, width in dict.fromkeys((ends[0], ends[-1]))
  )


def dataset(
  splits: dict[str, Split],
  *,
  name: str,
  target: Target,
  card: dict[str, Any],
  reading: Reading | None = None,
  **reads: Any,
) -> Dataset:
  """The dataset of images.

  reads: settings of `encoded`, for new files.
  reading: the trained model that the images are read for, as in `Folders`.
  """
  if reading:
    how = reads.get("resize", "pad")
    splits, changes = trained.refitted(splits, reading, name, how)
    card = {**card, "changes": [*card["changes"], *changes]}
  described = image_input.of(next(iter(splits.values())))
  info = Info(name=name, inputs={"image": described}, target=target)
  encode = functools.partial(encoded, info=info, dtype=described.dtype, **reads)
  return Dataset(splits=splits, info=info, card=card, encode=encode)


@files.laid_out("image", "exclude", "delimiter")
def encoded(
  path: str,
  info: Info,
  *,
  size: int,
  channels: int,
  resize: str = "pad",
  window: tuple[float, ...] = (),
  dtype: str = "uint8",
  frame: str = "",
  bits: int = 16,
  image: str = "",
  exclude: tuple[str, ...] = (),
  delimiter: str = ",",
) -> Split:
  """A user's new images as a split without labels, treated as in training.

  path: one image, a folder (with all below it), or a CSV file with a column
    of image files relative to the CSV's folder.
  dtype, bits: of the training images; new images are converted to them.
    Changes, other than of sizes, are logged with the images' names.
  frame: which one to read of files of several frames.
  image: the CSV's column; "" for the first of the usual names.
  exclude: patterns of the folder's files that are left out.
  delimiter: the character between the cells of the CSV file.
  """
  del info  # The model needs classes and scaling, reading files does not.
  place = pathlib.Path(path).expanduser()
  if not place.exists():
    raise UserError(f"{path}: no such file or folder")
  names, paths = [place.name], [place]
  if place.is_dir():
    every, _, _ = under(place)
    names = [n for n in every if not masks.fits(n, exclude)]
    if left_out := len(every) - len(names):
      unread = cards.amount(left_out, "image")
      by = f"exclude={','.join(exclude)}"
      logging.warning("%s: %s left out by %s", path, unread, by)
    if not names:
      raise UserError(f"{path}: exclude={','.join(exclude)} leaves no image")
    paths = [place / name for name in names]
  elif place.suffix.lower() == ".csv":
    table = tables.read(place, delimiter=delimiter)
    column, paths = in_table(table, place.parent, image)
    names = table[column]
  shape = Shape(size, channels, resize, tuple(window), dtype, frame, bits)
  images, changes = [], collections.Counter()
  for each in decode.in_order(
    lambda item: read(item, shape), zip(names, paths, strict=True)
  ):
    images.append(each.pixels)
    changes.update(each.changes)
  if changes:
    counts = [f"{count:,} {what}" for what, count in changes.items()]
    logging.warning("%s: images as in training: %s", path, ", ".join(counts))
  return Split({"image": np.stack(images)}, np.array(names))


def refuse_name(name: str, root: pathlib.Path) -> None:
  """Raises UserError for a file name that is not text (in UTF-8)."""
  try:
    name.encode()
  except UnicodeEncodeError:
    shown = os.fsencode(name).decode("ascii", "backslashreplace")
    raise UserError(
      f"{root.name}: the file name {shown} is not UTF-8; rename it, as "
      "convmv -f latin1 -t utf8 does"
    ) from None


def under(
  root: pathlib.Path, exclude: tuple[str, ...] = (), kind: Kind = IMAGES
) -> tuple[list[str], int, int]:
  """(names of the images below a folder, sorted; how many other files it has;
  how many images `exclude` leaves out).

  Names are relative, with "/". Files that are not images (hidden files, other
  suffixes, and files without a suffix unless DICOM) are only counted.
  kind: of the files that are meant, if not images.

  Raises: UserError if there are no images, for a link that leads out of the
    folder, and for a link to a folder, which could lead anywhere later.
  """
  names, others = [], 0
  top = root.resolve()
  for folder, folders, inside in os.walk(top):
    folders[:] = sorted(f for f in folders if not is_clutter(f))
    for path in [pathlib.Path(folder, name) for name in folders]:
      if path.is_symlink():
        raise UserError(
          f"{path.name}: is a link to a folder; put the folder itself there"
        )
    for path in [pathlib.Path(folder, name) for name in inside]:
      if not path.name.isprintable():
        refuse_name(path.name, root)
      if path.is_symlink() and not files.real(path).is_relative_to(top):
        raise UserError(
          f"{path.name}: is a link out of {root.name}; put the file there"
        )
      if kind.offered(path):
        if not path.is_file():  # A pipe or a device would never end.
          what = "is not a file but a pipe, a device or a link to nothing"
          raise UserError(f"{path.name}: {what}")
        names.append(path.relative_to(top).as_posix())
      else:
        others += 1
  if not names:
    known = ", ".join(kind.suffixes)
    raise UserError(f"{root.name}: no {kind.noun}s ({known})")
  chosen = masks.kept(sorted(names), exclude)
  return chosen, others, len(names) - len(chosen)


def is_clutter(folder: str) -> bool:
  """Folders that systems leave behind: .git, __MACOSX, @eaDir."""
  return folder.startswith((".", "@")) or folder == "__MACOSX"


def in_table(
  table: Table, root: pathlib.Path, column: str, kind: Kind = IMAGES
) -> tuple[str, list[pathlib.Path]]:
  """(the column of image files, given or by a usual name; its files)."""
  known = (*COLUMNS, kind.noun, f"{kind.noun}_path")
  usual = [name for name in table.columns if name.lower() in known]
  if not column and not usual:
    raise UserError(
      f"{table.path}: which column names the {kind.noun} files? set image= to "
      f"one of {', '.join(table.columns)}"
    )
  column = column or usual[0]
  paths = []
  for index, cell in enumerate(table[column]):
    try:
      paths.append(files.inside(root, cell))
    except ValueError as error:
      raise table.error(index, column, str(error)) from None
  return column, paths
