"""Whole-slide images, opened as levels of a pyramid and read region by region.

Formats of scanners (.svs, .ndpi, .mrxs, ...) are read by OpenSlide, which is
optional, other TIFF files by `medfm.data.slides.pyramid`. The content of a file
decides, not its suffix. Never read: label and macro images, on which names of
patients may be written.
"""

import contextlib
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from medfm.types import UserError

SUFFIXES = (
  ".tif", ".tiff", ".svs", ".ndpi", ".mrxs", ".vms", ".vmu", ".scn", ".bif",
  ".svslide", ".czi",
)  # fmt: skip
"""Of files in a folder that are taken for slides."""

GENERIC = "generic-tiff"
NEEDS_OPENSLIDE = "pip install openslide-python openslide-bin"
LOW_MPP, HIGH_MPP = 0.05, 20.0
"""Micrometres per pixel that a microscope may have; 72 and 96 dots per inch,
which programs write when they know nothing, are outside."""

_UNEVEN = 0.02  # By how much pixels may differ from squares.

Region = Callable[[int, int, int, int, int], np.ndarray]


class Level(NamedTuple):
  """One level of a pyramid: its size in pixels, and its micrometres each."""

  height: int
  width: int
  mpp: float


class Slide(NamedTuple):
  """An open slide.

  name: for messages. mpp: micrometres per pixel of the finest level.
  levels: from the finest to the coarsest.
  region: (level, top, left, height, width), in pixels of that level -> uint8
    [height,width,3]; white outside of the slide.
  stated: whether the file itself gave its resolution.
  """

  name: str
  mpp: float
  levels: tuple[Level, ...]
  region: Region
  stated: bool = True

  def level(self, mpp: float) -> int:
    """The coarsest level that is at least as fine as `mpp`; else the finest."""
    fine = [k for k, level in enumerate(self.levels) if level.mpp <= 1.01 * mpp]
    return max(fine, default=0)

  @property
  def size_um(self) -> tuple[float, float]:
    """Height and width in micrometres."""
    first = self.levels[0]
    return first.height * first.mpp, first.width * first.mpp


class Opened(NamedTuple):
  """What a format's reader knows: sizes of levels, the resolution, a reader.

  mpp: (along x, along y), or a reason why it is not known.
  """

  sizes: list[tuple[int, int]]
  mpp: tuple[float, float] | str
  region: Region


def offered(path: pathlib.Path) -> bool:
  """Whether a file's name is one of a slide."""
  return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


@contextlib.contextmanager
def opened(
  path: pathlib.Path, *, name: str = "", slide_mpp: float = 0.0
) -> Iterator[Slide]:
  """A slide, closed again at the end.

  slide_mpp: micrometres per pixel of slides that do not say so; 0 refuses them.

  Raises: UserError for a file that is no slide, is damaged, needs a library or
    states no (or no believable) resolution.
  """
  name = name or path.name
  with _format(path, name)(path, name) as found:
    mpp, stated = _resolution(found.mpp, name, slide_mpp)
    (height, width), *_ = found.sizes
    if min(height, width) < 1:
      raise UserError(f"{name}: a slide of {height} x {width} pixels")
    levels = tuple(
      Level(h, w, mpp * math.sqrt(height / h * (width / w)))
      for h, w in found.sizes
      if min(h, w) > 0
    )
    yield Slide(name, mpp, levels, found.region, stated)


def _format(path: pathlib.Path, name: str) -> Callable[..., Any]:
  """The reader of a file, by its content."""
  from medfm.data.slides import pyramid

  try:
    with path.open("rb") as file:
      head = file.read(8)
  except OSError as error:
    raise UserError(f"{name}: {error.strerror}") from None
  if not head:
    raise UserError(f"{name}: the file is empty")
  tiff = head[:4] in pyramid.MAGIC
  library = _openslide()
  if library is None:
    if tiff and not pyramid.needs_openslide(path, name):
      return pyramid.opened
    raise UserError(f"{name}: {NEEDS_OPENSLIDE} to read this slide")
  try:
    vendor = library.OpenSlide.detect_format(path)
  except library.OpenSlideError:
    vendor = None
  if tiff and vendor in (None, GENERIC):
    if vendor and pyramid.needs_openslide(path, name):
      return _by_openslide
    return pyramid.opened
  if vendor is None:
    raise UserError(f"{name}: is not a slide that OpenSlide or tifffile reads")
  return _by_openslide


def _openslide() -> Any:
  """The library, or None where it is not installed."""
  try:
    import openslide
  except (ImportError, OSError):  # OSError: the C library is missing.
    return None
  return openslide


@contextlib.contextmanager
def _by_openslide(path: pathlib.Path, name: str) -> Iterator[Opened]:
  library = _openslide()
  try:
    with library.OpenSlide(path) as slide:
      steps = slide.level_downsamples

      def region(level, top, left, height, width):
        at = round(left * steps[level]), round(top * steps[level])
        try:
          pixels = slide.read_region(at, level, (width, height))
        except library.OpenSlideError as error:
          raise _damaged(name, error) from None
        rgba = np.asarray(pixels, np.uint8)
        return np.where(rgba[..., 3:] > 0, rgba[..., :3], np.uint8(255))

      sizes = [(height, width) for width, height in slide.level_dimensions]
      yield Opened(sizes, _stated(slide.properties), region)
  except library.OpenSlideError as error:
    raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> UserError:
  """No line of the library's is repeated in full: it may quote the file."""
  reason = type(error).__name__
  return UserError(f"{name}: cannot be read, it is cut short or damaged: copy "
                   f"it again ({reason})")  # fmt: skip


def _stated(properties: Mapping[str, str]) -> tuple[float, float] | str:
  keys = "openslide.mpp-x", "openslide.mpp-y"
  try:
    x, y = (float(properties[key]) for key in keys)
  except (KeyError, ValueError):
    return f"it has no {keys[0]}"
  return x, y


def _resolution(
  stated: tuple[float, float] | str, name: str, given: float
) -> tuple[float, bool]:
  """(micrometres per pixel, whether the file states it)."""
  why = stated
  if not isinstance(stated, str):
    x, y = stated
    if min(x, y) >= LOW_MPP and max(x, y) <= HIGH_MPP:
      if abs(x - y) <= _UNEVEN * max(x, y):
        return math.sqrt(x * y), True
      raise UserError(
        f"{name}: its pixels are {x:g} x {y:g} micrometres, expected squares"
      )
    why = f"it states {x:g} x {y:g} micrometres per pixel, as no microscope has"
  if given > 0:
    return given, False
  raise UserError(
    f"{name}: {why}: its micrometres per pixel are not known; give them with "
    "--config.data.slide_mpp=0.25 (or what the scanner had)"
  )
