"""The regions of an image, from the files of its masks."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data.volumes.style import UNKNOWN, Style
from medfm.types import UserError


def flat(path: pathlib.Path) -> tuple[np.ndarray, tuple[str, ...]]:
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


def regions(
  masks: Sequence[pathlib.Path | None], style: Style, load: Any
) -> tuple[np.ndarray, tuple[str, ...]]:
  """(regions [*S] uint8 or uint16, the changes) of an example's masks.

  load: file -> (its numbers [*S], the changes), as `flat` does.
  """
  names = [path.name for path in masks if path]
  if style.masks in ("labels", "instances"):
    if len(masks) != 1:
      raise UserError(f"{', '.join(names[:3])}: expected one mask for an image")
    values, changes = load(masks[0])
    if values.min(initial=0) < 0:
      raise UserError(f"{names[0]}: holds the label {values.min()}, below 0")
    if style.masks == "instances":
      regions = _numbered(values, names[0])
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
      changes += (
        "structures with no mask file for an image, taken to be absent",
      )
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
    advice = "name every structure, or set --config.data.values="
    if len(wanted) == 1 and style.axes == 2:
      advice += (
        ", or --config.data.threshold=128 for a mask with soft edges (JPEG)"
      )
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
      "marked: set --config.data.threshold=128 for a mask with soft edges; if "
      "each number is a structure, --config.data.style=labels"
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


def _numbered(values: np.ndarray, name: str) -> np.ndarray:
  """Instances numbered without gaps, from 1."""
  numbers, places = np.unique(values, return_inverse=True)
  first = 0 if len(numbers) and numbers[0] == 0 else 1
  objects = len(numbers) - 1 + first
  if objects > 2**16 - 1:
    raise UserError(
      f"{name}: holds {objects:,} objects, expected at most {2**16 - 1:,}"
    )
  return (places + first).reshape(values.shape).astype(np.uint16)
