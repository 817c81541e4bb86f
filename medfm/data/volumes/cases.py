"""Examples with regions marked in them, prepared once and described."""

import collections
import dataclasses
import functools
import hashlib
import itertools
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import tensorflow_datasets as tfds

from medfm.data import cards, disk, files, records, splits
from medfm.data.images import decode
from medfm.data.volumes import input as volume_input
from medfm.data.volumes import marked, plan, reading, resample, scan, writing
from medfm.data.volumes import series as dicom_series
from medfm.data.volumes.marked import Style
from medfm.tasks import regions as tasks
from medfm.tasks.regions import Regions
from medfm.types import (
  Dataset,
  Folders,
  Info,
  Ragged,
  Reading,
  Split,
  UserError,
)

_AHEAD = 4
"""Volumes that are read before the writer asks for them."""

_CT = (0.5, 99.5)
"""Percentiles of marked values between which values with a unit are kept."""


class Case(NamedTuple):
  """One example by the names of its files.

  images: one, or one for each channel. masks: see `Style.masks`; () without.
  part: its split; "whole" if the examples are yet to be split.
  """

  name: str
  images: tuple[str, ...]
  masks: tuple[str, ...] = ()
  patient: str = ""
  groups: tuple[str, ...] = ()
  part: str = splits.WHOLE


class Cases(records.Builder, skip_registration=True):
  """Images of their own size, with regions; read by threads, in order.

  raw: name -> file. cases: rows of `Case`. groups: their names.
  style: fields of `Style`. labelled: whether the cases have masks.
  """

  VERSION = tfds.core.Version("1.0.0")
  shuffled = False

  def __init__(
    self,
    *,
    raw: Mapping[str, pathlib.Path],
    cases: Sequence[Sequence[Any]],
    groups: Sequence[str],
    style: Mapping[str, Any],
    labelled: bool,
    **kwargs,
  ):
    self._cases = [Case(*case) for case in cases]
    self._groups, self._labelled = tuple(groups), labelled
    self._style = Style(
      **{
        key: tuple(value) if isinstance(value, list) else value
        for key, value in style.items()
      }
    )
    super().__init__(raw=raw, **kwargs)

  def features(self) -> dict[str, tfds.features.FeatureConnector]:
    style, free = self._style, (None,) * self._style.axes
    tensor = functools.partial(tfds.features.Tensor, encoding="zlib")
    texts = ["id", "patient", *(f"group_{name}" for name in self._groups)]
    features = {name: tfds.features.Text() for name in texts}
    features |= {
      "image": tensor(shape=(*free, None), dtype=np.dtype(style.dtype).type),
      "level": tensor(shape=(2,), dtype=np.float32),
      "spacing_mm": tensor(shape=(style.axes,), dtype=np.float32),
    }
    if self._labelled:
      kind = np.uint8
      if style.masks in ("objects", "instances"):
        kind = np.uint16
      features["regions"] = tensor(shape=free, dtype=kind)
      features["places"] = tensor(shape=(None, 1 + style.axes), dtype=np.int32)
    return features

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    parts = {case.part: [] for case in self._cases}
    for number, case in enumerate(self._cases):
      parts[case.part].append(number)
    return {
      name: self._generate_examples(parts[name])
      for name in (splits.WHOLE, *splits.NAMES)
      if name in parts
    }

  def _generate_examples(
    self, numbers: Sequence[int]
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    read = decode.in_order(self._read, numbers, ahead=_AHEAD)
    for number, each in zip(numbers, read, strict=True):
      case = self._cases[number]
      for change in each.changes:
        self.changed(change)
      groups = zip(self._groups, case.groups, strict=True)
      example = {"id": case.name, "patient": case.patient}
      example |= {f"group_{name}": cell for name, cell in groups}
      example |= {
        "image": each.image,
        "level": volume_input.level(each.image),
        "spacing_mm": each.spacing_mm,
      }
      if self._labelled:
        example["regions"] = each.regions
        example["places"] = marked.places(each.regions, case.name)
      yield number, example

  def _read(self, number: int) -> marked.Read:
    case = self._cases[number]
    images, masks = (
      [self.raw[name] for name in names] for names in (case.images, case.masks)
    )
    return marked.read(images, masks, self._style)


def prepared(
  folders: Folders,
  cases: Sequence[Case],
  raw: Mapping[str, pathlib.Path],
  style: Style,
  groups: Sequence[str] = (),
) -> records.Prepared:
  """The splits of cases, from the cache or read from their files.

  Arrays: `image`, `level`, `spacing_mm`, and with masks `regions` and `places`
  (`marked.places`), by which patches are chosen.
  """
  found = records.prepared(
    Cases,
    folders,
    raw=raw,
    cases=[list(case) for case in cases],
    groups=list(groups),
    style=style._asdict(),
    labelled=any(case.masks for case in cases),
  )
  known = {name: _owned(split) for name, split in found.splits.items()}
  return found._replace(splits=known)


def _owned(split: Split) -> Split:
  """A split without patients if none is named."""
  if split.patients is None or any(split.patients):
    return split
  return Split(split.arrays, split.ids, None, split.groups)


def dataset(
  parts: dict[str, Split],
  *,
  name: str,
  target: Regions,
  style: Style,
  card: dict[str, Any],
  planning: Mapping[str, Any],
  unit: bool = False,
  private: bool = False,
  reading: Reading | None = None,
) -> Dataset:
  """A dataset of splits that `prepared` gave.

  reading: the trained model that they are read for, as in `Folders`; nothing
    is then fitted or planned.

  unit: whether values have a unit (CT), and are scaled by those of the marked
    places of the training split; else each image is scaled by its own.
  planning: settings of `plan.planned`.
  """
  if reading:
    described = reading.only(volume_input.Volume, name)
  else:
    described = fitted(parts["train"], style, unit, planning)
  info = Info(name=name, inputs={"image": described}, target=target)
  told = f"{sum(map(len, parts.values())):,} {described.describe()}"
  line = f"{told}; {described.plan.describe()}"
  if not reading:
    card = {
      **card,
      **cards.warned(card.get(cards.WARNINGS, []), _uneven(parts)),
    }
  encode = functools.partial(encoded, info=info, style=style._asdict())
  return Dataset(
    splits=parts,
    info=info,
    card={**card, cards.READ: line, "plan": described.plan.describe()},
    encode=encode,
    private=private,
  )


def as_trained(style: Style, reading: Reading | None, name: str) -> Style:
  """The style by which a trained model reads images; itself without one.

  What a mask's file holds may differ. Raises: UserError for images of another
  kind.
  """
  if reading is None:
    return style
  described = reading.only(volume_input.Volume, name)
  if described.axes != style.axes:
    raise UserError(f"{name}: the model was trained on {described.describe()}")
  return style._replace(
    dtype=described.dtype,
    spacing_mm=described.spacing_mm,
    channels=described.channels if style.axes == 2 else style.channels,
  )


def fitted(
  train: Split, style: Style, unit: bool, planning: Mapping[str, Any]
) -> volume_input.Volume:
  """What models must know, from the training split alone."""
  image = train.arrays["image"]
  shapes = np.asarray(image.extents)[:, : style.axes]
  spacings = np.asarray(train.arrays["spacing_mm"], float)
  planned = plan.planned(shapes, np.median(spacings, 0), **planning)
  planned = dataclasses.replace(planned, spacing_mm=tuple(style.spacing_mm))
  return volume_input.Volume(
    axes=style.axes,
    channels=int(image.extents[0][-1]),
    dtype=style.dtype,
    spacing_mm=tuple(style.spacing_mm),
    range=_range(train) if unit else (),
    plan=planned,
  )


def _uneven(parts: Mapping[str, Split]) -> list[str]:
  """Warns of training images of different spacing, and says what to set."""
  train = parts["train"].arrays
  spacings = np.asarray(train["spacing_mm"], float)
  shapes = np.asarray(train["image"].extents)[:, : spacings.shape[1]]
  wanted = plan.spacing(spacings, shapes)
  if not wanted:
    return []
  ends = " to ".join(
    " x ".join(f"{each:.3g}" for each in end)
    for end in (spacings.min(0), spacings.max(0))
  )
  return [
    f"the voxels of training are {ends} mm, and the network sees them as if "
    "they were equal: to resample all, set --config.data.spacing_mm="
    f"{','.join(f'{each:g}' for each in wanted)}"
  ]


def _range(train: Split) -> tuple[float, ...]:
  """(low, high, mean, std) of values at the kept places of the structures."""
  values = []
  for row in range(len(train)):
    places = np.asarray(train.arrays["places"][row])[:, 1:]
    values.append(
      np.asarray(train.arrays["image"][row][tuple(places.T)]).ravel()
    )
  every = np.concatenate([np.zeros(0), *values]).astype(float)
  if not every.size:
    raise UserError(
      "nothing is marked in the training split: the range of values that "
      "matter is unknown; set unit=false"
    )
  low, high = np.percentile(every, _CT)
  inside = every.clip(low, high)
  return tuple(
    round(float(n), 4) for n in (low, high, inside.mean(), inside.std())
  )


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
  levels, spacings, grids, shapes = [], [], [], []
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
  return arrays, kept


def by_hash(
  names: Sequence[str], counts: Sequence[int], seed: int = 0
) -> dict[str, str]:
  """name -> split: the first, the next and the last names by sha256(seed:name).

  counts: of training, validation and test; the order of names does not matter,
  and names beyond the counts are left out.
  """
  order = sorted(
    names,
    key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest(),
  )
  ends = [0, *itertools.accumulate(counts)]
  return {
    name: part
    for part, (start, end) in zip(
      splits.NAMES, itertools.pairwise(ends), strict=True
    )
    for name in order[start:end]
  }


def origin(path: pathlib.Path, url: str) -> dict[str, Any]:
  """For the data card: the archive or folder that was read."""
  if path.is_dir():
    return {"file": path.name, "url": url, "official": None}
  return files.origin(path, url=url)
