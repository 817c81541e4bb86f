"""Image files -> arrays [H,W,C]; equal sizes, channels and bits.

PNG, JPEG, TIFF and BMP are read by Pillow, DICOM by pydicom (optional). The
content of a file decides its type; the suffix only decides which files of a
folder count as images.
"""

import collections
import io
import math
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from medfm.data.images import dicom, jpeg
from medfm.data.images.dicom import Frame
from medfm.types import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")
# The only decoders that Pillow may use; it knows TIFF once that is imported.
_FORMATS = ("PNG", "JPEG", "BMP", TiffImagePlugin.TiffImageFile.format)
_WHITE_IS_ZERO, _BITS_PER_SAMPLE, _PHOTOMETRIC = 0, 258, 262  # Of TIFF.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Picture(NamedTuple):
  """An image [H,W,1] grey or [H,W,3] RGB, and what was changed to read it."""

  pixels: np.ndarray
  changes: tuple[str, ...] = ()


class Head(NamedTuple):
  """What the head of a file says about it.

  dtype: of the pixels. colour: whether there are three channels, which may be
  equal. word: whether it has 16 bits a pixel and does not say how many of them
  are used.
  """

  dtype: np.dtype
  colour: bool = False
  word: bool = False


def decoded(
  source: str | os.PathLike | bytes,
  *,
  name: str,
  frame: Frame = None,
  window: dicom.Window = None,
) -> np.ndarray:
  """The pixels of `picture`."""
  return picture(source, name=name, frame=frame, window=window).pixels


def picture(
  source: str | os.PathLike | bytes,
  *,
  name: str,
  frame: Frame = None,
  window: dicom.Window = None,
  bits: int = 16,
) -> Picture:
  """The image of a file, [H,W,1] grey or [H,W,3] RGB.

  uint8 or uint16 over the type's whole range; float32 for floating point
  TIFF and DICOM. Palettes become RGB, alpha is dropped, EXIF orientation is
  applied. Sixteen-bit colour PNG is read at 8 bits, as Pillow does.

  name: what an error calls the file; errors quote nothing else of it.
  frame: which one to read of a multi-frame DICOM or TIFF; without it such a
    file is refused.
  window: (low, high) of grey DICOM; see `dicom.pixels`.
  bits: how many bits a 16-bit file uses, if it does not say so itself.
  """
  data = source if isinstance(source, bytes) else content(source)
  if not data:
    raise UserError(f"{name}: the file is empty")
  if dicom.is_dicom(data[:132]):
    return Picture(dicom.pixels(data, name=name, frame=frame, window=window))
  try:
    return _pillow(data, name, frame, bits)
  except UserError:
    raise
  except Exception:  # Each decoder raises other types for damaged files.
    raise UserError(
      f"{name}: not a PNG, JPEG, TIFF, BMP or DICOM image, damaged or "
      "truncated, or far too large"
    ) from None


def content(path: str | os.PathLike) -> bytes:
  """The bytes of an image file, unless they are too many for an image."""
  name, limit = os.path.basename(path), 8 * dicom.MAX_PIXELS
  try:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # A pipe would never end.
      raise UserError(f"{name}: is not a file but a pipe, a device or a folder")
    with open(path, "rb") as file:
      # Room for the limit itself is not asked for: many files may be open.
      data = file.read(min(status.st_size, limit) + 1)
  except OSError as error:
    raise UserError(f"{name}: cannot be opened ({error.strerror})") from None
  if len(data) > limit:
    raise UserError(f"{name}: larger than {limit:,} bytes")
  return data


def resized(image: np.ndarray, size: int, how: str = "pad") -> np.ndarray:
  """An image [H,W,C] as [size,size,C] of the same dtype.

  how: "pad" keeps all of the image and centres it on black, "crop" keeps the
    largest centred square, "stretch" ignores the aspect ratio. Bilinear, with
    antialiasing if the image shrinks.
  """
  if how not in ("pad", "crop", "stretch"):
    raise UserError(f"resize={how!r}: expected pad, crop or stretch")
  height, width = image.shape[:2]
  rows = columns = size
  if how == "crop":
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
  elif how == "pad":
    scale = size / max(height, width)
    rows, columns = (max(1, round(n * scale)) for n in (height, width))
  before = [(size - n) // 2 for n in (rows, columns)]
  after = [size - rows - before[0], size - columns - before[1]]
  padding = [*zip(before, after, strict=True), (0, 0)]
  return np.pad(scaled(image, rows, columns), padding)


def scaled(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
  """An image [H,W,C] as [rows,columns,C], of the same dtype, as `resized`."""
  if image.shape[:2] == (rows, columns):
    return image

  def plane(values: np.ndarray) -> np.ndarray:
    size = (columns, rows)
    picture = Image.fromarray(values)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR))

  if image.dtype == np.uint8 and image.shape[2] == 3:
    return plane(image)
  kind = image.dtype if image.dtype == np.uint8 else np.float32
  planes = [plane(channel) for channel in np.moveaxis(image.astype(kind), 2, 0)]
  return _cast(np.stack(planes, axis=-1), image.dtype)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
  """[...,1|3] -> [...,channels]; colour becomes luma (BT.601), grey repeats."""
  if channels not in (1, 3):
    raise UserError(f"channels={channels}: expected 1 (grey) or 3 (RGB)")
  if image.shape[-1] == channels:
    return image
  if channels == 3:
    return np.repeat(image, 3, axis=-1)
  # Differences from green: an image of equal channels keeps its exact values.
  colours = image.astype(np.float32)
  green = colours[..., 1:2]
  luma = green + ((colours - green) @ _LUMA)[..., None]
  return _cast(luma, image.dtype)


def with_dtype(
  image: np.ndarray, dtype: Any, name: str = "image"
) -> np.ndarray:
  """uint8 <-> uint16, keeping black and white; a float's range is unknown."""
  dtype = np.dtype(dtype)
  if image.dtype == dtype:
    return image
  if (image.dtype, dtype) == (np.uint8, np.uint16):
    return image.astype(np.uint16) * np.uint16(257)
  if (image.dtype, dtype) == (np.uint16, np.uint8):
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
  raise UserError(
    f"{name}: {image.dtype} images cannot be mixed with {dtype} images: "
    "convert them to one kind of file"
  )


def head(path: str | os.PathLike) -> Head | None:
  """What the head of a file says about the image; None if it is damaged."""
  try:
    data = content(path)
    if dicom.is_dicom(data[:132]):
      return Head(*dicom.head(data))
    image = Image.open(io.BytesIO(data), formats=_FORMATS)
    mode = image.mode
    if mode == "F":
      return Head(np.dtype(np.float32))
    if mode.startswith("I"):
      return Head(np.dtype(np.uint16), word=_stored_bits(image) == 16)
    grey = mode in ("1", "L", "LA", "La")
    return Head(np.dtype(np.uint8), colour=not grey)
  except Exception:  # As in `picture`: any type for damage.
    return None


def bits(path: str | os.PathLike) -> np.dtype | None:
  """The dtype that `decoded` will give, from a file's head; None if damaged."""
  start = head(path)
  return start and start.dtype


def is_colour(path: str | os.PathLike, frame: Frame = None) -> bool:
  """Whether the channels of an image differ anywhere; False if damaged."""
  try:
    pixels = decoded(path, name="", frame=frame)
  except UserError:
    return False
  return bool((pixels[..., :1] != pixels).any())


def top(path: str | os.PathLike, frame: Frame = None) -> int:
  """The largest value of an image; 0 if it is damaged."""
  try:
    return int(decoded(path, name="", frame=frame).max())
  except UserError:
    return 0


def patient_key(path: str | os.PathLike) -> str:
  """A hash of the patient that a DICOM file names; "" for any other file."""
  try:
    return dicom.patient_key(content(path)) if _is_scan(path) else ""
  except (OSError, UserError):
    return ""


def in_order(
  function: Callable[[Any], Any], items: Iterable, *, ahead: float = math.inf
) -> Iterator[Any]:
  """As `map`, from threads: decoders release the GIL.

  ahead: how many results at most are under way or waiting to be taken.
  """
  waiting = collections.deque()
  pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
  try:
    for item in items:
      waiting.append(pool.submit(function, item))
      if len(waiting) >= ahead:
        yield waiting.popleft().result()
    while waiting:
      yield waiting.popleft().result()
  finally:
    # After an error, one of the pool's own threads may be the last to hold it.
    pool.shutdown(wait=False, cancel_futures=True)


def offered(path: str) -> bool:
  """Whether it is an image by its suffix or, without one, by DICOM's marker."""
  suffix = os.path.splitext(path)[1].lower()
  if suffix:
    return suffix in SUFFIXES and not os.path.basename(path).startswith(".")
  if os.path.basename(path).upper() == "DICOMDIR":
    return False
  return _is_scan(path)


def _is_scan(path: str | os.PathLike) -> bool:
  """Whether it is a DICOM file; pipes and devices, which never end, are not."""
  if not os.path.isfile(path):
    return False
  with open(path, "rb") as file:
    return dicom.is_dicom(file.read(132))


def _pillow(data: bytes, name: str, frame: Frame, bits: int) -> Picture:
  image = Image.open(io.BytesIO(data), formats=_FORMATS)
  whole = {"PNG": _whole_png, "JPEG": jpeg.whole, "MPO": jpeg.whole}
  if image.format in whole and not whole[image.format](data):
    raise ValueError("truncated")
  frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
  place = dicom.chosen(name, image.width * image.height, frame, frames)
  image.seek(place)
  stored, mode = _stored_bits(image), image.mode
  inverted = _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
  image.load()
  coded = image.format in ("JPEG", "MPO")
  if coded and not jpeg.agrees(data, np.asarray(image)):
    raise UserError(
      f"{name}: the JPEG's header and data disagree on the size of the image; "
      "save it again from its source"
    )
  image = ImageOps.exif_transpose(image)
  if mode == "F" or mode.startswith("I"):
    values = np.array(image)[:, :, None]
    if mode == "F":
      return Picture(_floats(values, inverted, name))
    return _integers(values, bits if stored == 16 else stored, inverted, name)
  changes = ["of 16 bits read as 8"] if stored > 8 else []
  if image.has_transparency_data and _shows_through(image):
    changes.append("partly transparent, made opaque")
  grey = mode in ("1", "L", "LA", "La")
  pixels = np.array(image.convert("L" if grey else "RGB"))
  return Picture(pixels[:, :, None] if grey else pixels, tuple(changes))


def _integers(
  values: np.ndarray, bits: int, inverted: bool, name: str
) -> Picture:
  """Grey values of this many bits, scaled to the whole range of uint16."""
  highest = 2**bits - 1
  if bits > 16 and not inverted:
    highest, bits = 65535, 16
  if bits > 16:
    raise UserError(
      f"{name}: a TIFF of {bits} bits says that white is zero, which can be "
      "read up to 16 bits only; save it with black as zero"
    )
  if not ((values >= 0) & (values <= highest)).all():
    raise UserError(
      f"{name}: pixels are outside 0..{highest}"
      + ("" if bits == 16 else f", the range of the other {bits}-bit images")
    )
  values = highest - values if inverted else values
  if bits == 16:
    return Picture(values.astype(np.uint16))
  scaled = np.rint(values.astype(np.float64) * (65535 / highest))
  changes = (f"of {bits} bits stored in 16, brought to the whole range",)
  return Picture(scaled.astype(np.uint16), changes)


def _floats(values: np.ndarray, inverted: bool, name: str) -> np.ndarray:
  if not np.isfinite(values).all():
    raise UserError(f"{name}: pixels are not finite, or outside 0..65535")
  if inverted and not ((values >= 0) & (values <= 1)).all():
    raise UserError(
      f"{name}: a floating point TIFF says that white is zero, but its pixels "
      "are outside 0..1, so that black is unknown; save it with black as zero"
    )
  return (1 - values if inverted else values).astype(np.float32)


def _stored_bits(image: Image.Image) -> int:
  """How many bits a channel of a pixel has in the file, if the file says so."""
  if image.format == "PNG":
    # Pillow keeps the depth only in the name of its raw mode.
    raw = image.tile[0][3] if image.tile else ""
    raw = raw if isinstance(raw, str) else raw[0]
    return 16 if "16" in raw else 8
  depth = _tag(image, _BITS_PER_SAMPLE)
  depth = max(depth) if isinstance(depth, tuple) else depth
  wide = image.mode.startswith("I")
  return int(depth or (16 if wide else 8))


def _tag(image: Image.Image, number: int) -> Any:
  """A tag of a TIFF; None for any other file."""
  tags = getattr(image, "tag_v2", None)
  return (
    tags.get(number) if tags is not None and image.format == "TIFF" else None
  )


def _shows_through(image: Image.Image) -> bool:
  return np.asarray(image.convert("RGBA").getchannel("A")).min() < 255


def _whole_png(data: bytes) -> bool:
  """Pillow does not compare the checksums of image chunks; this does."""
  position = 8
  while position + 12 <= len(data):
    end = position + 8 + int.from_bytes(data[position : position + 4])
    checksum = int.from_bytes(data[end : end + 4])
    if zlib.crc32(data[position + 4 : end]) != checksum:
      return False
    if data[position + 4 : position + 8] == b"IEND":
      return True
    position = end + 4
  return False


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
  if values.dtype == dtype or not np.issubdtype(dtype, np.integer):
    return values.astype(dtype)
  return np.rint(np.clip(values, 0, np.iinfo(dtype).max)).astype(dtype)
