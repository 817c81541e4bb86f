"""DICOM series of a folder or a DICOMDIR -> `Scan`."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from medfm.data.images import decode
from medfm.data.volumes import frames, heads, scan, stacks
from medfm.data.volumes.heads import Slice
from medfm.data.volumes.scan import Scan
from medfm.types import UserError

Window = tuple[float, float] | tuple[()]

_SHORT = 8  # How much of a UID is shown, at least.


class Series(NamedTuple):
  """The slices of one SeriesInstanceUID, in the order of their files.

  short: the end of `uid`, as long as it must be to tell apart the series that
    were listed together.
  """

  uid: str
  short: str
  modality: str
  slices: tuple[Slice, ...]
  changes: tuple[str, ...] = ()

  @property
  def files(self) -> int:
    return len({one.path for one in self.slices})

  @property
  def images(self) -> bool:
    """Whether it holds images at all, not reports, plans or directories."""
    return any(
      one.problem != "holds no image"
      and not one.problem.startswith("is a DICOM segmentation")
      for one in self.slices
    )


def listed(path: str | os.PathLike) -> list[Series]:
  """The series of a folder and its subfolders, of a DICOMDIR, or of one file.

  The content says whether a file is DICOM, not its name; links to folders are
  not followed. Heads alone are read.
  """
  path = os.fspath(path)
  changes: tuple[str, ...] = ()
  if os.path.isdir(path):
    names = [*_walked(path)]
    paths = [name for name in names if heads.is_dicom(name)]
    if len(paths) < len(names):
      changes = ("files that are not DICOM left out of a folder",)
    images = _heads(paths)
  elif not heads.is_dicom(path):
    raise UserError(
      f"{os.path.basename(path)}: not a DICOM file, or damaged; expected one, "
      "or a folder of them"
    )
  else:
    images = heads.slices(path) or _heads(heads.directory(path))
  found: dict[str, list[Slice]] = {}
  for one in images:
    found.setdefault(one.uid, []).append(one)
  if not found:
    raise UserError(f"{os.path.basename(path) or path}: holds no DICOM files")
  short = _shortened([*found])
  return [
    Series(uid, short[uid], slices[0].modality, tuple(slices), changes)
    for uid, slices in sorted(found.items())
  ]


def chosen(path: str | os.PathLike, series: str = "") -> Series:
  """The series of a folder that is meant: the only one of images, or `series`.

  series: the end of its SeriesInstanceUID.
  """
  name = os.path.basename(os.path.normpath(path))
  every = listed(path)
  if series:
    fitting = [one for one in every if one.uid.endswith(series.lstrip("."))]
    if len(fitting) == 1:
      return fitting[0]
    raise UserError(
      f"{name}: {len(fitting)} series end in {series!r}, expected one of "
      f"{_names(every)}"
    )
  fitting = [one for one in every if one.images]
  if len(fitting) > 1:
    raise UserError(
      f"{name}: holds {len(fitting)} series where one is meant: keep one in "
      "each folder or, with --mode=predict, set --config.data.series= to the "
      "end of the SeriesInstanceUID of the one you mean: "
      f"{_names(fitting)}"
    )
  if len(every) == 1:  # Reading it says what it is.
    return every[0]
  if not fitting:
    raise UserError(f"{name}: holds no DICOM scan: {_names(every)}")
  only = fitting[0]
  if len(every) > 1:
    other = ("series without a scan left out of a folder",)
    return only._replace(changes=only.changes + other)
  return only


def read(series: Series, window: Window = ()) -> Scan:
  """A series as a volume [X,Y,Z] of axes closest to RAS+.

  Values are rescaled, each slice by its own slope and intercept: Hounsfield
  units of a CT. Whole numbers stay integers (int16, or the stored type if
  nothing is rescaled), anything else becomes float32. MONOCHROME1 is turned
  round within the range of the stored bits, but for CT, PET and dose, whose
  numbers are a quantity. Padding gets the smallest value beside it.

  window: (low, high) in rescaled units; values beyond are cut off.
  Raises UserError for slices missing, doubled with other pixels, of different
  shapes, orientations or spacings, unevenly spaced, or leaning.
  """
  if window and not window[0] < window[1]:
    raise UserError(f"window={window}: expected (low, high), low below high")
  name = _name(series)
  stack = stacks.stacked(series.slices, name, frames.same)
  rows, columns = stack.slices[0].shape
  scan.limited(name, (columns, rows, len(stack.slices)))
  values, changes = frames.filled(stack.slices, window)
  return scan.scanned(
    values.transpose(2, 1, 0),
    stack.affine,
    kind="dicom",
    source=series.short,
    changes=series.changes + stack.changes + changes,
  )


def blank(series: Series) -> Scan:
  """Zeros in the grid of a series; the heads of its files alone are read."""
  slices, affine, _ = stack(series)
  rows, columns = slices[0].shape
  shape = (columns, rows, len(slices))
  scan.limited(_name(series), shape)
  return scan.blank(shape, affine, kind="dicom", source=series.short)


def stack(series: Series) -> stacks.Stack:
  """The slices of a series as `read` stacks them, without their pixels."""
  return stacks.stacked(series.slices, _name(series), frames.same)


def _name(series: Series) -> str:
  return f"series {series.short}"


def _names(every: Sequence[Series]) -> str:
  named = [
    f"{one.short} ({one.files} file{'s' * (one.files > 1)}"
    + (f" of {one.modality})" if one.modality else ")")
    for one in every[:8]
  ]
  more = f" and {len(every) - 8} more" if len(every) > 8 else ""
  return ", ".join(named) + more


def _heads(paths: Sequence[str]) -> list[Slice]:
  """The images of all files, which are opened side by side."""
  every = decode.in_order(heads.slices, paths, ahead=64)
  return [one for images in every for one in images]


def _walked(folder: str) -> Iterator[str]:
  for place, folders, names in os.walk(folder):
    folders.sort()
    for name in sorted(names):
      if not name.startswith(".") and name.upper() != "DICOMDIR":
        yield os.path.join(place, name)


def _shortened(uids: Iterable[str]) -> dict[str, str]:
  uids = [*uids]
  length = _SHORT
  while len({uid[-length:] for uid in uids}) < len(uids):
    length += 1
  return {uid: uid[-length:].lstrip(".") or "without a UID" for uid in uids}
