"""Examples with regions marked in them, prepared once and described."""

import dataclasses
import functools
import hashlib
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import cards, files, records, splits
from medfm.data.images import decode
from medfm.data.volumes import input as volume_input
from medfm.data.volumes import marked, new, plan
from medfm.data.volumes.style import Style
from medfm.tasks.regions import Regions
from medfm.types import (
  Dataset,
  Folders,
  Info,
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

  images: one, or one for each channel. masks: see `Style.masks`; () without,
    and "" for a structure that has no file.
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

  VERSION = tfds.core.Version("1.1.0")
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
    numbered = style.masks in ("objects", "instances")
    kind = np.uint16 if numbered else np.uint8
    if self._labelled:
      features["regions"] = tensor(shape=free, dtype=kind)
      features["places"] = tensor(shape=(None, 1 + style.axes), dtype=np.int32)
    if style.resamples:
      features["file_extents"] = tensor(shape=(style.axes,), dtype=np.int32)
      features["file_spacing_mm"] = tensor(
        shape=(style.axes,), dtype=np.float32
      )
      if self._labelled:
        features["resampled_regions"] = tensor(shape=free, dtype=kind)
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
        example["places"] = marked.places(each.resampled, case.name)
      if self._style.resamples:
        example["file_extents"] = each.file_extents
        example["file_spacing_mm"] = each.file_spacing_mm
        if self._labelled:
          example["resampled_regions"] = each.resampled
      yield number, example

  def _read(self, number: int) -> marked.Read:
    case = self._cases[number]
    images = [self.raw[name] for name in case.images]
    masks = [self.raw[name] if name else None for name in case.masks]
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
  (`marked.places`), by which patches are chosen. If the style resamples,
  `regions` are in the grid of the file still, in which predictions are
  scored; `file_extents` and `file_spacing_mm` tell it, and `resampled_regions`
  are in that of `image`.
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


def bare(cases: Sequence[Case]) -> Split:
  """The split that `prepared` will make of cases, without any array."""
  patients = np.array([case.patient for case in cases])
  return _owned(Split({}, np.array([case.name for case in cases]), patients))


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
  spacing_mm: tuple[float, ...] = (),
  private: bool = False,
  reading: Reading | None = None,
) -> Dataset:
  """A dataset of splits that `prepared` gave.

  reading: the trained model that they are read for, as in `Folders`; nothing
    is then fitted or planned.

  unit: whether values have a unit (CT), and are scaled by those of the marked
    places of the training split; else each image is scaled by its own.
  spacing_mm: of all volumes as they are, to which others will be resampled.
  planning: settings of `plan.planned`.
  """
  if spacing_mm:
    style = style._replace(spacing_mm=spacing_mm)
  if reading:
    described = reading.only(volume_input.Volume, name)
  else:
    described = fitted(parts["train"], style, unit, planning)
  info = Info(name=name, inputs={"image": described}, target=target)
  count = f"{sum(map(len, parts.values())):,}"
  line = f"{count} {described.describe()}; {described.plan.describe()}"
  if not reading:
    card = {
      **card,
      **cards.warned(card.get(cards.WARNINGS, []), _uneven(parts)),
    }
  encode = functools.partial(new.encoded, info=info, style=style._asdict())
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
    kind = {2: "pictures", 3: "volumes"}[style.axes]
    raise UserError(
      f"{name}: holds {kind}, but the model was trained on "
      f"{described.describe()}: give it images of that kind"
    )
  return style._replace(
    dtype=described.dtype,
    spacing_mm=described.spacing_mm,
    side=described.side,
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
    side=style.side,
    range=_range(train) if unit else (),
    plan=planned,
  )


def _uneven(parts: Mapping[str, Split]) -> list[str]:
  """Warns of training images of different spacing, and says what to set."""
  train = parts["train"].arrays
  spacings = np.asarray(train["spacing_mm"], float)
  if not plan.uneven(spacings):
    return []
  ends = " to ".join(
    " x ".join(f"{each:.3g}" for each in end)
    for end in (spacings.min(0), spacings.max(0))
  )
  return [
    f"the voxels of training are {ends} mm, and the network sees them as if "
    "they were equal: to resample them, leave out --config.data.resampled=false"
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
