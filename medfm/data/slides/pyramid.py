"""Pyramidal TIFF files without a scanner's own format, read by their segments.

tifffile (optional) finds the levels and where their tiles or strips lie; only
those that a region needs are read. Every size and place that a file claims is
checked before it is believed.
"""

import contextlib
import functools
import logging
import math
import pathlib
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from medfm.types import UserError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_SEGMENT = 4096 * 4096  # Pixels of a tile or strip.
MAX_SEGMENTS = 20_000_000
_KEPT_BYTES = 64 << 20  # Of decoded segments, for regions that share some.
_NONE, _DEFLATE = 1, (8, 32946)
_RGB = 2  # TIFF's photometric interpretation.
_PLAIN, _DIFFERENCES = 1, 2  # TIFF's predictors.
_INCH_UM, _CM_UM = 25_400.0, 10_000.0
_UNITS_UM = {"µm": 1, "μm": 1, "um": 1, "nm": 1e-3, "mm": 1e3, "cm": 1e4}
_ERRORS = (
  ValueError, TypeError, KeyError, IndexError, AttributeError, OSError,
  EOFError, struct.error, zlib.error, OverflowError, MemoryError,
  ZeroDivisionError, RuntimeError,
)  # fmt: skip
"""What libraries raise for damaged files; tifffile's own error is of those."""


def needs_openslide(path: pathlib.Path, name: str) -> bool:
  """Whether a file's compression is one that only OpenSlide reads here."""
  with _file(path, name) as file, _checked(name):
    return _coded(file.pages[0])


@contextlib.contextmanager
def opened(path: pathlib.Path, name: str) -> Iterator[Any]:
  """A generic pyramid as `reader.Opened`.

  Raises: UserError for anything but RGB of 8 bits, and for damaged files.
  """
  from medfm.data.slides import reader

  with _file(path, name) as file:
    with _checked(name):
      pages = _levels(file, name)
      for page in pages:
        _require_sound(page, path.stat().st_size, name)
      kept = _KEPT_BYTES // max(map(_segment_bytes, pages))
      sizes = [(page.imagelength, page.imagewidth) for page in pages]
      stated = _stated(file, pages[0])

    @functools.lru_cache(max(2, kept))
    def segment(level: int, index: int) -> np.ndarray:
      with _checked(name):
        return _decoded(pages[level], index)

    def region(level, top, left, height, width):
      return _assembled(pages[level], level, segment, top, left, height, width)

    yield reader.Opened(sizes, stated, region)


@contextlib.contextmanager
def _file(path: pathlib.Path, name: str) -> Iterator[Any]:
  try:
    import tifffile
  except ImportError:
    raise UserError(
      f"{name}: pip install tifffile to read this slide"
    ) from None
  logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # It quotes tags.
  with _checked(name):
    file = tifffile.TiffFile(path)
    if not len(file.pages):
      raise ValueError("no pages")
  with file:
    yield file


@contextlib.contextmanager
def _checked(name: str) -> Iterator[None]:
  """Whatever a library raises for a damaged file becomes one line."""
  try:
    yield
  except _ERRORS as error:
    raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> UserError:
  return UserError(
    f"{name}: this TIFF file is cut short or damaged: copy it again "
    f"({type(error).__name__})"
  )


def _levels(file: Any, name: str) -> list[Any]:
  """The pages of the levels, from the finest on: halves of the same picture."""
  series = file.series[0]
  pages = [level.keyframe for level in series.levels]
  if len(pages) == 1 and len(series.pages) == 1:
    pages = [p for p in file.pages if _may_be_level(p, file.pages[0])]
  if len(series.levels[0].pages) > 1:
    raise UserError(
      f"{name}: holds {len(series.levels[0].pages)} planes of one size: "
      "expected one RGB picture and its smaller levels"
    )
  pages = sorted(pages, key=lambda page: -page.imagewidth * page.imagelength)
  for page in pages:
    if _coded(page):
      raise UserError(
        f"{name}: is compressed by {page.compression.name}: pip install "
        "openslide-python openslide-bin to read it"
      )
    odd = page.samplesperpixel, page.bitspersample, page.planarconfig
    if odd != (3, 8, 1):
      raise UserError(
        f"{name}: {page.samplesperpixel} channels of {page.bitspersample} bits,"
        " expected red, green and blue of 8 bits each"
      )
    if page.photometric != _RGB:
      raise UserError(
        f"{name}: its colours are stored as {page.photometric.name}, expected "
        "RGB: save the slide as RGB"
      )
  return pages


def _may_be_level(page: Any, first: Any) -> bool:
  """Whether it shows the same picture, smaller: of the same proportions."""
  if page.photometric != first.photometric or page is first:
    return page is first
  ratio = page.imagewidth / first.imagewidth * first.imagelength
  return (
    0 < page.imagewidth < first.imagewidth
    and abs(ratio - page.imagelength) <= max(2, 0.01 * ratio)
    and page.is_tiled == first.is_tiled
  )


def _coded(page: Any) -> bool:
  known = (_NONE, *_DEFLATE)
  return page.compression not in known or page.predictor not in (
    _PLAIN,
    _DIFFERENCES,
  )


def _tile(page: Any) -> tuple[int, int]:
  """Height and width of a tile; of a strip, all of the width."""
  if page.is_tiled:
    return page.tilelength, page.tilewidth
  return min(page.rowsperstrip, page.imagelength), page.imagewidth


def _segment_bytes(page: Any) -> int:
  return 3 * math.prod(_tile(page))


def _require_sound(page: Any, total: int, name: str) -> None:
  """Raises UserError where sizes and places of segments cannot be true."""
  height, width = _tile(page)
  size = page.imagelength, page.imagewidth
  if not 0 < height * width <= MAX_SEGMENT:
    raise UserError(
      f"{name}: its tiles or strips of {height} x {width} pixels are larger "
      f"than {MAX_SEGMENT:,} pixels: write it with tiles of 256 x 256"
    )
  count = -(-size[0] // height) * -(-size[1] // width)
  if count > MAX_SEGMENTS or len(page.dataoffsets) != count:
    raise UserError(
      f"{name}: claims {size[0]:,} x {size[1]:,} pixels but has "
      f"{len(page.dataoffsets):,} tiles, expected {count:,}: it is damaged"
    )
  offsets = np.array(page.dataoffsets, np.float64)
  lengths = np.array(page.databytecounts, np.float64)
  if len(lengths) != count or (offsets + lengths > total).any():
    raise UserError(
      f"{name}: its tiles lie beyond the end of the file: it is cut short or "
      "damaged, copy it again"
    )
  if lengths.max() > 2 * _segment_bytes(page) + 1024:
    raise UserError(f"{name}: a tile has more bytes than pixels: it is damaged")


def _decoded(page: Any, index: int) -> np.ndarray:
  """A tile or strip as uint8 [h,w,3]; a missing one is white."""
  height, width = _tile(page)
  if not page.is_tiled:
    height = min(height, page.imagelength - index * height)
  length = page.databytecounts[index]
  if not length:
    return np.full((height, width, 3), 255, np.uint8)
  file = page.parent.filehandle
  file.seek(page.dataoffsets[index])
  data, wanted = file.read(length), 3 * height * width
  if page.compression in _DEFLATE:
    data = _inflated(data, wanted)
  if len(data) < wanted:
    raise ValueError("a segment is too short")
  pixels = np.frombuffer(data, np.uint8, wanted).reshape(height, width, 3)
  if page.predictor == _DIFFERENCES:
    pixels = np.cumsum(pixels, 1, dtype=np.uint8)
  return pixels


def _inflated(data: bytes, wanted: int) -> bytes:
  """At most `wanted` bytes, whatever the file promises; checksum compared."""
  stream = zlib.decompressobj()
  out = stream.decompress(data, wanted)
  if not stream.eof:
    stream.decompress(stream.unconsumed_tail, 1)
  if not stream.eof:
    raise ValueError("a segment is too long, or cut short")
  return out


def _assembled(
  page: Any, level: int, segment: Any, top: int, left: int, high: int, wide: int
) -> np.ndarray:
  """The region, from the segments that it touches; white elsewhere."""
  out = np.full((high, wide, 3), 255, np.uint8)
  height, width = _tile(page)
  across = -(-page.imagewidth // width)
  bottom = min(top + high, page.imagelength)
  right = min(left + wide, page.imagewidth)
  for row in range(max(top, 0) // height, -(-bottom // height)):
    for column in range(max(left, 0) // width, -(-right // width)):
      pixels = segment(level, row * across + column)
      y0, x0 = max(row * height, top, 0), max(column * width, left, 0)
      y1 = min(row * height + pixels.shape[0], bottom)
      x1 = min((column + 1) * width, right)
      if y1 > y0 and x1 > x0:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[
          y0 - row * height : y1 - row * height,
          x0 - column * width : x1 - column * width,
        ]
  return out


def _stated(file: Any, page: Any) -> tuple[float, float] | str:
  """Micrometres per pixel, by the first of the places where it is written."""
  words = page.description or ""
  if found := re.search(r"\bMPP\s*=\s*([0-9.]+)", words):
    return _number(found[1]), _number(found[1])
  if file.is_ome:
    # Not by an XML parser: entities of a hostile file could grow without end.
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", words)
    sizes = [_physical(pixels[0], axis) for axis in "XY"] if pixels else [0, 0]
    if min(sizes) > 0:
      return sizes[0], sizes[1]
  unit = page.tags.get("ResolutionUnit")
  um = {2: _INCH_UM, 3: _CM_UM}.get(int(unit.value)) if unit else None
  tags = [page.tags.get(f"{axis}Resolution") for axis in "XY"]
  if um and all(tags):
    per_unit = [tag.value[0] / (tag.value[1] or 1) for tag in tags]
    if min(per_unit) > 0:
      return um / per_unit[0], um / per_unit[1]
  return (
    "it states no resolution (XResolution with a ResolutionUnit, Aperio's MPP "
    "or OME's PhysicalSizeX)"
  )


def _physical(pixels: str, axis: str) -> float:
  """PhysicalSizeX or Y in micrometres; 0 where it is not known."""
  size = re.search(rf'\bPhysicalSize{axis}="([^"]*)"', pixels)
  unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]*)"', pixels)
  word = unit[1].replace("&#181;", "µ") if unit else "µm"
  return _number(size[1]) * _UNITS_UM.get(word, 0) if size else 0.0


def _number(text: str) -> float:
  try:
    return float(text)
  except ValueError:
    return 0.0
