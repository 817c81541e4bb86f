"""How well a segmentation agrees with the truth, structure by structure.

`measures` reduces the two label maps of one case to a few numbers for each
structure, so that no mask of a whole split is held; `metrics.regions` makes
metrics of the columns. What a structure has if it is missing somewhere:

in truth, predicted | Dice, IoU, surface Dice | distances | outcome
both                | as measured             | measured  | found
truth alone         | 0                       | NaN       | missed
prediction alone    | 0                       | NaN       | invented
neither             | NaN                     | NaN       | absent

NaN is left out of a mean. A mean distance so says nothing about structures
that were missed or invented, and their number (`outcomes`) belongs beside it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from medfm.metrics import surfaces
from medfm.metrics.undefined import Array

OVERLAPS = ("dice", "iou", "surface_dice")
DISTANCES = ("hd95", "assd")
SIZES = ("true_size", "predicted_size", "difference")
PRESENCE = ("in_truth", "in_predicted")
NAMES = (*OVERLAPS, *DISTANCES, *SIZES, *PRESENCE)
"""The columns of `measures`."""

OUTCOMES = ("found", "missed", "invented", "absent", "no distance")

_MM3_PER_ML = 1000.0


def measures(
  truth: Array,
  predicted: Array,
  *,
  structures: int,
  spacing_mm: Sequence[float] | None,
  tolerance: float | Sequence[float],
) -> dict[str, Array]:
  """The `NAMES` of one case, each [K] float.

  truth, predicted: whole numbers [X,Y] or [X,Y,Z] of one grid, 0 for the
    background and 1 to K for the structures.
  spacing_mm: between voxel centres along each axis. NaN if it is not known:
    all that is in mm or ml is then NaN, and so is the surface Dice. None for
    pictures, which are measured in pixels.
  tolerance: of the surface Dice, in mm or pixels; one, or one per structure.

  Sizes are ml of volumes, mm² of images, or pixels; `difference` is predicted
  less true. `surfaces` defines distances. Overlap is Dice (1945) and Jaccard.
  """
  truth, predicted = (
    _checked(truth, structures),
    _checked(predicted, structures),
  )
  if truth.shape != predicted.shape:
    raise ValueError(
      f"the truth has shape {truth.shape}, the prediction {predicted.shape}"
    )
  spacing, size = _grid(truth.ndim, spacing_mm)
  limits = np.broadcast_to(np.asarray(tolerance, float), structures)
  boxes = zip(
    *(
      ndimage.find_objects(labels, structures) for labels in (truth, predicted)
    ),
    strict=True,
  )
  table = {name: np.full(structures, np.nan) for name in NAMES}
  for k, pair in enumerate(boxes):
    box = _around(pair, truth.shape)
    true, called = (labels[box] == k + 1 for labels in (truth, predicted))
    of_one = _of_one(true, called, spacing, size, float(limits[k]))
    for name, value in of_one.items():
      table[name][k] = value
  return table


def outcomes(columns: Mapping[str, Array]) -> Array:
  """[K,5] cases by structure and outcome, in the order of `OUTCOMES`.

  columns: of `measures`, each [N,K]. "no distance" counts those of the found
  whose distances are not known, for want of a spacing. Cases in which the
  structure was not marked (NaN) are in none.
  """
  true, called = (columns[name] > 0 for name in PRESENCE)
  found = true & called
  unknown = found & np.isnan(columns["hd95"])
  unjudged = np.isnan(columns["in_truth"])
  absent = ~(true | called | unjudged)
  rows = found, true & ~called, called & ~true, absent, unknown
  return np.stack([row.sum(0) for row in rows], 1).astype(int)


def _of_one(
  true: Array, called: Array, spacing: Array, size: float, tolerance: float
) -> dict[str, float]:
  """The measures of one structure from its masks, cut to where it is."""
  a, b = int(np.count_nonzero(true)), int(np.count_nonzero(called))
  values = {
    "in_truth": float(a > 0),
    "in_predicted": float(b > 0),
    "true_size": a * size,
    "predicted_size": b * size,
    "difference": (b - a) * size,
  }
  if not (a or b):
    return values
  if not (a and b):
    return values | dict.fromkeys(OVERLAPS, 0.0)
  both = int(np.count_nonzero(true & called))
  values |= {"dice": 2 * both / (a + b), "iou": both / (a + b - both)}
  if np.isnan(spacing).any():
    return values
  between = surfaces.distances(true, called, spacing)
  return values | {
    "surface_dice": surfaces.surface_dice(between, tolerance),
    "hd95": surfaces.hausdorff(between),
    "assd": surfaces.average_distance(between),
  }


def _checked(labels: Array, structures: int) -> Array:
  labels = np.asarray(labels)
  if labels.dtype.kind == "b":
    labels = labels.astype(np.uint8)
  if labels.dtype.kind not in "iu" or labels.ndim not in (2, 3):
    raise ValueError(
      f"a label map is {labels.dtype} of shape {labels.shape}; expected whole "
      "numbers [X,Y] or [X,Y,Z]"
    )
  if labels.size and not 0 <= labels.min() <= labels.max() <= structures:
    raise ValueError(
      f"labels from {labels.min()} to {labels.max()}; expected 0 to "
      f"{structures}"
    )
  return labels


def _grid(axes: int, spacing_mm: Sequence[float] | None) -> tuple[Array, float]:
  """The spacing, and the size of a voxel in ml, mm² or pixels."""
  if spacing_mm is None:
    return np.ones(axes), 1.0
  spacing = np.asarray(spacing_mm, float)
  if spacing.shape != (axes,) or (spacing <= 0).any():
    raise ValueError(
      f"spacing_mm {spacing.tolist()}: expected {axes} positive numbers"
    )
  volume = float(spacing.prod())
  return spacing, volume / _MM3_PER_ML if axes == 3 else volume


def _around(
  boxes: Sequence[tuple[slice, ...] | None], shape: Sequence[int]
) -> tuple[slice, ...]:
  """The smallest box around those that there are, and a place on every side.

  So that what fills one slice of several is not taken for a picture. An empty
  box without any.
  """
  known = [box for box in boxes if box is not None]
  if not known:
    return (slice(0),)
  return tuple(
    slice(
      max(min(s.start for s in sides) - 1, 0),
      min(max(s.stop for s in sides) + 1, extent),
    )
    for *sides, extent in zip(*known, shape, strict=True)
  )
