"""The measures of one image's regions, and regions in a few bytes."""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data.volumes.style import UNKNOWN
from medfm.metrics import components, instances, overlap
from medfm.tasks.regions.target import Regions, images, of
from medfm.types import Arrays, Batch, Info


def as_resized(
  target: Regions, batch: Batch, row: int, predicted: np.ndarray
) -> Regions:
  """The target with `least` converted to pixels of the resized image."""
  if not target.least or "file_extents" not in batch:
    return target
  share = predicted.size / np.prod(batch["file_extents"][row])
  return dataclasses.replace(target, least=round(target.least * share))


def in_file(
  info: Info, arrays: Mapping[str, Any], row: int, predicted: np.ndarray
) -> dict[str, Any]:
  """`measured` of one image of a batch or a split, in the grid of its file."""
  predicted, spacing = images(info).in_file(arrays, row, predicted)
  truth = arrays.get("regions")
  if truth is not None:
    truth = np.asarray(truth[row])[tuple(map(slice, predicted.shape))]
  known = None if of(info).pixels else spacing
  if truth is None or "unmarked" not in arrays:
    return measured(of(info), truth, predicted, known)
  # Where one is predicted that is not marked here, nothing is known.
  unmarked = np.asarray(arrays["unmarked"][row], bool)
  others = np.isin(predicted, 1 + np.flatnonzero(unmarked))
  truth = np.where(others, UNKNOWN, truth).astype(np.uint8)
  found = measured(of(info), truth, predicted, known)
  return {
    name: np.where(unmarked, np.nan, column)
    if np.shape(column) == unmarked.shape
    else column
    for name, column in found.items()
  }


def stacked(rows: Sequence[Arrays], name: str) -> np.ndarray:
  """[B,...] of a column of rows; bytes become objects."""
  if name != "mask":
    return np.stack([row[name] for row in rows])
  masks: Any = np.empty(len(rows), object)
  for place, row in enumerate(rows):
    masks[place] = row[name]
  return masks


def marked(target: Regions, predicted: np.ndarray) -> np.ndarray:
  """Predicted classes [*S] as regions, by the target's settings."""
  if target.instances:
    return components.instances_of(
      predicted, least=target.least, waist=target.waist
    )
  if target.largest:
    return components.largest(predicted, structures=len(target.names))[0]
  return predicted


def measured(
  target: Regions,
  truth: np.ndarray | None,
  predicted: np.ndarray,
  spacing_mm: Sequence[float] | None,
) -> dict[str, Any]:
  """The measures of one image, by structure [K].

  truth, predicted: regions [*S] of one grid. Without truth, the sizes alone.
  """
  more: dict[str, Any] = {}
  if truth is not None:
    more["share"] = shares(target, truth)
  if target.instances:
    objects = {} if truth is None else instances.scores(truth, predicted)
    more |= {name: np.float64(value) for name, value in objects.items()}
    more["objects_predicted"] = np.float64(
      len(np.unique(predicted[predicted > 0]))
    )
    predicted = (predicted > 0).astype(np.uint8)
    truth = None if truth is None else (truth > 0).astype(np.uint8)
  elif truth is not None and (unknown := truth == UNKNOWN).any():
    predicted = np.where(unknown, 0, predicted)
    truth = np.where(unknown, 0, truth)
  if truth is None:
    return {**_sizes(target, predicted, spacing_mm), **more}
  table = overlap.measures(
    truth,
    predicted,
    structures=len(target.names),
    spacing_mm=spacing_mm,
    tolerance=target.tolerance,
  )
  return {**table, **more}


def _sizes(
  target: Regions, predicted: np.ndarray, spacing_mm: Sequence[float] | None
) -> dict[str, np.ndarray]:
  """How much of each structure is predicted: ml, mm² or pixels."""
  counts = np.bincount(predicted.ravel(), minlength=len(target.names) + 1)
  voxel = 1.0
  if spacing_mm is not None:
    voxel = float(np.prod(spacing_mm)) / (1000 if predicted.ndim == 3 else 1)
  sizes = counts[1 : len(target.names) + 1] * voxel
  return {"predicted_size": sizes}


def packed(regions: np.ndarray) -> bytes:
  """Regions [*S] in a few bytes: their kind, extents and deflated numbers."""
  small = regions.astype(
    np.uint8 if regions.max(initial=0) < 256 else np.uint16
  )
  head = np.array([small.itemsize, *small.shape], "<u4").tobytes()
  return bytes([small.ndim]) + head + zlib.compress(small.tobytes(), 1)


def unpacked(mask: bytes) -> np.ndarray:
  """What `packed` packed."""
  axes = mask[0]
  head = np.frombuffer(mask[1 : 5 + 4 * axes], "<u4")
  kind = {1: np.uint8, 2: np.uint16}[int(head[0])]
  flat = np.frombuffer(zlib.decompress(mask[5 + 4 * axes :]), kind)
  return flat.reshape(head[1:])


def shares(target: Regions, regions: np.ndarray) -> np.ndarray:
  if target.instances:
    return np.array([(regions > 0).mean()])
  count = len(target.names) + 1
  return np.bincount(regions.ravel(), minlength=count)[1:count] / regions.size
