"""What a model must know of volumes, and of pictures of any size."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.data.volumes import resample
from medfm.data.volumes.plan import NONE, Plan
from medfm.types import Arrays, Batch, Design, Profile, Ragged, Split

SIDE = 12
"""Extent that volumes are brought to for classical models."""


@dataclasses.dataclass(frozen=True)
class Volume:
  """`image` [B,*S,C] in the unit of its file, and `level` [B,2] float32.

  S are the three extents X, Y, Z of a volume, in the order and direction of
  the axes RAS+ (rising to the right, to the front, upwards), or the two of a
  picture. They differ between examples unless `shape` says what they are.
  `level` is the mean and the standard deviation of each image's own values.

  axes: 2 or 3.
  spacing_mm: voxel size in mm that all volumes, new ones too, are resampled to;
    () leaves them as they are.
  side: the longer side that all pictures were resized to; 0 if they were not.
  range: (low, high, mean, std) of the marked places in the training split,
    for images whose values have a unit (CT); () if each is standardised by
    its own level (MRI, photographs).
  """

  axes: int = 3
  channels: int = 1
  dtype: str = "float32"
  shape: tuple[int, ...] = ()
  spacing_mm: tuple[float, ...] = ()
  side: int = 0
  range: tuple[float, ...] = ()
  plan: Plan = NONE

  arrays = ("image", "level")
  suits = ("linear",)
  near = None

  @property
  def batch_size(self) -> int:
    """That of the plan; 0 without one."""
    return self.plan.batch_size

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The plan's network; {} without a plan."""
    if not self.plan.strides:
      return {}
    names = ("strides", "kernels", "width")
    return {k: getattr(self.plan, k) for k in names if k not in chosen}

  def scale(self, batch: Batch) -> Batch:
    """`image` as float32 with a mean of 0 and a deviation of 1.

    Places beyond `image/size`, which only fill up a batch, become 0.
    """
    image = batch.get("image")
    if image is None:
      return batch
    shape = (-1, *(1,) * (self.axes + 1))
    image = image.astype("float32")
    if self.range:
      low, high, mean, std = self.range
      image = (image.clip(low, high) - mean) / max(std, 1e-6)
    else:
      mean, std = (batch["level"][:, i].reshape(shape) for i in (0, 1))
      image = (image - mean) / (std + 1e-6)
    size = batch.get("image/size")
    for axis, extent in enumerate(
      image.shape[1:-1] if size is not None else ()
    ):
      along = [1] * image.ndim
      along[1 + axis] = extent
      place = np.arange(extent).reshape(along)
      image = image * (place < size[:, axis].reshape(shape))
    return {**batch, "image": image}

  def extents(self, batch: Batch, row: int) -> tuple[int, ...]:
    """How many places an example of a batch has along each axis of space."""
    sizes = batch.get("image/size")
    shape = batch["image"].shape[1:] if sizes is None else sizes[row]
    return tuple(int(extent) for extent in shape[: self.axes])

  def picture(self, arrays: Mapping[str, Any], row: int) -> np.ndarray:
    """The image [*S,C] of one example of a split."""
    return np.asarray(arrays["image"][row])

  def in_file(
    self, arrays: Mapping[str, Any], row: int, regions: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """(regions [*F], spacing_mm [R]) in the grid of an example's file.

    arrays: of a batch or a split. regions: integers [*S] in the grid of its
      `image`, which is another one if that was resampled.
    """
    if "file_extents" not in arrays:
      return regions, np.asarray(arrays["spacing_mm"][row])
    spacing_mm = np.asarray(arrays["file_spacing_mm"][row])
    shape = tuple(int(n) for n in arrays["file_extents"][row])
    here = spacing_mm * shape / regions.shape
    return resample.mask_to_shape(regions, shape, here), spacing_mm

  def regions(self, arrays: Mapping[str, Any], row: int) -> np.ndarray:
    """True regions [*S] in the grid of `image`, of one example of a split."""
    truth = np.asarray(arrays["regions"][row])
    if "file_extents" not in arrays:
      return truth
    shape = self.picture(arrays, row).shape[: self.axes]
    spacing_mm = arrays["file_spacing_mm"][row]
    return resample.mask_to_shape(truth, shape, spacing_mm)

  def blank(self, count: int, like: Mapping[str, np.ndarray] = {}) -> Arrays:
    """Volumes of zeros, of the least extents if they differ."""
    shape = self.shape or (1,) * self.axes
    size = int(np.prod(shape)) * self.channels
    level = np.tile(np.array([0, 1], np.float32), (count, 1))
    if self.shape:
      zeros = np.zeros((count, *shape, self.channels), self.dtype)
      return {"image": zeros, "level": level}
    return {
      "image": Ragged(
        np.zeros(count * size, self.dtype),
        np.arange(1, count + 1) * size,
        np.tile([*shape, self.channels], (count, 1)),
      ),
      "level": level,
    }

  def design(self, train: Split, seed: int) -> Design:
    """Each volume's values at SIDE places along every axis, standardised."""
    del train, seed
    places = SIDE**self.axes * self.channels

    def of(split: Split) -> np.ndarray:
      rows = [np.zeros((0, places))]
      for row in range(len(split)):
        image = np.asarray(split.arrays["image"][row])
        image = image.reshape(*image.shape[: self.axes], -1)
        level = split.arrays["level"][row]
        rows.append(((_coarse(image) - level[0]) / (level[1] + 1e-6))[None])
      return np.concatenate(rows)

    return Design(tuple(f"place {i}" for i in range(places)), of)

  native = design

  def recoded(self, arrays: Arrays, trained: "Volume") -> dict[str, Any]:
    """The volumes unchanged; ValueError if they are of another kind."""
    for name in ("axes", "channels", "shape"):
      if getattr(self, name) != getattr(trained, name):
        raise ValueError(f"{self.describe()}, not {trained.describe()}")
    return dict(arrays)

  def profile(self, arrays: Arrays) -> Profile:
    """Mean and deviation of each, and its extents."""
    image = arrays["image"]
    if isinstance(image, Ragged):
      extents = np.asarray(image.extents)[:, : self.axes]
    else:
      extents = np.tile(image.shape[1:-1], (len(image), 1))
    level = np.asarray(arrays["level"], float)
    names = ["mean intensity", "spread of intensity"]
    names += [f"extent of axis {axis + 1}" for axis in range(self.axes)]
    return Profile(tuple(names), np.concatenate([level, extents], 1))

  def describe(self) -> str:
    what = "volumes" if self.axes == 3 else "pictures"
    size = "of any size"
    if self.side:
      size = f"of {self.side} pixels on their longer side"
    if self.shape:
      size = f"of {' x '.join(map(str, self.shape))}"
    channels = f", {self.channels} channels" if self.channels > 1 else ""
    return f"{what} {size}{channels}"


def _coarse(image: np.ndarray) -> np.ndarray:
  """[SIDE**R * C]: the image [*S,C] at evenly spaced places."""
  for axis in range(image.ndim - 1):
    extent = image.shape[axis]
    places = ((np.arange(SIDE) + 0.5) * extent / SIDE).astype(int)
    image = image.take(places, axis)
  return image.reshape(-1).astype(float)


def level(image: np.ndarray) -> np.ndarray:
  """[2] float32: mean and deviation of an image's finite values."""
  values = image[np.isfinite(image)] if image.dtype.kind == "f" else image
  if not values.size:
    return np.array([0, 1], np.float32)
  mean = values.mean(dtype=np.float64)
  return np.array([mean, values.std(dtype=np.float64)], np.float32)
