"""The head of a DICOM file -> one `Slice` for each image that it holds.

Nothing of a head that could name a patient is read, kept or told.
"""

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import files
from medfm.data.images import dicom
from medfm.data.volumes import formats
from medfm.types import UserError

DIRECTORY = "1.2.840.10008.1.3.10"  # The class of a DICOMDIR.
SEGMENTATIONS = (
  "1.2.840.10008.5.1.4.1.1.66.4",
  "1.2.840.10008.5.1.4.1.1.66.7",
)
TAGS = [
  "SOPClassUID", "SeriesInstanceUID", "Modality", "ImageType", "Rows",
  "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
  "BitsAllocated", "BitsStored", "PixelRepresentation",
  "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
  "SliceThickness", "SpacingBetweenSlices", "RescaleSlope",
  "RescaleIntercept", "ModalityLUTSequence",
  "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip


class Slice(NamedTuple):
  """One image of a DICOM file, with what its head says of it.

  path: the file. frame: its number in a file of several, None in any other.
  uid: of the series. shape: rows and columns.
  position: [3] the centre of the first pixel, in mm, LPS (to the patient's
    left, back and head). orientation: [2][3] the directions of a row and of a
    column, LPS. pixel_mm: distance of rows, of columns. thickness_mm: nan if
    it is not stated.
  rescale: (slope, intercept), None if there is none.
  kind: the type of its stored pixels, such as "int16".
  localizer: whether it is a scout that shows where others lie.
  problem: why it is no slice of a volume, "" if it is one.
  """

  path: str
  frame: int | None
  uid: str
  modality: str
  shape: tuple[int, int] = (0, 0)
  position: tuple[float, ...] = ()
  orientation: tuple[tuple[float, ...], ...] = ()
  pixel_mm: tuple[float, ...] = ()
  thickness_mm: float = math.nan
  rescale: tuple[float, float] | None = None
  kind: str = ""
  table: bool = False
  inverted: bool = False
  localizer: bool = False
  problem: str = ""


def is_dicom(path: str) -> bool:
  """Whether it is a DICOM file; pipes and devices are not."""
  if not os.path.isfile(path):
    return False
  with open(path, "rb") as file:
    return dicom.is_dicom(file.read(132))


def slices(path: str) -> list[Slice]:
  """The images of a DICOM file; one with a `problem` if it holds none."""
  name = os.path.basename(path)
  with (
    formats.opened(pathlib.Path(path)) as file,
    dicom.opened(file, name, TAGS) as head,
  ):
    if str(head.file_meta.get("MediaStorageSOPClassUID", "")) == DIRECTORY:
      return []
    uid = str(head.get("SeriesInstanceUID") or "")
    blank = Slice(path, None, uid, str(head.get("Modality") or ""))
    if not head.get("Rows") or not head.get("Columns"):
      return [blank._replace(problem="holds no image")]
    frames = int(head.get("NumberOfFrames") or 1)
    several = frames > 1 or "PerFrameFunctionalGroupsSequence" in head
    return [
      _slice(head, blank._replace(frame=n if several else None), name)
      for n in range(frames)
    ]


def _slice(head: Any, blank: Slice, name: str) -> Slice:
  """What holds for one frame: its own values before those of all."""
  frame = blank.frame or 0

  def numbers(sequence: str, key: str, count: int) -> tuple[float, ...]:
    return _numbers(dicom.setting(head, sequence, frame).get(key), count)

  position = numbers("PlanePositionSequence", "ImagePositionPatient", 3)
  turned = numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
  pixel = numbers("PixelMeasuresSequence", "PixelSpacing", 2)
  thick = numbers("PixelMeasuresSequence", "SliceThickness", 1)
  if not thick or thick[0] <= 0:
    thick = numbers("PixelMeasuresSequence", "SpacingBetweenSlices", 1)
  problem = _problem(head, blank, position, turned, pixel)
  table = bool(head.get("ModalityLUTSequence"))
  return blank._replace(
    shape=(int(head.Rows), int(head.Columns)),
    position=position,
    orientation=(turned[:3], turned[3:]),
    pixel_mm=pixel,
    thickness_mm=thick[0] if thick and thick[0] > 0 else math.nan,
    rescale=None if problem else dicom.rescale(head, name, frame),
    kind=_kind(head),
    table=table,
    inverted=str(head.get("PhotometricInterpretation")) == "MONOCHROME1",
    localizer="LOCALIZER" in str(head.get("ImageType") or "").upper(),
    problem=problem,
  )


def _problem(
  head: Any,
  blank: Slice,
  position: tuple[float, ...],
  turned: tuple[float, ...],
  pixel: tuple[float, ...],
) -> str:
  """Why a frame is no slice of a volume; "" if it is one."""
  colour = not str(head.get("PhotometricInterpretation")).startswith("MONO")
  own = "PerFrameFunctionalGroupsSequence" in head
  what = "image lies" if blank.frame is None else "frames lie"
  if str(head.get("SOPClassUID")) in SEGMENTATIONS:
    return "is a DICOM segmentation, expected the scan that it belongs to"
  if blank.modality == "RTDOSE":
    return "is a dose of radiotherapy, expected a scan"
  if colour or int(head.get("SamplesPerPixel") or 1) > 1:
    return "is in colour, expected grey slices"
  if int(head.Rows) * int(head.Columns) > dicom.MAX_PIXELS:
    return f"has more than {dicom.MAX_PIXELS:,} pixels"
  if not position or not turned or (blank.frame is not None and not own):
    return (
      f"does not state where its {what} (ImagePositionPatient and "
      "ImageOrientationPatient), as CT, MR and PET do: single images (X-ray, "
      "ultrasound) are read by own_images.py and own_masks.py"
    )
  if not _directions(turned):
    return "has an ImageOrientationPatient that is no pair of directions"
  if not pixel or min(pixel) <= 0:
    return "does not state its PixelSpacing in mm, above 0"
  return ""


def _kind(head: Any) -> str:
  bits = int(head.get("BitsAllocated") or 16)
  if bits > 32 or not head.get("BitsStored"):  # Floats state no bits stored.
    return "float32"
  signed = int(head.get("PixelRepresentation") or 0)
  return f"{'' if signed else 'u'}int{max(bits, 8)}"


def _numbers(values: Any, count: int) -> tuple[float, ...]:
  """That many finite numbers, or none."""
  values = [values] if not isinstance(values, Sequence) else [*values]
  try:
    numbers = tuple(float(value) for value in values)
  except (TypeError, ValueError):
    return ()
  usable = len(numbers) == count and all(map(math.isfinite, numbers))
  return numbers if usable else ()


def _directions(turned: tuple[float, ...]) -> bool:
  axes = np.array(turned).reshape(2, 3)
  return bool((abs(axes @ axes.T - np.eye(2)) < 0.01).all())


def directory(path: str) -> list[str]:
  """The files that a DICOMDIR names, below its own folder."""
  place, name = pathlib.Path(path), os.path.basename(path)
  tags = ["DirectoryRecordSequence"]
  with (
    formats.opened(place) as file,
    dicom.opened(file, name, tags) as head,
  ):
    named = [
      record.get("ReferencedFileID")
      for record in head.get("DirectoryRecordSequence") or []
    ]
  parts = [[n] if isinstance(n, str) else [*n] for n in named if n]
  found = []
  for cell in ("/".join(map(str, part)) for part in parts):
    try:
      found.append(str(files.inside(place.parent, cell)))
    except ValueError:
      raise UserError(
        f"{name}: names a file that is not below its folder: copy the whole "
        "disc, or give the folder instead"
      ) from None
  if not found:
    raise UserError(f"{name}: names no files: give the folder instead")
  return found
