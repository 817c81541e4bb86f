"""The pixels of DICOM slices, rescaled and laid into one array."""

import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data.images import decode, dicom
from medfm.data.volumes import formats
from medfm.data.volumes.heads import Slice
from medfm.types import UserError

_AHEAD = 8  # Files under way at most: each is held whole.
_QUANTITIES = ("CT", "PT", "RTDOSE")  # MONOCHROME1 is only how to show them.


class _Plane(NamedTuple):
  """values: [H,W] wide integers where all numbers are whole, else float32.
  empty: [H,W] bool, which are padding; None if none is.
  """

  values: np.ndarray
  empty: np.ndarray | None


def same(one: Slice, other: Slice) -> bool:
  """Whether two slices hold the same rescaled pixels."""
  planes = [*_planes([one]), *_planes([other])]
  return np.array_equal(planes[0].values, planes[1].values, equal_nan=True)


def filled(
  slices: Sequence[Slice], window: Sequence[float] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
  """(values [Z,H,W] in the order of the slices, what was changed).

  The array is made first and filled slice by slice.
  """
  volume = np.empty((len(slices), *slices[0].shape), _dtype(slices, window))
  padded: dict[int, np.ndarray] = {}
  lowest = math.inf
  for place, (values, empty) in enumerate(_planes(slices)):
    if window:
      low, high = _like(window, values)
      values = np.clip(values, low, high)
    inside = values if empty is None else values[~empty]
    if inside.size:
      lowest = min(lowest, inside.min())
    if empty is not None:
      padded[place] = np.packbits(empty)
      values = np.where(empty, inside.min() if inside.size else 0, values)
    if volume.dtype.kind in "iu" and not _fits(values, volume.dtype):
      volume = volume.astype(np.float32)
    volume[place] = values
  for place, bits in padded.items():
    plane = volume[place]
    empty = np.unpackbits(bits, count=plane.size).reshape(plane.shape)
    plane[empty.astype(bool)] = lowest if math.isfinite(lowest) else 0
  return volume, _changes(slices, bool(padded))


def _like(window: Sequence[float], values: np.ndarray) -> list[float]:
  """The ends of a window, whole numbers for whole numbers."""
  whole = values.dtype.kind in "iu" and all(
    float(n).is_integer() for n in window
  )
  return [int(n) if whole else n for n in window]


def _changes(slices: Sequence[Slice], padded: bool) -> tuple[str, ...]:
  changes = []
  if padded:
    changes.append("padding filled with the smallest value")
  if slices[0].inverted and slices[0].modality in _QUANTITIES:
    changes.append("MONOCHROME1 of a quantity, its numbers kept")
  elif slices[0].inverted:
    changes.append("MONOCHROME1 inverted")
  return tuple(changes)


def _dtype(slices: Sequence[Slice], window: Sequence[float]) -> np.dtype:
  """An integer type if all values should be whole numbers, else float32."""
  numbers = [*window]
  for one in slices:
    if one.table or one.kind.startswith("float"):
      return np.dtype(np.float32)
    numbers += one.rescale or ()
  if not all(float(number).is_integer() for number in numbers):
    return np.dtype(np.float32)
  kinds = {one.kind for one in slices}
  plain = all(one.rescale in (None, (1.0, 0.0)) for one in slices)
  return np.dtype(kinds.pop() if plain and len(kinds) == 1 else np.int16)


def _fits(values: np.ndarray, dtype: np.dtype) -> bool:
  limits = np.iinfo(dtype)
  if values.dtype.kind == "f":
    return False
  return limits.min <= values.min() and values.max() <= limits.max


def _planes(slices: Sequence[Slice]) -> Iterator[_Plane]:
  """The rescaled pixels of each slice, in this order."""
  if slices[0].frame is None:
    yield from decode.in_order(_of_file, slices, ahead=_AHEAD)
    return
  start = 0
  while start < len(slices):  # Frames of one file are read in one go.
    end = start
    while end < len(slices) and slices[end].path == slices[start].path:
      end += 1
    yield from _of_frames(slices[start:end])
    start = end


def _of_file(one: Slice) -> _Plane:
  from pydicom.pixels.utils import pixel_array

  name = os.path.basename(one.path)
  data = decode.content(one.path)
  with dicom.opened(data, name, dicom.TAGS, dicom.PLUGINS) as dataset:
    return _plane(dataset, pixel_array(dataset, index=0), one)


def _of_frames(slices: Sequence[Slice]) -> Iterator[_Plane]:
  """The file is read frame by frame: it may be larger than the memory."""
  from pydicom.pixels.utils import iter_pixels

  path, name = slices[0].path, os.path.basename(slices[0].path)
  tags = [tag for tag in dicom.TAGS if not tag.endswith("PixelData")]
  with (
    formats.opened(pathlib.Path(path)) as file,
    dicom.opened(file, name, tags, dicom.PLUGINS) as dataset,
  ):
    places = [one.frame or 0 for one in slices]
    file.seek(0)
    planes: Iterable = iter_pixels(file, indices=places)
    for stored, one in zip(planes, slices, strict=True):
      yield _plane(dataset, stored, one)


def _plane(dataset: Any, stored: np.ndarray, one: Slice) -> _Plane:
  """Stored pixels [H,W] -> the values that they stand for."""
  name = os.path.basename(one.path)
  if stored.shape != one.shape:
    raise UserError(f"{name}: its pixels have another shape than it states")
  if stored.dtype.kind == "f":
    slope, intercept = one.rescale or (1.0, 0.0)
    return _Plane((stored * slope + intercept).astype(np.float32), None)
  empty = dicom.padding(dataset, stored)
  if one.inverted and one.modality not in _QUANTITIES:
    bits = int(dataset.BitsStored)
    low = -(2 ** (bits - 1)) if dataset.PixelRepresentation else 0
    stored = 2 * low + 2**bits - 1 - stored.astype(np.int64)
  return _Plane(_rescaled(dataset, stored, one), empty if empty.any() else None)


def _rescaled(dataset: Any, stored: np.ndarray, one: Slice) -> np.ndarray:
  if one.table:
    from pydicom.pixels.processing import apply_modality_lut

    return apply_modality_lut(stored, dataset).astype(np.float32)
  slope, intercept = one.rescale or (1.0, 0.0)
  if slope.is_integer() and intercept.is_integer():
    small = abs(slope) < 2**14 and abs(intercept) < 2**29
    narrow = small and stored.dtype.itemsize < 4
    wide = stored.astype(np.int32 if narrow else np.int64)
    if slope != 1:
      wide *= int(slope)
    if intercept:
      wide += int(intercept)
    return wide
  return (stored * np.float64(slope) + intercept).astype(np.float32)
