"""Classical models of regions, fitted on the training split."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from medfm.data.volumes.style import UNKNOWN
from medfm.metrics import components
from medfm.tasks.regions import classical
from medfm.tasks.regions.measured import in_file, stacked
from medfm.tasks.regions.target import images, of
from medfm.types import Info, Rival, Split


def _otsu(train: Split, info: Info, seed: int) -> classical.Predict:
  """The side of Otsu's threshold that fits the training images."""
  side = classical.polarity(_pairs(train, info))
  axes = images(info).axes
  if of(info).instances:
    how = {"how": "components", "least": of(info).least}
    return lambda image: components.instances_of(
      classical.otsu(image, side, axes=axes), **how
    )
  return lambda image: classical.otsu(image, side, axes=axes).astype(np.uint8)


def _atlas(train: Split, info: Info, seed: int) -> classical.Predict:
  """The likeliest structure at each place of the mean training volume."""
  grid = images(info).plan.patch
  marked = (truth for _, truth in _pairs(train, info))
  mean = classical.atlas(marked, structures=len(info.target.names), shape=grid)
  axes = images(info).axes
  return lambda image: classical.placed(mean, image.shape[:axes])


def _boosting(train: Split, info: Info, seed: int) -> classical.Predict:
  """Gradient boosting of voxels (`rivals.boosted`)."""
  return classical.boosted(_pairs(train, info), seed=seed)


def _pairs(split: Split, info: Info) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """(image [*S,C], regions [*S]) of each example; unknown places are none."""
  for row in range(len(split)):
    truth = images(info).regions(split.arrays, row)
    if truth.dtype == np.uint8:
      truth = np.where(truth == UNKNOWN, 0, truth)
    yield images(info).picture(split.arrays, row), truth


def _rival(
  train: Split, others: Mapping[str, Split], info: Info, seed: int, *, fit: Any
) -> Rival:
  """A classical model's measures of every image of the other splits."""
  predict = fit(train, info, seed)
  predicted = {}
  for name, split in others.items():
    rows = []
    for row in range(len(split)):
      image = images(info).picture(split.arrays, row)
      rows.append(in_file(info, split.arrays, row, predict(image)))
    predicted[name] = {key: stacked(rows, key) for key in rows[0]}
  return Rival(predicted)


RIVALS = {
  "otsu": partial(_rival, fit=_otsu),
  "atlas": partial(_rival, fit=_atlas),
  "voxel_boosting": partial(_rival, fit=_boosting),
}
