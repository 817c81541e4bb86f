"""Image files -> arrays [H,W,C]; equal sizes, channels and bits.

PNG, JPEG, TIFF and BMP are read by Pillow, DICOM by pydicom (optional). A
file is known by its content; its suffix only chooses what a folder offers.
"""

import collections
import io
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from medfm.data.images import dicom
from medfm.types import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")
# The only decoders a file may choose. Pillow knows TIFF once it is imported.
_FORMATS = ("PNG", "JPEG", "BMP", TiffImagePlugin.TiffImageFile.format)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def decoded(
  source: str | os.PathLike | bytes,
  *,
  name: str,
  frame: int | None = None,
  window: dicom.Window = None,
) -> np.ndarray:
  """The image of a file, [H,W,1] grey or [H,W,3] RGB.

  uint8 or uint16 over the type's whole range; float32 for floating point
  TIFF and DICOM. Palettes become RGB, alpha is dropped, EXIF orientation is
  applied. Sixteen-bit colour PNG is read at 8 bits, as Pillow does.

  name: what an error calls the file; nothing else of it is ever quoted.
  frame: of a multi-frame DICOM or TIFF, which is otherwise refused.
  window: (low, high) of grey DICOM; see `dicom.pixels`.
  """
  data = source if isinstance(source, bytes) else content(source)
  if not data:
    raise UserError(f"{name}: the file is empty")
  if dicom.is_dicom(data[:132]):
    return dicom.pixels(data, name=name, frame=frame, window=window)
  try:
    return _pillow(data, name, frame)
  except UserError:
    raise
  except Exception:  # Each decoder has its own types for damage.
    raise UserError(
      f"{name}: not a PNG, JPEG, TIFF, BMP or DICOM image, damaged or "
      "truncated, or far too large"
    ) from None


def content(path: str | os.PathLike) -> bytes:
  """The bytes of an image file, unless they are too many for an image."""
  name, limit = os.path.basename(path), 8 * dicom.MAX_PIXELS
  try:
    if os.path.getsize(path) > limit:
      raise UserError(f"{name}: larger than {limit:,} bytes")
    with open(path, "rb") as file:
      return file.read()
  except OSError as error:
    raise UserError(f"{name}: cannot be opened ({error.strerror})") from None


def resized(image: np.ndarray, size: int, how: str = "pad") -> np.ndarray:
  """An image [H,W,C] as [size,size,C] of the same dtype.

  how: "pad" keeps all of the image and centres it on black, "crop" keeps the
    largest centred square, "stretch" ignores the aspect ratio. Bilinear, with
    antialiasing where it shrinks.
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
  return np.pad(_resampled(image, rows, columns), padding)


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
    f"{name}: {image.dtype} images cannot stand beside {dtype} ones: convert "
    "them to one kind of file"
  )


def bits(path: str | os.PathLike) -> np.dtype | None:
  """The dtype that `decoded` will give, from a file's head; None if damaged."""
  try:
    data = content(path)
    if dicom.is_dicom(data[:132]):
      return dicom.bits(data)
    mode = Image.open(io.BytesIO(data), formats=_FORMATS).mode
  except Exception:  # As in `decoded`: any type for damage.
    return None
  if mode == "F":
    return np.dtype(np.float32)
  return np.dtype(np.uint16 if mode.startswith("I") else np.uint8)


def patient_key(path: str | os.PathLike) -> str:
  """A hash of the patient a DICOM file names; "" for any other, or damaged."""
  try:
    with open(path, "rb") as file:
      scan = dicom.is_dicom(file.read(132))
    return dicom.patient_key(content(path)) if scan else ""
  except (OSError, UserError):
    return ""


def in_order(
  function: Callable[[Any], Any], items: Iterable, *, ahead: float = math.inf
) -> Iterator[Any]:
  """As `map`, from threads: decoders free the GIL.

  ahead: at most so many are under way or waiting to be asked for.
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
    pool.shutdown(cancel_futures=True)


def offered(path: str) -> bool:
  """Whether it is an image by its suffix or, without one, by DICOM's marker."""
  suffix = os.path.splitext(path)[1].lower()
  if suffix:
    return suffix in SUFFIXES and not os.path.basename(path).startswith(".")
  if os.path.basename(path).upper() == "DICOMDIR":
    return False
  with open(path, "rb") as file:
    return dicom.is_dicom(file.read(132))


def _pillow(data: bytes, name: str, frame: int | None) -> np.ndarray:
  image = Image.open(io.BytesIO(data), formats=_FORMATS)
  whole = {"PNG": _whole_png, "JPEG": _whole_jpeg, "MPO": _whole_jpeg}
  if image.format in whole and not whole[image.format](data):
    raise ValueError("truncated")
  frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
  dicom.check(name, image.width * image.height, frame, frames)
  image.seek(frame or 0)
  image.load()
  image = ImageOps.exif_transpose(image)
  mode = image.mode
  if mode in ("1", "L", "LA", "La"):
    return np.array(image.convert("L"))[:, :, None]
  if mode != "F" and not mode.startswith("I"):
    return np.array(image.convert("RGB"))
  values = np.array(image)[:, :, None]
  low, high = (-np.inf, np.inf) if mode == "F" else (0, 65535)
  if not (np.isfinite(values) & (low <= values) & (values <= high)).all():
    raise UserError(f"{name}: pixels are not finite, or outside 0..65535")
  return values.astype(np.float32 if mode == "F" else np.uint16)


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


def _whole_jpeg(data: bytes) -> bool:
  """libjpeg fills up missing scans with grey; the end marker must be there.

  The scan marker cannot occur inside a scan, so the last one opens the last
  scan, behind any embedded thumbnail.
  """
  return data.find(b"\xff\xd9", data.rfind(b"\xff\xda") + 2) >= 0


def _resampled(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
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


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
  if values.dtype == dtype or not np.issubdtype(dtype, np.integer):
    return values.astype(dtype)
  return np.rint(np.clip(values, 0, np.iinfo(dtype).max)).astype(dtype)
