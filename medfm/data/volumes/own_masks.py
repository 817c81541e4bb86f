"""A user's own images with masks beside them: pictures or volumes."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm.data import cards, files, splits
from medfm.data.images import decode
from medfm.data.tables.labels import names
from medfm.data.volumes import cases, layout, pairs, plan, reading
from medfm.data.volumes.style import STYLES, Style
from medfm.spec import forwards
from medfm.tasks.regions import Regions
from medfm.types import Dataset, Folders, UserError


@forwards(plan.planned)
def own_masks(
  folders: Folders,
  *,
  path: str = "",
  images: str = "",
  masks: str = "",
  structures: tuple[str, ...] = (),
  axes: int = 2,
  style: str = "labels",
  values: tuple[int, ...] = (),
  threshold: int = 0,
  channels: int = 1,
  dtype: str = "",
  unit: bool = False,
  spacing_mm: tuple[float, ...] = (),
  resampled: bool = True,
  side: int = 0,
  tolerance: float = 1.0,
  largest: bool = False,
  least: int = 0,
  waist: int = 0,
  image: str = "image",
  mask: str = "mask",
  patient: str = "",
  groups: tuple[str, ...] = (),
  split_column: str = "",
  delimiter: str = ",",
  frame: str = "",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  name: str = "own_masks",
  **planning: Any,
) -> Dataset:
  """image [*S,C] and regions [*F] of any size, for segmentation.

  F are the extents of the file, S those of the image, which differ if it was
  resampled or resized.

  images, masks: folders whose files are paired by name (`pairs.in_folders`).
  path: instead of them a CSV file that names both, or a folder in the
    decathlon's layout (imagesTr, labelsTr).
  structures: their names in the order of the values; () takes those of
    dataset.json, or one structure called as `masks` is.
  axes: 2 for pictures, 3 for volumes.
  style: what a mask holds: labels, structures (a file for each), objects (a
    file for each object), instances (a number for each object).
  values: of the structures in the files; () for 1, 2, ...
  threshold: from which value on a mask of one structure is marked (`Style`).
  channels: of pictures, 1 or 3. dtype: that images are kept in, int16, uint16,
    uint8 or float32; "" keeps pictures in the widest type among their files,
    volumes with a unit in int16 (rounded) and others in float32.
  unit: whether the values of volumes have a unit, as in CT; see
    `cases.dataset`.
  spacing_mm: that volumes are resampled to, those of training and others; ()
    asks the plan (`plan.spacing`). resampled: False leaves all as they are.
    Predictions are scored and written in the grid of each file.
  side: the longer side, in pixels, that pictures are resized to, as large ones
    may need it; 0 leaves them as they are.
  tolerance: of the surface Dice, in mm of volumes, else in pixels.
  largest, least, waist: see `tasks.regions.Regions`.
  image, mask, patient, groups, split_column, delimiter: of the CSV file.
  frame: which one of files that hold several.

  Raises: UserError, in one line, naming the file or the row.
  """
  if axes not in (2, 3) or style not in STYLES or channels not in (1, 3):
    raise UserError(
      f"axes={axes}, style={style!r}, channels={channels}: expected axes 2 or "
      f"3, a style of {', '.join(STYLES)}, and 1 or 3 channels"
    )
  if side and (axes == 3 or side < 8):
    raise UserError(
      f"--config.data.side={side}: expected 8 pixels or more, for pictures"
    )
  if dtype not in ("", "int16", "uint16", "uint8", "float32"):
    raise UserError(
      f"--config.data.dtype={dtype}: expected int16, uint16, uint8 or float32"
    )
  if spacing_mm and not resampled:
    raise UserError(
      f"spacing_mm={spacing_mm} with resampled=false: leave out "
      "--config.data.spacing_mm or --config.data.resampled"
    )
  if spacing_mm and (axes == 2 or len(spacing_mm) != 3 or min(spacing_mm) <= 0):
    raise UserError(
      f"spacing_mm={spacing_mm}: expected three distances in mm, for volumes"
    )
  whole = folders.reading is not None
  place, found = _found(
    folders,
    path,
    images,
    masks,
    axes,
    style,
    names(structures),
    {
      "image": image,
      "mask": mask,
      "patient": patient,
      "groups": names(groups),
      "style": style,
      "split_column": split_column,
      "delimiter": delimiter,
      "whole": whole,
    },
  )
  if structures and not values:
    found = layout.in_order(found, names(structures))
  called = names(structures) or found.names or (_called(masks, mask, path),)
  objects = style in ("objects", "instances")
  if objects and len(called) > 1:
    raise UserError(
      f"structures={','.join(called)}: objects are all of one kind; name one"
    )
  how = Style(
    axes=axes,
    masks=style,
    values=tuple(values) or found.values,
    ignored=found.ignored,
    structures=len(called),
    threshold=threshold,
    channels=channels,
    dtype=dtype or _dtype(axes, unit, found),
    spacing_mm=tuple(float(each) for each in spacing_mm),
    side=side,
    frame=frame,
  )
  if threshold and (
    style == "instances" or (style == "labels" and len(called) > 1)
  ):
    raise UserError(
      f"threshold={threshold}: the masks number several structures or "
      "objects, which no threshold can part; leave out --config.data.threshold"
    )
  if how.values and len(how.values) != len(called):
    raise UserError(
      f"values={how.values} for the structures {', '.join(called)}: expected "
      "one for each"
    )
  how = cases.as_trained(how, folders.reading, name)
  wanted: tuple[float, ...] = ()
  if resampled and axes == 3 and not (spacing_mm or whole):
    wanted, uneven = _planned(found, seed, tuple(fractions))
    if uneven:
      how = how._replace(spacing_mm=wanted)
  known = names(groups) if path.lower().endswith(".csv") else ()
  prepared = cases.prepared(folders, found.cases, found.raw, how, known)
  parts = dict(prepared.splits)
  split = "every row, read as training read its rows"
  if not whole:
    parts, split = splits.completed(parts, seed, tuple(fractions), "")
  target = Regions(
    called,
    instances=objects,
    tolerance=tolerance,
    pixels=axes == 2,
    largest=largest,
    least=least,
    waist=waist,
    axes=axes,
  )
  patients = next(iter(parts.values())).patients is not None
  return cases.dataset(
    parts,
    name=name,
    target=target,
    style=how,
    unit=unit,
    spacing_mm=wanted,
    planning=planning,
    private=True,
    reading=folders.reading,
    card={
      "source": {"file": place.name, "url": None, "official": None},
      "licence": "the user's own data",
      "citation": "",
      "notes": []
      if patients
      else ["no patient ids: each image counts as a separate patient"],
      "changes": [*found.changes, *prepared.changes],
      **cards.warned([]),
      "split": split,
      "fingerprint": prepared.fingerprint,
    },
  )


def _found(
  folders: Folders,
  path: str,
  images: str,
  masks: str,
  axes: int,
  style: str,
  structures: tuple[str, ...],
  columns: Mapping[str, Any],
) -> tuple[pathlib.Path, pairs.Pairs]:
  """Where the data are, and their images with masks."""
  if images and masks and not path:
    place = files.of_user(folders, images, folder=True)
    beside = files.of_user(folders, masks, folder=True)
    return place, pairs.in_folders(place, beside, axes, style, structures)
  if not path or images or masks:
    raise UserError(
      "which images and masks? Give --config.data.images= and "
      "--config.data.masks= (two folders whose files have equal names), or "
      "--config.data.path= alone (a CSV file, or for volumes a folder with "
      "imagesTr and labelsTr)"
    )
  place = files.of_user(folders, path, folder=True)
  if not place.is_dir():
    return place, pairs.in_table(place, **columns)
  if (place / "imagesTr").is_dir() and (place / "labelsTr").is_dir():
    if axes != 3:
      raise UserError(f"{path}: holds volumes; use configs/own_volumes.py")
    return place, layout.decathlon(place)
  raise UserError(
    f"{path}: holds no imagesTr and labelsTr; name two folders by images= and "
    "masks=, or a CSV file by path="
  )


def _planned(
  found: pairs.Pairs, seed: int, fractions: tuple[float, ...]
) -> tuple[tuple[float, ...], bool]:
  """The spacing planned from the headers of the training volumes.

  And whether any volume, of whatever split, has another.
  """
  parts: dict[str, list[cases.Case]] = {}
  for case in found.cases:
    parts.setdefault(case.part, []).append(case)
  bare = {part: cases.bare(of_part) for part, of_part in parts.items()}
  train = splits.completed(bare, seed, fractions, "")[0]["train"]
  first = {case.name: found.raw[case.images[0]] for case in found.cases}
  grids = {name: reading.blank(path) for name, path in first.items()}
  learnt = [grids[name] for name in train.ids]
  wanted = plan.spacing(
    np.array([grid.spacing_mm for grid in learnt]),
    np.array([grid.values.shape for grid in learnt]),
  )
  every = np.array([wanted, *(grid.spacing_mm for grid in grids.values())])
  return wanted, plan.uneven(every)


def _called(masks: str, mask: str, path: str) -> str:
  """A name for the only structure."""
  return pathlib.PurePath(masks).name if masks else mask.split(",")[0]


def _dtype(axes: int, unit: bool, found: pairs.Pairs) -> str:
  """The narrowest type that holds all pictures; of volumes, see `own_masks`."""
  if axes == 3:
    return "int16" if unit else "float32"
  kinds = {
    str(decode.bits(found.raw[name]) or "uint8")
    for case in found.cases
    for name in case.images
  }
  return next((k for k in ("float32", "uint16") if k in kinds), "uint8")
