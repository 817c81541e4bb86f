"""NIfTI, MGH and Analyze files -> `Scan`, and what else nibabel reads.

nibabel (optional, imported here only) knows the headers; the voxels are taken
from the file's own bytes, all of which have been read and checked.
"""

import contextlib
import itertools
import logging
import math
import os
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data.volumes import formats, headers, scan
from medfm.data.volumes.scan import Frame, Scan
from medfm.types import UserError

_INTEGRAL = 1e-4  # How far a label may be from a whole number.


class _Stored(NamedTuple):
  """Voxels [X,Y,Z] or [X,Y,Z,C] as stored, their affine [4,4], and more."""

  values: np.ndarray
  affine: np.ndarray
  kind: str
  changes: tuple[str, ...]


def read(path: str | os.PathLike, *, frame: Frame = None) -> Scan:
  """The volume of a NIfTI-1 or 2, MGH or MGZ, Analyze, MINC, AFNI or PAR/REC.

  The content of the file decides which it is, and whether it is packed. Values
  keep their integer type if the file states no scale, else they are float32.

  frame: which volume of a file of several: first, middle, last, a number from
    0, or all, which makes them channels [X,Y,Z,C].
  Raises UserError, in one line, if the file is cut short or damaged, is no
  volume, holds several with no `frame` chosen, or has no usable grid.
  """
  path = pathlib.Path(path)
  stored = _stored(path, frame)
  return scan.scanned(
    stored.values,
    stored.affine,
    kind=stored.kind,
    source=path.name,
    changes=stored.changes,
  )


def blank(path: str | os.PathLike) -> Scan:
  """Zeros in the grid of a file's volume; its head alone is read."""
  path = pathlib.Path(path)
  kind = formats.kind(path)
  with _damage(path.name):
    if kind in ("minc", "afni", "parrec"):
      import nibabel

      image: Any = nibabel.load(path)
      shape, affine = image.shape, scan.checked(image.affine, path.name)
    else:
      head, _ = formats.halves(path)
      header = headers.parsed(formats.start(head), kind, head)
      shape, affine = header.shape, header.affine
  x, y, z = (int(n) for n in (*shape, 1, 1, 1)[:3])
  scan.limited(path.name, (x, y, z))
  return scan.blank((x, y, z), affine, kind=kind, source=path.name)


def read_mask(
  path: str | os.PathLike, like: Scan, values: Sequence[int] | None = None
) -> Scan:
  """A mask in the grid of its image: `values` [X,Y,Z] are integers.

  They are uint8 or uint16 where they fit, else int32. The axes of its file may
  have another order or direction than the image's; any other difference of
  shape or affine is refused (`scan.TOLERANCE`). So are labels other than
  `values` (None: any) and numbers that are not whole. That nothing is marked
  is one of its `changes`.
  """
  path = pathlib.Path(path)
  stored = _stored(path, None)
  labels, changes = _labels(stored.values, path.name)
  labels = scan.onto(labels, stored.affine, like, path.name)
  counts = _counts(labels)
  if values is not None:
    other = {v: n for v, n in counts.items() if v not in {*values}}
    if other:
      found = ", ".join(
        f"{v} ({n:,} voxels)" for v, n in itertools.islice(other.items(), 5)
      )
      more = f" and {len(other) - 5} more" if len(other) > 5 else ""
      raise UserError(
        f"{path.name}: holds the labels {found}{more}; expected only "
        f"{', '.join(str(value) for value in values)}"
      )
  if {*counts} <= {0}:
    changes += ("masks in which nothing is marked",)
  return Scan(
    _narrow(labels, max(counts), min(counts)),
    like.affine,
    like.geometry,
    stored.changes + changes,
  )


def _stored(path: pathlib.Path, frame: Frame) -> _Stored:
  kind = formats.kind(path)
  if kind == "dicom":
    raise UserError(
      f"{path.name}: is a DICOM file, expected NIfTI, MGH, Analyze, MINC, AFNI "
      "or PAR/REC: convert masks (DICOM SEG, RTSTRUCT) to NIfTI first"
    )
  with _damage(path.name):
    if kind in ("minc", "afni", "parrec"):
      return _by_nibabel(path, kind, frame)
    return _by_header(path, kind, frame)


@contextlib.contextmanager
def _damage(name: str) -> Iterator[None]:
  """Any error of a reader as one line that quotes nothing of the file."""
  try:
    import nibabel  # noqa: F401
  except ImportError:
    raise UserError(f"{name}: pip install nibabel to read it") from None
  log = logging.getLogger("nibabel.global")
  log.setLevel(logging.CRITICAL)  # It repairs headers and only logs it.
  warnings.filterwarnings("ignore", module=r"nibabel(\.|$)")
  try:
    yield
  except UserError:
    raise
  except ImportError as error:
    raise UserError(f"{name}: pip install {error.name} to read it") from None
  except MemoryError:
    raise
  except Exception:  # Each format raises other types for damaged files.
    raise UserError(
      f"{name}: the file is damaged, cut short or no volume that nibabel reads"
    ) from None


def _by_header(path: pathlib.Path, kind: str, frame: Frame) -> _Stored:
  """NIfTI, MGH and Analyze: the voxels are one block of bytes."""
  head, block = formats.halves(path)
  header = headers.parsed(formats.start(head), kind, head)
  shape = header.shape
  scan.limited(path.name, shape)
  count = math.prod(shape)
  expected = header.offset + count * header.dtype.itemsize
  data, total = formats.content(block, expected)
  if total < expected:
    raise UserError(
      f"{block.name}: is cut short: {total:,} bytes where its header promises "
      f"{expected:,}"
    )
  told = header.changes
  if total > expected and kind != "mgh":  # Whose notes follow the voxels.
    told += ("bytes after the last voxel left out",)
  flat = np.frombuffer(data, header.dtype, count, header.offset)
  if not flat.dtype.isnative:
    flat = flat.byteswap(inplace=True).view(flat.dtype.newbyteorder("="))
  if flat.dtype.names:
    values, changes = _coloured(flat, shape, path.name)
  else:
    values, changes = _one(flat.reshape(shape, order="F"), frame, path.name)
  values, cast = _scaled(values, *header.scale, path.name)
  return _Stored(values, header.affine, kind, told + changes + cast)


def _by_nibabel(path: pathlib.Path, kind: str, frame: Frame) -> _Stored:
  """The formats whose voxels are scaled or stored in parts."""
  import nibabel

  stem = path.name[: path.name.rindex(".")].lower().removesuffix(".brik")
  for file in path.parent.iterdir():  # The voxels may be in another file.
    if file.name.lower() in (path.name.lower(), f"{stem}.brik.gz"):
      formats.verify(file)
  image: Any = nibabel.load(path)
  shape = tuple(int(n) for n in image.shape)
  scan.limited(path.name, shape)
  if kind == "minc" and len(shape) > 3:
    raise UserError(
      f"{path.name}: a MINC file of {len(shape)} dimensions, expected 3: "
      "convert it to NIfTI, one volume a file"
    )
  values, squeezed = _one(np.asanyarray(image.dataobj), frame, path.name)
  values, _ = _scaled(values, None, None, path.name)  # From doubles.
  affine = scan.checked(image.affine, path.name)
  return _Stored(values, affine, kind, squeezed)


def _coloured(
  flat: np.ndarray, shape: tuple[int, ...], name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  """Voxels of RGB as [X,Y,Z,C]."""
  if len(shape) != 3:
    raise UserError(f"{name}: has {len(shape)} axes in colour, expected 3")
  channels = (len(flat.dtype.names or ()), *shape)
  values = flat.view(np.uint8).reshape(channels, order="F")
  return np.moveaxis(values, 0, -1), ("colours read as channels",)


def _one(
  values: np.ndarray, frame: Frame, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  """[X,Y,Z], or [X,Y,Z,C] of a volume in colour or of all volumes."""
  changes: tuple[str, ...] = ()
  if values.ndim < 3:
    values = values.reshape(*values.shape, *[1] * (3 - values.ndim))
    return values, ("of two dimensions, read as one slice",)
  single = tuple(a for a in range(3, values.ndim) if values.shape[a] == 1)
  if single:
    values = values.squeeze(single)
    changes = ("a fourth axis of length 1 dropped",)
  if values.ndim > 4:
    raise UserError(
      f"{name}: has {values.ndim} axes ({scan.times(values.shape)}), expected "
      "3: save one volume a file"
    )
  if values.ndim == 4 and frame != "all":
    number = scan.chosen(name, frame, values.shape[3])
    values = values[..., number]
    changes += ("one volume of several read",)
  return values, changes


def _scaled(
  values: np.ndarray, slope: float | None, inter: float | None, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  """Integers as they are if there is no scale, else float32."""
  if slope is None or (slope == 1 and not inter):
    if values.dtype.kind in "iu" or values.dtype == np.float32:
      return values, ()
    if values.dtype.kind != "f":
      raise UserError(
        f"{name}: voxels of type {values.dtype}, expected integers or floats"
      )
    changes = ()
    if values.dtype.itemsize > 4:
      changes = (f"{8 * values.dtype.itemsize}-bit floats read as 32-bit",)
    with np.errstate(over="ignore", invalid="ignore"):
      return values.astype(np.float32), changes
  scaled = np.empty(values.shape, np.float32, order="F")
  for place in range(values.shape[2]):  # In double precision, a slab at a time.
    slab = values[:, :, place].astype(np.float64)
    scaled[:, :, place] = slab * slope + (inter or 0.0)
  return scaled, ()


def _labels(
  values: np.ndarray, name: str
) -> tuple[np.ndarray, tuple[str, ...]]:
  if values.ndim != 3:
    raise UserError(f"{name}: a mask in colour, expected one of labels")
  if values.dtype.kind in "iu":
    return values, ()
  labels = np.empty(values.shape, np.int32, order="F")
  for place in range(values.shape[2]):
    slab = values[:, :, place]
    with np.errstate(invalid="ignore"):
      whole = np.rint(slab)
      odd = ~(abs(slab - whole) <= _INTEGRAL) | (abs(whole) > 2**31 - 1)
    if odd.any():
      raise UserError(
        f"{name}: a mask of floats that are not whole numbers (such as "
        f"{slab[odd][0]:.4g}): save the labels as integers"
      )
    labels[:, :, place] = whole
  return labels, ("masks of floats, all whole numbers, read as integers",)


def _counts(labels: np.ndarray) -> dict[int, int]:
  """Label -> how many voxels, in the order of the labels."""
  counts: dict[int, int] = {}
  for slab in np.moveaxis(labels, 2, 0):
    found, numbers = np.unique(slab, return_counts=True)
    for label, number in zip(found.tolist(), numbers.tolist(), strict=True):
      counts[label] = counts.get(label, 0) + number
  return dict(sorted(counts.items()))


def _narrow(labels: np.ndarray, most: int, least: int) -> np.ndarray:
  """The labels in the smallest of uint8, uint16 and int32 that holds them."""
  for dtype in (np.uint8, np.uint16, np.int32, np.int64):
    if np.iinfo(dtype).min <= least and most <= np.iinfo(dtype).max:
      return labels.astype(dtype, copy=False)
  raise UserError("labels above 2**63 - 1")
