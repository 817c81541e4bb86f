"""Made-up volumes: NIfTI files and DICOM series around given voxels."""

import pathlib
import zlib

import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
  CTImageStorage,
  EnhancedCTImageStorage,
  ExplicitVRLittleEndian,
)

from medfm.data.volumes import scan

STUDY = "1.2.826.0.1.3680043.8.498.1"
SERIES = f"{STUDY}.20"
AXIAL = ((1, 0, 0), (0, 1, 0))
SIZES = (4, 3, 2)  # Voxels along x, y, z.


def values(shape=(4, 3, 2), dtype=np.int16):
  return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def affine(axes="RAS", spacing_mm=(1, 2, 3), origin=(-10, 20, 30), turn=0.0):
  """Axes that run to these ends, turned about the third world axis."""
  signs = {"R": 1, "A": 1, "S": 1, "L": -1, "P": -1, "I": -1}
  world = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
  out = np.eye(4)
  out[:3, :3] = 0
  for axis, end in enumerate(axes):
    out[world[end], axis] = signs[end] * spacing_mm[axis]
  c, s = np.cos(turn), np.sin(turn)
  out[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ out[:3, :3]
  out[:3, 3] = origin
  return out


def nifti(path, array, at=None, kind=nibabel.Nifti1Image, **header):
  """A file of these voxels; header: raw fields such as xyzt_units."""
  at = affine() if at is None else at
  image = kind(array, at)
  if "xyzt_units" in image.header:
    image.header.set_xyzt_units("mm")
    image.set_sform(at, 1)
    image.set_qform(at, 1)
  for key, value in header.items():
    image.header[key] = value
  nibabel.save(image, path)
  return path


def a_scan(array=None, at=None):
  """A scan of a file of these voxels, as a reader gives it."""
  array = values() if array is None else array
  at = affine() if at is None else at
  return scan.scanned(array, at, kind="nifti", source="image.nii.gz")


def series(folder, planes, **changed):
  """One file for each plane [Z,H,W]; see `piece`."""
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  files = []
  for number in range(len(planes)):
    # Names against the order of positions.
    name = f"{(number * 7) % 5}-{len(planes) - number:03d}.dcm"
    files.append(piece(folder / name, planes[number], number, **changed))
  return files


def piece(
  path,
  plane,
  number=0,
  *,
  gap=2.5,
  start=-20.0,
  rows=AXIAL,
  uid=SERIES,
  lean=(0.0, 0.0, 0.0),
  **elements,
):
  """A CT slice [H,W] at start + number * gap mm along its normal."""
  normal = np.cross(*np.array(rows, float))
  place = (start + number * gap) * normal + np.array(lean) * number
  file = head(path, plane, uid, CTImageStorage)
  file.ImagePositionPatient = [float(round(v, 6)) for v in place]
  file.ImageOrientationPatient = [float(v) for row in rows for v in row]
  file.PixelSpacing = [0.75, 0.5]  # Of rows, then of columns.
  file.SliceThickness = 2.5
  for key, value in elements.items():
    if value is None:
      delattr(file, key)
    else:
      setattr(file, key, value)
  file.save_as(path, enforce_file_format=True)
  return path


def head(path, plane, uid, kind):
  """What every made-up file states, and its pixels."""
  file = Dataset()
  file.file_meta = FileMetaDataset()
  file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
  file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = kind
  instance = f"{uid}.{zlib.crc32(str(path).encode())}"
  file.SOPInstanceUID = instance
  file.file_meta.MediaStorageSOPInstanceUID = instance
  file.StudyInstanceUID, file.SeriesInstanceUID = STUDY, uid
  file.FrameOfReferenceUID = f"{STUDY}.3"
  file.Modality = "CT"
  file.PatientName, file.PatientID = "Secret^Name", "secret-id"
  for key in (
    "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "StudyID", "ReferringPhysicianName", "SeriesNumber",
    "InstanceNumber",
  ):  # fmt: skip
    setattr(file, key, None)
  file.Rows, file.Columns = plane.shape[-2:]
  file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
  file.BitsAllocated = file.BitsStored = 8 * plane.dtype.itemsize
  file.HighBit = file.BitsStored - 1
  file.PixelRepresentation = int(plane.dtype.kind == "i")
  file.PixelData = plane.tobytes() + b"\0" * (plane.nbytes % 2)
  return file


def enhanced(path, planes, order, *, slopes=None, gap=2.5):
  """One multi-frame file; frame n is plane `order[n]` of [Z,H,W]."""
  stored = np.stack([planes[place] for place in order])
  file = head(path, stored, f"{STUDY}.30", EnhancedCTImageStorage)
  file.NumberOfFrames = len(order)
  measures, turned = Dataset(), Dataset()
  measures.PixelSpacing, measures.SliceThickness = [0.75, 0.5], 2.5
  turned.ImageOrientationPatient = [1.0, 0, 0, 0, 1, 0]
  shared = Dataset()
  shared.PixelMeasuresSequence = [measures]
  shared.PlaneOrientationSequence = [turned]
  file.SharedFunctionalGroupsSequence = [shared]
  file.PerFrameFunctionalGroupsSequence = []
  for place in order:
    plane, rescale, group = Dataset(), Dataset(), Dataset()
    plane.ImagePositionPatient = [0.0, 0.0, -20 + gap * place]
    rescale.RescaleSlope = slopes[place] if slopes else 1
    rescale.RescaleIntercept, rescale.RescaleType = -1024, "HU"
    group.PlanePositionSequence = [plane]
    group.PixelValueTransformationSequence = [rescale]
    file.PerFrameFunctionalGroupsSequence.append(group)
  file.save_as(path, enforce_file_format=True)
  return path
