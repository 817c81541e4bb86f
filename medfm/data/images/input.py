"""What a model must know about images; columns for classical models; copies."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.data.images import handcrafted, near
from medfm.types import Arrays, Batch, Design, Near, Profile, Split

MAX_PIXELS = 512
COMPONENTS = 64
_FIT_ROWS = 5000
_READ = 1024  # Images at a time.
_PROFILED = 5000  # Images at most that describe a cohort.


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
    return Near(near.RULE, near.search)

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """No settings: a model of images reads their shape from a batch."""
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

  def handcrafted(self, train: Split, kind: str) -> Design:
    """`hog` or `colour_texture` features, of `data.images.handcrafted`."""
    return handcrafted.design(train, kind)

  def recoded(
    self, arrays: Mapping[str, np.ndarray], trained: "Image"
  ) -> dict[str, np.ndarray]:
    """The pictures unchanged; ValueError if size or kind is not as trained."""
    held = Image(self.size, self.channels, self.dtype)
    if held != Image(trained.size, trained.channels, trained.dtype):
      raise ValueError(f"{self.describe()}, not {trained.describe()}")
    return dict(arrays)

  def profile(self, arrays: Arrays) -> Profile:
    """Brightness, spread, and shares of black and white of each picture, 0..1.

    Of more than 5,000 pictures, 5,000 evenly spaced ones are taken.
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
