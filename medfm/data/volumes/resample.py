"""Volumes on a grid of another spacing, and masks back on the first one.

Grids of one volume cover the same box: their outer edges lie on each other,
not the centres of their corner voxels (as in skimage.transform.resize, which
nnU-Net uses). Where one spacing is over three times another, the coarse axis
is apart: planes are interpolated within themselves, and along the axis each
new plane takes the nearest old one (Isensee et al., Nature Methods 18:203,
2021; nnU-Net's `resample_data_or_seg`).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from medfm.data.volumes import scan
from medfm.data.volumes.scan import Geometry, Scan
from medfm.types import UserError

Lengths = Sequence[float] | np.ndarray
"""[3] in mm."""

ANISOTROPIC = 3.0  # Of the largest spacing to the smallest.
_MANY = 64  # Labels of a mask above which each is no longer interpolated.
_SMALLEST_MM, _LARGEST_MM = 1e-3, 1e3


def resampled(
  values: np.ndarray,
  spacing_mm: Lengths,
  to_mm: Lengths,
  order: int = 3,
) -> np.ndarray:
  """An image [X,Y,Z] or [X,Y,Z,C] at about the spacing `to_mm` [3], float32.

  order: of the spline: 3 cubic, 1 linear, 0 nearest. Values stay within those
    that there were. Nothing is smoothed before the grid gets coarser.
  """
  shape = shape_at(values.shape[:3], spacing_mm, to_mm)
  return to_shape(values, shape, spacing_mm, order)


def resampled_mask(
  mask: np.ndarray, spacing_mm: Lengths, to_mm: Lengths
) -> np.ndarray:
  """A mask [X,Y,Z] of integers at about `to_mm`: see `mask_to_shape`."""
  shape = shape_at(mask.shape, spacing_mm, to_mm)
  return mask_to_shape(mask, shape, spacing_mm)


def of_scan(image: Scan, to_mm: Lengths, order: int = 3) -> Scan:
  """`resampled`, with the affine of the new grid."""
  values = resampled(image.values, image.spacing_mm, to_mm, order)
  affine = affine_at(image.affine, image.values.shape[:3], values.shape[:3])
  return dataclasses.replace(image, values=values, affine=affine)


def back(values: np.ndarray, grid: Geometry, order: int = 1) -> np.ndarray:
  """What lies on a resampled grid, on the canonical grid of the file again.

  values: a mask [X,Y,Z] of integers, which stays one, or numbers such as
    probabilities [X,Y,Z] or [X,Y,Z,C], which become float32.
  """
  shape = scan.canonical_shape(grid)
  box = scan.spacing(scan.canonical_affine(grid)) * shape
  spacing_mm = box / values.shape[:3]
  if values.dtype.kind in "iub":
    return mask_to_shape(values, shape, spacing_mm)
  return to_shape(values, shape, spacing_mm, order)


def shape_at(
  shape: Sequence[int], spacing_mm: Lengths, to_mm: Lengths
) -> tuple[int, int, int]:
  """How many voxels of `to_mm` cover the same box: rounded, at least 1."""
  usable = len(to_mm) == 3 and all(
    _SMALLEST_MM <= mm <= _LARGEST_MM for mm in to_mm
  )
  if not usable:
    raise UserError(
      f"spacing {tuple(to_mm)}: expected three lengths of {_SMALLEST_MM:g} to "
      f"{_LARGEST_MM:g} mm"
    )
  x, y, z = (
    max(1, round(n * float(old) / float(new)))
    for n, old, new in zip(shape, spacing_mm, to_mm, strict=True)
  )
  scan.limited("the resampled volume", (x, y, z))
  return x, y, z


def affine_at(
  affine: np.ndarray, shape: Sequence[int], to_shape: Sequence[int]
) -> np.ndarray:
  """[4,4] the affine of the grid of another shape that covers the same box."""
  factor = np.array(shape) / np.array(to_shape)
  affine = np.array(affine, np.float64)
  affine[:3, 3] += affine[:3, :3] @ ((factor - 1) / 2)
  affine[:3, :3] *= factor
  return affine


def to_shape(
  values: np.ndarray,
  shape: tuple[int, int, int],
  spacing_mm: Lengths = (1, 1, 1),
  order: int = 3,
) -> np.ndarray:
  """An image [X,Y,Z] or [X,Y,Z,C] on the grid of `shape`, float32.

  spacing_mm: [3] of the grid that it has, by which a coarse axis is known.
  """
  if order not in (0, 1, 3):
    raise UserError(f"order={order}: expected 3 (cubic), 1 (linear) or 0")
  if values.ndim == 4:
    channels = [
      to_shape(values[..., c], shape, spacing_mm, order)
      for c in range(values.shape[3])
    ]
    return np.stack(channels, axis=-1)
  if values.shape == shape:
    return values.astype(np.float32)
  axis = _coarse(values.shape, shape, spacing_mm)
  if axis is None:
    return _zoomed(values, shape, order)
  planes, coarse = np.moveaxis(values, axis, 0), shape[axis]
  plane = shape[:axis] + shape[axis + 1 :]
  out = np.empty((coarse, *plane), np.float32)
  done, last = -1, out[0]
  for place, near in enumerate(_nearest(len(planes), coarse)):
    if near != done:
      last, done = _zoomed(planes[near], plane, order), near
    out[place] = last
  return np.moveaxis(out, 0, axis)


def mask_to_shape(
  mask: np.ndarray,
  shape: tuple[int, ...],
  spacing_mm: Lengths = (1, 1, 1),
) -> np.ndarray:
  """A mask [X,Y,Z] or [H,W] of integers on the grid of `shape`; same dtype.

  Each label by itself is interpolated linearly, and a voxel gets the label
  with the most; the smaller of two that are equal. With more than 64 labels,
  such as single objects, each voxel gets the nearest instead.
  """
  if mask.ndim not in (2, 3) or mask.dtype.kind not in "iub":
    raise UserError(
      f"a mask of {mask.dtype} with {mask.ndim} axes: expected integers "
      "[X,Y,Z] or [H,W]"
    )
  if mask.shape == shape:
    return mask.copy()
  labels = np.unique(mask)
  if len(labels) > _MANY:
    places = (_nearest(n, m) for n, m in zip(mask.shape, shape, strict=True))
    return mask[np.ix_(*places)]
  out = np.full(shape, labels[0], mask.dtype)
  if len(labels) == 1:
    return out
  most = _share(mask == labels[0], shape, spacing_mm)
  for label in labels[1:]:
    share = _share(mask == label, shape, spacing_mm)
    more = share > most
    out[more] = label
    np.maximum(most, share, out=most)
  return out


def _share(
  where: np.ndarray, shape: tuple[int, ...], spacing_mm: Lengths
) -> np.ndarray:
  """How much of each place of the new grid is marked, 0 to 1."""
  if len(shape) == 2:
    return _zoomed(where, shape, 1)
  x, y, z = shape
  return to_shape(where, (x, y, z), spacing_mm, 1)


def _coarse(
  shape: Sequence[int], to_shape: Sequence[int], spacing_mm: Lengths
) -> int | None:
  """The axis whose spacing is far above both others, in either grid."""
  old = np.array(spacing_mm, np.float64)
  new = old * shape / np.array(to_shape)
  for grid in (old, new):
    axis = int(np.argmax(grid))
    if grid[axis] > ANISOTROPIC * grid.min():
      # Two coarse axes are no plane and a rest: then all are alike.
      alone = np.delete(grid, axis).max() < grid[axis]
      return axis if alone else None
  return None


def _nearest(old: int, new: int) -> np.ndarray:
  """For each of `new` places, which of the `old` ones has its centre."""
  centres = (np.arange(new) + 0.5) * old / new
  return np.minimum(centres.astype(int), old - 1)


def _zoomed(
  values: np.ndarray, shape: tuple[int, ...], order: int
) -> np.ndarray:
  from scipy import ndimage

  if values.shape == shape:
    return values.astype(np.float32)
  # The spline is computed in double precision; the result is rounded once.
  zoom = [new / old for new, old in zip(shape, values.shape, strict=True)]
  out = np.empty(shape, np.float32)
  ndimage.zoom(
    values.astype(np.float32, copy=False),
    zoom,
    output=out,
    order=order,
    mode="nearest",
    grid_mode=True,
  )
  if order > 1:  # A cubic spline overshoots at edges.
    np.clip(out, values.min(), values.max(), out=out)
  return out
