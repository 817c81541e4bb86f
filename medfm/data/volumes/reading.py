"""One door to every volume: a file, a folder of DICOM slices, a DICOMDIR."""

import os
import pathlib

from medfm.data.volumes import formats, nifti
from medfm.data.volumes import series as series_
from medfm.data.volumes.scan import Frame, Scan
from medfm.data.volumes.series import Window
from medfm.types import UserError

SUFFIXES = (
  ".nii", ".nii.gz", ".mgh", ".mgz", ".img", ".img.gz", ".hdr", ".mnc",
  ".head", ".brik", ".brik.gz", ".par", ".dcm", ".dicom",
)  # fmt: skip
"""By which the files of a folder are offered; the content decides the rest."""

_SECOND = (".hdr", ".brik", ".brik.gz")  # Of two files, the one not offered.


def read(
  path: str | os.PathLike,
  *,
  frame: Frame = None,
  series: str = "",
  window: Window = (),
) -> Scan:
  """The volume of a file, or of the DICOM slices of a folder.

  frame: which volume of a file of several; see `nifti.read`.
  series: the end of the SeriesInstanceUID that is meant, if a folder or a
    DICOMDIR holds several.
  window: (low, high) in rescaled units, for DICOM alone.
  Raises UserError in one line for what cannot be read.
  """
  place = pathlib.Path(path)
  if not place.exists():
    raise UserError(f"{place.name}: no such file or folder")
  if place.is_dir() or formats.kind(place) == "dicom":
    return _series(place, series, window)
  if series:
    raise UserError(
      f"series={series!r}: {place.name} is one volume, not DICOM series"
    )
  if window:
    raise UserError(
      f"window={window}: {place.name} is not DICOM: cut its values off where "
      "they are prepared"
    )
  return nifti.read(place, frame=frame)


def blank(path: str | os.PathLike, *, series: str = "") -> Scan:
  """Zeros in the grid that `read` gives a volume, which is not read."""
  place = pathlib.Path(path)
  if not place.exists():
    raise UserError(f"{place.name}: no such file or folder")
  if place.is_dir() or formats.kind(place) == "dicom":
    return series_.blank(series_.chosen(place, series))
  return nifti.blank(place)


def offered(path: str | os.PathLike) -> bool:
  """Whether a file is a volume by its name, and not the half of another."""
  name = os.path.basename(path).lower()
  if name.startswith(".") or not name.endswith(SUFFIXES):
    return False
  return not name.endswith(_SECOND)


def stem(path: str | os.PathLike) -> str:
  """The name of a volume without its suffix, such as "scan" of scan.nii.gz."""
  name = os.path.basename(path)
  for suffix in sorted(SUFFIXES, key=len, reverse=True):
    if name.lower().endswith(suffix):
      return name[: -len(suffix)]
  return name


def _series(path: pathlib.Path, uid: str, window: Window) -> Scan:
  return series_.read(series_.chosen(path, uid), window)
