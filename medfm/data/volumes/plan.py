"""The plan of a segmentation: spacing, patch, network, batch (as nnU-Net).

From the training split's fingerprint alone, after Isensee et al. 2021 (doi
10.1038/s41592-020-01008-z, supplement). Ours differs in its default width, the
largest patch and batch, and what it counts as memory: bytes on this machine,
measured for `models.unet`, instead of a table for one kind of GPU.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from medfm.types import UserError

ANISOTROPIC = 3.0
"""Spacings this many times apart are treated as thick slices."""

_LEAST = 4  # Places that are left along an axis in the deepest stage.
_DEEPEST = 6  # Stages at most.
_MAPS = 60  # Feature maps of the first stage that a step holds, measured.
_MOST = {2: 512, 3: 128}  # Extent of a patch along an axis at most.
_BATCH = {2: 16, 3: 2}  # Examples in a batch where memory allows it.


@dataclasses.dataclass(frozen=True)
class Plan:
  """How volumes are cut and which network reads the cuts.

  spacing_mm: of the voxels that they are resampled to; () leaves them.
  patch: extents of a cut, multiples of the product of its strides.
  strides, kernels: of each stage of `models.unet.UNet`.
  width: features of the first stage.
  batch_size: cuts in a batch.
  memory_gib: what a step is estimated to need.
  """

  spacing_mm: tuple[float, ...] = ()
  patch: tuple[int, ...] = ()
  strides: tuple[tuple[int, ...], ...] = ()
  kernels: tuple[tuple[int, ...], ...] = ()
  width: int = 0
  batch_size: int = 0
  memory_gib: float = 0.0

  def describe(self) -> str:
    """A line for the terminal."""
    spacing = "spacing as it is, "
    if self.spacing_mm:
      lengths = " x ".join(f"{each:g}" for each in self.spacing_mm)
      spacing = f"spacing {lengths} mm, "
    elif len(self.patch) == 2:  # Pictures have none.
      spacing = ""
    return (
      f"plan: {spacing}patch {' x '.join(map(str, self.patch))}, "
      f"{len(self.strides)} stages of width {self.width} and up, batches of "
      f"{self.batch_size}, about {self.memory_gib:.1f} GiB a step"
    )


NONE = Plan()


def spacing(spacings_mm: np.ndarray, shapes: np.ndarray) -> tuple[float, ...]:
  """The spacing to resample to, of [N,R] spacings and extents.

  The median along each axis; where slices are thick in the median and the
  volumes short along that axis, its 10th percentile. () if it is not known.
  """
  if not np.isfinite(spacings_mm).all():
    return ()
  target = np.median(spacings_mm, 0)
  extents = np.median(shapes * spacings_mm, 0) / target
  thick = int(target.argmax())
  others = np.delete(np.arange(target.size), thick)
  if (
    target[thick] > ANISOTROPIC * target[others].max()
    and ANISOTROPIC * extents[thick] < extents[others].min()
  ):
    fine = float(np.percentile(spacings_mm[:, thick], 10))
    target[thick] = max(fine, target[others].max())
  return tuple(round(float(each), 4) for each in target)


def uneven(spacings_mm: np.ndarray) -> bool:
  """Whether known spacings [N,R] differ by a thousandth or more."""
  known = np.isfinite(spacings_mm).all()
  return bool(
    known and np.ptp(spacings_mm / spacings_mm.mean(0), 0).max() >= 1e-3
  )


def planned(
  shapes: np.ndarray,
  spacing_mm: Sequence[float],
  *,
  width: int = 16,
  memory_gib: float = 2.0,
  batch_size: int = 0,
  patch: tuple[int, ...] = (),
) -> Plan:
  """The plan for training volumes of these extents.

  shapes: [N,R] int, after resampling. spacing_mm: [R]; NaN if not known, and
    then taken to be equal along all axes.
  memory_gib: what one step may need, by estimate. A patch that needs more
    is made smaller.
  batch_size, patch: instead of those that would be planned; 0 and () plan
    them. A planned batch has at most as many patches as there are volumes.
  """
  spacings = np.asarray(spacing_mm, float)
  axes = spacings.size
  spacings = np.where(np.isfinite(spacings), spacings, 1.0)
  least = batch_size or 2
  extents = np.minimum(np.ceil(np.median(shapes, 0)), _MOST[axes])
  extents = extents.astype(int)
  if patch:
    if len(patch) != axes:
      raise UserError(f"patch={patch}: expected {axes} extents")
    extents = np.array(patch)
  while True:
    strides, kernels = network(extents, spacings)
    factors = np.prod(strides, 0)
    whole = -(-extents // factors) * factors
    needed = memory(whole, width, least)
    if needed <= memory_gib or patch:
      break
    # The axis that is longest against the median volume gives way.
    smaller = whole - factors
    ratios = np.where(smaller >= 2 * _LEAST, whole / np.median(shapes, 0), 0)
    if not ratios.any():
      break
    axis = int(ratios.argmax())
    extents = whole.copy()
    extents[axis] = smaller[axis]
  if patch and (whole != extents).any():
    raise UserError(
      f"patch={patch}: expected multiples of {tuple(factors.tolist())}, by "
      f"which the network divides it; the nearest is {tuple(whole.tolist())}"
    )
  if needed > memory_gib:
    raise UserError(
      f"memory_gib={memory_gib:g}: a step on {least} patches of "
      f"{' x '.join(map(str, whole))} with width={width} needs about "
      f"{needed:.1f} GiB; raise it, or lower width or batch_size"
    )
  each = memory(whole, width, 1)
  fits = max(least, min(_BATCH[axes], int(memory_gib / each)))
  size = batch_size or min(fits, len(shapes))
  return Plan(
    patch=tuple(whole.tolist()),
    strides=strides,
    kernels=kernels,
    width=width,
    batch_size=size,
    memory_gib=round(memory(whole, width, size), 2),
  )


def network(
  extents: np.ndarray, spacing_mm: np.ndarray
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
  """(strides, kernels) of each stage for patches of these extents [R].

  An axis is halved while it keeps four places and its spacing is not more than
  twice the finest; it is convolved over once it is.
  """
  spacings, extents = spacing_mm.astype(float), extents.astype(float)
  strides, kernels = [np.ones(len(spacings), int)], []
  window = np.where(spacings <= 2 * spacings.min(), 3, 1)
  kernels.append(window)
  while len(strides) < _DEEPEST:
    halved = (extents / 2 >= _LEAST) & (spacings <= 2 * spacings.min())
    if not halved.any():
      break
    stride = np.where(halved, 2, 1)
    extents, spacings = np.ceil(extents / stride), spacings * stride
    window = np.where((spacings <= 2 * spacings.min()) | (window == 3), 3, 1)
    strides.append(stride)
    kernels.append(window)
  return (
    tuple(tuple(each.tolist()) for each in strides),
    tuple(tuple(each.tolist()) for each in kernels),
  )


def memory(patch: np.ndarray, width: int, batch_size: int) -> float:
  """GiB that a step of the network on these patches needs, about."""
  places = math.prod(np.asarray(patch).tolist()) * batch_size
  return places * width * 4 * _MAPS / 2**30
