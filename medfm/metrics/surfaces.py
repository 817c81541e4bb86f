"""Distances between the surfaces of two segmented structures.

A surface is the voxels of a structure with a face (in 2-D, an edge) on its
outside; beyond the grid everything is outside. Distances are between the
centres of surface voxels, and each counts as much as any other, as in MONAI's
defaults; DeepMind's `surface-distance` weights pieces of surface by their area.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from medfm.metrics.undefined import Array

_MANY = 2_000_000
"""Surface voxels above which a distance transform costs less than a tree."""

_PERCENTILE = 95.0


class Surfaces(NamedTuple):
  """Distances from each surface voxel to the nearest of the other surface.

  there: from the true surface to the predicted one; back: the other way. Both
  in the unit of the spacing.
  """

  there: Array
  back: Array


def surface(mask: Array) -> Array:
  """The surface voxels of a mask, bool like it. Axes of extent 1 are ignored,
  so that a slice has the outline of a picture."""
  mask = np.asarray(mask, bool)
  padded = np.pad(mask, 1)
  inner = mask.copy()
  for axis, extent in enumerate(mask.shape):
    if extent == 1:
      continue
    for first in (0, 2):
      core = [slice(1, -1)] * mask.ndim
      core[axis] = slice(first, first + extent)
      inner &= padded[tuple(core)]
  return mask & ~inner


def distances(truth: Array, predicted: Array, spacing: Array) -> Surfaces:
  """Between the surfaces of two masks of one shape, neither of them empty.

  spacing: between voxel centres along each axis.
  """
  true, called = surface(truth), surface(predicted)
  if max(true.sum(), called.sum()) > _MANY:
    return Surfaces(
      _mapped(true, called, spacing), _mapped(called, true, spacing)
    )
  a, b = (np.argwhere(edge) * np.asarray(spacing) for edge in (true, called))
  return Surfaces(KDTree(b).query(a)[0], KDTree(a).query(b)[0])


def hausdorff(between: Surfaces, percentile: float = _PERCENTILE) -> float:
  """The larger of the percentiles of the two directed sets of distances.

  MONAI and DeepMind take the larger one too; others pool both sets, which
  gives less. 100 is Hausdorff's distance.
  """
  return float(max(np.percentile(side, percentile) for side in between))


def average_distance(between: Surfaces) -> float:
  """The mean of all distances, both ways (ASSD)."""
  count = len(between.there) + len(between.back)
  return float((between.there.sum() + between.back.sum()) / count)


def surface_dice(between: Surfaces, tolerance: float) -> float:
  """The share of both surfaces within the tolerance of the other.

  Nikolov et al. 2021, Journal of Medical Internet Research; a distance of
  exactly the tolerance is within.
  """
  near = sum(int((side <= tolerance).sum()) for side in between)
  return near / (len(between.there) + len(between.back))


def _mapped(edge: Array, other: Array, spacing: Array) -> Array:
  """As a tree's query, in memory that does not grow with the surface."""
  nearest = ndimage.distance_transform_edt(
    ~other, sampling=spacing, return_distances=False, return_indices=True
  )
  return np.concatenate(list(_slabs(edge, np.asarray(nearest), spacing)))


def _slabs(edge: Array, nearest: Array, spacing: Array) -> Iterator[Array]:
  for row, here in enumerate(edge):
    places = np.nonzero(here)
    squares = np.zeros(len(places[0]), np.float32)
    for axis, step in enumerate(spacing):
      place = row if axis == 0 else places[axis - 1]
      squares += ((nearest[axis, row][places] - place) * step) ** 2
    yield np.sqrt(squares)
