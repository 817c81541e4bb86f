"""A user's new images: found, read as training read its own, and marked."""

import collections
import functools
import pathlib
import re
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
from medfm.data.volumes.style import Style
from medfm.tasks.regions import measured
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
  names = {name: [file] for name, file in listed(place, how.axes).items()}
  if how.axes == 3 and info.only.channels > 1 and how.frame != "all":
    names = _by_channel(names, info.only.channels)
  outputs = _outputs([*names], how.axes)
  read = (marked.read(of, [], how, series=series) for of in names.values())
  arrays, grids = _spilled(read, how, info.only.channels)
  chosen = [(of[0], series) for of in names.values()] if seg else []
  write = functools.partial(
    written, info=info, grids=grids, names=outputs, series=chosen
  )
  return Split(arrays, np.array([*names]), write=write)


def _by_channel(
  names: Mapping[str, Sequence[pathlib.Path]], channels: int
) -> dict[str, list[pathlib.Path]]:
  """Volumes whose channels are files called _0000, _0001, ... together."""
  found: dict[str, list[pathlib.Path]] = {}
  for name, of in sorted(names.items()):
    folder, _, last = name.rpartition("/")
    stem = re.sub(r"_\d{4}$", "", reading.stem(last))
    found.setdefault(f"{folder}/{stem}" if folder else stem, []).extend(of)
  for name, of in found.items():
    ends = [f"_{number:04d}" for number in range(channels)]
    if len(of) > 1 and [reading.stem(p)[-5:] for p in of] != ends:
      files_ = ", ".join(path.name for path in of)
      raise UserError(
        f"{name}: {files_}: expected {channels} channels, {ends[0]} to "
        f"{ends[-1]}"
      )
  return found


def _outputs(names: Sequence[str], axes: int) -> tuple[str, ...]:
  """What the mask of each image is called, without its suffix; all differ.

  The name without suffix, with "_" for "/"; of several that would then be
  alike the whole name.
  """
  whole = [name.replace("/", "_") for name in names]
  short = [
    reading.stem(name) if axes == 3 else pathlib.PurePath(name).stem
    for name in whole
  ]
  counts = collections.Counter(short)
  made = [s if counts[s] == 1 else w for s, w in zip(short, whole, strict=True)]
  twice = [
    name for name, count in collections.Counter(made).items() if count > 1
  ]
  if twice:
    both = [n for n, m in zip(names, made, strict=True) if m == twice[0]]
    raise UserError(
      f"{' and '.join(both)}: their masks would have one file name; rename one"
    )
  return tuple(made)


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
  picture's as <name>.png with one number for each structure or object.

  series: folder (or file) and UID of each DICOM series whose mask is also
    written as <name>.dcm.
  """
  count = len(grids)
  for row, mask in enumerate(predicted["mask"]):
    regions = measured.unpacked(mask)
    name = names[row]
    if grids[row][0] == "picture":
      regions = resample.mask_to_shape(regions, tuple(grids[row][1]))
      place = folder / f"{name}.png"
      with disk.errors(folder), disk.replaced(place) as part:
        PIL.Image.fromarray(regions).save(part, format="PNG")
      continue
    geometry = scan.geometry(grids[row])
    if info.only.spacing_mm:
      regions = resample.back(regions, geometry)
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
    and not any(p.startswith(".") for p in file.relative_to(place).parts)
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
