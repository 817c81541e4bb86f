"""What a volume is: voxels in one orientation, and the grid they came from.

Every reader brings its voxels to the axes closest to RAS+, which run to the
patient's right, front (anterior) and head (superior). Axes are only swapped
and turned round, so that no voxel changes its value, and `as_stored` undoes it
exactly.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from medfm.types import UserError

Frame = int | str | None
"""Which of several volumes: a number from 0, or first, middle or last."""

MAX_VOXELS = 2**31
TOLERANCE = 0.1
"""How far two grids that are called equal may be apart at a corner, in the
smaller of their voxels' edges."""

_CODES = ("LR", "PA", "IS")  # World axis -> its negative and positive end.
_SHEAR = 0.01  # Cosine between two axes, about half a degree.


class Geometry(NamedTuple):
  """The grid of a file or a series, into which a prediction can be written.

  kind: what was read: "nifti", "mgh", "analyze", "minc", "afni", "parrec" or
    "dicom".
  shape: [3] voxels along the axes as stored. A DICOM series has columns, rows
    and slices, in the order of their positions.
  affine: [4][4], index as stored -> mm in the world whose axes run to the
    patient's right, front and head (RAS+).
  axes: the ends that the stored axes run to, such as "LPS".
  source: the name of the file, or the end of the series' UID.

  A tuple of numbers and words: JSON keeps it, `geometry` reads it again.
  """

  kind: str
  shape: tuple[int, int, int]
  affine: tuple[tuple[float, ...], ...]
  axes: str
  source: str = ""


@dataclasses.dataclass(frozen=True)
class Scan:
  """A volume whose axes are the closest to RAS+.

  values: [X,Y,Z] or [X,Y,Z,C], the file's own integer type or float32. They
    may be a view in any order of memory, and hold NaN where the file does.
  affine: [4,4] float64, index -> mm, RAS+.
  geometry: the grid as stored.
  changes: what was changed or guessed to read it, in words without numbers of
    this one file, so that equal changes of many files can be counted.
  not_finite: how many values are NaN or infinite.
  """

  values: np.ndarray
  affine: np.ndarray
  geometry: Geometry
  changes: tuple[str, ...] = ()
  not_finite: int = 0

  @property
  def spacing_mm(self) -> np.ndarray:
    """[3] the distance of neighbours along each axis."""
    return spacing(self.affine)


def geometry(stored: Any) -> Geometry:
  """The `Geometry` that JSON, which knows lists alone, gave back."""
  kind, shape, affine, axes, source = stored
  rows = tuple(tuple(float(cell) for cell in row) for row in affine)
  x, y, z = (int(n) for n in shape)
  return Geometry(str(kind), (x, y, z), rows, str(axes), str(source))


def spacing(affine: np.ndarray) -> np.ndarray:
  """[3] the lengths of the columns, in mm."""
  return np.linalg.norm(np.asarray(affine, np.float64)[:3, :3], axis=0)


def checked(affine: Any, name: str) -> np.ndarray:
  """[4,4] float64; refuses what gives no voxel a size."""
  affine = np.array(affine, np.float64)
  usable = affine.shape == (4, 4) and np.isfinite(affine).all()
  if usable:
    sizes = spacing(affine)
    usable = bool((sizes > 0).all())
    usable = usable and abs(np.linalg.det(affine[:3, :3] / sizes)) > 1e-3
  if not usable:
    raise UserError(
      f"{name}: its affine is not finite, or gives a voxel no size; expected "
      "three directions with a spacing above 0 mm: repair its header"
    )
  return affine


def sheared(affine: np.ndarray) -> bool:
  """Whether two axes differ from a right angle by over half a degree."""
  axes = affine[:3, :3] / spacing(affine)
  return bool((abs(axes.T @ axes - np.eye(3)) > _SHEAR).any())


def orientation(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """(the world axis [3] each stored axis is closest to, its direction ±1).

  As `nibabel.orientations.io_orientation` since version 5.4: of the rotation
  closest to the affine (by its polar decomposition), the stored axes choose,
  the most decided first.
  """
  left, _, right = np.linalg.svd(affine[:3, :3] / spacing(affine))
  rotation = left @ right
  world, signs = np.zeros(3, int), np.ones(3, int)
  strength = (rotation**2).max(axis=0)
  for axis in np.argsort(-strength, kind="stable"):
    column = rotation[:, axis]
    world[axis] = np.argmax(abs(column))
    signs[axis] = -1 if column[world[axis]] < 0 else 1
    rotation[world[axis]] = 0
  return world, signs


def codes(affine: np.ndarray) -> str:
  """The ends that the axes run to, such as "RAS"."""
  ends = zip(*orientation(affine), strict=True)
  return "".join(_CODES[axis][(sign + 1) // 2] for axis, sign in ends)


def canonical(
  values: np.ndarray, affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """(values [X,Y,Z,...] with axes closest to RAS+, their affine); a view."""
  world, signs = orientation(affine)
  order = np.argsort(world)
  return _turned(values, affine, order, signs[order])


def as_stored(values: np.ndarray, grid: Geometry) -> np.ndarray:
  """A volume [X,Y,Z,...] of canonical axes in the grid as stored; a view."""
  shape = canonical_shape(grid)
  if values.shape[:3] != shape:
    raise UserError(
      f"{grid.source}: expected a volume of {times(shape)} voxels, got "
      f"{times(values.shape[:3])}"
    )
  world, signs = orientation(np.array(grid.affine))
  values = _flipped(values, signs[np.argsort(world)])
  rest = range(3, values.ndim)
  return values.transpose(*(int(axis) for axis in world), *rest)


def canonical_shape(grid: Geometry) -> tuple[int, int, int]:
  """[3] the shape of a scan of this grid."""
  world, _ = orientation(np.array(grid.affine))
  x, y, z = (grid.shape[axis] for axis in np.argsort(world))
  return x, y, z


def canonical_affine(grid: Geometry) -> np.ndarray:
  """[4,4] the affine of a scan of this grid."""
  empty = np.broadcast_to(np.int8(0), grid.shape)
  return canonical(empty, np.array(grid.affine))[1]


def scanned(
  values: np.ndarray,
  affine: np.ndarray,
  *,
  kind: str,
  source: str,
  changes: tuple[str, ...] = (),
) -> Scan:
  """A `Scan` of stored values [X,Y,Z,...] and a `checked` affine."""
  axes = codes(affine)
  x, y, z = values.shape[:3]
  rows = tuple(tuple(row) for row in affine.tolist())
  grid = Geometry(kind, (x, y, z), rows, axes, source)
  if sheared(affine):
    changes += ("axes not at right angles, taken as they are",)
  if axes != "RAS":
    changes += (f"axes {axes} turned to RAS",)
  values, affine = canonical(values, affine)
  return Scan(values, affine, grid, changes, bad(values))


def blank(
  shape: tuple[int, int, int], affine: np.ndarray, *, kind: str, source: str
) -> Scan:
  """A `Scan` of zeros that take no memory, for its grid."""
  zeros = np.broadcast_to(np.int8(0), shape)
  return scanned(zeros, affine, kind=kind, source=source)


def bad(values: np.ndarray) -> int:
  """How many values are NaN or infinite, counted a slab at a time."""
  if not np.issubdtype(values.dtype, np.floating):
    return 0
  return sum(int((~np.isfinite(slab)).sum()) for slab in values)


def onto(
  values: np.ndarray, affine: np.ndarray, like: Scan, name: str
) -> np.ndarray:
  """Stored values [X,Y,Z] in the grid of `like`, which must be the same one.

  The two may differ in the order and direction of their axes, and at a corner
  by `TOLERANCE` of a voxel.
  """
  shape = like.values.shape[:3]
  steps = np.linalg.inv(like.affine) @ affine
  world = np.argmax(abs(steps[:3, :3]), axis=0)
  if sorted(world) == [0, 1, 2]:
    order = np.argsort(world)
    signs = np.sign(steps[world, range(3)])[order].astype(int)
    values, affine = _turned(values, affine, order, signs)
  if values.shape != shape:
    raise UserError(
      f"{name}: the mask has {times(values.shape)} voxels, its image "
      f"{times(shape)}: draw or resample it on the grid of the image"
    )
  apart = distance(affine, like.affine, shape)
  limit = TOLERANCE * like.spacing_mm.min()
  if apart > limit:
    raise UserError(
      f"{name}: the mask and its image lie up to {apart:.3g} mm apart "
      f"(allowed: {limit:.3g}; axes {codes(affine)} and {codes(like.affine)}):"
      " their affines differ; resample the mask on the grid of the image"
    )
  return values


def distance(
  one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]
) -> float:
  """The largest distance of two grids' equal corners, in mm."""
  ends = [(0, max(n - 1, 0)) for n in shape[:3]]
  corners = np.array(np.meshgrid(*ends)).reshape(3, -1)
  apart = (one - other)[:3, :3] @ corners + (one - other)[:3, 3:]
  return float(np.linalg.norm(apart, axis=0).max())


def chosen(name: str, frame: Frame, frames: int) -> int:
  """The number of the volume to read of several; refuses if none is chosen."""
  places = {"first": 0, "middle": (frames - 1) // 2, "last": frames - 1}
  if frame is None or frame == "":
    raise UserError(
      f"{name}: holds {frames} volumes where one is meant: for an image set "
      "--config.data.frame= to first, middle, last, a number from 0 on, or all "
      "(as channels); save a mask as one 3-D volume"
    )
  if frame in places:
    return places[str(frame)]
  if not str(frame).isdecimal():
    raise UserError(
      f"frame={frame!r}: expected first, middle, last, all or a number from 0 "
      "on"
    )
  if int(frame) >= frames:
    raise UserError(f"{name}: there is no volume {frame}, it has {frames}")
  return int(frame)


def limited(name: str, shape: tuple[int, ...]) -> None:
  """Refuses a shape that is empty or too large to be a scan."""
  voxels = math.prod(int(n) for n in shape)
  if voxels < 1 or voxels > MAX_VOXELS:
    raise UserError(
      f"{name}: has {times(shape)} voxels, expected 1 to {MAX_VOXELS:,}"
    )


def times(shape: tuple[int, ...]) -> str:
  return " x ".join(str(int(n)) for n in shape)


def _turned(
  values: np.ndarray, affine: np.ndarray, order: np.ndarray, signs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Axes taken in this order, then turned round where the sign is -1."""
  rest = range(3, values.ndim)
  values = values.transpose(*(int(axis) for axis in order), *rest)
  affine = np.array(affine, np.float64)
  affine[:, :3] = affine[:, order]
  for axis, sign in enumerate(signs):
    if sign < 0:
      affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
      affine[:3, axis] *= -1
  return _flipped(values, signs), affine


def _flipped(values: np.ndarray, signs: np.ndarray) -> np.ndarray:
  return values[tuple(slice(None, None, int(sign)) for sign in signs)]
