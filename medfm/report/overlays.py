"""Contours of true and predicted regions on images and slices of volumes.

The truth is a solid blue line, the prediction a dashed orange one, both with a
dark edge, so that they can be told apart in grey and on stained tissue.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from medfm.report import style, wording
from medfm.tasks.regions import measured

_TRUE = {"colors": [style.SKY], "linestyles": "solid"}
_CALLED = {"colors": [style.ORANGE], "linestyles": "dashed"}
_WINDOW = (1.0, 99.5)
"""Percentiles of the intensities between which an image is shown."""

_MARGIN = 0.25
_SIDE = 3.2
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}
PLANES = ("sagittal", "coronal", "axial")
"""Of slices across the first, second and third axis of an RAS-like volume."""


class Case(NamedTuple):
  """An image with its regions, as it is drawn.

  image: [X,Y], [X,Y,C] of 1, 3 or 4 channels, [X,Y,Z] or [X,Y,Z,C], of which
    the first channel is shown; any range.
  truth, predicted: label maps [X,Y] or [X,Y,Z], 0 for the background. Each
    number is outlined by itself, so they may be structures or single objects.
  spacing_mm: along each axis; None or NaN for square pixels.
  title: shown above.
  axes: of a volume, what each axis points to, such as "RAS"; "" if not known.
  """

  image: np.ndarray
  truth: np.ndarray
  predicted: np.ndarray
  spacing_mm: Sequence[float] | None = None
  title: str = ""
  axes: str = ""


def drawn(block: Mapping[str, Any]):
  """The figure of a block of the kind `regions` (`explain.regions`)."""
  cases = [_read(case) for case in block["cases"]]
  if block.get("montage"):
    return montage(cases[0], zoom=True)
  return contours(cases)


def _read(case: Mapping[str, Any]) -> Case:
  image, truth, predicted = (
    measured.unpacked(base64.b64decode(case[name]))
    for name in ("image", "truth", "predicted")
  )
  words = case["words"]
  if case["thinned"] > 1:
    words += f" (every {case['thinned']}th place)"
  axes = "RAS" if truth.ndim == 3 else ""
  return Case(image, truth, predicted, case["spacing_mm"], words, axes)


def contours(cases: Sequence[Case], *, zoom: bool = False):
  """Pictures side by side; of volumes a row each, with a slice of each plane.

  A slice is the one with the largest true area, or else predicted area.
  zoom: show only the surroundings of the regions.
  """
  volumes = any(case.truth.ndim == 3 for case in cases)
  columns, rows = (3, len(cases)) if volumes else (len(cases), 1)
  figure, panels = style.panels(
    _SIDE * columns + 0.3, _SIDE * rows + 0.9, columns, rows
  )
  free = iter(panels)
  for case in cases:
    flat = case.truth.ndim == 2
    for axis in (None,) if flat else (2, 1, 0):
      _draw(next(free), case, axis, _widest(case, axis), zoom)
  for unused in free:
    unused.set_axis_off()
  _legend(figure)
  return figure


def montage(case: Case, *, slices: int = 8, axis: int = 2, zoom: bool = False):
  """Evenly spaced slices across an axis of a volume, where regions are."""
  figure, panels = style.panels(
    *_size(slices), columns := min(slices, 4), -(-slices // columns)
  )
  there = _extent(case, axis)
  for panel, place in zip(
    panels, np.linspace(*there, slices).round().astype(int), strict=False
  ):
    _draw(panel, case._replace(title=""), axis, int(place), zoom)
  for panel in panels[slices:]:
    panel.set_axis_off()
  figure.suptitle(style.plain(case.title, 100), fontsize=style.NORMAL)
  _legend(figure)
  return figure


def _draw(
  axes: Any, case: Case, axis: int | None, place: int, zoom: bool
) -> None:
  """One picture (axis None) or one slice, with the contours on it."""
  shown, truth, predicted = _cut(case, axis, place)
  spacing = _spacing(case, axis)
  low, high = _window(case)
  grey = shown.ndim == 2
  looks = {"cmap": "gray", "vmin": low, "vmax": high} if grey else {}
  if not grey:
    shown = np.clip((shown - low) / max(high - low, 1e-9), 0, 1)
  axes.imshow(
    shown,
    interpolation="nearest",
    origin="upper" if axis is None else "lower",
    **looks,
  )
  for labels, line in ((truth, _TRUE), (predicted, _CALLED)):
    for rows, columns, mask in _objects(labels):
      _outline(axes, rows, columns, mask, line)
  axes.set_aspect(spacing[0] / spacing[1])
  axes.grid(False)
  axes.set(xticks=[], yticks=[])
  axes.spines[:].set_visible(False)
  if zoom:
    regions = (case.truth > 0) | (case.predicted > 0)
    _zoom(axes, regions if axis is None else np.any(regions, axis).T)
  title = style.plain(wording.parted(case.title, 38), 38)
  if axis is not None:
    where = f"{PLANES[axis]}, slice {place}"
    title = f"{title}\n{where}" if title and axis == 2 else where
    _letters(axes, case.axes, axis)
  axes.set_title(title, fontsize=style.SMALL, loc="left")


def _outline(axes: Any, rows, columns, mask: np.ndarray, line: dict) -> None:
  from matplotlib import patheffects

  drawn = axes.contour(
    columns, rows, mask, levels=[0.5], linewidths=1.5, **line
  )
  edge = patheffects.withStroke(linewidth=2.6, foreground="black", alpha=0.55)
  drawn.set_path_effects([edge])


def _objects(labels: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
  """The rows, columns and padded mask [h,w] of each number of a label map."""
  labels = np.asarray(labels)
  numbers, dense = np.unique(labels, return_inverse=True)
  dense = dense.reshape(labels.shape) + (0 if 0 in numbers else 1)
  for k, box in enumerate(ndimage.find_objects(dense), start=1):
    if box is None:
      continue
    mask = np.pad(dense[box] == k, 1).astype(float)
    rows, columns = (np.arange(s.start - 1, s.stop + 1) for s in box)
    yield rows, columns, mask


def _cut(case: Case, axis: int | None, place: int) -> list[np.ndarray]:
  """Image, truth and prediction as rows and columns of a picture."""
  image = np.asarray(case.image)
  if axis is None:
    if image.ndim == 3:
      image = image[..., :3] if _coloured(case) else image[..., 0]
    return [image, case.truth, case.predicted]
  image = image[..., 0] if image.ndim == 4 else image
  every = image, case.truth, case.predicted
  return [np.take(each, place, axis).T for each in every]


def _spacing(case: Case, axis: int | None) -> tuple[float, float]:
  """Of the rows and columns of the picture."""
  given = case.spacing_mm
  if given is None or not np.isfinite(given).all():
    return 1.0, 1.0
  if axis is None:
    return float(given[0]), float(given[1])
  across, down = [float(s) for k, s in enumerate(given) if k != axis]
  return down, across


def _coloured(case: Case) -> bool:
  """Whether it is a picture whose channels are not all the same."""
  image = np.asarray(case.image)
  if case.truth.ndim == 3 or image.ndim == 2 or image.shape[-1] < 3:
    return False
  return bool((image[..., :1] != image[..., 1:3]).any())


def _window(case: Case) -> tuple[float, float]:
  """The intensities shown as black and white."""
  image = np.asarray(case.image)
  colour = _coloured(case)
  if colour and image.dtype == np.uint8:
    return 0.0, 255.0
  every = max(1, image.size // 1_000_000)
  values = image.ravel()[::every].astype(float)
  values = values[np.isfinite(values)]
  if colour and values.size and values.min() >= 0 and values.max() <= 1:
    return 0.0, 1.0
  if not values.size:
    return 0.0, 1.0
  low, high = np.percentile(values, _WINDOW)
  return float(low), float(high if high > low else low + 1)


def _widest(case: Case, axis: int | None) -> int:
  """The slice with the largest true area; without one, predicted."""
  if axis is None:
    return 0
  others = tuple(k for k in range(3) if k != axis)
  for labels in (case.truth, case.predicted):
    area = np.count_nonzero(labels, axis=others)
    if area.any():
      return int(area.argmax())
  return case.truth.shape[axis] // 2


def _extent(case: Case, axis: int) -> tuple[int, int]:
  """The first and last slice with a region; of none, those of the volume."""
  others = tuple(k for k in range(3) if k != axis)
  either = (case.truth > 0) | (case.predicted > 0)
  slices = np.flatnonzero(either.any(others))
  if not len(slices):
    return 0, case.truth.shape[axis] - 1
  return int(slices[0]), int(slices[-1])


def _zoom(axes: Any, regions: np.ndarray) -> None:
  """The box of the regions with a margin, as square as the image allows."""
  if not regions.any():
    return
  limits = []
  for k in (1, 0):
    there = np.flatnonzero(regions.any(1 - k))
    first, last = there[0], there[-1]
    margin = max(_MARGIN * (last - first + 1), 4)
    end = regions.shape[k] - 1
    limits.append((max(first - margin, -0.5), min(last + margin, end + 0.5)))
  axes.set_xlim(limits[0])
  axes.set_ylim(limits[1] if axes.get_ylim()[0] < 0 else limits[1][::-1])


def _letters(axes: Any, pointing: str, axis: int) -> None:
  """What the four sides of a slice are, such as L and R."""
  if len(pointing) != 3 or not set(pointing) <= set(_OPPOSITE):
    return
  across, up = [letter for k, letter in enumerate(pointing) if k != axis]
  looks = {
    "transform": axes.transAxes,
    "color": "white",
    "fontsize": style.SMALL,
    "bbox": {"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 1.5},
  }
  for x, y, letter, ha, va in (
    (0.02, 0.5, _OPPOSITE[across], "left", "center"),
    (0.98, 0.5, across, "right", "center"),
    (0.5, 0.02, _OPPOSITE[up], "center", "bottom"),
    (0.5, 0.98, up, "center", "top"),
  ):
    axes.text(x, y, letter, ha=ha, va=va, **looks)


def _size(slices: int) -> tuple[float, float]:
  columns = min(slices, 4)
  return 2.7 * columns + 0.3, 2.7 * -(-slices // columns) + 0.9


def _legend(figure: Any) -> None:
  from matplotlib.lines import Line2D

  lines = [
    Line2D([], [], color=style.SKY, linestyle="solid", linewidth=2),
    Line2D([], [], color=style.ORANGE, linestyle="dashed", linewidth=2),
  ]
  figure.legend(
    lines,
    ["True", "Predicted"],
    loc="outside lower center",
    ncols=2,
    fontsize=style.SMALL,
    frameon=False,
  )
