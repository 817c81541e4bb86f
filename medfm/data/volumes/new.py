"""A user's new images: found, read as training read its own, and marked."""

import collections
import functools
import pathlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image

from medfm.data import disk, files
from medfm.data.images import decode
from medfm.data.volumes import input as volume_input
from medfm.data.volumes import marked, reading, resample, scan, writing
from medfm.data.volumes import series as dicom_series
from medfm.data.volumes.marked import Style
from medfm.tasks import regions as tasks
from medfm.types import Info, Ragged, Split, UserError


@files.laid_out("seg", "series")
def encoded(
  path: str,
  info: Info,
  *,
  style: Mapping[str, Any],
  seg: bool = False,
  series: str = "",
) -> Split:
  """A user's new images without masks, read as training read its own.

  path: a file or a folder of files; a folder of DICOM slices is one volume,
    and so is each folder of a folder that holds nothing else.
  seg: whether masks of DICOM series are also written as DICOM segmentations.
  series: the end of the UID of the one that is meant, if a folder has several.
  Images are kept in a temporary file, so that memory does not grow with their
  number. `source` holds the grid of each, to write its prediction in.
  """
  how = Style(**{**style, "spacing_mm": tuple(style["spacing_mm"])})
  place = pathlib.Path(path).expanduser()
  if not place.exists():
    raise UserError(f"{path}: no such file or folder")
  names = listed(place, how.axes)
  read = (
    marked.read([file], [], how, series=series) for file in names.values()
  )
  arrays, grids = _spilled(read, how, info.only.channels)
  chosen = [(file, series) for file in names.values()] if seg else []
  write = functools.partial(
    written, info=info, grids=grids, names=tuple(names), series=chosen
  )
  return Split(arrays, np.array([*names]), write=write)


def written(
  predicted: Mapping[str, Any],
  folder: pathlib.Path,
  *,
  info: Info,
  grids: Sequence[Any],
  names: Sequence[str],
  series: Sequence[tuple[pathlib.Path, str]] = (),
) -> int:
  """Writes each predicted mask in the grid of its image; how many files.

  A volume's as <name>.nii.gz with the shape, axes and affine of its file, a
  picture's as <name>.png with one number for each structure or object. A "/"
  in a name becomes "_".

  series: folder (or file) and UID of each DICOM series whose mask is also
    written as <name>.dcm.
  """
  count = len(grids)
  for row, mask in enumerate(predicted["mask"]):
    regions = tasks.unpacked(mask)
    name = names[row].replace("/", "_")
    if grids[row][0] == "picture":
      regions = resample.mask_to_shape(regions, tuple(grids[row][1]))
      place = folder / f"{pathlib.PurePath(name).stem}.png"
      with disk.errors(folder), disk.replaced(place) as part:
        PIL.Image.fromarray(regions).save(part, format="PNG")
      continue
    geometry = scan.geometry(grids[row])
    if info.only.spacing_mm:
      regions = resample.back(regions, geometry)
    name = reading.stem(name)
    writing.nifti(folder / f"{name}.nii.gz", regions, geometry)
    if series and geometry.kind == "dicom":
      of = dicom_series.chosen(*series[row])
      structures = info.target.names
      writing.dicom_seg(folder / f"{name}.dcm", regions, of, structures)
      count += 1
  return count


def listed(place: pathlib.Path, axes: int) -> dict[str, pathlib.Path]:
  """name -> the file, or the folder of a DICOM series, of each new image."""
  if place.is_file():
    return {place.name: place}
  suffixes = reading.SUFFIXES if axes == 3 else decode.SUFFIXES
  found = {
    file.relative_to(place).as_posix(): file
    for file in sorted(place.rglob("*"))
    if file.is_file()
    and (reading.offered(file) if axes == 3 else decode.offered(str(file)))
  }
  if axes == 3:
    found = _series_together(place, found)
  if not found:
    raise UserError(f"{place}: holds no images ({', '.join(suffixes)})")
  return found


def _series_together(
  place: pathlib.Path, found: Mapping[str, pathlib.Path]
) -> dict[str, pathlib.Path]:
  """The files, with the folder in place of several DICOM slices in it.

  Without any file, which DICOM slices without a suffix look like, the folder
  itself, or each of its folders if it holds nothing else.
  """
  if not found:
    inner = sorted(p for p in place.iterdir() if not p.name.startswith("."))
    if inner and all(path.is_dir() for path in inner):
      return {path.name: path for path in inner}
    return {place.name: place} if inner else {}
  slices = collections.Counter(
    path.parent for path in found.values() if path.suffix.lower() == ".dcm"
  )
  together: dict[str, pathlib.Path] = {}
  for name, path in found.items():
    if path.suffix.lower() == ".dcm" and slices[path.parent] > 1:
      folder = path.parent.relative_to(place).as_posix()
      together[place.name if folder == "." else folder] = path.parent
    else:
      together[name] = path
  return together


def _spilled(
  read: Iterable[marked.Read], style: Style, channels: int
) -> tuple[dict[str, Any], np.ndarray]:
  """(arrays, grids) of images; the voxels lie in a file without a name."""
  levels, spacings, of_files, grids, shapes = [], [], [], [], []
  file = tempfile.TemporaryFile()  # noqa: SIM115 (the memory map keeps it)
  for each in read:
    image = each.image
    if image.shape[-1] != channels:
      raise UserError(
        f"{each.geometry[-1]}: has {image.shape[-1]} channels, the model was "
        f"trained on {channels}"
      )
    image.tofile(file)
    levels.append(volume_input.level(image))
    spacings.append(each.spacing_mm)
    of_files.append((each.file_extents, each.file_spacing_mm))
    shapes.append(image.shape)
    grids.append(each.geometry)
  file.flush()
  values = np.memmap(file, np.dtype(style.dtype), "r")
  ends = np.cumsum([np.prod(shape) for shape in shapes])
  kept = np.empty(len(grids), object)
  kept[:] = grids
  arrays = {
    "image": Ragged(values, ends, np.array(shapes)),
    "level": np.stack(levels),
    "spacing_mm": np.stack(spacings),
  }
  if style.resamples:
    arrays["file_extents"] = np.stack([extents for extents, _ in of_files])
    arrays["file_spacing_mm"] = np.stack([spacing for _, spacing in of_files])
  return arrays, kept
