"""DICOM files -> arrays [H,W,C]. pydicom is optional and imported here only.

Only the elements that describe pixels are parsed, and no message repeats a
value of the file: names, numbers and dates of patients cannot reach a log.
"""

import contextlib
import hashlib
import io
import logging
import math
import warnings
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from medfm.data import spelling
from medfm.types import UserError

MAX_PIXELS = 50_000_000  # Of one image, DICOM or not.
Window = tuple[float, float] | None
Frame = int | str | None
"""Which of several frames: a number from 0, or first, middle or last; with
None a file of several is refused."""

_PLACES = {"first": 0.0, "middle": 0.5, "last": 1.0}
_CT_RANGE = (-1024.0, 3071.0)  # Hounsfield units of a 12-bit scanner.
_KINDS = ("", "Float", "DoubleFloat")  # What precedes PixelData in its name.
_DEFLATED = b"1.2.840.10008.1.2.1.99"
PLUGINS = (
  "image cannot be read: it is damaged, or its compression needs a plug-in "
  "(pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg)"
)
_PALETTE = [
  f"{kind}PaletteColorLookupTable{part}"
  for kind in ("Red", "Green", "Blue")
  for part in ("Descriptor", "Data")
]
TAGS = [
  "Modality", "SamplesPerPixel", "PhotometricInterpretation",
  "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "BitsAllocated",
  "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter",
  "WindowWidth", "VOILUTFunction", "VOILUTSequence", "ModalityLUTSequence",
  "RescaleSlope", "RescaleIntercept", "PixelPaddingValue",
  "PixelPaddingRangeLimit", *_PALETTE,
  *(f"Segmented{name}" for name in _PALETTE if name.endswith("Data")),
  "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
  "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
  *(f"{kind}PixelData" for kind in _KINDS),
]  # fmt: skip


def is_dicom(data: bytes) -> bool:
  """Whether these are the first bytes (at least 132) of a DICOM file."""
  return data[128:132] == b"DICM"


def chosen(name: str, pixels: int, frame: Frame, frames: int) -> int:
  """The number of the frame to read.

  Refuses an image that is too large, or of several frames with none chosen.
  """
  if pixels > MAX_PIXELS:
    raise UserError(f"{name}: more than {MAX_PIXELS:,} pixels")
  if frame is None or frame == "":
    if frames > 1:
      raise UserError(
        f"{name}: holds {frames} frames or pages: set frame to first, middle, "
        "last or a number from 0 on, or export them as single images"
      )
    return 0
  if frame in _PLACES:
    return math.floor(_PLACES[frame] * (frames - 1))
  if not str(frame).isdecimal():
    raise UserError(
      f"frame={frame!r}: expected first, middle, last or a number from 0 on"
    )
  if int(frame) >= frames:
    raise UserError(f"{name}: there is no frame {frame}, it has {frames}")
  return int(frame)


def pixels(
  data: bytes,
  *,
  name: str,
  frame: Frame = None,
  window: Window = None,
) -> np.ndarray:
  """One frame of a DICOM file as [H,W,1] or [H,W,3].

  Grey values pass the file's modality table or rescale, then become uint8
  (at most 8 bits stored) or uint16, black = 0, over the first of these that
  there is: `window` (low, high, in rescaled units such as Hounsfield), the
  file's VOI table, the file's first window, -1024..3071 HU for CT, the range
  of the stored bits where they are fewer than the word, the image's own
  minimum and maximum. MONOCHROME1 is inverted. Colour is returned as RGB of
  the full range. Floating point pixels stay float32 as they are.
  """
  with opened(data, name, TAGS, PLUGINS) as dataset:
    if not any(f"{kind}PixelData" in dataset for kind in _KINDS):
      raise UserError(
        f"{name}: this DICOM file holds no image (perhaps a report, a plan, "
        "a waveform or a directory)"
      )
    frames = int(dataset.get("NumberOfFrames") or 1)
    place = chosen(name, dataset.Rows * dataset.Columns, frame, frames)
    from pydicom.pixels import pixel_array

    stored = pixel_array(dataset, index=place)
    shown = _shown(dataset, stored, name, place, window)
  return shown if shown.ndim == 3 else shown[:, :, None]


def head(data: bytes) -> tuple[np.dtype, bool]:
  """(the dtype that `pixels` will give, whether it is a colour image)."""
  with opened(data, "", TAGS) as dataset:
    kind = str(dataset.get("PhotometricInterpretation") or "")
    colour = int(dataset.get("SamplesPerPixel") or 1) > 1
    depth = int(dataset.get("BitsStored") or 32)
    if "PixelData" not in dataset:
      return np.dtype(np.float32), False
    if kind == "PALETTE COLOR":
      colour = True
      depth = int(dataset.RedPaletteColorLookupTableDescriptor[2])
  return np.dtype(np.uint8 if depth <= 8 else np.uint16), colour


def patient_key(data: bytes) -> str:
  """A short hash of the PatientID of a DICOM file, "" where it has none.

  The PatientID cannot be read from the hash, but somebody with a list of the
  hospital's ids can try them all: never publish the hash.
  """
  with opened(data, "", ["PatientID"]) as dataset:
    patient = spelling.owner(str(dataset.get("PatientID") or ""))
  return hashlib.sha256(patient.encode()).hexdigest()[:16] if patient else ""


@contextlib.contextmanager
def opened(
  data: bytes | BinaryIO,
  name: str,
  tags: list[str],
  why: str = "file cannot be read",
) -> Iterator[Any]:
  """The elements of these names; no error quotes the file.

  data: all bytes, or an open file, which is read up to its pixels alone.
  """
  try:
    import pydicom
  except ImportError:
    raise UserError(
      f"{name} is a DICOM file: pip install pydicom to read it"
    ) from None
  # Its warnings quote the values they complain about.
  pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
  warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
  logging.getLogger("pydicom").setLevel(logging.CRITICAL)
  try:
    whole = isinstance(data, bytes)
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    start = file.read(1024)
    if _DEFLATED in start[132:]:
      _inflatable(start + file.read(8 * MAX_PIXELS), name)
    file.seek(0)
    yield pydicom.dcmread(
      file, specific_tags=tags, stop_before_pixels=not whole
    )
  except UserError:
    raise
  except Exception:
    raise UserError(f"{name}: this DICOM {why}") from None


def _inflatable(data: bytes, name: str) -> None:
  """Refuses a deflated file that grows without end: pydicom has no limit."""
  # The first element of the file's head, the twelve bytes after the marker,
  # holds the length of the rest of it.
  start = 144 + int.from_bytes(data[140:144], "little")
  limit = 8 * MAX_PIXELS + 2**20
  inflate = zlib.decompressobj(-zlib.MAX_WBITS)
  inflate.decompress(data[start:], limit)
  if inflate.unconsumed_tail:
    raise UserError(f"{name}: inflates to more than {limit:,} bytes")


def _shown(
  dataset: Any, stored: np.ndarray, name: str, frame: int, window: Window
) -> np.ndarray:
  """Stored values -> the values that a screen would show."""
  from pydicom.pixels import apply_color_lut

  kind = str(dataset.PhotometricInterpretation)
  if np.issubdtype(stored.dtype, np.floating):
    if stored.ndim != 2 or not np.isfinite(stored).all():
      raise UserError(f"{name}: pixels are not finite grey values")
    return stored.astype(np.float32)
  if kind == "PALETTE COLOR":
    colours = apply_color_lut(stored, dataset)[:, :, :3]
    return _scaled(colours, np.iinfo(colours.dtype).max, colours.dtype)
  bits = int(dataset.BitsStored)
  dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
  if stored.ndim == 3 and (kind == "RGB" or kind.startswith("YBR")):
    return _scaled(stored, 2**bits - 1, dtype)
  if stored.ndim != 2 or not kind.startswith("MONOCHROME"):
    raise UserError(f"{name}: this kind of DICOM colour is not supported")
  empty = padding(dataset, stored)
  grey = _windowed(dataset, stored, ~empty, name, frame, window)
  grey = 1.0 - grey if kind == "MONOCHROME1" else grey
  return _scaled(np.where(empty, 0.0, grey), 1.0, dtype)


def rescale(dataset: Any, name: str, frame: int) -> tuple[float, float] | None:
  """(slope, intercept) of a frame; None if there is none, or a table."""
  item = setting(dataset, "PixelValueTransformationSequence", frame)
  if "RescaleSlope" not in item or dataset.get("ModalityLUTSequence"):
    return None
  try:
    slope = float(item.RescaleSlope)
    intercept = float(item.get("RescaleIntercept") or 0.0)
  except (TypeError, ValueError):
    slope = intercept = math.nan
  if slope == 0 or not math.isfinite(slope + intercept):
    raise UserError(
      f"{name}: its rescale slope or intercept is not a usable number"
    )
  return slope, intercept


def padding(dataset: Any, stored: np.ndarray) -> np.ndarray:
  """[H,W] bool: the pixels that the file declares to be padding."""
  if dataset.get("PixelPaddingValue") is None:
    return np.zeros(stored.shape, bool)
  ends = []
  bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
  # Unused bits are cut off the pixels, as a rule: then here too.
  low, high = -(2 ** (bits - 1)) * signed, 2 ** (bits - signed)
  if stored.min(initial=0) < low or stored.max(initial=0) >= high:
    bits = int(dataset.BitsAllocated)
  for key in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
    value = dataset.get(key)
    if value is None or value == b"":
      continue
    if isinstance(value, bytes):  # Its type depends on another element.
      value = int.from_bytes(value[:2], "little")
    value = int(value) % 2**bits
    if signed and value >= 2 ** (bits - 1):
      value -= 2**bits
    ends.append(value)
  if not ends:
    return np.zeros(stored.shape, bool)
  return (stored >= min(ends)) & (stored <= max(ends))


def _windowed(
  dataset: Any,
  stored: np.ndarray,
  real: np.ndarray,
  name: str,
  frame: int,
  window: Window,
) -> np.ndarray:
  """Grey values from 0 to 1; `pixels` says which range becomes 0 to 1.

  real: [H,W] bool, the pixels that are not padding.
  """
  from pydicom.pixels import apply_modality_lut, apply_voi

  stated = rescale(dataset, name, frame)
  table = bool(dataset.get("ModalityLUTSequence"))
  slope, intercept = stated or (1.0, 0.0)
  if table:
    values = apply_modality_lut(stored, dataset)
  else:
    values = stored * np.float64(slope) + intercept
  if window is not None:
    return _unit(values, *window)
  if dataset.get("VOILUTSequence"):
    shown = apply_voi(np.rint(values).astype(np.int64), dataset)
    depth = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    return _unit(shown, 0, 2**depth - 1)
  view = setting(dataset, "FrameVOILUTSequence", frame)
  if view.get("WindowCenter") is not None and view.get("WindowWidth"):
    return _in_window(view, values, name)
  if dataset.get("Modality") == "CT" and stated:
    return _unit(values, *_CT_RANGE)
  bits, word = int(dataset.BitsStored), int(dataset.BitsAllocated)
  if table or (bits == word and bits > 8):
    inside = values[real] if real.any() else values
    return _unit(values, inside.min(), inside.max())
  low = -(2 ** (bits - 1)) if dataset.PixelRepresentation else 0
  ends = np.array([low, low + 2**bits - 1]) * slope + intercept
  return _unit(values, ends.min(), ends.max())


def setting(dataset: Any, sequence: str, frame: int) -> Any:
  """The item that holds a frame's setting: its own, the shared, the file's."""
  frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
  shared = dataset.get("SharedFunctionalGroupsSequence") or []
  for group in [*frames[frame : frame + 1], *shared[:1]]:
    if group.get(sequence):
      return group[sequence][0]
  return dataset


def _in_window(view: Any, values: np.ndarray, name: str) -> np.ndarray:
  """The first window of a file (DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
  center, width = (
    float(np.atleast_1d(view[key].value)[0])
    for key in ("WindowCenter", "WindowWidth")
  )
  shape = str(view.get("VOILUTFunction") or "LINEAR").upper()
  if not (math.isfinite(center) and 0 < width < math.inf):
    raise UserError(
      f"{name}: WindowCenter and WindowWidth are no window: correct them, or "
      "set --config.data.window=low,high"
    )
  if shape == "SIGMOID":
    # The exponent is cut where the curve is 0 or 1 in 16 bits anyway.
    return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -50, 50)))
  if shape == "LINEAR":
    center, width = center - 0.5, width - 1
  return _unit(values, center - width / 2, center + width / 2)


def _unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
  """low..high -> 0..1, clipped; a step where they are equal."""
  if high <= low:
    return (values > low).astype(np.float64)
  return np.clip((values.astype(np.float64) - low) / (high - low), 0.0, 1.0)


def _scaled(values: np.ndarray, high: float, dtype: np.dtype) -> np.ndarray:
  """0..high -> the whole range of an unsigned type; exact if it is that."""
  top = np.iinfo(dtype).max
  if values.dtype == dtype and high == top:
    return values
  return np.rint(_unit(values, 0, high) * top).astype(dtype)
