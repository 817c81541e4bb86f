"""Slices of one series -> their order and the grid that they make, or why not.

A slice's place along the stack is its ImagePositionPatient on the normal of
its plane (DICOM PS3.3 C.7.6.2.1.1), never its number or its file's name.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from medfm.data.volumes import scan
from medfm.data.volumes.heads import Slice
from medfm.types import UserError

SAME_MM = 0.01  # Closer slices lie in one place.
UNEVEN = 0.1  # How far a gap may be from the usual one, as a part of it.
TOLD = 0.01  # From where an accepted difference is told.
MISSING = 1.5  # A gap this many times the usual one lacks a slice.
SLANT = 0.5  # How far a stack may lean over its height, in pixels.

_ORIENTATION = 1e-3  # Largest difference of two directions' coordinates.
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Stack(NamedTuple):
  """Slices in the order of their positions, one in each place.

  affine: [4,4] column, row and slice -> mm, RAS+.
  """

  slices: tuple[Slice, ...]
  affine: np.ndarray
  changes: tuple[str, ...]


def stacked(
  slices: Sequence[Slice],
  name: str,
  same: Callable[[Slice, Slice], bool],
) -> Stack:
  """Refuses, in one line, what makes no even stack.

  name: what an error calls the series.
  same: whether two slices hold the same pixels.
  """
  slices, changes = _sound(slices, name)
  _alike(slices, name)
  rows = np.array(slices[0].orientation)
  normal = np.cross(*rows)
  slices = sorted(slices, key=lambda s: float(normal @ s.position))
  slices, doubled = _single(slices, normal, name, same)
  changes += doubled
  places = np.array([one.position for one in slices])
  heights = places @ normal
  if len(slices) == 1:
    step = slices[0].thickness_mm
    if not math.isfinite(step):
      step = 1.0
      changes += ("one slice of unknown thickness, taken as 1 mm",)
    step = step * normal
  else:
    changes += _even(heights, name)
    _upright(places, heights, rows, slices[0].pixel_mm, name)
    step = (places[-1] - places[0]) / (len(slices) - 1)
  down, across = slices[0].pixel_mm
  affine = np.eye(4)
  affine[:3] = np.stack(
    [rows[0] * across, rows[1] * down, step, places[0]], axis=1
  )
  affine = scan.checked(_LPS_TO_RAS @ affine, name)
  return Stack(tuple(slices), affine, changes)


def _sound(
  slices: Sequence[Slice], name: str
) -> tuple[list[Slice], tuple[str, ...]]:
  """Those of a volume; scouts and files without an image are left out."""
  changes: tuple[str, ...] = ()
  images = [one for one in slices if one.problem != "holds no image"]
  if not images:
    raise UserError(f"{name}: holds no image")
  if len(images) < len(slices):
    changes += ("files without an image left out of a series",)
  true = [one for one in images if not one.localizer]
  if true and len(true) < len(images):
    changes += ("localizers left out of a series",)
  images = true or images
  for one in images:
    if one.problem:
      raise UserError(f"{name}: {_file(one)} {one.problem}")
  return images, changes


def _alike(slices: Sequence[Slice], name: str) -> None:
  """Refuses slices of different planes, shapes or pixels."""
  first = slices[0]
  for one in slices[1:]:
    what = ""
    if one.shape != first.shape:
      what = f"shapes ({scan.times(first.shape)} and {scan.times(one.shape)})"
    elif _far(one.orientation, first.orientation, _ORIENTATION):
      what = "orientations"
    elif _far(one.pixel_mm, first.pixel_mm, 1e-3 * min(first.pixel_mm)):
      what = f"spacings ({first.pixel_mm} and {one.pixel_mm} mm)"
    elif one.inverted != first.inverted:
      what = "photometric interpretations"
    if what:
      raise UserError(
        f"{name}: holds slices of different {what}, as {_file(first)} and "
        f"{_file(one)}: keep one kind in the folder"
      )


def _single(
  slices: Sequence[Slice],
  normal: np.ndarray,
  name: str,
  same: Callable[[Slice, Slice], bool],
) -> tuple[list[Slice], tuple[str, ...]]:
  """One slice for each place; only a copy of the same pixels is dropped."""
  kept: list[Slice] = []
  for one in slices:
    apart = math.inf
    if kept:
      apart = float(normal @ np.subtract(one.position, kept[-1].position))
    if apart > SAME_MM:
      kept.append(one)
    elif not same(one, kept[-1]):
      raise UserError(
        f"{name}: two slices at {normal @ one.position:.2f} mm hold different "
        f"pixels ({_file(kept[-1])} and {_file(one)}): several echoes, phases "
        "or times; keep one of them in the folder"
      )
  dropped = len(kept) < len(slices)
  return kept, ("doubled slices dropped",) if dropped else ()


def _even(heights: np.ndarray, name: str) -> tuple[str, ...]:
  gaps = np.diff(heights)
  usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # The lower median.
  worst = int(np.argmax(gaps))
  if gaps[worst] > MISSING * usual:
    lacking = max(1, round(gaps[worst] / usual) - 1)
    more = int((gaps > MISSING * usual).sum()) - 1
    raise UserError(
      f"{name}: about {lacking} slice{'s are' if lacking > 1 else ' is'} "
      f"missing between {heights[worst]:.2f} and {heights[worst + 1]:.2f} mm "
      f"(usual gap: {usual:.4g} mm)"
      + (f", and there are {more} more such gaps" if more else "")
      + ": copy the whole series again"
    )
  even = np.linspace(heights[0], heights[-1], len(heights))
  off = float(max(abs(gaps - usual).max(), abs(heights - even).max() / 2))
  if off > UNEVEN * usual:
    raise UserError(
      f"{name}: uneven gaps between slices, {gaps.min():.4g} to "
      f"{gaps.max():.4g} mm: export it with even slices"
    )
  return ("slightly uneven gaps, taken as even",) if off > TOLD * usual else ()


def _upright(
  places: np.ndarray,
  heights: np.ndarray,
  rows: np.ndarray,
  pixel_mm: Sequence[float],
  name: str,
) -> None:
  """Refuses a stack that leans (a tilted gantry) or whose slices jump."""
  aside = (places - places[0]) @ rows.T  # [N,2] along rows and columns.
  if abs(aside).max() <= SLANT * min(pixel_mm):
    return
  lean = np.outer((heights - heights[0]) / np.ptp(heights), aside[-1])
  if abs(aside - lean).max() <= SLANT * min(pixel_mm):
    degrees = math.degrees(
      math.atan2(float(np.linalg.norm(aside[-1])), float(np.ptp(heights)))
    )
    raise UserError(
      f"{name}: the slices lean by {degrees:.1f} degrees (a tilted gantry): "
      "straighten it first, for example by dcm2niix"
    )
  raise UserError(
    f"{name}: slices lie up to {np.linalg.norm(aside, axis=1).max():.2f} mm "
    "beside each other: they are not of one stack"
  )


def _far(one: Sequence, other: Sequence, limit: float) -> bool:
  return bool((abs(np.subtract(one, other)) > limit).any())


def _file(one: Slice) -> str:
  name = one.path.rpartition("/")[2]
  return name if one.frame is None else f"frame {one.frame} of {name}"
