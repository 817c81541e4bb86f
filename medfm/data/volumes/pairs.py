"""Which masks belong to which image: by folders, the decathlon's, or a CSV."""

import pathlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm import jsons
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
  pictures = _offered(images, axes)
  drawn = _offered(masks, axes)
  same = images.resolve() == masks.resolve()
  if same:
    stems = {name: _stem(name, axes) for name in pictures}
    drawn = {
      n: p for n, p in drawn.items() if re.search(_MARKS, stems[n], re.I)
    }
    pictures = {n: p for n, p in pictures.items() if n not in drawn}
  if not pictures or not drawn:
    empty = images if not pictures else masks
    raise UserError(
      f"{empty.name}: holds no {'images' if not pictures else 'masks'}"
    )
  owners = {_stem(name, axes): name for name in pictures}
  if len(owners) < len(pictures):
    twice = [n for n in pictures if owners[_stem(n, axes)] != n]
    raise UserError(
      f"{images.name}: {twice[0]} and {owners[_stem(twice[0], axes)]} have one "
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
    cases.append(Case(_stem(name, axes), (f"images/{name}",), keys))
  return Pairs(cases, raw, called)


def _by_structure(
  found: Mapping[str, Sequence[str]], structures: tuple[str, ...], axes: int
) -> tuple[tuple[str, ...], dict[str, list[str]]]:
  """(structures, image -> its mask of each, "" without one).

  The structure is what a mask's name has beyond that of its image.
  """
  endings = {
    mask: _ending(_stem(mask, axes), _stem(image, axes))
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


def _offered(folder: pathlib.Path, axes: int) -> dict[str, pathlib.Path]:
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


def _stem(name: str, axes: int) -> str:
  """A file's name below its folder, without suffix."""
  parent, _, last = unicodedata.normalize("NFC", name).rpartition("/")
  last = reading.stem(last) if axes == 3 else pathlib.PurePath(last).stem
  return f"{parent}/{last}" if parent else last


def _owner(
  name: str, owners: dict[str, str], axes: int, several: bool
) -> str | None:
  """The image that a mask belongs to by its name."""
  stem = _stem(name, axes)
  tries = [stem, re.sub(_MARKS, "", stem, flags=re.I)]
  folder = stem.rpartition("/")[0]
  if several and folder:
    tries.append(folder)
  for each in tries:
    if each in owners:
      return owners[each]
  if several:  # The longest image name that the mask's begins with.
    heads = [o for o in owners if re.match(re.escape(o) + r"[_. -]", stem)]
    if heads:
      return owners[max(heads, key=len)]
  return None


def decathlon(root: pathlib.Path) -> Pairs:
  """The decathlon's layout: imagesTr, labelsTr and perhaps dataset.json.

  dataset.json names the structures and their values; files of imagesTr may end
  in _0000, _0001, ... for channels, as nnU-Net writes them.
  """
  images, labels = root / "imagesTr", root / "labelsTr"
  pictures, masks = _offered(images, 3), _offered(labels, 3)
  channels: dict[str, list[str]] = {}
  by_stem = {_stem(name, 3): name for name in masks}
  for name in sorted(pictures):
    stem = _stem(name, 3)
    if stem not in by_stem:
      stem = re.sub(r"_\d{4}$", "", stem)
    channels.setdefault(stem, []).append(name)
  most = max(map(len, channels.values()), default=0)
  for stem, names in channels.items():
    if stem not in by_stem:
      raise UserError(f"{root.name}: labelsTr holds no mask of {names[0]}")
    ends = [re.search(r"_(\d{4})$", _stem(name, 3)) for name in names]
    numbers = [int(end[1]) for end in ends if end]
    if most > 1 and numbers != [*range(most)]:
      raise UserError(
        f"{root.name}: imagesTr holds {', '.join(names)} of {stem}; expected "
        f"{most} channels, _0000 to _{most - 1:04d}"
      )
  if lost := [name for stem, name in by_stem.items() if stem not in channels]:
    raise UserError(f"{root.name}: imagesTr holds no image of {lost[0]}")
  raw = {f"imagesTr/{name}": path for name, path in pictures.items()}
  raw |= {f"labelsTr/{name}": path for name, path in masks.items()}
  cases = [
    Case(
      stem,
      tuple(f"imagesTr/{name}" for name in names),
      (f"labelsTr/{by_stem[stem]}",),
    )
    for stem, names in channels.items()
  ]
  names, values, ignored = _described(root / "dataset.json")
  return Pairs(cases, raw, names, values=values, ignored=ignored)


def _described(
  path: pathlib.Path,
) -> tuple[tuple[str, ...], tuple[int, ...], int]:
  """(structures, their values, the value of places not known or -1).

  Of dataset.json, without the background: the decathlon's {"1": "anterior"} and
  nnU-Net's {"anterior": 1, "ignore": 2}.
  """
  if not path.is_file():
    return (), (), -1
  labels = jsons.read(path).get("labels", {})
  table = {}
  for key, value in labels.items():
    name, number = (value, key) if str(key).isdecimal() else (key, value)
    if isinstance(number, list):
      raise UserError(
        f"{path.name}: the label {key} joins several values {number}; regions "
        "of several labels are not supported: give each structure its value"
      )
    if not str(number).isdecimal():
      raise UserError(
        f"{path.name}: the label {key} has the value {value!r}; expected a "
        "whole number"
      )
    if int(number):
      table[int(number)] = str(name)
  ignored = [value for value, name in table.items() if name == "ignore"]
  values = tuple(sorted({*table} - {*ignored}))
  return tuple(table[value] for value in values), values, *(ignored or [-1])


def in_order(found: Pairs, structures: tuple[str, ...]) -> Pairs:
  """With the structures of dataset.json in the order that was asked for.

  Raises: UserError if it names others.
  """
  if not found.values:
    return found
  values = dict(zip(found.names, found.values, strict=True))
  if set(structures) != set(values):
    raise UserError(
      f"structures={','.join(structures)}: dataset.json names "
      f"{', '.join(found.names)}; for others give --config.data.values="
    )
  ordered = tuple(values[name] for name in structures)
  return found._replace(names=structures, values=ordered)


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
  if len({case.name for case in cases}) < len(cases):
    raise UserError(f"{place.name}: an image is named in more than one row")
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
