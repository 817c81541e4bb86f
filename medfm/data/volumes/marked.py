"""An image and what is marked in it, read together from their files."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import rng
from medfm.data.images import decode
from medfm.data.volumes import nifti, reading, resample, scan
from medfm.data.volumes.scan import Scan
from medfm.types import UserError

_ORIENTATION = 0x0112  # Of EXIF.

PLACES = 1000
"""Places at most that are kept of each structure, to cut patches around."""

_FEWEST = 100
"""Whole numbers that values of a volume must span to be kept as such."""

UNKNOWN = 255
"""Of `regions` of structures, as `tasks.regions` has it."""

STYLES = ("labels", "structures", "objects", "instances")


class Style(NamedTuple):
  """How the files of a data set are read; JSON-able.

  axes: 3 for volumes, 2 for pictures.
  masks: what a mask's file holds. labels: `values`, of the structures in their
    order; structures: one file for each, in their order, marked where it is
    not 0; objects: one file for each object; instances: a number for each.
  values: labels of the structures in the files; () for 1, 2, ...
  structures: how many there are.
  ignored: the value of places that are not known; -1 without.
  threshold: from which value on a mask of one structure or object is marked, as
    those with soft edges need it (JPEG); 0 takes numbers as labels, or marks
    all but 0.
  channels: of pictures, 1 or 3; volumes have as many as files.
  dtype: of the image; integers are rounded and cut at the ends of the range.
  spacing_mm: that volumes are resampled to; () leaves them.
  side: the longer side, in pixels, that pictures are resized to; 0 leaves them.
  frame, window: of files of several, and of grey DICOM; see `reading.read`.
  """

  axes: int = 3
  masks: str = "labels"
  values: tuple[int, ...] = ()
  structures: int = 1
  ignored: int = -1
  threshold: int = 0
  channels: int = 1
  dtype: str = "float32"
  spacing_mm: tuple[float, ...] = ()
  side: int = 0
  frame: str = ""
  window: tuple[float, ...] = ()

  @property
  def resamples(self) -> bool:
    """Whether images leave the grid of their file."""
    return bool(self.spacing_mm or self.side)


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
    regions, more = _regions(masks, style, functools.partial(_mask, like=first))
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
    regions, more = _regions(masks, style, _flat_mask)
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


def _flat_mask(path: pathlib.Path) -> tuple[np.ndarray, tuple[str, ...]]:
  """The numbers [H,W] in a mask's file, not spread over the range of a type."""
  import PIL.Image
  import PIL.ImageOps

  try:
    with PIL.Image.open(path) as file:
      if getattr(file, "n_frames", 1) > 1:
        raise UserError(
          f"{path.name}: holds several pictures, expected one mask"
        )
      if "A" in file.getbands() and len(set(file.getextrema()[-1])) > 1:
        raise UserError(
          f"{path.name}: a mask that is partly transparent; save it without "
          "transparency"
        )
      if file.mode == "1" or _black_and_white(file):
        file = file.convert("L")
      values = np.asarray(PIL.ImageOps.exif_transpose(file))
  except UserError:
    raise
  except Exception:  # Each decoder raises other types for damaged files.
    raise UserError(
      f"{path.name}: not a PNG, JPEG, TIFF or BMP mask, damaged or truncated"
    ) from None
  changes: tuple[str, ...] = ()
  if values.ndim == 3:
    colours = values[..., :3] if values.shape[-1] > 2 else values[..., :1]
    if (colours != colours[..., :1]).any():
      raise UserError(
        f"{path.name}: is a mask in colours; expected one number for each "
        "pixel: save it in grey, or with a palette"
      )
    values = colours[..., 0]
  if values.dtype.kind == "f":
    if not np.isfinite(values).all() or (values != values.round()).any():
      raise UserError(f"{path.name}: holds fractions; a mask has whole numbers")
    values, changes = (
      values.astype(np.int32),
      ("masks of floats read as whole",),
    )
  if values.dtype.kind == "b":
    values = values.astype(np.uint8)
  return values, changes


def _black_and_white(file: Any) -> bool:
  """Whether a mask with a palette uses black and white alone."""
  if file.mode != "P":
    return False
  used = {number for _, number in file.getcolors() or ()}
  palette = np.array(file.getpalette("RGB")).reshape(-1, 3)
  colours = {tuple(palette[number].tolist()) for number in used}
  return colours == {(0, 0, 0), (255, 255, 255)}


def _turned(path: pathlib.Path) -> bool:
  """Whether a picture's EXIF says that it is shown turned or mirrored."""
  import PIL.Image

  try:
    with PIL.Image.open(path) as file:
      return file.getexif().get(_ORIENTATION, 1) not in (0, 1)
  except Exception:  # DICOM and others, which have none.
    return False


def _regions(
  masks: Sequence[pathlib.Path | None], style: Style, load: Any
) -> tuple[np.ndarray, tuple[str, ...]]:
  """(regions [*S] uint8 or uint16, the changes) of an example's masks."""
  names = [path.name for path in masks if path]
  if style.masks in ("labels", "instances"):
    if len(masks) != 1:
      raise UserError(f"{', '.join(names[:3])}: expected one mask for an image")
    values, changes = load(masks[0])
    if values.min(initial=0) < 0:
      raise UserError(f"{names[0]}: holds the label {values.min()}, below 0")
    if style.masks == "instances":
      regions = _numbered(values)
    else:
      regions = _by_label(values, style, names[0])
  else:
    if style.masks == "structures" and len(masks) != style.structures:
      raise UserError(
        f"{', '.join(names[:3])}: expected a mask for each of "
        f"{style.structures} structures, in their order"
      )
    read = [path and load(path) for path in masks]
    parts = [part for part in read if part]
    changes = tuple(dict.fromkeys(c for _, some in parts for c in some))
    if len(parts) < len(read):
      changes += ("structures without a file of an image, taken as not there",)
    shapes = {
      part.shape: name for (part, _), name in zip(parts, names, strict=True)
    }
    if len(shapes) > 1:
      raise UserError(
        f"{' and '.join([*shapes.values()][:2])}: masks of one image have "
        "different sizes"
      )
    for (part, _), name in zip(parts, names, strict=True):
      _two_values(part, style, name)
    regions, shared = _laid_over([part and part[0] for part in read], style)
    if shared:
      changes += (
        "pixels marked in several masks of one image, the last taken",
      )
  if not regions.any():
    changes += ("masks in which nothing is marked",)
  return regions, tuple(dict.fromkeys(changes))


def _by_label(values: np.ndarray, style: Style, name: str) -> np.ndarray:
  if style.threshold:
    return (values >= style.threshold).astype(np.uint8)
  wanted = style.values or tuple(range(1, style.structures + 1))
  numbers = _numbers(values)
  table = {0: 0} | {label: k + 1 for k, label in enumerate(wanted)}
  if style.ignored >= 0:
    table[style.ignored] = UNKNOWN
  # A mask of one structure is often stored as 0 and 255.
  if len(wanted) == 1 and not style.values and set(numbers) <= {0, 255}:
    table[255] = 1
  odd = [n for n in numbers if n not in table]
  if odd:
    counts = ", ".join(f"{n} ({(values == n).sum():,} places)" for n in odd[:5])
    advice = "name every structure, or set values="
    if len(wanted) == 1 and style.axes == 2:
      advice += ", or threshold=128 for a mask with soft edges"
    raise UserError(
      f"{name}: holds the labels {counts}; expected 0 and "
      f"{', '.join(map(str, wanted))}: {advice}"
    )
  mapped = np.zeros(values.shape, np.uint8)
  for number in filter(None, numbers):
    mapped[values == number] = table[number]
  return mapped


def _numbers(values: np.ndarray) -> list[int]:
  """The different numbers in a mask, a slab at a time."""
  found: set[int] = set()
  for slab in values:
    found |= set(np.unique(slab).tolist())
  return sorted(found)


def _two_values(part: np.ndarray, style: Style, name: str) -> None:
  """Refuses a mask of one structure or object with more than two numbers."""
  if not style.threshold and len(numbers := _numbers(part)) > 2:
    raise UserError(
      f"{name}: holds {len(numbers)} numbers, expected 0 and one for what is "
      "marked: set threshold=128 for a mask with soft edges"
    )


def _laid_over(
  parts: Sequence[np.ndarray | None], style: Style
) -> tuple[np.ndarray, bool]:
  """One map of several masks, and whether any of them overlap."""
  kind = np.uint16 if style.masks == "objects" else np.uint8
  (shape, *_) = (part.shape for part in parts if part is not None)
  regions, shared = np.zeros(shape, kind), False
  for number, part in enumerate(parts, 1):
    if part is None:
      continue
    here = part >= style.threshold if style.threshold else part != 0
    shared |= bool((regions[here] > 0).any())
    regions[here] = number
  return regions, shared


def _numbered(values: np.ndarray) -> np.ndarray:
  """Instances numbered without gaps, from 1."""
  numbers, places = np.unique(values, return_inverse=True)
  first = 0 if len(numbers) and numbers[0] == 0 else 1
  if len(numbers) > 2**16 - 1:
    raise UserError(f"a mask holds {len(numbers):,} objects, expected 65,534")
  return (places + first).reshape(values.shape).astype(np.uint16)


def _fits(image: np.ndarray, dtype: str, name: str) -> None:
  """Refuses values that whole numbers of a type cannot tell apart or hold."""
  low, high = float(image.min()), float(image.max())
  ends = np.iinfo(dtype)
  narrow = image.dtype.kind == "f" and 0 < high - low < _FEWEST
  if narrow or low < ends.min or high > ends.max:
    raise UserError(
      f"{name}: its values are {low:.4g} to {high:.4g}, too "
      f"{'near each other' if narrow else 'large'} for {dtype}: set "
      "--config.data.dtype=float32"
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
