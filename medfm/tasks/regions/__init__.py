"""Regions of a picture or volume: structures, or single objects."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data.volumes.style import UNKNOWN
from medfm.metrics import instances, overlap
from medfm.tasks import absent
from medfm.tasks import panel as panels
from medfm.tasks.regions import scores
from medfm.tasks.regions.measured import (
  as_resized,
  in_file,
  marked,
  packed,
  shares,
  stacked,
)
from medfm.tasks.regions.rivals import RIVALS as RIVALS
from medfm.tasks.regions.target import Regions, images, of
from medfm.tasks.regions.target import classes as classes
from medfm.types import (
  Arrays,
  Batch,
  Info,
  Profile,
  Ragged,
  Split,
  UserError,
)

TARGETS = ("regions",)
STRATIFY = ""
OBJECTIVE = "segment.regions"
PROBLEM_TYPE = ""
LINEAR = ""

decide = absent.nothing
questions = absent.unasked
strata = absent.none
events = absent.none
votes = absent.none
answers = absent.none
recalibration = absent.none
refitted = absent.kept
headline = partial(panels.listed, wanted=("dice", "mean_ap", "hd95"))


def recoded(arrays: Arrays, info: Info, trained: Info) -> dict[str, Any]:
  """Another cohort's structures in the numbers of training.

  Places of structures that did not occur in training become unknown. Where
  others of training are not marked, `unmarked` [N,K] says so: they are not
  judged.
  """
  here, there = of(info), trained.target
  if here.names == there.names or here.instances:
    return dict(arrays)
  if not set(here.names) & set(there.names):
    raise UserError(
      f"{info.name} marks {', '.join(here.names)}; the model was trained to "
      f"mark {', '.join(there.names)}: give each structure the name that it "
      "had in training by --config.data.structures="
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
    part = tuple(slice(n) for n in images(info).extents(batch, row))
    predicted = np.asarray(outputs["regions"][row])[part]
    predicted = marked(as_resized(of(info), batch, row, predicted), predicted)
    columns = in_file(info, batch, row, predicted)
    rows.append({**columns, "mask": packed(predicted)})
  return {name: stacked(rows, name) for name in rows[0]} if rows else {}


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
  names = _columns_of(of(info))
  return rows, dict(target), {k: v for k, v in predicted.items() if k in names}


def _columns_of(target: Regions) -> tuple[str, ...]:
  return (*overlap.NAMES, *(instances.NAMES if target.instances else ()))


def panel(
  info: Info, target: Arrays, predicted: Arrays, **decided: Any
) -> panels.Panel:
  """Of each structure and their mean; of objects, if they are told apart."""
  about = of(info)
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
  kept = {k: predicted[k] for k in _columns_of(of(info)) if k in predicted}
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
  rows = [shares(of(info), np.asarray(found[row])) for row in range(len(found))]
  return Profile(names, np.array(rows).reshape(-1, len(names)))


def rivals(info: Info) -> tuple[str, ...]:
  """Those that suit the pictures: by brightness, or by place in the volume."""
  return ("otsu",) if images(info).axes == 2 else ("atlas", "voxel_boosting")
