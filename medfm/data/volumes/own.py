"""A user's own volumes with labels: a folder of classes, or a CSV file.

Every volume is brought to one shape, so that models of volumes and of slices
read them as they read images.
"""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from medfm import tasks
from medfm.data import cards, files, spelling, splits
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Policy, adopted, names
from medfm.data.tables.table import Table
from medfm.data.volumes import cases, new, pairs, reading, resample
from medfm.data.volumes import input as volume_input
from medfm.data.volumes.style import Style
from medfm.types import Dataset, Folders, Info, Split, UserError

COLUMN, FOLDER = "volume", "folder"
_OF_UNIT = (0.0, 1.0, 0.5, 0.125)  # Low, high, mean, deviation.
_SPLIT = "split folder"


def own_volumes(
  folders: Folders,
  *,
  path: str,
  task: str = "multiclass",
  label: str | tuple[str, ...] = "",
  classes: tuple[str, ...] = (),
  missing_label: Policy = "error",
  shape: tuple[int, ...] = (32, 32, 32),
  slices: bool = False,
  unit: tuple[float, ...] = (),
  volume: str = "volume",
  patient: str = "",
  groups: tuple[str, ...] = (),
  split_column: str = "",
  delimiter: str = ",",
  frame: str = "",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  name: str = "own_volumes",
) -> Dataset:
  """image [N,*shape,1] float32 of volumes, or of one slice of each.

  path: a folder with a folder for each class, perhaps below train, validation
    and test; or a CSV file whose column `volume` names a file, or a folder of
    DICOM slices, relative to it.
  label, classes, missing_label: as for your own images; a folder of classes
    needs none.
  shape: extents (X, Y, Z) that every volume is resized to, by linear
    interpolation: its spacing is not kept. slices: the middle one across the
    third axis alone, as a picture [X,Y].
  unit: (low, high) of values with a unit, such as -1000,1000 in CT, that become
    0 and 1; () takes four deviations below and above each volume's own mean.
  task: "none" reads no labels, to pre-train; a folder may then have any form.

  Raises: UserError, in one line, naming the file or the row.
  """
  shape = tuple(int(n) for n in shape)
  if len(shape) != 3 or min(shape) < 1 or len(unit) not in (0, 2):
    raise UserError(
      f"shape={shape}, unit={unit}: expected three extents, and (low, high) or "
      "nothing"
    )
  whole = folders.reading is not None
  if folders.reading:  # As training did, whatever is asked for.
    trained = folders.reading.settings
    shape = tuple(trained.get("shape", shape))
    slices = bool(trained.get("slices", slices))
    unit = tuple(trained.get("unit", unit))
  place = files.of_user(folders, path, folder=True)
  root = place if place.is_dir() else place.parent
  labels = tasks.columns_of(
    task,
    {"separator": ";", "none_if_empty": True, "missing_label": missing_label},
    label=names(FOLDER if place.is_dir() else label),
    classes=tuple(classes),
  )
  if place.is_dir():
    table, volume = _of_folders(place, bool(labels.columns)), COLUMN
    split_column = _SPLIT if _SPLIT in table.columns else ""
  else:
    table = tables.read(place, delimiter=delimiter)
  labels = adopted(labels, folders.reading)
  table, changes = labels.labelled(table)
  if patient:
    table, spelt = spelling.owners(table, patient, "patient")
    changes += spelt
  groups = names(groups)
  for column in filter(None, (volume, patient, split_column, *groups)):
    if column not in table.columns:
      raise UserError(
        f"{place.name}: has no column {column!r}; it has "
        f"{', '.join(table.columns)}"
      )
  truth, predicted = labels.read(table)
  parts = np.full(len(table), splits.WHOLE, object)
  if split_column and not whole:
    parts[:] = splits.of_words(table, split_column)
  listed, raw = [], {}
  for row, cell in enumerate(table[volume]):
    raw[cell] = pairs.named(root, cell, table, row, volume)
    listed.append(
      cases.Case(
        cell,
        (cell,),
        patient=table[patient][row] if patient else "",
        groups=tuple(table[group][row] for group in groups),
        part=str(parts[row]),
      )
    )
  style = Style(dtype="float32", frame=frame)
  found = cases.prepared(folders, listed, raw, style, groups)
  rows = {case.name: row for row, case in enumerate(listed)}
  made = {
    part: _resized(split, rows, truth, shape, slices, tuple(unit))
    for part, split in found.splits.items()
  }
  how = "every row, read as training read its rows"
  if not whole:
    made, how = splits.completed(made, seed, tuple(fractions), labels.stratify)
  if folders.reading:
    described = folders.reading.only(volume_input.Volume, name)
  else:
    axes = 2 if slices else 3
    described = volume_input.Volume(
      axes=axes, shape=shape[:axes], range=_OF_UNIT
    )
  first = next(iter(made.values()))
  target = labels.target(
    predicted, {key: np.asarray(first.arrays[key]) for key in truth}
  )
  info = Info(name, {"image": described}, target)
  about = "slices" if slices else "volumes"
  return Dataset(
    splits=made,
    info=info,
    card={
      "source": {"file": place.name, "url": None, "official": None},
      "licence": "the user's own data",
      "citation": "",
      "notes": []
      if patient
      else ["no patient ids: each volume counts as a separate patient"],
      cards.READ: f"{about}: {len(listed):,}, resized to "
      f"{' x '.join(map(str, described.shape))} without keeping their spacing",
      "changes": [*changes, *found.changes],
      "split": how,
      "fingerprint": found.fingerprint,
    },
    encode=functools.partial(
      encoded,
      info=info,
      shape=shape,
      slices=slices,
      unit=tuple(unit),
      frame=frame,
    ),
    private=True,
  )


def encoded(
  path: str,
  info: Info,
  *,
  shape: tuple[int, ...],
  slices: bool,
  unit: tuple[float, ...],
  frame: str,
) -> Split:
  """New volumes: a file, or a folder of files or of DICOM slices."""
  style = Style(dtype="float32", frame=frame)._asdict()
  split = new.encoded(path, info, style=style)
  return _resized(split, {}, {}, tuple(shape), slices, tuple(unit))


def _resized(
  split: Split,
  rows: Mapping[str, int],
  truth: Mapping[str, np.ndarray],
  shape: tuple[int, ...],
  slices: bool,
  unit: tuple[float, ...],
) -> Split:
  """The split with volumes of one shape and values from 0 to 1; its truth."""
  image = split.arrays["image"]
  made = np.zeros(
    (len(split), *(shape[:2] if slices else shape), 1), np.float32
  )
  for row in range(len(split)):
    values = np.asarray(image[row])
    if slices:
      values = values[:, :, values.shape[2] // 2 : values.shape[2] // 2 + 1]
    wanted = (*shape[:2], 1) if slices else shape
    even = (1.0,) * 3
    values = resample.to_shape(values[..., 0], wanted, even, 1)
    made[row, ..., 0] = _from_0_to_1(values[..., 0] if slices else values, unit)
  level = np.stack([volume_input.level(each) for each in made])
  chosen = [rows[name] for name in split.ids] if rows else []
  arrays = {"image": made, "level": level}
  arrays |= {name: np.asarray(array)[chosen] for name, array in truth.items()}
  return Split(arrays, split.ids, split.patients, split.groups)


def _from_0_to_1(values: np.ndarray, unit: tuple[float, ...]) -> np.ndarray:
  if unit:
    low, high = unit
  else:
    mean, spread = float(values.mean()), 4 * float(values.std()) + 1e-6
    low, high = mean - spread, mean + spread
  return ((values - low) / (high - low)).clip(0, 1)


def _of_folders(root: pathlib.Path, classes: bool) -> Table:
  """A folder as a table: volume, and perhaps its class folder and split."""
  found = [
    path.relative_to(root).as_posix()
    for path in sorted(root.rglob("*"))
    if path.is_file()
    and reading.offered(path)
    and not any(p.startswith(".") for p in path.relative_to(root).parts)
  ]
  if not found:
    raise UserError(
      f"{root.name}: holds no volumes ({', '.join(reading.SUFFIXES)})"
    )
  tops = {name.split("/")[0].lower() for name in found}
  by_split = "train" in tops and tops <= set(splits.WORDS)
  depth = by_split + classes
  for name in found:
    if len(name.split("/")) <= depth:
      raise UserError(
        f"{root.name}: {name} lies in no class folder; expected "
        f"{root.name}/CLASS/FILE, or a CSV file as --config.data.path="
      )
  columns: dict[str, Any] = {COLUMN: found}
  if classes:
    columns[FOLDER] = [name.split("/")[depth - 1] for name in found]
  if by_split:
    columns[_SPLIT] = [name.split("/")[0] for name in found]
  count = np.arange(len(found))
  return Table((root.name,), columns, count + 1, np.zeros_like(count))
