"""Image files in folders and tables: found, kept inside, read for predict."""

import os
import pathlib
from collections.abc import Callable

import numpy as np

from medfm.data.images import decode
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.types import Info, Split, UserError

COLUMNS = ("image", "image_path", "path", "file", "filename", "file_name")
"""Names under which a table's image column is found when none is given."""


def under(root: pathlib.Path) -> tuple[list[str], int]:
  """(names of the images below a folder, sorted; how many others it holds).

  Names are relative, with "/". Files that are no images (by suffix; hidden
  ones; without a suffix, those that are not DICOM) are only counted.

  Raises: UserError for a link that leads out of the folder, and for a link to
    a folder, which could lead anywhere later.
  """
  names, others = [], 0
  top = root.resolve()
  for folder, folders, found in os.walk(top):
    folders[:] = sorted(f for f in folders if not is_clutter(f))
    for name in folders:
      if os.path.islink(os.path.join(folder, name)):
        raise UserError(f"{name}: is a link to a folder; move the real one in")
    below = pathlib.Path(folder).relative_to(top).as_posix()
    for name in found:
      path = os.path.join(folder, name)
      link = pathlib.Path(path)
      if link.is_symlink() and not link.resolve().is_relative_to(top):
        raise UserError(f"{name}: is a link out of {root.name}")
      if decode.offered(path):
        names.append(name if below == "." else f"{below}/{name}")
      else:
        others += 1
  return sorted(names), others


def inside(root: pathlib.Path, cell: str) -> pathlib.Path:
  """The file a table's cell names, which may not lie outside `root`.

  Raises: ValueError saying what is wrong with it.
  """
  if not cell:
    raise ValueError("no file is named")
  name = pathlib.PurePosixPath(cell.replace("\\", "/"))
  if name.is_absolute() or ":" in name.parts[0] or cell.startswith("~"):
    raise ValueError("is an absolute path, expected one relative to the folder")
  if ".." in name.parts or "\0" in cell:
    raise ValueError("leads out of the folder")
  path = root / name
  if not path.resolve().is_relative_to(root.resolve()):
    raise ValueError("is a link that leads out of the folder")
  if not path.is_file():
    raise ValueError(f"no such file: {tables.shortened(cell, 60)}")
  return path


def listed(
  table: Table, root: pathlib.Path, column: str
) -> dict[int, pathlib.Path]:
  """Index of each row -> its image file; an error names the row."""
  paths = {}
  for index, cell in enumerate(table[column]):
    try:
      paths[index] = inside(root, cell)
    except ValueError as error:
      raise table.error(index, column, str(error)) from None
  return paths


def image_column(table: Table, column: str = "") -> str:
  """The name of the column of image files: as given, or a usual one."""
  if column:
    table[column]  # A mistyped name gets the table's own message.
    return column
  for name in table.columns:
    if name.lower() in COLUMNS:
      return name
  raise UserError(
    f"{table.path}: which column names the image files? set image= to one of "
    f"{', '.join(table.columns)}"
  )


def reader(
  *, size: int, channels: int, resize: str, window: tuple[float, ...] = ()
) -> Callable[[tuple[str, pathlib.Path]], np.ndarray]:
  """(name, path) -> [size,size,channels] of the file's own dtype."""
  if len(window) not in (0, 2):
    raise UserError(f"window={window}: expected (low, high) or nothing")

  def read(item: tuple[str, pathlib.Path]) -> np.ndarray:
    name, path = item
    image = decode.decoded(path, name=name, window=tuple(window) or None)
    return decode.resized(image, size, how=resize, channels=channels)

  return read


def encoded(
  path: str,
  info: Info,
  *,
  size: int,
  channels: int,
  resize: str = "pad",
  window: tuple[float, ...] = (),
  dtype: str = "uint8",
  image: str = "",
) -> Split:
  """A user's new images as a label-free split, treated as training's were.

  path: one image, a folder (with all below it), or a CSV file with a column
    of image files relative to its own folder.
  dtype: of the training images, which these become.
  image: the CSV's column; found by its name where it is "".
  """
  del info  # Classes and scaling are the model's business, not the file's.
  place = pathlib.Path(path).expanduser()
  if place.is_dir():
    names, _ = under(place)
    if not names:
      raise UserError(f"{path}: no images ({', '.join(decode.SUFFIXES)})")
    items = [(name, place / name) for name in names]
  elif not place.exists():
    raise UserError(f"{path}: no such file or folder")
  elif place.suffix.lower() == ".csv":
    table = tables.read(place)
    column = image_column(table, image)
    found = listed(table, place.parent, column)
    items = [(table[column][index], found[index]) for index in found]
  else:
    items = [(place.name, place)]
  read = reader(size=size, channels=channels, resize=resize, window=window)
  arrays = decode.in_parallel(
    lambda item: decode.with_dtype(read(item), dtype, item[0]), items
  )
  return Split(
    arrays={"image": np.stack(arrays)},
    ids=np.array([name for name, _ in items]),
  )


def is_clutter(folder: str) -> bool:
  """Folders that systems leave behind: .git, __MACOSX, @eaDir."""
  return folder.startswith((".", "@")) or folder == "__MACOSX"
