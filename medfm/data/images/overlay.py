"""One picture laid upon another, and how well the two agree."""

import functools

import numpy as np


@functools.cache
def window(side: int) -> np.ndarray:
  """[S] weights that fall from 1 in the middle to 0 at the edges."""
  places = np.arange(side) - (side - 1) / 2
  return (0.5 + 0.5 * np.cos(2 * np.pi * places / side)).astype(np.float32)


def laid(
  b: np.ndarray, a: np.ndarray, zoom: float
) -> tuple[np.ndarray, np.ndarray]:
  """b [n,S,S] resized and moved onto a; and where b has pixels, bool."""
  still = np.zeros(1)
  matrix, inside = _moves(b.shape[1], zoom, still)
  resized = (matrix * inside[..., None])[0]
  y, x = _shifts(a, resized @ b @ resized.T)
  rows, inside_y = _moves(b.shape[1], zoom, y)
  columns, inside_x = _moves(b.shape[1], zoom, x)
  inside = inside_y[:, :, None] & inside_x[:, None, :]
  return rows @ b @ columns.transpose(0, 2, 1), inside


def _moves(
  side: int, zoom: float, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Matrices [n,S,S] that resize and shift an axis; places they fill [n,S]."""
  middle = (side - 1) / 2
  places = (np.arange(side) - middle - shift[:, None]) / zoom + middle
  inside = (places >= -0.3) & (places <= side - 0.7)
  places = places.clip(0, side - 1)
  low = np.floor(places).astype(int).clip(0, side - 2)
  share = (places - low).astype(np.float32)
  matrices = np.zeros((len(shift), side, side), np.float32)
  n, row = np.arange(len(shift))[:, None], np.arange(side)[None]
  matrices[n, row, low] = 1 - share
  matrices[n, row, low + 1] = share
  return matrices, inside


def _shifts(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """How far to move b [n,S,S] onto a, in fractions of a pixel."""
  from scipy import fft

  side = a.shape[1]
  fade = window(side)[:, None] * window(side)
  spectra = fft.rfft2(a * fade) * fft.rfft2(b * fade).conj()
  product = fft.irfft2(spectra, s=(side, side))
  near = np.minimum(np.arange(side), side - np.arange(side)) <= side // 4
  allowed = np.where(near[:, None] & near, product, -np.inf)
  y, x = np.divmod(allowed.reshape(len(a), -1).argmax(1), side)
  n = np.arange(len(a))
  peak = product[n, y, x]

  def between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The top of the parabola through three values."""
    bend = before - 2 * peak + after
    bend = np.where(np.abs(bend) > 1e-9, bend, -np.inf)
    return (0.5 * (before - after) / bend).clip(-0.5, 0.5)

  up, down = product[n, y - 1, x], product[n, (y + 1) % side, x]
  left, right = product[n, y, x - 1], product[n, y, (x + 1) % side]
  y, x = y + between(up, down), x + between(left, right)
  return (y + side / 2) % side - side / 2, (x + side / 2) % side - side / 2


def correlation(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> np.ndarray:
  """[n] of a and b [n,S,S] where both have pixels."""
  count = np.maximum(inside.sum((1, 2), keepdims=True), 1)
  a, b = (
    np.where(inside, x - (x * inside).sum((1, 2), keepdims=True) / count, 0)
    for x in (a, b)
  )
  size = np.sqrt((a * a).sum((1, 2)) * (b * b).sum((1, 2)))
  return (a * b).sum((1, 2)) / np.maximum(size, 1e-9)
