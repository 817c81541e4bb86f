"""Classical segmentation: Otsu's threshold, boosted voxels, a mean atlas.

Plain functions of arrays, fitted on training cases alone. An image is [X,Y],
[X,Y,C], [X,Y,Z] or [X,Y,Z,C] in any range; a label map has its spatial axes, 0
for the background and 1 to K for the structures.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

_BINS = 256
_CHUNK = 1 << 18
"""Voxels that are predicted at a time."""

Predict = Callable[[np.ndarray], np.ndarray]
"""An image -> its label map, uint8."""


def grey(image: np.ndarray, axes: int) -> np.ndarray:
  """The mean of the channels, if there are any beyond the spatial axes; of four
  the first three."""
  image = np.asarray(image, np.float32)
  return image[..., :3].mean(-1) if image.ndim > axes else image


def threshold(image: np.ndarray) -> float:
  """Otsu's (1979, IEEE Transactions on Systems, Man, and Cybernetics): the
  threshold with the largest variance between the two sides, of 256 bins."""
  values = np.asarray(image, float).ravel()
  counts, edges = np.histogram(values, _BINS)
  middle = (edges[:-1] + edges[1:]) / 2
  below, whole = counts.cumsum(), counts.sum()
  sums = (counts * middle).cumsum()
  with np.errstate(divide="ignore", invalid="ignore"):
    gap = sums / below - (sums[-1] - sums) / (whole - below)
  between = below * (whole - below) * gap**2
  best = np.nan_to_num(between[:-1], nan=-1.0).argmax()
  return float(edges[best + 1])


def polarity(cases: Iterable[tuple[np.ndarray, np.ndarray]]) -> str:
  """ "bright", "dark" or "rare": which side of the threshold fits best.

  cases: training images with their masks or label maps. rare takes the smaller
  side of each image. The choice has the largest mean Dice.
  """
  totals = dict.fromkeys(("bright", "dark", "rare"), 0.0)
  for image, labels in cases:
    truth = np.asarray(labels) > 0
    for side in totals:
      mask = otsu(image, side, axes=truth.ndim)
      size = mask.sum() + truth.sum()
      totals[side] += 2 * (mask & truth).sum() / size if size else 1.0
  return max(totals, key=lambda side: totals[side])


def otsu(
  image: np.ndarray, side: str, *, axes: int = 2, smooth: float = 1.0
) -> np.ndarray:
  """The mask of an image: the side of Otsu's threshold that `polarity` chose.

  axes: how many of the image are spatial. smooth: in pixels, the deviation of
  the Gaussian before; 0 for none.
  """
  shown = grey(image, axes)
  if smooth:
    shown = ndimage.gaussian_filter(shown, smooth)
  bright = shown > threshold(shown)
  if side == "rare":
    return bright if 2 * bright.sum() <= bright.size else ~bright
  return bright if side == "bright" else ~bright


def features(
  image: np.ndarray, axes: int, sigmas: Sequence[float] = (1.0, 2.0, 4.0)
) -> np.ndarray:
  """[voxels, F] float32: what `boosted` knows of each voxel.

  For each channel, standardised over the image: intensity, and smoothed
  intensity and gradient magnitude at each sigma (in voxels). Then the place
  along each axis, 0 to 1.
  """
  image = np.asarray(image, np.float32)
  channels = [image] if image.ndim == axes else list(np.moveaxis(image, -1, 0))
  columns = []
  for channel in channels:
    spread = max(float(channel.std()), 1e-9)
    channel = (channel - channel.mean()) / spread
    columns.append(channel)
    for sigma in sigmas:
      columns.append(ndimage.gaussian_filter(channel, sigma))
      columns.append(ndimage.gaussian_gradient_magnitude(channel, sigma))
  shape = image.shape[:axes]
  for axis, extent in enumerate(shape):
    place = np.linspace(0, 1, extent, dtype=np.float32)
    side = [1] * axes
    side[axis] = extent
    columns.append(np.broadcast_to(place.reshape(side), shape))
  return np.stack([column.ravel() for column in columns], 1)


def boosted(
  cases: Iterable[tuple[np.ndarray, np.ndarray]],
  *,
  seed: int,
  voxels: int = 1000,
  rounds: int = 80,
  smooth: float = 1.0,
) -> Predict:
  """Gradient boosting of voxels by their `features`.

  cases: training images with their label maps. voxels: how many are drawn of
  each case, equally many of each label; they are weighted by how many voxels of
  the image each stands for. smooth: the deviation in voxels by which the
  probabilities are smoothed, so that single voxels follow their neighbours; 0
  for none.
  """
  from sklearn.ensemble import HistGradientBoostingClassifier

  generator = np.random.default_rng(seed)
  rows, answers, weights, axes = [], [], [], 2
  for image, labels in cases:
    labels = np.asarray(labels)
    axes = labels.ndim
    table = features(image, axes)
    for label, chosen, weight in _drawn(labels.ravel(), voxels, generator):
      rows.append(table[chosen])
      answers.append(np.full(len(chosen), label))
      weights.append(np.full(len(chosen), weight))
  settings: Any = {"early_stopping": False, "random_state": seed}
  model = HistGradientBoostingClassifier(max_iter=rounds, **settings)
  model.fit(
    np.concatenate(rows), np.concatenate(answers), np.concatenate(weights)
  )
  return lambda image: _labelled(model, image, axes, smooth)


def atlas(
  labels: Iterable[np.ndarray], *, structures: int, shape: Sequence[int]
) -> np.ndarray:
  """[K+1,...] float32, how often each label is at each place of a common grid.

  labels: label maps of aligned training cases, of any extent: each is stretched
  to `shape`, so that equal places are equal shares of the field of view.
  """
  total = np.zeros((structures + 1, *shape), np.float32)
  count = 0
  for each in labels:
    for label in range(structures + 1):
      total[label] += _stretched(np.asarray(each) == label, shape)
    count += 1
  if not count:
    raise ValueError("an atlas needs at least one label map")
  return total / count


def placed(frequencies: np.ndarray, shape: Sequence[int]) -> np.ndarray:
  """The likeliest label of an `atlas` at each place of a new image, uint8."""
  stretched = [_stretched(each, shape) for each in frequencies]
  return np.argmax(stretched, axis=0).astype(np.uint8)


def _stretched(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
  """Values interpolated linearly on a grid of another shape, edge to edge."""
  values = np.asarray(values, np.float32)
  if values.shape == tuple(shape):
    return values
  for axis, extent in enumerate(shape):
    old = values.shape[axis]
    place = np.clip((np.arange(extent) + 0.5) * old / extent - 0.5, 0, old - 1)
    low = np.minimum(place.astype(int), old - 1)
    high = np.minimum(low + 1, old - 1)
    side = [1] * values.ndim
    side[axis] = extent
    part = (place - low).astype(np.float32).reshape(side)
    values = (
      values.take(low, axis) * (1 - part) + values.take(high, axis) * part
    )
  return values


def _drawn(
  labels: np.ndarray, voxels: int, generator: np.random.Generator
) -> Iterator[tuple[int, np.ndarray, float]]:
  """Each label with voxels drawn of it, and how many each stands for."""
  names = np.unique(labels)
  for label in names:
    there = np.flatnonzero(labels == label)
    count = min(len(there), -(-voxels // len(names)))
    chosen = generator.choice(there, count, replace=False)
    yield int(label), chosen, len(there) / count


def _labelled(
  model: Any, image: np.ndarray, axes: int, smooth: float
) -> np.ndarray:
  table = features(image, axes)
  parts = [
    model.predict_proba(table[start : start + _CHUNK]).astype(np.float32)
    for start in range(0, len(table), _CHUNK)
  ]
  probs = np.concatenate(parts).reshape(*np.shape(image)[:axes], -1)
  if smooth:
    probs = ndimage.gaussian_filter(probs, (*[smooth] * axes, 0))
  return model.classes_[probs.argmax(-1)].astype(np.uint8)
