"""Patches of images of any size, cut on the host.

Each is `(example, info, generator, *, configuration) -> example`.
"""

import numpy as np

from medfm.types import Example, Info, UserError

_WHOLE = ("places", "resampled_regions", "file_extents", "file_spacing_mm")


def patch(
  example: Example,
  info: Info,
  generator: np.random.Generator,
  *,
  marked: float = 1 / 3,
) -> Example:
  """`image` and `regions` cut to the patch of the data's plan.

  Evenly over the image, but with the probability `marked` so that a marked
  place, of a structure drawn first, lies within the patch, as near to its
  middle as the image's edges allow (Isensee et al. 2021). An image smaller than
  the patch is filled up on both sides: with its mean, or that of the training
  volumes if values have a unit, and as background. Arrays that describe the
  whole image are dropped.
  """
  shape = getattr(info.only, "patch", None)
  shape = shape or getattr(getattr(info.only, "plan", None), "patch", ())
  if not shape:
    raise UserError(
      f"transforms: {info.name} holds {info.describe()} and has no patches to "
      "cut; take patches.patch out"
    )
  extents = np.array(example["image"].shape[: len(shape)])
  free = extents - shape
  # Below 0 is where a patch begins that is larger than the image.
  low, high = np.minimum(free, 0) // 2, np.maximum(free, 0)
  start = np.where(free > 0, (generator.random(len(shape)) * (high + 1)), low)
  wanted, places = generator.random(), example.get("places")
  if places is not None and len(places) and wanted < marked:
    kinds = np.unique(places[:, 0])
    kind = kinds[int(generator.random() * len(kinds))]
    of_kind = places[places[:, 0] == kind]
    place = of_kind[int(generator.random() * len(of_kind))][1:]
    middle = np.clip(place - np.array(shape) // 2, 0, high)
    start = np.where(free > 0, middle, low)
  start = start.astype(int)
  kept = {k: a for k, a in example.items() if k not in _WHOLE}
  # What becomes 0 when it is scaled, as where prediction fills up.
  span = getattr(info.only, "range", ())
  mean = span[2] if span else example["level"][0]
  kept["image"] = _cut(example["image"], start, shape, mean)
  kept["image/size"] = np.array([*shape, kept["image"].shape[-1]], np.int32)
  if "regions" in example:
    regions = example.get("resampled_regions", example["regions"])
    kept["regions"] = _cut(regions, start, shape, 0)
    kept["regions/size"] = np.array(shape, np.int32)
  return kept


def _cut(
  array: np.ndarray, start: np.ndarray, shape: tuple[int, ...], fill: float
) -> np.ndarray:
  """array [*S,...] from `start` on; `fill` where it does not reach."""
  rest = array.shape[len(shape) :]
  if np.issubdtype(array.dtype, np.integer):
    fill = round(float(fill))
  cut = np.full((*shape, *rest), fill, array.dtype)
  here, there = [], []
  for first, extent, length in zip(start, shape, array.shape, strict=False):
    begin, end = max(first, 0), min(first + extent, length)
    there.append(slice(begin, end))
    here.append(slice(begin - first, end - first))
  cut[tuple(here)] = array[tuple(there)]
  return cut
