"""Which masks belong to which image: by the names of files, or by a CSV."""

import pathlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import files, records, spelling, splits
from medfm.data.images import decode
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.data.volumes import reading
from medfm.data.volumes.cases import Case
from medfm.types import UserError

_MARKS = r"[_. -]+(mask|masks|seg|segmentation|label|labels|gt|annotation)$"
_LISTED = 3


class Pairs(NamedTuple):
  """Images with their masks.

  cases, raw: as `cases.prepared` takes them; without a split yet.
  names: of the structures; () if the source names none.
  changes: for the data card. values: of the structures in the masks.
  ignored: the value of places that are not known; -1 if there is none.
  """

  cases: list[Case]
  raw: dict[str, pathlib.Path]
  names: tuple[str, ...] = ()
  changes: list[dict[str, Any]] = []
  values: tuple[int, ...] = ()
  ignored: int = -1


def in_folders(
  images: pathlib.Path,
  masks: pathlib.Path,
  axes: int,
  style: str,
  structures: Sequence[str] = (),
) -> Pairs:
  """Images of one folder paired by name with masks of another (or the same).

  The masks of `scan.png` are `scan.*`, `scan_mask.*` or `scan_seg.*`, the files
  of a folder `scan/`, or for several files `scan_1.*`, `scan_<structure>.*`.

  structures: their names, if each has a file, whose name ends in it; () takes
    all endings that occur, in the order of the alphabet.

  Raises: UserError for an image without a mask or a mask without an image,
    naming the first of them.
  """
  pictures = offered(images, axes)
  drawn = offered(masks, axes)
  same = images.resolve() == masks.resolve()
  if same:
    stems = {name: stem(name, axes) for name in pictures}
    drawn = {
      n: p for n, p in drawn.items() if re.search(_MARKS, stems[n], re.I)
    }
    pictures = {n: p for n, p in pictures.items() if n not in drawn}
  if not pictures or not drawn:
    empty = images if not pictures else masks
    hint = "; masks beside images have names ending in _mask, _seg or _label"
    raise UserError(
      f"{empty.name}: holds no {'images' if not pictures else 'masks'}"
      + hint * same
    )
  owners = {stem(name, axes): name for name in pictures}
  if len(owners) < len(pictures):
    twice = [n for n in pictures if owners[stem(n, axes)] != n]
    raise UserError(
      f"{images.name}: {twice[0]} and {owners[stem(twice[0], axes)]} have one "
      "name but for the suffix: their masks cannot be told apart"
    )
  found: dict[str, list[str]] = {name: [] for name in pictures}
  alone = []
  several = style in ("structures", "objects")
  for name in sorted(drawn):
    owner = _owner(name, owners, axes, several)
    (alone if owner is None else found[owner]).append(name)
  without = [name for name, of in found.items() if not of]
  for what, names, other in (
    ("masks have no image", alone, images),
    ("images have no mask", without, masks),
  ):
    if names:
      shown = ", ".join(names[:_LISTED])
      raise UserError(
        f"{len(names)} {what} of their name in {other.name}: {shown}"
        f"{', ...' if len(names) > _LISTED else ''}; name them alike"
      )
  called = tuple(structures)
  if style == "structures":
    called, found = _by_structure(found, called, axes)
  raw, cases = {}, []
  for name, of in found.items():
    raw |= {f"images/{name}": pictures[name]}
    raw |= {f"masks/{each}": drawn[each] for each in of if each}
    keys = tuple(each and f"masks/{each}" for each in of)
    cases.append(Case(stem(name, axes), (f"images/{name}",), keys))
  return Pairs(cases, raw, called)


def _by_structure(
  found: Mapping[str, Sequence[str]], structures: tuple[str, ...], axes: int
) -> tuple[tuple[str, ...], dict[str, list[str]]]:
  """(structures, image -> its mask of each, "" without one).

  The structure is what a mask's name has beyond that of its image.
  """
  endings = {
    mask: _ending(stem(mask, axes), stem(image, axes))
    for image, of in found.items()
    for mask in of
  }
  structures = structures or tuple(sorted({*endings.values()}))
  places = {name.casefold(): k for k, name in enumerate(structures)}
  slots = {image: [""] * len(structures) for image in found}
  for image, of in found.items():
    for mask in of:
      place = places.get(endings[mask].casefold())
      if place is None and len(structures) == len(of) == 1:
        place = 0
      if place is None:
        raise UserError(
          f"{mask}: its name ends in {endings[mask]!r}, which is no structure; "
          f"expected one of {', '.join(structures)}"
        )
      if slots[image][place]:
        raise UserError(
          f"{slots[image][place]} and {mask}: two masks of one structure"
        )
      slots[image][place] = mask
  return structures, slots


def _ending(mask: str, image: str) -> str:
  """What the stem of a mask has beyond that of its image; "" for nothing."""
  rest = re.sub(r"^[_. /-]+", "", mask[len(image) :])
  return re.sub(_MARKS, "", rest, flags=re.I)


def offered(folder: pathlib.Path, axes: int) -> dict[str, pathlib.Path]:
  """Name below a folder -> file, of those that may be images or masks."""
  if not folder.is_dir():
    raise UserError(f"{folder}: no such folder of images")
  top = files.real(folder)
  offered = reading.offered if axes == 3 else lambda p: decode.offered(str(p))
  found = {}
  for path in sorted(folder.rglob("*")):
    hidden = any(
      part.startswith(".") for part in path.relative_to(folder).parts
    )
    if hidden or not offered(path) or not path.is_file():
      continue
    if not files.real(path).is_relative_to(top):
      raise UserError(f"{path.name}: is a link out of {folder.name}")
    found[path.relative_to(folder).as_posix()] = path
  return found


def stem(name: str, axes: int) -> str:
  """A file's name below its folder, without suffix."""
  parent, _, last = unicodedata.normalize("NFC", name).rpartition("/")
  last = reading.stem(last) if axes == 3 else pathlib.PurePath(last).stem
  return f"{parent}/{last}" if parent else last


def _owner(
  name: str, owners: dict[str, str], axes: int, several: bool
) -> str | None:
  """The image that a mask belongs to by its name."""
  own = stem(name, axes)
  tries = [own, re.sub(_MARKS, "", own, flags=re.I)]
  folder = own.rpartition("/")[0]
  if several and folder:
    tries.append(folder)
  for each in tries:
    if each in owners:
      return owners[each]
  if several:  # The longest image name that the mask's begins with.
    heads = [o for o in owners if re.match(re.escape(o) + r"[_. -]", own)]
    if heads:
      return owners[max(heads, key=len)]
  return None


def in_table(
  place: pathlib.Path,
  *,
  image: str,
  mask: str,
  style: str = "labels",
  patient: str = "",
  groups: Sequence[str] = (),
  split_column: str = "",
  delimiter: str = ",",
  whole: bool = False,
) -> Pairs:
  """A CSV with a column of image files and one of masks, beside it.

  mask: the column, or several separated by commas, one for each structure; a
    cell may hold several files separated by `;`, unless style=structures,
    which takes one for each.
  """
  table = tables.read(place, delimiter=delimiter)
  changes: list[dict[str, Any]] = []
  if patient:
    table, spelt = spelling.owners(table, patient, "patient")
    changes += spelt
  columns = [name.strip() for name in mask.split(",")]
  for name in (
    image,
    *columns,
    *groups,
    *filter(None, (patient, split_column)),
  ):
    if name not in table.columns:
      raise UserError(
        f"{place.name}: has no column {name!r}; it has "
        f"{', '.join(table.columns)}"
      )
  parts = np.full(len(table), splits.WHOLE, object)
  if split_column and not whole:
    parts[:] = splits.of_words(table, split_column)
  raw, cases = {}, []
  for row in range(len(table)):
    cells = [(image, table[image][row])]
    for column in columns:
      drawn = [cell.strip() for cell in table[column][row].split(";")]
      if style == "structures" and len(drawn) > 1:
        raise table.error(
          row, column, "names several files of one structure; expected one"
        )
      cells += [(column, each) for each in drawn]
    for column, cell in cells:
      raw[cell] = named(place.parent, cell, table, row, column)
    names = [cell for _, cell in cells]
    cases.append(
      Case(
        names[0],
        (names[0],),
        tuple(names[1:]),
        table[patient][row] if patient else "",
        tuple(table[group][row] for group in groups),
        str(parts[row]),
      )
    )
  first: dict[str, int] = {}
  for row, case in enumerate(cases):
    if first.setdefault(case.name, row) != row:
      raise table.error(
        row,
        image,
        f"{case.name} is named in an earlier row, too: keep one row for each "
        "image, with all of its masks in it",
      )
  called = tuple(columns) if style == "structures" else ()
  return Pairs(cases, raw, called, changes=records.counted({}) + changes)


def named(
  root: pathlib.Path, cell: str, table: Table, row: int, column: str
) -> pathlib.Path:
  """The file, or the folder of slices, that a cell names below a folder."""
  place = files.real(root / cell)
  if cell and place.is_dir() and place.is_relative_to(files.real(root)):
    return root / cell
  try:
    return files.inside(root, cell)
  except ValueError as error:
    raise table.error(row, column, str(error)) from None
