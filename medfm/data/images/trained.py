"""Images of another cohort, read as the images of training were."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.data import records
from medfm.data.images import decode
from medfm.data.images.input import Image
from medfm.types import Reading, Split, UserError


def shape(
  reading: Reading, cohort: str, given: Mapping[str, Any]
) -> dict[str, Any]:
  """The settings by which training read files, with `dtype`.

  given: those of the cohort's config, by name, which apply if training had none
    (a data set that takes no new files); cohort: its name, for errors.
  """
  described = reading.only(Image, cohort)
  height, width = described.size
  if height != width:
    raise UserError(
      f"{cohort}: the model was trained on images of {height} x {width}; new "
      "files are made square"
    )
  settings = reading.settings
  known = {name: settings[name] for name in given if settings.get(name)}
  sides = {"size": height, "channels": described.channels}
  return {**given, **known, **sides, "dtype": described.dtype}


def overruled(
  given: Mapping[str, Any], of_training: Mapping[str, Any]
) -> list[dict[str, Any]]:
  """Settings of a cohort's config that those of training replace, as changes.

  Size and channels are reported with the images.
  """
  what = {
    f"{name}={of_training[name]!r} of training used, not {given[name]!r}": 1
    for name in ("resize", "window")
    if of_training[name] != given[name]
  }
  return records.counted(what)


def refitted(
  parts: Mapping[str, Split], reading: Reading, cohort: str, resize: str
) -> tuple[dict[str, Split], list[dict[str, Any]]]:
  """Splits of images that are decoded already, and the changes for the card.

  resize: how the cohort makes its images square, if training does not say.
  """
  described = reading.only(Image, cohort)
  how = reading.settings.get("resize", resize)
  made, changes = {}, {}
  for name, split in parts.items():
    images = split.arrays["image"]
    for what in _differences(images, described, how):
      changes[what] = changes.get(what, 0) + len(images)
    arrays = {**split.arrays, "image": _made(images, described, how, cohort)}
    made[name] = Split(
      arrays, split.ids, split.patients, split.groups, split.lengths
    )
  return made, records.counted(changes)


def _made(
  images: np.ndarray, described: Image, how: str, cohort: str
) -> np.ndarray:
  wanted = (*described.size, described.channels)
  if images.shape[1:] == wanted and images.dtype == described.dtype:
    return images
  if images.shape[1:3] != described.size and wanted[0] != wanted[1]:
    raise UserError(
      f"{cohort}: images of {images.shape[1]} x {images.shape[2]}; the model "
      f"was trained on {wanted[0]} x {wanted[1]}"
    )
  array = np.empty((len(images), *wanted), described.dtype)
  for row, image in enumerate(images):
    image = decode.with_channels(np.asarray(image), described.channels)
    if image.shape[:2] != described.size:
      image = decode.resized(image, wanted[0], how)
    array[row] = decode.with_dtype(image, described.dtype, cohort)
  return array


def _differences(images: np.ndarray, described: Image, how: str) -> list[str]:
  """How images that are not as in training are changed, in words."""
  height, width, channels = images.shape[1:]
  changes = []
  if (height, width) != described.size:
    size = " x ".join(map(str, described.size))
    changes.append(f"images of {height} x {width} made {size} ({how})")
  if channels != described.channels:
    grey = described.channels == 1
    changes.append(
      "colour images made grey" if grey else "grey copied to three channels"
    )
  if images.dtype != described.dtype:
    before, after = 8 * images.dtype.itemsize, described.dtype
    changes.append(f"images of {before} bits made {after}")
  return changes
