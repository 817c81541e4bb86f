"""The head of a NIfTI, MGH or Analyze file: shape, scale and place."""

import math
import pathlib
from typing import Any, NamedTuple

import numpy as np

from medfm.data.volumes import scan
from medfm.types import UserError

_CIFTI = range(3000, 3100)  # NIfTI intents of brain surfaces and parcels.
_UNITS = {1: 1000.0, 3: 0.001}  # xyzt_units: metres, micrometres.
_MILLIMETRES = 2


class Header(NamedTuple):
  """What is needed to take voxels from the bytes that follow.

  shape: along the axes as stored, the fastest first. dtype: of one voxel, in
    the file's order of bytes. offset: of the first voxel, in bytes. scale:
    (slope, intercept), None where there is none. affine: [4,4], index -> mm.
  """

  shape: tuple[int, ...]
  dtype: np.dtype
  offset: int
  scale: tuple[float | None, float | None]
  affine: np.ndarray
  changes: tuple[str, ...]


def parsed(head: bytes, kind: str, path: pathlib.Path) -> Header:
  """The head of a file whose name is only for messages, but for Analyze.

  kind: "nifti", "mgh" or "analyze".
  """
  if kind == "mgh":
    header = _mgh(head)
    affine, changes = header.get_affine(), ()
    if not int(header["goodRASFlag"]):
      changes = ("without a place in space, orientation guessed as LIA",)
  elif kind == "analyze":
    header = _analyze(head)
    affine, changes = _analyze_place(path)
  else:
    header = _nifti(head, path.name)
    affine, changes = _nifti_place(header, head, path.name)
  slope, inter = header.get_slope_inter() if kind != "mgh" else (None, None)
  offset = header.get_data_offset()
  if not math.isfinite(offset) or offset < 0:
    raise UserError(f"{path.name}: its header is damaged (offset of voxels)")
  return Header(
    tuple(int(n) for n in header.get_data_shape()),
    header.get_data_dtype(),
    int(offset),
    (slope, inter),
    scan.checked(affine, path.name),
    changes,
  )


def _mgh(head: bytes) -> Any:
  from nibabel.freesurfer import mghformat

  return mghformat.MGHHeader(head[:284])


def _analyze(head: bytes) -> Any:
  """Of the three kinds, the one with the scale and origin that it states."""
  from nibabel import analyze, spm2analyze, spm99analyze

  for kind in (spm2analyze.Spm2AnalyzeHeader, spm99analyze.Spm99AnalyzeHeader):
    if kind.may_contain_header(head):
      return kind(head[:348])
  return analyze.AnalyzeHeader(head[:348])


def _analyze_place(path: pathlib.Path) -> tuple[np.ndarray, tuple[str, ...]]:
  """By nibabel, which also reads the .mat file that SPM puts beside it."""
  from nibabel import loadsave

  image: Any = loadsave.load(path)
  beside = {file.suffix.lower() for file in path.parent.glob(f"{path.stem}.*")}
  if ".mat" in beside:
    return image.affine, ()
  guess = "Analyze files do not state left and right, taken as LAS"
  return image.affine, (guess,)


def _nifti(head: bytes, name: str) -> Any:
  from nibabel import nifti1, nifti2

  if head[4:6] in (b"n+", b"ni"):
    pair = head[5:6] == b"i"
    kind: Any = nifti2.Nifti2PairHeader if pair else nifti2.Nifti2Header
    header = kind(head[:540])
  else:
    pair = head[345:346] == b"i"
    kind = nifti1.Nifti1PairHeader if pair else nifti1.Nifti1Header
    header = kind(head[:348])
  if int(header["intent_code"]) in _CIFTI:
    raise UserError(
      f"{name}: is CIFTI (surfaces and parcels), expected a volume"
    )
  return header


def _nifti_place(
  header: Any, head: bytes, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  """The affine in mm and what was guessed: sform, else qform, else pixdim."""
  changes = []
  sform, qform = int(header["sform_code"]), int(header["qform_code"])
  # nibabel repairs spacings silently: these are as the file has them.
  stated = type(header)(head[: header.structarr.itemsize], check=False)
  axes = sum(int(n) > 1 for n in header["dim"][1:4]) or 1
  sizes = np.array(stated["pixdim"][1:4], np.float64)
  inner = sizes[: max(axes, min(int(header["dim"][0]), 3))]
  usable = np.isfinite(inner).all() and (inner != 0).all()
  if not usable and not sform:
    raise UserError(
      f"{name}: its spacing (pixdim) is zero or not a number: expected a size "
      "above 0 mm along each axis; repair its header"
    )
  if not usable:
    changes.append("an unusable spacing (pixdim), that of the sform taken")
  elif (inner < 0).any():
    changes.append("a negative spacing (pixdim), its sign dropped")
  affine = scan.checked(header.get_best_affine(), name)
  if not sform and not qform:
    changes.append("neither sform nor qform, orientation guessed as LAS")
  elif sform and qform:
    apart = scan.distance(
      affine, _qform(header, affine), tuple(header["dim"][1:4])
    )
    if apart > scan.TOLERANCE * scan.spacing(affine).min():
      changes.append("sform and qform disagree, the sform taken")
  elif sform and usable and _other_sizes(affine, abs(sizes), axes):
    changes.append("sform and pixdim disagree on the spacing, the sform taken")
  unit = int(header["xyzt_units"]) % 8
  if unit in _UNITS:
    affine[:3] *= _UNITS[unit]
    changes.append(
      f"spacing in {'metres' if unit == 1 else 'micrometres'}, brought to mm"
    )
  elif unit != _MILLIMETRES:
    changes.append("spacing without a unit, taken as mm")
  return affine, tuple(changes)


def _qform(header: Any, affine: np.ndarray) -> np.ndarray:
  """The qform, or infinity where its numbers make no rotation."""
  try:
    other = header.get_qform()
  except Exception:  # ValueError and nibabel's own, by version.
    return np.full((4, 4), np.inf)
  return other if np.isfinite(other).all() else np.full_like(affine, np.inf)


def _other_sizes(affine: np.ndarray, sizes: np.ndarray, axes: int) -> bool:
  other = abs(scan.spacing(affine) / np.where(sizes > 0, sizes, 1) - 1)
  return bool((other[:axes] > 0.01).any())
