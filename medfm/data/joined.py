"""Two or more datasets of the same patients as one, inputs side by side."""

import dataclasses
import functools
import hashlib
import itertools
import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from medfm import spec
from medfm.data import cards, records, spelling, splits
from medfm.data.splits import in_several
from medfm.types import (
  PRESENT,
  Dataset,
  Folders,
  Info,
  Input,
  Reading,
  Split,
  UserError,
)

_NO_ROWS = np.array([], int)
_SUFFIX = re.compile(r"\.[A-Za-z]{2,5}$")  # Of a file's name.


def joined(
  folders: Folders,
  *,
  parts: Mapping[str, Callable],
  target: str = "",
  by: Literal["patient", "id"] = "patient",
  keep: Literal["all", "target", "complete"] = "all",
  name: str = "joined",
) -> Dataset:
  """Examples with the inputs of several datasets, by patient or id.

  An example's arrays are `<part>/<array>`, and `<part>/present` says whether
  it has that input; if not, its arrays hold placeholders.

  parts: a name for each input -> its dataset factory, each with one input.
  target: the part that gives the examples and labels; "" for the only part
    with labels. If a patient has several examples there, each gets the
    patient's other inputs.
  by: what rows that belong together have in common, the patient or the id; at
    most one such row in a part other than the target's. An id that is the name
    of a file is compared without its suffix.
  keep: "all" also keeps examples that only another part has, without a label;
    "target" keeps the examples of the target's part; "complete" keeps those of
    them that have every input.

  The splits are those of the parts, which must agree: give all of them a
  split column. Each input keeps the description that its part fitted.

  Raises: UserError for parts that name no patients, have several rows for one
    patient, or put a patient into different splits.
  """
  if by not in ("patient", "id") or keep not in ("all", "target", "complete"):
    raise UserError(
      f"by={by!r}, keep={keep!r}: expected patient or id; all, target or "
      "complete"
    )
  datasets = {
    part: factory(_for_part(folders, part, parts, target))
    for part, factory in parts.items()
  }
  if folders.reading:
    datasets = {k: _whole(data) for k, data in datasets.items()}
  labelled = [k for k, data in datasets.items() if data.info.target.names]
  target = target or " and ".join(labelled)
  if len(parts) < 2 or target not in parts:
    raise UserError(
      f"parts={tuple(parts)}: expected two or more parts, one of them with "
      f"labels, not {target or 'none'!r}; set target to one of the parts"
    )
  inputs = {part: data.info.only for part, data in datasets.items()}
  # The target's part comes first: its examples, ids and patients lead.
  first = {target: datasets[target]}
  datasets = first | {k: v for k, v in datasets.items() if k != target}
  held = {
    split: {
      part: data.splits.get(split)
      or next(iter(data.splits.values())).take(_NO_ROWS)
      for part, data in datasets.items()
    }
    for split in dict.fromkeys(s for d in datasets.values() for s in d.splits)
  }
  keys = {split: _keys(there, by) for split, there in held.items()}
  moved = in_several(
    (name, split)
    for split, parts_of in keys.items()
    for name in itertools.chain(*parts_of.values())
  )
  if moved:
    raise UserError(
      f"{cards.amount(moved, 'patient')} in different splits of the parts: "
      "give all parts a split column that agrees"
    )
  joint, changes = {}, []
  for split, there in held.items():
    rows = _rows(keys[split], keep)
    joint[split] = _together(there, inputs, rows)
    lacks = {part: (where < 0).sum() for part, where in rows.items()}
    changes += records.counted(
      {f"{split}: examples without {part}": n for part, n in lacks.items()}
    )
  info = Info(name=name, inputs=inputs, target=datasets[target].info.target)
  encode = None
  if all(data.encode for data in datasets.values()):
    readers = {part: _without_info(datasets[part].encode) for part in parts}
    encode = functools.partial(encoded, info=info, readers=readers, by=by)
  return Dataset(
    splits=joint,
    info=info,
    card=_card({k: d.card for k, d in datasets.items()}, by, keep, changes),
    encode=encode,
    private=any(data.private for data in datasets.values()),
  )


def _for_part(
  folders: Folders, part: str, parts: Mapping[str, Any], target: str
) -> Folders:
  """The folders for reading one part, for the same trained model."""
  reading = folders.reading
  if reading is None:
    return folders
  if parts.keys() != reading.inputs.keys():
    raise UserError(
      f"parts={tuple(parts)}: the model was trained on the inputs "
      f"{', '.join(reading.inputs)}; name the parts so"
    )
  read = reading.settings.get("readers", {}).get(part)
  labels = reading.target if target in ("", part) else None
  inputs = {part: reading.inputs[part]}
  return folders._replace(reading=Reading(inputs, labels, spec.settings(read)))


def _whole(data: Dataset) -> Dataset:
  """A part with all its rows in one split."""
  whole = {splits.WHOLE: splits.together(data.splits)}
  return dataclasses.replace(data, splits=whole)


def encoded(
  path: str, info: Info, *, readers: Mapping[str, Callable], by: str
) -> Split:
  """New examples from a folder with a file or folder for each input.

  They are named after the inputs (`table.csv`, `scan/`); an input may be
  absent, for all examples or for some. Rows are joined by patient or, if the
  files name none, by id.
  """
  folder = pathlib.Path(path).expanduser()
  places = sorted(folder.iterdir()) if folder.is_dir() else []
  parts = {}
  for name, each in info.inputs.items():
    named = [place for place in places if place.stem == name]
    if len(named) > 1:
      raise UserError(f"{path}: several files are called {name!r}")
    if named:
      sole = Info(info.name, {name: each}, info.target)
      parts[name] = readers[name](str(named[0]), sole)
  if not parts:
    raise UserError(
      f"{path}: expected a folder with a file or folder named as each input: "
      + ", ".join(info.inputs)
    )
  for name, each in info.inputs.items():
    parts.setdefault(name, Split(each.blank(0), np.array([], str)))
  keys = {}
  for name, split in parts.items():
    keys |= _keys({name: split}, "id" if split.patients is None else by)
  return _together(parts, info.inputs, _rows(keys, "all"))


def _keys(parts: Mapping[str, Split], by: str) -> dict[str, list[str]]:
  """part -> the patient or id of each of its rows; "" if it is unknown.

  In one spelling, since the parts may be spelt differently.
  """
  keys = {}
  for part, split in parts.items():
    if by == "patient" and split.patients is None:
      raise UserError(
        f"{part} names no patients; set its patient column, or by=id"
      )
    names = map(str, split.ids if by == "id" else split.patients)
    names = (_SUFFIX.sub("", n) if by == "id" else n for n in names)
    form = spelling.folded if by == "id" else spelling.owner
    keys[part] = [*map(form, names)]
  return keys


def _rows(keys: Mapping[str, list[str]], keep: str) -> dict[str, np.ndarray]:
  """part -> [N] its row for each example, -1 for none; the target's first."""
  (first, main), *others = keys.items()
  places = {}
  for part, names in others:
    places[part] = {name: row for row, name in enumerate(names) if name}
    repeated = sum(map(bool, names)) - len(places[part])
    if repeated:
      raise UserError(
        f"{part} has more than one row for a patient "
        f"({cards.amount(repeated, 'row')} too many): join by id, or keep one "
        "row each"
      )
  # Only a dict keeps the order in which the other parts name them.
  extra = dict.fromkeys(itertools.chain(*places.values()))
  for name in main:
    extra.pop(name, None)
  names = [*main, *extra] if keep == "all" else main
  numbers = np.arange(len(names))
  rows = {first: np.where(numbers < len(main), numbers, -1)}
  for part, place in places.items():
    rows[part] = np.array([place.get(name, -1) for name in names], int)
  if keep == "complete":
    complete = np.all([each >= 0 for each in rows.values()], axis=0)
    rows = {part: each[complete] for part, each in rows.items()}
  return rows


def _together(
  parts: Mapping[str, Split],
  inputs: Mapping[str, Input],
  rows: Mapping[str, np.ndarray],
) -> Split:
  """One split of these rows of each part, -1 for none; the target's first."""
  taken = {
    part: _taken(split, inputs[part], rows[part])
    for part, split in parts.items()
  }
  arrays = {}
  for name, each in inputs.items():
    held = taken[name].arrays
    arrays |= {f"{name}/{k}": held[k] for k in held if k in each.arrays}
    arrays[f"{name}/{PRESENT}"] = rows[name] >= 0
  target, main = next(iter(taken.items()))
  of_input = inputs[target].arrays
  arrays |= {k: a for k, a in main.arrays.items() if k not in of_input}
  patients = [s.patients for s in taken.values() if s.patients is not None]
  return Split(
    arrays,
    functools.reduce(_completed, [split.ids for split in taken.values()]),
    functools.reduce(_completed, patients) if patients else None,
    main.groups,
  )


def _taken(split: Split, each: Input, rows: np.ndarray) -> Split:
  """These rows of a part, with placeholders for a row of -1."""
  if split.documents is not None:
    raise UserError(
      "texts that are read in several windows cannot be joined with other "
      "inputs: raise length"
    )
  content = {k: split.arrays[k] for k in each.arrays if k in split.arrays}
  blank = each.blank(1, content)
  for name, array in split.arrays.items():
    if name not in content:  # The target: -1 or NaN means unknown.
      unknown = np.nan if array.dtype.kind == "f" else -1
      blank[name] = np.full((1, *array.shape[1:]), unknown, array.dtype)

  def taken(column: np.ndarray, placeholder: Any) -> np.ndarray:
    return np.concatenate([column, placeholder])[rows]  # -1: the placeholder.

  return Split(
    {k: taken(split.arrays[k], row) for k, row in blank.items()},
    taken(split.ids, [""]),
    None if split.patients is None else taken(split.patients, [""]),
    {name: taken(cells, [""]) for name, cells in split.groups.items()},
  )


def _completed(cells: np.ndarray, others: np.ndarray) -> np.ndarray:
  return np.where(cells == "", others, cells)


def _card(
  cards: dict[str, dict], by: str, keep: str, changes: list[dict[str, Any]]
) -> dict[str, Any]:
  """The cards of the parts in one, that of the target's part first."""
  target = next(iter(cards))
  prints = {part: card["fingerprint"] for part, card in cards.items()}
  content = json.dumps([prints, target, by, keep])
  of_parts = [
    {**change, "what": f"{part}: {change['what']}"}
    for part, card in cards.items()
    for change in card["changes"]
  ]
  return {
    **cards[target],
    "notes": [f"the inputs {' and '.join(cards)} joined by {by}"],
    "changes": of_parts + changes,
    "parts": cards,
    "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
  }


def _without_info(read: Callable) -> Callable:
  """A reader without its argument `info`."""
  settings = {k: v for k, v in spec.settings(read).items() if k != "info"}
  return functools.partial(spec.function(read), **settings)
