"""Near copies of pictures: shifted, cropped, flipped, turned, or saved again.

Radiographs of different patients look alike anyway, so the search has two
steps. The first finds the few pictures of the other split that could be a copy,
by the strengths of their frequencies: these stay the same when a picture is
shifted, change places when it is turned or mirrored, and move outwards when it
is cropped. The second lays each candidate on the picture and compares the two
after removing what all training pictures share (principal components).

The first step looks only into cells of similar spectra (`_Index`), so that its
cost grows with N^1.5 and not with N^2.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from medfm.data.images import overlay
from medfm.types import Arrays

RULE = (
  "images that, turned, mirrored, shifted by up to a quarter, or cropped by "
  "up to a tenth at each side, correlate by 0.75 or more in 28x28 locally "
  "scaled averages, and by 0.7 without the first 32 principal components of "
  "training; or whose 14x14 averages, scaled to mean 0 and standard deviation "
  "1, differ by less than 0.1 on average"
)
_READ = 1024  # Images at a time.
_SIDE, _GRID = 28, 14
_SMALLEST = 8  # Pictures with fewer pixels a side have no detail to compare.
_FREQUENCIES = 7
_ZOOMS = (1, 1 / 1.1, 1.1, 1 / 1.2, 1.2)
_FINER = (1 / 1.04, 1.04)
_TURNS = ((0, 0), (0, 1), (1, 0), (1, 1))  # Transposed, mirrored.
_CODE, _SHARED = 48, 32  # Dimensions.
_FIT = 5000  # Rows that these are fitted on.
_TRIED = 4  # Candidates of each picture.
_LIKELY, _ALIKE, _WHOLE, _LEFT, _SAME = 0.35, 0.6, 0.75, 0.7, 0.1
_BRUTE, _PROBES = 4096, 8

Pairs = tuple[np.ndarray, np.ndarray]


def search(splits: Mapping[str, Arrays]) -> Callable[[str, str], Pairs]:
  """(a, b) -> rows i of split a, j of split b that look alike."""
  images = {name: held["image"] for name, held in splits.items()}
  first = next((each for each in images.values() if len(each) > 1), None)
  if first is None or min(first.shape[1:3]) < _SMALLEST:
    return lambda a, b: (np.zeros(0, int), np.zeros(0, int))
  space = _Space.of(first)
  index = functools.cache(lambda name: _Index(space.codes(images[name])))
  return lambda a, b: _found(space, images[a], images[b], index(a))


def _found(space: "_Space", a: Any, b: Any, index: "_Index") -> Pairs:
  pairs = [np.zeros((2, 0), int)]
  for start in range(0, len(b) if len(a) else 0, _READ):
    grey = _grey(b[start : start + _READ])
    views = space.views(_thumbnails(grey))
    i, j, view = index.nearest([code for _, code in views], len(grey))
    if not len(i):
      continue
    rows, place = np.unique(i, return_inverse=True)
    others = np.concatenate(
      [np.zeros((0, *a.shape[1:3]), np.float32)]
      + [_grey(a[rows[n : n + _READ]]) for n in range(0, len(rows), _READ)]
    )
    twins = space.twins(others, grey, place, j, [views[v][0] for v in view])
    same = _difference(others, grey, place, j) < _SAME
    near = twins | same
    pairs.append(np.stack([i[near], j[near] + start]))
  i, j = np.concatenate(pairs, 1)
  return i, j


class View(NamedTuple):
  """A way a copy may have been changed: first transposed, then mirrored.

  zoom: the factor by which its frequencies are read larger.
  """

  zoom: float
  transposed: int
  mirrored: int


class _Space(NamedTuple):
  """The space in which pictures are compared, fitted on one split.

  mean, whiten: of spectra [F] and [F,D]; shared_mean [P], shared [K,P]: the
  principal components of thumbnails.
  """

  mean: np.ndarray
  whiten: np.ndarray
  shared_mean: np.ndarray
  shared: np.ndarray

  @classmethod
  def of(cls, images: Any) -> "_Space":
    rows = np.linspace(0, len(images) - 1, min(_FIT, len(images))).astype(int)
    parts = [
      _thumbnails(_grey(images[rows[n : n + _READ]]))
      for n in range(0, len(rows), _READ)
    ]
    shown = np.concatenate(parts)
    mean, axes, spread = _components(_spectra(shown))
    scale = np.sqrt(spread + 0.5 * spread.mean() + 1e-12)[:_CODE]
    # Fewer components for few pictures, or nothing of these would be left.
    count = min(_SHARED, len(shown) // 8)
    shared_mean, shared, _ = _components(shown.reshape(len(shown), -1))
    return cls(mean, axes[:_CODE].T / scale, shared_mean, shared[:count])

  def codes(self, images: Any) -> np.ndarray:
    """The codes [N,D] of images [N,H,W,C]."""
    parts = [
      self._code(_spectra(_thumbnails(_grey(images[n : n + _READ]))))
      for n in range(0, len(images), _READ)
    ]
    return np.concatenate([np.zeros((0, self.whiten.shape[1])), *parts])

  def views(self, shown: np.ndarray) -> list[tuple[View, np.ndarray]]:
    """(view, codes [n,D]) of thumbnails [n,S,S], in every view."""
    listed = []
    for zoom in _ZOOMS:
      strengths = _strengths(shown, zoom)
      for transposed, mirrored in _TURNS:
        spectra = _half(_turned(strengths, transposed, mirrored))
        view = View(zoom, transposed, mirrored)
        listed.append((view, self._code(spectra)))
    return listed

  def twins(self, a, b, i, j, views: list[View]) -> np.ndarray:
    """[n] bool, whether picture i[n] of a and j[n] of b [N,H,W] are copies."""
    alike = np.zeros(len(i), bool)
    shown_a, shown_b = _thumbnails(a), _thumbnails(b)
    by_view: dict[View, list[int]] = {}
    for pair, view in enumerate(views):
      by_view.setdefault(view, []).append(pair)
    for view, listed in by_view.items():
      pairs = np.array(listed)
      turned = _turned(shown_b[j[pairs]], view.transposed, view.mirrored)
      alike[pairs] = self._agree(shown_a[i[pairs]], turned, view.zoom)
    return alike

  def _agree(self, a, b, zoom: float) -> np.ndarray:
    """[n] bool, whether b [n,S,S] laid upon a is a copy of it."""
    best = np.full(len(a), -1.0)
    left = np.full(len(a), -1.0)
    rows = np.arange(len(a))
    for factor in (1, *_FINER):
      if factor != 1:  # Only pairs that are alike are worth a closer look.
        rows = np.flatnonzero((best > _ALIKE) & (left < _LEFT))
      # A picture and the same turned by half have one spectrum.
      for upside in (b, b[:, ::-1, ::-1]) if len(rows) else ():
        laid, inside = overlay.laid(upside[rows], a[rows], zoom * factor)
        alike = overlay.correlation(a[rows], laid, inside)
        better = alike > best[rows]
        changed = rows[better]
        best[changed] = alike[better]
        left[changed] = overlay.correlation(
          self._rest(a[changed], inside[better]),
          self._rest(laid[better], inside[better]),
          inside[better],
        )
    return (left >= _LEFT) & (best >= _WHOLE)

  def _rest(self, shown: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Thumbnails without what training pictures share."""
    size = shown.shape[1] ** 2
    flat = shown.reshape(-1, size) - self.shared_mean
    flat = np.where(inside.reshape(-1, size), flat, 0)
    return (flat - (flat @ self.shared.T) @ self.shared).reshape(shown.shape)

  def _code(self, spectra: np.ndarray) -> np.ndarray:
    code = (spectra - self.mean) @ self.whiten
    size = np.linalg.norm(code, axis=1, keepdims=True)
    return (code / np.maximum(size, 1e-6)).astype(np.float32)


class _Index:
  """Codes [N,D] of unit length, in cells of neighbours if there are many."""

  def __init__(self, codes: np.ndarray):
    self._codes = codes.astype(np.float32)
    self._centres = self._codes[:1]
    self._cells = [np.arange(len(codes))]
    if len(codes) > _BRUTE:
      from sklearn.cluster import MiniBatchKMeans

      count = round(np.sqrt(len(codes)))
      means = MiniBatchKMeans(
        count, n_init=1, max_iter=10, batch_size=_BRUTE, random_state=0
      ).fit(self._codes)
      cell = np.asarray(means.labels_)
      order = np.argsort(cell, kind="stable")
      self._cells = np.split(order, np.cumsum(np.bincount(cell))[:-1])
      self._centres = means.cluster_centers_.astype(np.float32)

  def nearest(
    self, views: list[np.ndarray], count: int
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows i, pictures j, numbers of views) of the likeliest few of each j.

    views: codes [count,D] of the pictures in each of several views.
    """
    asked = np.concatenate(views)
    probes = min(_PROBES, len(self._centres))
    close = np.argpartition(-(asked @ self._centres.T), probes - 1, axis=1)
    close = close[:, :probes]
    order = np.argsort(close.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(close.ravel(), minlength=len(self._cells)))
    parts = [np.zeros((3, 0))]
    for rows, which in zip(
      self._cells, np.split(order // probes, ends[:-1]), strict=True
    ):
      if len(rows) and len(which):
        parts.append(_best(self._codes, rows, asked, which))
    i, view, likeness = np.concatenate(parts, 1)
    i, view = i.astype(int), view.astype(int)
    j, view = view % count, view // count
    # The best view of each pair, then the best few pairs of each picture.
    pair = j * len(self._codes) + i
    order = np.lexsort((-likeness, pair))
    kept = order[np.diff(pair[order], prepend=-1) > 0]
    kept = kept[np.lexsort((-likeness[kept], j[kept]))]
    place = np.arange(len(kept)) - np.searchsorted(j[kept], j[kept])
    kept = kept[place < _TRIED]
    return i[kept], j[kept], view[kept]


def _best(codes, rows, asked, which) -> np.ndarray:
  """[3,n]: for each view asked about, the most similar rows of a cell."""
  likeness = asked[which] @ codes[rows].T
  top = min(_TRIED, len(rows))
  best = np.argpartition(-likeness, top - 1, axis=1)[:, :top]
  values = np.take_along_axis(likeness, best, 1)
  question, place = np.nonzero(values > _LIKELY)
  found = rows[best[question, place]], which[question], values[question, place]
  return np.stack(found).astype(np.float64)


def _grey(images: Any) -> np.ndarray:
  return np.asarray(images, np.float32).mean(axis=-1)


def averages(grey: np.ndarray, side: int) -> np.ndarray:
  """[n,H,W] -> [n,side,side] averages of its cells; fewer if smaller."""
  for axis in (1, 2):
    size = grey.shape[axis]
    edges = np.linspace(0, size, min(side, size) + 1).round().astype(int)
    shape = [1, 1, 1]
    shape[axis] = -1
    grey = np.add.reduceat(grey, edges[:-1], axis=axis)
    grey /= np.diff(edges).reshape(shape).astype(np.float32)
  return grey


def _difference(a, b, i, j) -> np.ndarray:
  """[n] mean difference of scaled averages of rows i of a and j of b."""
  scaled = []
  for grey in (a, b):
    flat = averages(grey, _GRID).reshape(len(grey), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    scaled.append(flat / np.maximum(flat.std(axis=1, keepdims=True), 1e-6))
  return np.abs(scaled[0][i] - scaled[1][j]).mean(axis=1)


def _thumbnails(grey: np.ndarray) -> np.ndarray:
  """[n,S,S]: averages, each scaled by the brightness and contrast around it.

  Gain, gamma and clipping leave them nearly as they are.
  """
  from scipy import ndimage

  side = min(_SIDE, *grey.shape[1:])
  shown = averages(grey, side)
  width = (0, side / 9, side / 9)
  shown = shown - ndimage.gaussian_filter(shown, width, mode="nearest")
  power = ndimage.gaussian_filter(shown**2, width, mode="nearest")
  whole = shown.var(axis=(1, 2), keepdims=True)
  return (shown / np.sqrt(power + 0.5 * whole + 1e-9)).astype(np.float32)


@functools.cache
def _waves(side: int, zoom: float) -> np.ndarray:
  """[2F+1,side] complex64: the frequencies, within a window."""
  most = min(_FREQUENCIES, (side - 1) // 2)
  frequencies = np.arange(-most, most + 1)
  places = np.arange(side) - (side - 1) / 2
  waves = np.exp(-2j * np.pi * zoom * np.outer(frequencies, places) / side)
  return (waves * overlay.window(side)).astype(np.complex64)


def _strengths(shown: np.ndarray, zoom: float = 1) -> np.ndarray:
  """[n,2F+1,2F+1] how strong each frequency is."""
  waves = _waves(shown.shape[1], zoom)
  return np.abs(waves @ shown @ waves.T)


def _half(strengths: np.ndarray) -> np.ndarray:
  """[n,P]: the low frequencies, each once; the others mirror them."""
  most = strengths.shape[1] // 2
  each = np.arange(-most, most + 1)
  low = each[:, None] ** 2 + each**2 <= (most + 0.5) ** 2
  once = (each[:, None] > 0) | ((each[:, None] == 0) & (each > 0))
  return strengths[:, low & once]


def _spectra(shown: np.ndarray) -> np.ndarray:
  return _half(_strengths(shown))


def _turned(arrays: np.ndarray, transposed: int, mirrored: int) -> np.ndarray:
  arrays = arrays.transpose(0, 2, 1) if transposed else arrays
  return arrays[:, :, ::-1] if mirrored else arrays


def _components(
  values: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Mean [P], principal axes [K,P] and variances [K] of values [n,P]."""
  mean = values.mean(0)
  centred = values - mean
  if len(values) < values.shape[1]:
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    return mean, axes, sizes**2 / len(values)
  spread, axes = np.linalg.eigh(centred.T @ centred / len(values))
  return mean, np.ascontiguousarray(axes.T[::-1]), spread[::-1].clip(0)
