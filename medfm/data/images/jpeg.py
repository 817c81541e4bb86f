"""Checks that a JPEG's header and its data agree, which libjpeg does not.

If the header promises more than the data hold, the rest of the image is flat;
if it promises less, only a part is decoded; if it gives another width, the
image is scrambled. All of these decode without an error. The last bytes of the
data give it away: in a sound file they belong to the last blocks of the image.
"""

import io
import math
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

_LEAST, _SHARE = 16, 64
_FEWEST = 128  # Places where units of two rows meet, needed for a judgement.
_BETTER = 0.4  # None of 887 sound pictures of that size was below 1.7.


class _Scan(NamedTuple):
  """The only scan of a file.

  unit: height and width of a coded unit, in pixels.
  flat: bits of a flat unit that equals the one before it.
  restarts: whether the scan holds restart markers.
  """

  start: int
  end: int
  unit: tuple[int, int]
  flat: int
  restarts: bool


def whole(data: bytes) -> bool:
  """Whether the end marker is there: libjpeg fills in what is missing.

  The scan marker cannot occur inside a scan, so the last one opens the last
  scan, behind any embedded thumbnail.
  """
  return data.find(b"\xff\xd9", data.rfind(b"\xff\xda") + 2) >= 0


def agrees(data: bytes, pixels: np.ndarray) -> bool:
  """Whether the data are as long as an image of the header's size needs.

  pixels: the image [H,W] or [H,W,C] that libjpeg decoded from them. True if
  that cannot be decided: progressive files, and images that end in one colour.
  If another width needs as many data (height and width exchanged), the picture
  itself decides.
  """
  if _scrambled(pixels, _unit(data)):
    return False
  scan = _scan(data)
  if scan is None:
    return True
  size = scan.end - scan.start
  if _tail(pixels[-scan.unit[0] :, -scan.unit[1] :], scan.unit):
    return scan.restarts or not _filled_up(data, scan, size)
  cut = max(_LEAST, size // _SHARE)
  shorter = _without(data, scan, cut) if cut < size else None
  return shorter is None or not np.array_equal(shorter, pixels)


def _unit(data: bytes) -> tuple[int, int]:
  """Height and width of a coded unit, in pixels."""
  with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
    layers = getattr(image, "layer", [])
  sides = [(down, across) for _, across, down, _ in layers]
  if len(sides) < 2:
    return 8, 8
  down, across = map(max, zip(*sides, strict=True))
  return 8 * down, 8 * across


def _scrambled(pixels: np.ndarray, unit: tuple[int, int]) -> bool:
  """Whether the units fit together only in rows of another length.

  If the rows have their true length, the last line of pixels of a unit is much
  like the first line of the unit below.
  """
  grey = pixels if pixels.ndim == 2 else pixels[..., :3].mean(-1)
  (height, width), (down, across) = grey.shape, unit
  rows, columns = -(-height // down), -(-width // across)
  whole = np.full((rows * down, columns * across), np.nan, np.float32)
  whole[:height, :width] = grey
  units = whole.reshape(rows, down, columns, across).swapaxes(1, 2)
  first, last = (units[:, :, n].reshape(-1, across) for n in (0, -1))

  def step(length: int) -> float:
    """The mean squared difference of such lines in rows of `length` units."""
    squares = (last[:-length] - first[length:]) ** 2
    seen = np.isfinite(squares)
    few = seen.sum() < _FEWEST * across
    return math.inf if few else float(squares[seen].mean())

  lines = last[np.isfinite(last).all(1)]
  if not len(lines) or lines.std(axis=1).mean() < 1:
    return False  # Lines of one value each fit anywhere.
  total, limit = rows * columns, _BETTER * step(columns)
  others = (n for n in range(2, total) if total % n == 0 and n != columns)
  return limit < math.inf and any(step(length) < limit for length in others)


def _filled_up(data: bytes, scan: _Scan, size: int) -> bool:
  """Whether the image's flat end is not in the data.

  libjpeg fills missing blocks with the last value there was. If the flat blocks
  at the end are in the data, nearly all bytes that they take can be cut off
  without changing any block before them.
  """
  light = _without(data, scan, 0, "L")
  if light is None:
    return False
  count = _tail(light, scan.unit)
  cut = (count - 1) * scan.flat // 8 - 1  # The first of them may take more.
  if not 0 < cut < size:
    return False
  shorter = _without(data, scan, cut, "L")
  if shorter is None or shorter.shape != light.shape:
    return False
  return not _flat(light == shorter, scan.unit, True)[:-count].all()


def _tail(pixels: np.ndarray, unit: tuple[int, int]) -> int:
  """How many units at the end have the last pixel's value throughout."""
  flat = _flat(pixels, unit, pixels[-1, -1])
  return len(flat) if flat.all() else int(flat[::-1].argmin())


def _without(
  data: bytes, scan: _Scan, cut: int, mode: str | None = None
) -> np.ndarray | None:
  """The image without the last bytes of its data; None if none is decoded.

  mode: "L" for the brightness alone, in which blocks do not touch.
  """
  shorter = data[: scan.end - cut] + b"\xff\xd9"
  try:
    with Image.open(io.BytesIO(shorter), formats=("JPEG",)) as image:
      if mode:
        image.draft(mode, image.size)
      return np.asarray(image)
  except OSError:
    return None


def _flat(pixels: np.ndarray, unit: tuple[int, int], value: Any) -> np.ndarray:
  """[units] bool, row by row: which have this value throughout."""
  same = pixels == value
  same = same if same.ndim == 2 else same.all(-1)
  for axis, side in enumerate(unit):
    starts = np.arange(0, same.shape[axis], side)
    same = np.logical_and.reduceat(same, starts, axis=axis)
  return same.ravel()


def _scan(data: bytes) -> _Scan | None:
  """The scan of a sequential JPEG that has one, else None."""
  position, restarts = 2, False
  sides: dict[int, tuple[int, int]] = {}
  lengths: dict[int, int] = {}
  while position + 4 <= len(data) and data[position] == 0xFF:
    kind = data[position + 1]
    if kind == 0xFF:
      position += 1
      continue
    length = int.from_bytes(data[position + 2 : position + 4])
    content = data[position + 4 : position + 2 + length]
    position += 2 + length
    if kind in (0xC0, 0xC1):
      parts = [content[i : i + 2] for i in range(6, 6 + 3 * content[5], 3)]
      sides = {name: divmod(side, 16) for name, side in parts}
      if len(sides) == 1:
        sides = dict.fromkeys(sides, (1, 1))
    elif kind == 0xC4:
      lengths |= _first_codes(content)
    elif 0xC2 <= kind <= 0xCF and kind not in (0xC8, 0xCC):
      return None
    elif kind == 0xDD:
      restarts = content[:2] != b"\0\0"
    elif kind == 0xDA:
      chosen = [content[i : i + 2] for i in range(1, 1 + 2 * content[0], 2)]
      if not sides or len(chosen) != len(sides):
        return None
      flat = 0
      for name, table in chosen:
        dc, ac = lengths.get(table >> 4, 0), lengths.get(16 + table % 16, 0)
        flat += math.prod(sides[name]) * (dc + ac)
      unit = tuple(8 * max(side) for side in zip(*sides.values(), strict=True))
      end = _end(data, position)
      return _Scan(position, end, unit[::-1], flat, restarts)
  return None


def _first_codes(content: bytes) -> dict[int, int]:
  """Number of a code table -> bits of its symbol 0 (no change, or the end)."""
  lengths, position = {}, 0
  while position + 17 <= len(content):
    counts = content[position + 1 : position + 17]
    sizes = [size for size, n in enumerate(counts, 1) for _ in range(n)]
    start = position + 17
    symbols = content[start : start + len(sizes)]
    if 0 in symbols:
      lengths[content[position]] = sizes[symbols.index(0)]
    position = start + len(sizes)
  return lengths


def _end(data: bytes, position: int) -> int:
  """Where a scan's data end: before the next marker other than a restart."""
  while (position := data.find(b"\xff", position)) >= 0:
    after = data[position + 1 : position + 2]
    if after and after != b"\0" and not 0xD0 <= after[0] <= 0xD7:
      return position
    position += 2
  return len(data)
