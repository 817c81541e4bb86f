"""Regions of a picture or volume: structures, or single objects."""

import dataclasses
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data.volumes.style import UNKNOWN
from medfm.metrics import components, instances, overlap
from medfm.tasks import absent
from medfm.tasks import panel as panels
from medfm.tasks.regions import classical, scores
from medfm.types import (
  Arrays,
  Batch,
  Info,
  Profile,
  Ragged,
  Rival,
  Split,
  UserError,
)

TARGETS = ("regions",)
STRATIFY = ""
OBJECTIVE = "segment.regions"
PROBLEM_TYPE = ""
LINEAR = ""
MAX_STRUCTURES = UNKNOWN - 1

decide = absent.nothing
questions = absent.unasked
strata = absent.none
events = absent.none
votes = absent.none
answers = absent.none
recalibration = absent.none
refitted = absent.kept
headline = partial(panels.listed, wanted=("dice", "mean_ap", "hd95"))


@dataclasses.dataclass(frozen=True)
class Regions:
  """`regions` [B,*S]: 0 for the background, from 1 on the structures.

  names: of the structures.
  instances: whether the numbers are those of single objects, all of one kind.
  tolerance: of the surface Dice, in the unit of distances.
  pixels: whether distances are in pixels, for pictures without a spacing; else
    they are in mm, and unknown for images whose spacing is not known.
  largest: whether only each structure's largest component is kept of a
    prediction. least: objects of fewer pixels are dropped. waist: objects that
    touch are split where they are narrow, if their middles lie so many pixels
    of the image as it is learnt from apart; 0 for none.
  axes: of the images, 2 or 3.
  """

  names: tuple[str, ...]
  instances: bool = False
  tolerance: float = 1.0
  pixels: bool = False
  largest: bool = False
  least: int = 0
  waist: int = 0
  axes: int = 3

  @property
  def units(self) -> tuple[str, str]:
    """Of distances and of sizes."""
    if self.pixels:
      return "px", "px"
    return "mm", "ml" if self.axes == 3 else "mm²"


def _of(info: Info) -> Regions:
  target: Any = info.target
  return target


def _images(info: Info) -> Any:
  """The `data.volumes.input.Volume`, which stands below."""
  return info.only


def classes(target: Regions) -> int:
  """K: the structures and the background; outside, inside and border."""
  return 3 if target.instances else len(target.names) + 1


def recoded(arrays: Arrays, info: Info, trained: Info) -> dict[str, Any]:
  """Another cohort's structures in the numbers of training.

  Places of structures that did not occur in training become unknown. Where
  others of training are not marked, `unmarked` [N,K] says so: they are not
  judged.
  """
  here, there = _of(info), trained.target
  if here.names == there.names or here.instances:
    return dict(arrays)
  if not set(here.names) & set(there.names):
    raise UserError(
      f"{info.name} marks {', '.join(here.names)}; the model was trained to "
      f"mark {', '.join(there.names)}: call equal structures alike"
    )
  number = {name: k for k, name in enumerate(there.names, 1)}
  table = np.full(256, UNKNOWN, np.uint8)
  table[0] = 0
  for k, name in enumerate(here.names, 1):
    table[k] = number.get(name, UNKNOWN)
  regions = arrays["regions"]
  if isinstance(regions, Ragged):
    regions = dataclasses.replace(regions, values=table[regions.values])
  else:
    regions = table[regions]
  unmarked = np.array([name not in here.names for name in there.names])
  if not unmarked.any():
    return {"regions": regions}
  return {
    "regions": regions,
    "unmarked": np.tile(unmarked, (len(regions), 1)),
  }


def condense(info: Info, batch: Batch, outputs: Arrays) -> Arrays:
  """Of every image, the measures of its regions, and the regions packed.

  `measured`'s columns [B,K] and [B], and `mask` [B], bytes that `unpacked`
  reads; of a batch without `regions` the sizes alone.
  """
  rows = []
  for row in range(len(batch["id"])):
    part = tuple(slice(n) for n in _images(info).extents(batch, row))
    predicted = np.asarray(outputs["regions"][row])[part]
    predicted = marked(_in_pixels(_of(info), batch, row, predicted), predicted)
    columns = _in_file(info, batch, row, predicted)
    rows.append({**columns, "mask": packed(predicted)})
  return {name: stacked(rows, name) for name in rows[0]} if rows else {}


def _in_pixels(
  target: Regions, batch: Batch, row: int, predicted: np.ndarray
) -> Regions:
  """The target whose `least` counts pixels of a resized image, not its file."""
  if not target.least or "file_extents" not in batch:
    return target
  share = predicted.size / np.prod(batch["file_extents"][row])
  return dataclasses.replace(target, least=round(target.least * share))


def _in_file(
  info: Info, arrays: Mapping[str, Any], row: int, predicted: np.ndarray
) -> dict[str, Any]:
  """`measured` of one image of a batch or a split, in the grid of its file."""
  predicted, spacing = _images(info).in_file(arrays, row, predicted)
  truth = arrays.get("regions")
  if truth is not None:
    truth = np.asarray(truth[row])[tuple(map(slice, predicted.shape))]
  known = None if _of(info).pixels else spacing
  if truth is None or "unmarked" not in arrays:
    return measured(_of(info), truth, predicted, known)
  # Where one is predicted that is not marked here, nothing is known.
  unmarked = np.asarray(arrays["unmarked"][row], bool)
  others = np.isin(predicted, 1 + np.flatnonzero(unmarked))
  truth = np.where(others, UNKNOWN, truth).astype(np.uint8)
  found = measured(_of(info), truth, predicted, known)
  return {
    name: np.where(unmarked, np.nan, column)
    if np.shape(column) == unmarked.shape
    else column
    for name, column in found.items()
  }


def stacked(rows: Sequence[Arrays], name: str) -> np.ndarray:
  """[B,...] of a column of rows; bytes become objects."""
  if name != "mask":
    return np.stack([row[name] for row in rows])
  masks: Any = np.empty(len(rows), object)
  for place, row in enumerate(rows):
    masks[place] = row[name]
  return masks


def marked(target: Regions, predicted: np.ndarray) -> np.ndarray:
  """Predicted classes [*S] as regions, by the target's settings."""
  if target.instances:
    return components.instances_of(
      predicted, least=target.least, waist=target.waist
    )
  if target.largest:
    return components.largest(predicted, structures=len(target.names))[0]
  return predicted


def measured(
  target: Regions,
  truth: np.ndarray | None,
  predicted: np.ndarray,
  spacing_mm: Sequence[float] | None,
) -> dict[str, Any]:
  """The measures of one image, by structure [K].

  truth, predicted: regions [*S] of one grid. Without truth, the sizes alone.
  """
  more: dict[str, Any] = {}
  if truth is not None:
    more["share"] = _shares(target, truth)
  if target.instances:
    objects = {} if truth is None else instances.scores(truth, predicted)
    more |= {name: np.float64(value) for name, value in objects.items()}
    more["objects_predicted"] = np.float64(
      len(np.unique(predicted[predicted > 0]))
    )
    predicted = (predicted > 0).astype(np.uint8)
    truth = None if truth is None else (truth > 0).astype(np.uint8)
  elif truth is not None and (unknown := truth == UNKNOWN).any():
    predicted = np.where(unknown, 0, predicted)
    truth = np.where(unknown, 0, truth)
  if truth is None:
    return {**_sizes(target, predicted, spacing_mm), **more}
  table = overlap.measures(
    truth,
    predicted,
    structures=len(target.names),
    spacing_mm=spacing_mm,
    tolerance=target.tolerance,
  )
  return {**table, **more}


def _sizes(
  target: Regions, predicted: np.ndarray, spacing_mm: Sequence[float] | None
) -> dict[str, np.ndarray]:
  """How much of each structure is predicted: ml, mm² or pixels."""
  counts = np.bincount(predicted.ravel(), minlength=len(target.names) + 1)
  voxel = 1.0
  if spacing_mm is not None:
    voxel = float(np.prod(spacing_mm)) / (1000 if predicted.ndim == 3 else 1)
  sizes = counts[1 : len(target.names) + 1] * voxel
  return {"predicted_size": sizes}


def packed(regions: np.ndarray) -> bytes:
  """Regions [*S] in a few bytes: their kind, extents and deflated numbers."""
  small = regions.astype(
    np.uint8 if regions.max(initial=0) < 256 else np.uint16
  )
  head = np.array([small.itemsize, *small.shape], "<u4").tobytes()
  return bytes([small.ndim]) + head + zlib.compress(small.tobytes(), 1)


def unpacked(mask: bytes) -> np.ndarray:
  """What `packed` packed."""
  axes = mask[0]
  head = np.frombuffer(mask[1 : 5 + 4 * axes], "<u4")
  kind = {1: np.uint8, 2: np.uint16}[int(head[0])]
  flat = np.frombuffer(zlib.decompress(mask[5 + 4 * axes :]), kind)
  return flat.reshape(head[1:])


def assembled(
  info: Info, split: Split, predicted: Arrays
) -> tuple[Split, Arrays]:
  """The rows as they are, with shares [N,K] (`profile`) for the regions."""
  predicted = {**predicted, **split.source}
  if "regions" not in split.arrays:
    return split, predicted
  arrays = {k: a for k, a in split.arrays.items() if k not in TARGETS}
  arrays["regions"] = predicted.pop("share")
  return dataclasses.replace(split, arrays=arrays), predicted


def known(
  info: Info, target: Arrays, predicted: Arrays
) -> tuple[np.ndarray, Arrays, Arrays]:
  """All rows: every image has its regions, though a structure may lack."""
  rows = np.ones(len(target["regions"]), bool)
  names = _columns_of(_of(info))
  return rows, dict(target), {k: v for k, v in predicted.items() if k in names}


def _columns_of(target: Regions) -> tuple[str, ...]:
  return (*overlap.NAMES, *(instances.NAMES if target.instances else ()))


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Of each structure and their mean; of objects, if they are told apart."""
  about = _of(info)
  columns = {k: _column(predicted, k, about) for k in _columns_of(about)}
  unit, size_unit = about.units
  found = scores.panel(
    columns,
    about.names,
    unit=unit,
    size_unit=size_unit,
    tolerance=about.tolerance,
  )
  if not about.instances:
    return found
  objects = panels.panel(scores.objects(columns))
  return panels.Panel(
    objects.metrics | found.metrics,
    found.means,
    objects.described | found.described,
  )


def _column(predicted: Arrays, name: str, target: Regions) -> np.ndarray:
  if name in predicted:
    return np.asarray(predicted[name], float)
  structures = () if name in instances.NAMES else (len(target.names),)
  return np.zeros((0, *structures))


def details(
  info: Info, target: Arrays, predicted: Arrays, decisions: Mapping
) -> dict[str, Any]:
  """`outcomes`: structure -> found, missed, invented, absent -> images."""
  if not len(target["regions"]):
    return {}
  return {"outcomes": scores.outcomes(predicted, info.target.names)}


def columns(
  info: Info, target: Arrays | None, predicted: Arrays
) -> dict[str, list[str]]:
  """`<measure>_<structure>` for each, and the measures of objects.

  Sizes are ml, mm² or pixels; empty cells are not defined or not known.
  """
  kept = {k: predicted[k] for k in _columns_of(_of(info)) if k in predicted}
  return scores.written(kept, info.target.names)


def table(info: Info, rows: Sequence[Mapping]) -> tuple[Arrays | None, Arrays]:
  """The true sizes, and the measures, of rows of predictions.csv."""
  predicted = scores.read(rows, info.target.names)
  return {"regions": predicted["true_size"]}, predicted


def profile(info: Info, target: Arrays) -> Profile:
  """The share of its image that each structure takes.

  target: regions [*S] of each image, or their shares [N,K], as `assembled`
    gives them.
  """
  names = tuple(f"share of {name}" for name in info.target.names)
  found = target["regions"]
  if isinstance(found, np.ndarray) and found.dtype.kind == "f":
    return Profile(names, np.asarray(found))
  shares = [
    _shares(_of(info), np.asarray(found[row])) for row in range(len(found))
  ]
  return Profile(names, np.array(shares).reshape(-1, len(names)))


def _shares(target: Regions, regions: np.ndarray) -> np.ndarray:
  if target.instances:
    return np.array([(regions > 0).mean()])
  count = len(target.names) + 1
  return np.bincount(regions.ravel(), minlength=count)[1:count] / regions.size


def rivals(info: Info) -> tuple[str, ...]:
  """Those that suit the pictures: by brightness, or by place in the volume."""
  return ("otsu",) if _images(info).axes == 2 else ("atlas", "voxel_boosting")


def _otsu(train: Split, info: Info, seed: int) -> classical.Predict:
  """The side of Otsu's threshold that fits the training images."""
  side = classical.polarity(_pairs(train, info))
  axes = _images(info).axes
  if _of(info).instances:
    how = {"how": "components", "least": _of(info).least}
    return lambda image: components.instances_of(
      classical.otsu(image, side, axes=axes), **how
    )
  return lambda image: classical.otsu(image, side, axes=axes).astype(np.uint8)


def _atlas(train: Split, info: Info, seed: int) -> classical.Predict:
  """The likeliest structure at each place of the mean training volume."""
  grid = _images(info).plan.patch
  marked = (truth for _, truth in _pairs(train, info))
  mean = classical.atlas(marked, structures=len(info.target.names), shape=grid)
  axes = _images(info).axes
  return lambda image: classical.placed(mean, image.shape[:axes])


def _boosting(train: Split, info: Info, seed: int) -> classical.Predict:
  """Gradient boosting of voxels (`rivals.boosted`)."""
  return classical.boosted(_pairs(train, info), seed=seed)


def _pairs(split: Split, info: Info) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """(image [*S,C], regions [*S]) of each example; unknown places are none."""
  for row in range(len(split)):
    truth = _images(info).regions(split.arrays, row)
    if truth.dtype == np.uint8:
      truth = np.where(truth == UNKNOWN, 0, truth)
    yield _images(info).picture(split.arrays, row), truth


def _rival(
  train: Split, others: Mapping[str, Split], info: Info, seed: int, *, fit: Any
) -> Rival:
  """A classical model's measures of every image of the other splits."""
  predict = fit(train, info, seed)
  predicted = {}
  for name, split in others.items():
    rows = []
    for row in range(len(split)):
      image = _images(info).picture(split.arrays, row)
      rows.append(_in_file(info, split.arrays, row, predict(image)))
    predicted[name] = {key: stacked(rows, key) for key in rows[0]}
  return Rival(predicted)


RIVALS = {
  "otsu": partial(_rival, fit=_otsu),
  "atlas": partial(_rival, fit=_atlas),
  "voxel_boosting": partial(_rival, fit=_boosting),
}
