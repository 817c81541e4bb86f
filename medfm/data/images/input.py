"""What a model must know of images, classical models see, and near copies."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from medfm.types import Arrays, Batch, Design, Near, Profile, Split

MAX_PIXELS = 512
COMPONENTS = 64
_FIT_ROWS = 5000
_READ = 1024  # Images at a time.
_PROFILED = 5000  # Images that stand for all of a cohort.
_CELLS = 1 << 20  # Pairs compared at a time by their hashes,
_PAIRS = 1 << 12  # and by their averages.
_HASH_SIDE = 8
_GRID_SIDE = 14
_MAX_BITS = 6
_MAX_DIFFERENCE = 0.1
_LOOK_ALIKE = (
  "images whose 8x8 brightness hashes differ in at most 6 of 64 bits and "
  "whose 14x14 averages, scaled to mean 0 and standard deviation 1, differ by "
  "less than 0.1 on average: JPEG, gain, mild noise and resizing stay below "
  "it, different patients' radiographs start at 0.18"
)


@dataclasses.dataclass(frozen=True)
class Image:
  """Pictures of one size: `image` [B,H,W,C].

  size: H and W. channels: 1 (grey) or 3 (colour). dtype: uint8, uint16, or
  float32 in [0, 1].
  """

  size: tuple[int, int] = (0, 0)
  channels: int = 1
  dtype: str = "uint8"

  arrays = ("image",)
  suits = ("linear",)

  @property
  def near(self) -> Near:
    return Near(_LOOK_ALIKE, _search)

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """None: a model of images reads their shape from a batch."""
    return {}

  def scale(
    self,
    batch: Batch,
    *,
    mean: float | tuple[float, ...] = 0.5,
    std: float | tuple[float, ...] = 0.5,
  ) -> Batch:
    """Scales `image` to float32 (x - mean) / std.

    uint8 and uint16 are first divided by 255 and 65535; float images are
    taken to be in [0, 1] already.

    mean, std: one number, or one per channel.
    """
    image = batch.get("image")
    if image is None:
      return batch
    integer = np.issubdtype(image.dtype, np.integer)
    top = np.iinfo(image.dtype).max if integer else 1
    shift, scale = (
      np.asarray(value, np.float32).reshape(1, 1, 1, -1)
      for value in (mean, std)
    )
    scaled = image.astype("float32") / top
    return {**batch, "image": (scaled - shift) / scale}

  def blank(
    self, count: int, like: Mapping[str, np.ndarray] = {}
  ) -> dict[str, np.ndarray]:
    """Black pictures."""
    shape = (count, *self.size, self.channels)
    return {"image": np.zeros(shape, self.dtype)}

  def design(self, train: Split, seed: int) -> Design:
    """Pixels 0..1, or 64 principal components if more than 512 pixels."""
    size = int(np.prod(train.arrays["image"].shape[1:]))
    if size <= MAX_PIXELS:
      names = tuple(f"pixel {i}" for i in range(size))
      return Design(names, lambda split: _flat(split).astype(np.float64))
    from sklearn.decomposition import PCA

    rows = np.random.default_rng(seed).permutation(len(train))[:_FIT_ROWS]
    sample = _flat(train, np.sort(rows))
    pca = PCA(
      min(COMPONENTS, len(sample) - 1),
      svd_solver="randomized",
      random_state=seed,
    ).fit(sample)
    names = tuple(f"component {i}" for i in range(pca.n_components_))

    def of(split: Split) -> np.ndarray:
      # In pieces: the flattened float copy of a large split may not fit.
      pieces = [
        pca.transform(_flat(split, slice(start, start + _FIT_ROWS)))
        for start in range(0, len(split), _FIT_ROWS)
      ]
      return np.concatenate([np.zeros((0, len(names))), *pieces])

    return Design(names, of)

  native = design

  def recoded(
    self, arrays: Mapping[str, np.ndarray], trained: "Image"
  ) -> dict[str, np.ndarray]:
    """Pictures as they are, which must be of the trained size and kind."""
    held = Image(self.size, self.channels, self.dtype)
    if held != Image(trained.size, trained.channels, trained.dtype):
      raise ValueError(f"{self.describe()}, not {trained.describe()}")
    return dict(arrays)

  def profile(self, arrays: Arrays) -> Profile:
    """How bright, varied, black and white each picture is, from 0 to 1.

    Of more than 5,000 pictures as many, evenly spaced, stand for all.
    """
    images = arrays["image"]
    step = -(-len(images) // _PROFILED) or 1
    names = ["mean intensity", "spread of intensity"]
    names += ["share at the lowest value", "share at the highest value"]
    colours = ("red", "green", "blue") if self.channels == 3 else ()
    rows = [np.zeros((0, len(names) + len(colours)))]
    for start in range(0, len(images), _READ * step):
      pixels = np.asarray(images[start : start + _READ * step : step])
      integer = np.issubdtype(pixels.dtype, np.integer)
      top = np.iinfo(pixels.dtype).max if integer else 1
      flat = pixels.reshape(len(pixels), -1, pixels.shape[-1]) / float(top)
      axes = (1, 2)
      measures = [flat.mean(axes), flat.std(axes)]
      measures += [(flat <= 0).mean(axes), (flat >= 1).mean(axes)]
      measures += [flat[..., c].mean(1) for c in range(len(colours))]
      rows.append(np.stack(measures, 1))
    names += [f"mean {colour}" for colour in colours]
    return Profile(tuple(names), np.concatenate(rows))

  def describe(self) -> str:
    colour = "grey" if self.channels == 1 else "colour"
    height, width = self.size
    return f"{colour} images of {height} x {width}"


def of(split: Split) -> Image:
  """The description of a split's `image` [N,H,W,C]."""
  array = split.arrays["image"]
  height, width, channels = array.shape[1:]
  return Image((height, width), channels, str(array.dtype))


def _flat(split: Split, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
  images = split.arrays["image"][rows]
  flat = np.asarray(images).reshape(len(images), -1).astype(np.float32)
  if np.issubdtype(images.dtype, np.integer):
    flat /= np.iinfo(images.dtype).max
  return flat


def _search(
  splits: Mapping[str, Arrays],
) -> Callable[[str, str], tuple[np.ndarray, np.ndarray]]:
  """(a, b) -> rows i of split a, j of split b that look alike."""
  prepared = {name: pictures(held["image"]) for name, held in splits.items()}
  return lambda a, b: _look_alike(prepared[a], prepared[b])


def pictures(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """([N] uint64 hashes, [N,P] scaled averages) of images [N,H,W,C]."""
  bits, grids = [], []
  for start in range(0, len(images), _READ):
    grey = np.asarray(images[start : start + _READ], np.float32).mean(axis=-1)
    coarse = _averages(grey, _HASH_SIDE)
    padded = np.zeros((len(grey), _HASH_SIDE**2), bool)
    padded[:, : coarse.shape[1]] = coarse > coarse.mean(axis=1, keepdims=True)
    bits.append(np.packbits(padded, axis=1).view(np.uint64)[:, 0])
    fine = _averages(grey, _GRID_SIDE)
    fine -= fine.mean(axis=1, keepdims=True)
    grids.append(fine / np.maximum(fine.std(axis=1, keepdims=True), 1e-6))
  return np.concatenate(bits), np.concatenate(grids)


def _averages(grey: np.ndarray, side: int) -> np.ndarray:
  """[n,H,W] -> [n, side * side] averages of its cells; fewer if smaller."""
  for axis in (1, 2):
    size = grey.shape[axis]
    edges = np.linspace(0, size, min(side, size) + 1).round().astype(int)
    shape = [1, 1, 1]
    shape[axis] = -1
    grey = np.add.reduceat(grey, edges[:-1], axis=axis)
    grey /= np.diff(edges).reshape(shape).astype(np.float32)
  return grey.reshape(len(grey), -1)


def _look_alike(
  a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray]:
  (bits_a, grids_a), (bits_b, grids_b) = a, b
  pairs = [np.zeros((2, 0), int)]
  if grids_a.shape[1:] == grids_b.shape[1:]:
    rows = max(1, _CELLS // max(1, len(bits_a)))
    for start in range(0, len(bits_b), rows):
      different = np.bitwise_count(bits_b[start : start + rows, None] ^ bits_a)
      j, i = np.nonzero(different <= _MAX_BITS)
      both = np.stack([i, j + start])
      for first in range(0, len(i), _PAIRS):
        part = both[:, first : first + _PAIRS]
        difference = np.abs(grids_a[part[0]] - grids_b[part[1]]).mean(axis=1)
        pairs.append(part[:, difference < _MAX_DIFFERENCE])
  i, j = np.concatenate(pairs, 1)
  return i, j
