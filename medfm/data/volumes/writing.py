"""Predicted masks -> files in the grid of the scan that they belong to."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from medfm.data import disk
from medfm.data.images import dicom
from medfm.data.volumes import formats, scan, stacks
from medfm.data.volumes import series as series_
from medfm.data.volumes.scan import Geometry
from medfm.data.volumes.series import Series
from medfm.types import UserError

_LONGEST = 2**15 - 1  # Of an axis of NIfTI-1.
_SCANNER = 1  # The code of an affine in the scanner's own space.
_TISSUE = ("85756007", "SCT", "Tissue")


def nifti(path: str | os.PathLike, mask: np.ndarray, grid: Geometry) -> None:
  """Writes a mask in the shape, order of axes and affine of the input.

  mask: [X,Y,Z] integers in the canonical axes of the scan, 0 to 65,535; saved
    as uint8 or, above 255, uint16.
  path: ends in .nii.gz or .nii; appears whole or not at all.
  """
  path = pathlib.Path(path)
  if not path.name.lower().endswith((".nii.gz", ".nii")):
    raise UserError(f"{path.name}: expected a name that ends in .nii.gz")
  try:
    import nibabel
  except ImportError:
    raise UserError(f"{path.name}: pip install nibabel to write it") from None
  labels = scan.as_stored(_labels(mask, path.name), grid)
  affine = np.array(grid.affine)
  kind: Any = nibabel.Nifti1Image
  if max(labels.shape) > _LONGEST:
    kind = nibabel.Nifti2Image
  image = kind(labels, affine)
  image.header.set_xyzt_units("mm")
  image.set_sform(affine, _SCANNER)
  # A qform holds a rotation and sizes alone.
  leans = scan.sheared(affine)
  image.set_qform(None if leans else affine, 0 if leans else _SCANNER)
  with disk.errors(path), disk.replaced(path) as part:
    image.to_filename(part)


def dicom_seg(
  path: str | os.PathLike,
  mask: np.ndarray,
  series: Series,
  names: Sequence[str],
) -> None:
  """Writes a mask as a DICOM segmentation of the series it was made from.

  mask: [X,Y,Z] integers in the canonical axes of the scan; 0 is nothing.
  names: of the labels from 1 on.
  It refers to the series' images and takes patient and study from them.
  """
  path = pathlib.Path(path)
  try:
    import highdicom
    from highdicom import seg
  except ImportError:
    raise UserError(
      f"{path.name}: pip install highdicom to write a DICOM segmentation"
    ) from None
  stack = series_.stack(series)
  labels = scan.as_stored(_labels(mask, path.name), _grid(stack, series))
  if not len(names) or int(labels.max()) > len(names):
    raise UserError(
      f"{path.name}: the mask has labels up to {int(labels.max())}, but there "
      f"are {len(names)} names"
    )
  planes = labels.transpose(2, 1, 0)
  sources, order = _sources(stack, path.name)
  # Before the file: highdicom asks the sources for what the standard requires.
  try:
    written: Any = seg.Segmentation(
      source_images=sources,
      pixel_array=planes[order],
      segmentation_type=seg.SegmentationTypeValues.BINARY,
      segment_descriptions=_descriptions(names),
      series_instance_uid=highdicom.UID(),
      series_number=1000,
      sop_instance_uid=highdicom.UID(),
      instance_number=1,
      manufacturer="MedFM",
      manufacturer_model_name="MedFM",
      software_versions="1",
      device_serial_number="0",
      omit_empty_frames=bool(planes.any()),
    )
  except (AttributeError, KeyError, TypeError, ValueError):
    raise UserError(
      f"{path.name}: the heads of series {series.short} lack what a DICOM "
      "segmentation must refer to: write NIfTI"
    ) from None
  with disk.errors(path), disk.replaced(path) as part:
    written.save_as(part)


def _labels(mask: np.ndarray, name: str) -> np.ndarray:
  """uint8, or uint16 where there are more labels."""
  if mask.ndim != 3 or mask.dtype.kind not in "iub":
    raise UserError(
      f"{name}: a mask of {mask.dtype} with {mask.ndim} axes: expected "
      "integers [X,Y,Z]"
    )
  least, most = int(mask.min()), int(mask.max())
  if least < 0 or most > 65535:
    raise UserError(
      f"{name}: labels from {least} to {most}, expected 0 to 65,535"
    )
  return mask.astype(np.uint8 if most < 256 else np.uint16, copy=False)


def _grid(stack: stacks.Stack, series: Series) -> Geometry:
  rows, columns = stack.slices[0].shape
  affine = tuple(tuple(row) for row in stack.affine.tolist())
  return Geometry(
    "dicom",
    (columns, rows, len(stack.slices)),
    affine,
    scan.codes(stack.affine),
    series.short,
  )


def _sources(stack: stacks.Stack, name: str) -> tuple[list[Any], list[int]]:
  """(the heads of the files, which plane belongs to each of their frames)."""
  paths = dict.fromkeys(one.path for one in stack.slices)
  heads = [_head(path) for path in paths]
  if stack.slices[0].frame is None:
    return heads, [*range(len(stack.slices))]
  frames = [one.frame or 0 for one in stack.slices]
  if len(heads) > 1 or len(frames) != int(heads[0].NumberOfFrames):
    raise UserError(
      f"{name}: a segmentation of several multi-frame files, or of a part of "
      "the frames of one, is not supported: write NIfTI"
    )
  return heads, np.argsort(frames).tolist()


def _head(path: str) -> Any:
  """All elements before the pixels: patient and study go into the result."""
  import pydicom

  name = os.path.basename(path)
  with (
    formats.opened(pathlib.Path(path)) as file,
    dicom.opened(file, name, ["SOPClassUID"]),  # For its errors alone.
  ):
    file.seek(0)
    return pydicom.dcmread(file, stop_before_pixels=True)


def _descriptions(names: Sequence[str]) -> list[Any]:
  from highdicom import AlgorithmIdentificationSequence, seg
  from pydicom.sr.coding import Code

  code = Code(*_TISSUE)
  by = AlgorithmIdentificationSequence(
    name="MedFM",
    version="1",
    family=Code("123110", "DCM", "Artificial Intelligence"),
  )
  return [
    seg.SegmentDescription(
      segment_number=number,
      segment_label=name,
      segmented_property_category=code,
      segmented_property_type=code,
      algorithm_type=seg.SegmentAlgorithmTypeValues.AUTOMATIC,
      algorithm_identification=by,
    )
    for number, name in enumerate(names, 1)
  ]
