"""An image and what is marked in it, read together from their files."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import rng
from medfm.data.images import decode
from medfm.data.volumes import masks as masks_
from medfm.data.volumes import nifti, reading, resample, scan
from medfm.data.volumes.scan import Scan
from medfm.data.volumes.style import Style
from medfm.types import UserError

_ORIENTATION = 0x0112  # Of EXIF.

PLACES = 1000
"""Places at most that are kept of each structure, to cut patches around."""

_FEWEST = 100
"""Whole numbers that values of a volume must span to be kept as such."""


class Read(NamedTuple):
  """image [*S,C]; regions [*F] or None; spacing_mm [R], NaN where unknown.

  F are the extents of the file, S those that it was resampled to.

  geometry: the grid of the file, JSON-able, to write a prediction in it.
  file_extents, file_spacing_mm: [R], before it was resampled.
  resampled: the regions [*S].
  """

  image: np.ndarray
  regions: np.ndarray | None
  spacing_mm: np.ndarray
  geometry: Any
  changes: tuple[str, ...]
  file_extents: np.ndarray
  file_spacing_mm: np.ndarray
  resampled: np.ndarray | None


def read(
  images: Sequence[pathlib.Path],
  masks: Sequence[pathlib.Path | None],
  style: Style,
  *,
  series: str = "",
) -> Read:
  """The image of one example, and its regions if there are masks.

  images: one file or folder, or one for each channel of a volume.
  masks: None for a structure that has no file.
  series: which DICOM series of a folder; see `reading.read`.
  Raises: UserError, naming the file, if they do not fit each other.
  """
  if style.axes == 3:
    return _volume(images, masks, style, series)
  return _picture(images, masks, style)


def _volume(
  images: Sequence[pathlib.Path],
  masks: Sequence[pathlib.Path | None],
  style: Style,
  series: str,
) -> Read:
  first, *others = (
    reading.read(
      path, frame=style.frame or None, series=series, window=style.window
    )
    for path in images
  )
  changes, channels = list(first.changes), [_channels(first)]
  for path, other in zip(images[1:], others, strict=True):
    shape = other.values.shape[:3]
    apart = shape != first.values.shape[:3]
    if not apart:
      limit = scan.TOLERANCE * first.spacing_mm.min()
      apart = scan.distance(other.affine, first.affine, shape) > limit
    if apart:
      raise UserError(
        f"{path.name}: lies on another grid than {images[0].name}; resample "
        "the channels of a volume to one"
      )
    channels.append(_channels(other))
    changes += other.changes
  changes = tuple(dict.fromkeys(changes))
  image = np.concatenate(channels, -1)
  bad = sum(each.not_finite for each in (first, *others))
  if bad:
    image = np.where(np.isfinite(image), image, 0)
    changes += ("volumes with values that are not finite, made 0",)
  regions = None
  if masks:
    regions, more = masks_.regions(
      masks, style, functools.partial(_mask, like=first)
    )
    changes += more
  if np.dtype(style.dtype).kind in "iu":
    _fits(image, style.dtype, images[0].name)
  spacing_mm, resampled = first.spacing_mm, regions
  if style.spacing_mm:
    to_mm = np.asarray(style.spacing_mm)
    if not np.allclose(spacing_mm, to_mm, rtol=1e-3):
      changes += ("volumes resampled",)
      if regions is not None:
        resampled = resample.resampled_mask(regions, spacing_mm, to_mm)
      image = resample.resampled(image, spacing_mm, to_mm)
      spacing_mm = to_mm
  return Read(
    _typed(image, style.dtype),
    regions,
    np.asarray(spacing_mm, np.float32),
    first.geometry,
    changes,
    np.array(first.values.shape[:3], np.int32),
    np.asarray(first.spacing_mm, np.float32),
    resampled,
  )


def _channels(volume: Scan) -> np.ndarray:
  """[X,Y,Z,C] of a scan with one channel or several."""
  values = volume.values
  return values if values.ndim == 4 else values[..., None]


def _mask(
  path: pathlib.Path, *, like: Any
) -> tuple[np.ndarray, tuple[str, ...]]:
  mask = nifti.read_mask(path, like)
  return mask.values, mask.changes


def _picture(
  images: Sequence[pathlib.Path],
  masks: Sequence[pathlib.Path | None],
  style: Style,
) -> Read:
  (path,) = images
  frame, window = style.frame or None, style.window or None
  stored, changes = decode.picture(
    path, name=path.name, frame=frame, window=window
  )
  image = decode.with_channels(stored, style.channels)
  if image.shape[-1] < stored.shape[-1] and (stored != stored[..., :1]).any():
    changes += ("colour made grey",)
  if _turned(path):
    changes += ("pictures turned as their EXIF says",)
  typed = decode.with_dtype(image, np.dtype(style.dtype), path.name)
  regions = None
  if masks:
    regions, more = masks_.regions(masks, style, masks_.flat)
    if regions.shape != typed.shape[:2]:
      name = next(mask.name for mask in masks if mask)
      sizes = (
        f"{rows} x {columns}"
        for rows, columns in (regions.shape, typed.shape[:2])
      )
      raise UserError(
        f"{name}: a mask of {next(sizes)} for {path.name} of {next(sizes)}; "
        "they must be equal"
      )
    changes += more
  extents, unknown = typed.shape[:2], np.full(2, np.nan, np.float32)
  resampled = regions
  if style.side and style.side != max(extents):
    changes += ("pictures resized",)
    scale = style.side / max(extents)
    rows, columns = (max(1, round(n * scale)) for n in extents)
    typed = decode.scaled(typed, rows, columns)
    if regions is not None:
      resampled = resample.mask_to_shape(regions, (rows, columns))
  return Read(
    typed,
    regions,
    unknown,
    ["picture", list(extents), path.name],
    changes,
    np.array(extents, np.int32),
    unknown,
    resampled,
  )


def _turned(path: pathlib.Path) -> bool:
  """Whether a picture's EXIF says that it is shown turned or mirrored."""
  import PIL.Image

  try:
    with PIL.Image.open(path) as file:
      return file.getexif().get(_ORIENTATION, 1) not in (0, 1)
  except Exception:  # DICOM and others, which have none.
    return False


def _fits(image: np.ndarray, dtype: str, name: str) -> None:
  """Refuses values that whole numbers of a type cannot tell apart or hold."""
  low, high = float(image.min()), float(image.max())
  ends = np.iinfo(dtype)
  narrow = image.dtype.kind == "f" and 0 < high - low < _FEWEST
  if narrow or low < ends.min or high > ends.max:
    raise UserError(
      f"{name}: its values are {low:.4g} to {high:.4g}, "
      f"{'too near each other for' if narrow else 'outside the range of'} "
      f"{dtype}: set --config.data.dtype=float32"
    )


def _typed(image: np.ndarray, dtype: str) -> np.ndarray:
  kind = np.dtype(dtype)
  if kind.kind in "iu" and image.dtype != kind:
    ends = np.iinfo(kind)
    image = np.clip(np.rint(image), ends.min, ends.max)
  return np.ascontiguousarray(image, kind)


def places(regions: np.ndarray, name: str) -> np.ndarray:
  """[n,1+R] int32: structure and place of some marked places of each.

  At most `PLACES` of each structure, drawn by the example's name alone;
  objects count as one structure. [0,1+R] if nothing is marked.
  """
  generator = rng.generator(0, "places", name)
  flat = regions.ravel()
  marked = np.flatnonzero(flat)
  rows = []
  kinds = flat[marked]
  several = regions.dtype == np.uint8
  for kind in np.unique(kinds) if several else [None]:
    here = marked if kind is None else marked[kinds == kind]
    if len(here) > PLACES:
      here = np.sort(generator.choice(here, PLACES, replace=False))
    number = np.full(len(here), 1 if kind is None else kind)
    rows.append(np.stack([number, *np.unravel_index(here, regions.shape)], 1))
  empty = np.zeros((0, 1 + regions.ndim), int)
  return np.concatenate([empty, *rows]).astype(np.int32)
