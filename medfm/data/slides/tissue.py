"""Where on a slide there is tissue, found on a thumbnail."""

from typing import NamedTuple

import numpy as np

LEAST_SATURATION = 0.05
"""Below it nothing is tissue, whatever the threshold of Otsu says of a slide
that is empty."""

_ABOVE_GLASS = 0.03
_SHARE = 0.6
"""Of the way from the glass to Otsu's threshold, where tissue begins: at Otsu's
own, fat and mucus beside strongly stained cells are lost."""

_BINS = 256
_VIVID = 0.45  # Blue ink; bluish tissue is paler, or has the least green.
_WHITE, _BRIGHT, _BLACK = 235, 200, 60
_SEEN = 0.01  # The share of a slide that is glass if there is any.


class Tissue(NamedTuple):
  """What a thumbnail [H,W,3] shows, each bool [H,W].

  mask: tissue. pen: ink of a pen on the glass, which is never tissue.
  """

  mask: np.ndarray
  pen: np.ndarray


def tissue(thumbnail: np.ndarray, *, least: int) -> Tissue:
  """By Otsu's threshold (1979) on the saturation of HSV, cleaned.

  White (all channels at least 235), black (all below 60: folds, ink, edges of
  a scan) and coloured ink are no tissue. Ink is what stained tissue is not (in
  eosin, haematoxylin, DAB and blood green or blue is weakest): green or cyan, a
  vivid blue with least red, or a red without green and blue.

  thumbnail: uint8 [H,W,3]. least: specks of fewer pixels are removed and holes
    of fewer are filled.
  """
  from scipy import ndimage

  pixels = thumbnail.astype(np.int16)
  red, green, blue = np.moveaxis(pixels, -1, 0)
  high, low = pixels.max(-1), pixels.min(-1)
  saturation = (high - low) / np.maximum(high, 1)
  pen = (green > red + 10) & (green > blue - 10) & (high - low > 30)
  pen |= (red <= green) & (blue == high) & (saturation > _VIVID)
  pen |= (red > 150) & (np.maximum(green, blue) < 80)
  saturation = ndimage.median_filter(saturation.astype(np.float32), 3)
  ink = pen | (high < _BLACK)
  cut = _threshold(saturation[~ink], low[~ink])
  mask = (saturation > cut) & (low < _WHITE) & ~ink
  return Tissue(_without_holes(_without_specks(mask, least), ink, least), pen)


def _threshold(saturation: np.ndarray, low: np.ndarray) -> float:
  """The saturation above which pixels [n] are tissue."""
  between = otsu(saturation)
  glass = saturation[(saturation <= between) & (low >= _BRIGHT)]
  level = 0.0
  if len(glass) > _SEEN * len(saturation):
    level = float(np.median(glass))
  share = level + _SHARE * (between - level)
  return max(share, level + _ABOVE_GLASS, LEAST_SATURATION)


def otsu(values: np.ndarray) -> float:
  """The threshold in 0..1 of greatest variance between the two classes.

  values: in 0..1. 0 where all are equal.
  """
  counts, edges = np.histogram(values, _BINS, (0, 1))
  middle = (edges[1:] + edges[:-1]) / 2
  below = np.cumsum(counts)[:-1]
  above = counts.sum() - below
  sums = np.cumsum(counts * middle)
  with np.errstate(divide="ignore", invalid="ignore"):
    gap = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
  between = np.where((below > 0) & (above > 0), below * above * gap**2, 0)
  return float(edges[1 + between.argmax()]) if between.any() else 0.0


def _without_specks(mask: np.ndarray, least: int) -> np.ndarray:
  """The mask without connected parts of fewer than `least` pixels."""
  from scipy import ndimage

  parts, _ = ndimage.label(mask)
  return mask & (np.bincount(parts.ravel()) >= least)[parts]


def _without_holes(mask: np.ndarray, ink: np.ndarray, least: int) -> np.ndarray:
  """Holes of fewer than `least` pixels filled; ink stays out."""
  return (mask | ~(mask | _without_specks(~mask, least))) & ~ink
