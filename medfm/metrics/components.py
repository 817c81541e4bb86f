"""Connected components of segmentations: kept, filled, told apart.

All functions return new arrays and what they changed, where that is not plain
from the result. connectivity: 1 joins voxels by their faces, 2 also by edges,
3 also by corners.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from medfm.metrics.undefined import Array

OUTSIDE, INSIDE, BORDER = 0, 1, 2
"""The classes of `border_classes`."""


def largest(
  labels: Array, *, structures: int, connectivity: int = 1
) -> tuple[Array, int]:
  """Each structure's largest component, and how many voxels became background.

  labels: whole numbers, 0 for the background and 1 to `structures`. Of equally
  large components the first in the array's order stays.
  """

  def others(mask: Array) -> Array:
    parts, count = _parts(mask, connectivity)
    if count < 2:
      return np.zeros_like(mask)
    sizes = np.bincount(parts.ravel())
    return mask & (parts != 1 + sizes[1:].argmax())

  return _changed(labels, structures, others, to_background=True)


def filled(
  labels: Array, *, structures: int, axis: int | None = None
) -> tuple[Array, int]:
  """Each structure with its holes of background filled, and how many voxels.

  axis: fill within each slice along this axis; None for closed cavities of the
  whole volume. Another structure within a hole stays.
  """

  def holes(mask: Array) -> Array:
    if axis is None:
      return _whole(mask) & ~mask
    slices = np.moveaxis(mask, axis, 0)
    stacked = np.stack([_whole(each) for each in slices])
    return np.moveaxis(stacked, 0, axis) & ~mask

  return _changed(labels, structures, holes, to_background=False)


def instances_of(
  prediction: Array,
  *,
  how: str = "border",
  least: int = 0,
  least_seed: int = 0,
  waist: int = 0,
  fill: bool = True,
  connectivity: int = 1,
  smooth: float = 2.0,
  apart: int = 5,
) -> Array:
  """A label map, int32, of the objects in a prediction.

  prediction: for "border", the classes of `border_classes`, or their
    probabilities [...,3] in floats; else a mask.
  how: "border" grows the components of the inside into the border; "components"
    takes connected ones as they are; "distance" splits touching objects at
    their waists, by the distance to the background.
  least: objects of fewer pixels are dropped. least_seed: so are smaller seeds,
    whose pixels then go to their neighbours.
  waist: for "border", an inside with two centres more than so many pixels apart
    is split where it is narrow; 0 never splits.
  fill: holes within an object become part of it.
  smooth, apart: for "distance", in pixels: the standard deviation by which
    distances are smoothed, and how far apart two maxima are at least.
  """
  prediction = np.asarray(prediction)
  if prediction.dtype.kind == "f":
    prediction = prediction.argmax(-1)
  mask = prediction != OUTSIDE
  if fill and how != "border":
    mask = _whole(mask)
  if how == "border":
    inside = prediction == INSIDE
    seeds = _seeds(inside, least_seed, connectivity)
    if waist:
      split = _at_waists(inside & (seeds > 0), waist / 2, waist, connectivity)
      seeds = np.where(seeds > 0, split, 0)
    objects = grown(seeds, mask, connectivity=connectivity)
  elif how == "distance":
    objects = _at_waists(mask, smooth, apart, connectivity)
  elif how == "components":
    objects = _seeds(mask, 0, connectivity)
  else:
    raise ValueError(f"how={how!r}: border, components or distance")
  if fill and how == "border":
    objects = _without_holes(objects)
  return without_small(objects, least)


def border_classes(instances: Array, *, width: int = 1) -> Array:
  """OUTSIDE, INSIDE or BORDER for each pixel, uint8, from a label map.

  BORDER is what lies within `width` pixels of the background or another
  object, so that the insides of touching objects do not touch. An object that
  is all border keeps the pixels furthest inside as INSIDE, or it could not be
  found again. The image's edge is no border.
  """
  instances = np.asarray(instances)
  size = 2 * width + 1
  low = ndimage.minimum_filter(instances, size, mode="nearest")
  high = ndimage.maximum_filter(instances, size, mode="nearest")
  inside = (low == high) & (instances > 0)
  lost = np.setdiff1d(instances, np.append(instances[inside], 0))
  boxes = ndimage.find_objects(instances)
  for number in lost:
    box = boxes[number - 1]
    mask = instances[box] == number
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1)))
    depth = depth[(slice(1, -1),) * mask.ndim]
    inside[box] |= mask & (depth == depth.max())
  classes = np.where(instances > 0, BORDER, OUTSIDE).astype(np.uint8)
  classes[inside] = INSIDE
  return classes


def grown(seeds: Array, mask: Array, *, connectivity: int = 1) -> Array:
  """Seeds [...] int grown within a mask until they meet, int32.

  Each pixel goes to the seed that is nearest on a way within the mask, by
  steps to neighbours; of equally near ones to any. A component of the mask
  without a seed is an object of its own.
  """
  seeds = np.where(mask, seeds, 0).astype(np.int32)
  parts, count = _parts(mask, connectivity)
  seeded = np.zeros(count + 1, bool)
  seeded[parts[seeds > 0]] = True
  alone = mask & ~seeded[parts]
  seeds[alone] = seeds.max(initial=0) + parts[alone]
  return _spread(seeds, mask, connectivity)


def without_small(instances: Array, least: int) -> Array:
  """Objects of `least` pixels or more, numbered from 1 without gaps, int32."""
  names, numbers, sizes = np.unique(
    instances, return_inverse=True, return_counts=True
  )
  kept = (sizes >= least) & (names > 0)
  fresh = np.where(kept, kept.cumsum(), 0).astype(np.int32)
  return fresh[numbers].reshape(np.shape(instances))


def _changed(
  labels: Array,
  structures: int,
  part: Callable[[Array], Array],
  *,
  to_background: bool,
) -> tuple[Array, int]:
  """Labels in which each structure lost or gained a part, and its voxels."""
  labels, count = np.array(labels), 0
  for k, box in enumerate(ndimage.find_objects(labels, structures), start=1):
    if box is None:
      continue
    here = labels[box]
    changed = part(here == k)
    if not to_background:
      changed &= here == 0
    here[changed] = 0 if to_background else k
    count += int(changed.sum())
  return labels, count


def _seeds(inside: Array, least: int, connectivity: int) -> Array:
  return without_small(_parts(inside, connectivity)[0], least)


def _at_waists(
  mask: Array, smooth: float, apart: int, connectivity: int
) -> Array:
  """A watershed: basins of the distance to the background, from its maxima.

  They are flooded pixel by pixel of distance, deepest first.
  """
  distance = np.asarray(ndimage.distance_transform_edt(mask))
  smoothed = ndimage.gaussian_filter(distance, smooth) if smooth else distance
  top = ndimage.maximum_filter(smoothed, 2 * apart + 1)
  # Maxima that touch are a plateau, and one seed.
  objects, _ = _parts((smoothed == top) & mask, mask.ndim)
  for level in range(int(distance.max(initial=0)), 0, -1):
    objects = _spread(objects, distance >= level, connectivity)
  return grown(objects, mask, connectivity=connectivity)


def _spread(objects: Array, mask: Array, connectivity: int) -> Array:
  """Objects grown step by step into the free pixels of a mask."""
  whole = np.pad(np.asarray(objects, np.int32), 1)
  core = (slice(1, -1),) * mask.ndim
  objects = whole[core]
  near = np.argwhere(_neighbours(mask.ndim, connectivity))
  views = [
    whole[
      tuple(
        slice(int(s), int(s) + n)
        for s, n in zip(shift, mask.shape, strict=True)
      )
    ]
    for shift in near
  ]
  free = np.nonzero(mask & (objects == 0))
  while len(free[0]):
    fresh = np.zeros(len(free[0]), np.int32)
    for view in views:
      fresh = np.where(fresh > 0, fresh, view[free])
    if not fresh.any():
      break
    objects[free] = fresh
    free = tuple(axis[fresh == 0] for axis in free)
  return objects.copy()


def _without_holes(objects: Array) -> Array:
  count = int(objects.max(initial=0))
  return filled(objects, structures=count)[0]


def _whole(mask: Array) -> Array:
  """A mask with its holes filled."""
  return np.asarray(ndimage.binary_fill_holes(mask))


def _parts(mask: Array, connectivity: int) -> tuple[Array, int]:
  """Components numbered from 1, and how many there are."""
  near = _neighbours(mask.ndim, connectivity)
  labelled: Any = ndimage.label(mask, near)
  return labelled


def _neighbours(axes: int, connectivity: int) -> Array:
  return ndimage.generate_binary_structure(axes, min(connectivity, axes))
