"""Two or more datasets of the same patients as one, inputs side by side."""

import functools
import hashlib
import json
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from medfm.types import PRESENT, Dataset, Folders, Info, Input, Split, UserError

_SUFFIX = re.compile(r"\.[A-Za-z]{2,5}$")  # Of a file's name, not of a row's.


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
  it has that input; where it has not, its arrays hold placeholders.

  parts: a name for each input -> its dataset factory, each with one input.
  target: the part whose examples and labels these are; "" for the only one
    with labels. Where a patient has several of them, each gets the patient's
    other inputs.
  by: what rows that belong together share. An id that is a file's name counts
    without its suffix. A part other than the target's has one row for each at
    most.
  keep: "all" also keeps examples that only another part has, without a label;
    "target" keeps the examples of the target's part; "complete" keeps those of
    them that have every input.

  The splits are those of the parts, which must agree: give all of them a
  split column. Each input keeps the description that its part fitted.

  Raises:
    UserError: parts that name no patients, share none, have several rows for
      one, or put one into different splits.
  """
  if by not in ("patient", "id") or keep not in ("all", "target", "complete"):
    raise UserError(
      f"by={by!r}, keep={keep!r}: expected patient or id; all, target or "
      "complete"
    )
  datasets = {part: factory(folders) for part, factory in parts.items()}
  target = target or _labelled(datasets)
  if len(parts) < 2 or target not in parts:
    raise UserError(
      f"parts={tuple(parts)}: expected two or more, with {target!r}"
    )
  order = [target, *(part for part in parts if part != target)]
  datasets = {part: datasets[part] for part in order}
  inputs = {part: datasets[part].info.only for part in parts}
  main = datasets[target]
  keys = {
    part: {name: _keys(split, by, part) for name, split in data.splits.items()}
    for part, data in datasets.items()
  }
  _check_splits(keys)
  likes = {
    part: _content(data.splits["train"], inputs[part])
    for part, data in datasets.items()
  }
  splits, changes = {}, []
  for split in dict.fromkeys(
    s for data in datasets.values() for s in data.splits
  ):
    there = {
      p: d.splits[split] for p, d in datasets.items() if split in d.splits
    }
    rows = _rows({part: keys[part][split] for part in there}, order, keep)
    splits[split] = _together(there, inputs, rows, likes, target, main)
    changes += _counted(split, rows)
  info = Info(name=name, inputs=inputs, target=main.info.target)
  readers = {part: data.encode for part, data in datasets.items()}
  return Dataset(
    splits=splits,
    info=info,
    card=_card(datasets, target, by, changes, keep),
    encode=functools.partial(
      encoded,
      info=info,
      readers={part: _without_info(read) for part, read in readers.items()},
      by=by,
    )
    if all(readers.values())
    else None,
    private=any(data.private for data in datasets.values()),
  )


def encoded(
  path: str, info: Info, *, readers: Mapping[str, Callable], by: str
) -> Split:
  """New examples from a folder with a file or folder for each input.

  They are named as the inputs (`table.csv`, `scan/`); an input may be absent,
  of all examples or of some. Rows belong together by patient, or where the
  files name none by id.
  """
  folder = pathlib.Path(path).expanduser()
  if not folder.is_dir():
    raise UserError(
      f"{path}: expected a folder with a file or folder named as each input: "
      + ", ".join(info.inputs)
    )
  parts = {}
  for name, each in info.inputs.items():
    places = [place for place in sorted(folder.iterdir()) if place.stem == name]
    if len(places) > 1:
      raise UserError(f"{path}: several files are called {name!r}")
    if places:
      sole = Info(info.name, {name: each}, info.target)
      parts[name] = readers[name](str(places[0]), sole)
  if not parts:
    raise UserError(
      f"{path}: holds nothing that is called {' or '.join(info.inputs)}"
    )
  keys = {
    name: _keys(split, "id" if split.patients is None else by, name)
    for name, split in parts.items()
  }
  rows = _rows(keys, list(parts), "all")
  return _together(parts, info.inputs, rows, {}, next(iter(parts)), None)


def _labelled(datasets: Mapping[str, Dataset]) -> str:
  """The one part with labels."""
  names = [part for part, data in datasets.items() if data.info.target.names]
  if len(names) != 1:
    raise UserError(
      f"parts: {' and '.join(names) or 'none'} of {', '.join(datasets)} "
      "with labels; set target to one"
    )
  return names[0]


def _keys(split: Split, by: str, part: str) -> list[str]:
  """The patient or id of each row; "" where it is unknown."""
  if by == "id":
    return [_SUFFIX.sub("", str(name)) for name in split.ids]
  if split.patients is None:
    raise UserError(
      f"{part} names no patients; set its patient column, or by=id"
    )
  return [str(name) for name in split.patients]


def _check_splits(keys: Mapping[str, Mapping[str, list[str]]]) -> None:
  homes: dict[str, set[str]] = {}
  for by_split in keys.values():
    for split, names in by_split.items():
      for name in filter(None, names):
        homes.setdefault(name, set()).add(split)
  moved = sum(len(splits) > 1 for splits in homes.values())
  if moved:
    raise UserError(
      f"{moved} of {len(homes)} patients are in different splits of "
      f"{' and '.join(keys)}: give all of them a split column that agrees"
    )


def _rows(
  keys: Mapping[str, list[str]], order: Sequence[str], keep: str
) -> dict[str, np.ndarray]:
  """part -> [N] its row for each example, -1 where it has none.

  order: the parts, the target's first.
  """
  places = {}
  for part in order[1:]:
    names = keys.get(part, [])
    places[part] = {name: row for row, name in enumerate(names) if name}
    repeated = len([n for n in names if n]) - len(places[part])
    if repeated:
      raise UserError(
        f"{part} has {repeated} rows beside the first of a patient: join by "
        "id, or leave one"
      )
  main = keys.get(order[0], [])
  names, first = list(main), list(range(len(main)))
  if keep == "all":
    known = set(main)
    others = [name for place in places.values() for name in place]
    extra = [name for name in dict.fromkeys(others) if name not in known]
    names, first = names + extra, first + [-1] * len(extra)
  rows = {order[0]: np.array(first, int)}
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
  likes: Mapping[str, Mapping[str, np.ndarray]],
  target: str,
  main: Dataset | None,
) -> Split:
  """One split; main: the dataset of the labels, None where there are none."""
  count = len(next(iter(rows.values())))
  arrays: dict[str, np.ndarray] = {}
  absent = np.full(count, -1)
  for name, each in inputs.items():
    there = rows.get(name, absent) >= 0
    content = _content(parts[name], each) if name in parts else {}
    columns = each.blank(count, content or likes.get(name, {}))
    for array, values in columns.items():
      if there.any():
        values[there] = content[array][rows[name][there]]
      arrays[f"{name}/{array}"] = values
    arrays[f"{name}/{PRESENT}"] = there
  if main is not None:
    arrays |= _truth(main, inputs[target], parts.get(target), rows[target])
  groups = {}
  if target in parts:
    groups = {
      name: _picked(cells, rows[target])
      for name, cells in parts[target].groups.items()
    }
  return Split(
    arrays,
    _first([(parts[n].ids, each) for n, each in rows.items() if n in parts]),
    _patients(parts, rows),
    groups,
  )


def _content(split: Split, each: Input) -> dict[str, np.ndarray]:
  if "document" in split.arrays:
    raise UserError(
      "texts that are read in several windows cannot be joined: raise length"
    )
  return {k: split.arrays[k] for k in each.arrays if k in split.arrays}


def _truth(
  main: Dataset, each: Input, split: Split | None, rows: np.ndarray
) -> dict[str, np.ndarray]:
  """The truth of each example; unknown (-1, NaN) where it has no label."""
  like = main.splits["train"].arrays
  known = {} if split is None else split.arrays
  truth = {}
  for name in like:
    if name not in each.arrays:
      empty = np.nan if like[name].dtype.kind == "f" else -1
      shape = (len(rows), *like[name].shape[1:])
      truth[name] = np.full(shape, empty, like[name].dtype)
      if name in known:
        truth[name][rows >= 0] = known[name][rows[rows >= 0]]
  return truth


def _picked(cells: np.ndarray, rows: np.ndarray) -> np.ndarray:
  """[N] str of these rows, "" for -1."""
  return np.append(np.asarray(cells, str), "")[rows]


def _first(columns: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
  """[N] str: the first that is not empty."""
  chosen = _picked(*columns[0])
  for cells, rows in columns[1:]:
    chosen = np.where(chosen == "", _picked(cells, rows), chosen)
  return chosen


def _patients(
  parts: Mapping[str, Split], rows: Mapping[str, np.ndarray]
) -> np.ndarray | None:
  columns = [
    (split.patients, rows[name])
    for name, split in parts.items()
    if split.patients is not None
  ]
  return _first(columns) if columns else None


def _counted(
  split: str, rows: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
  """For the card: how many examples lack each input."""
  lacking = {part: int((each < 0).sum()) for part, each in rows.items()}
  return [
    {"what": f"{split}: examples without {part}", "count": count}
    for part, count in lacking.items()
    if count
  ]


def _card(datasets, target, by, changes, keep) -> dict[str, Any]:
  """The cards of the parts in one."""
  prints = {part: data.card["fingerprint"] for part, data in datasets.items()}
  content = json.dumps([prints, target, by, keep])
  return {
    **datasets[target].card,
    "notes": [f"the inputs {' and '.join(datasets)} joined by {by}"],
    "changes": [
      *(
        {**change, "what": f"{part}: {change['what']}"}
        for part, data in datasets.items()
        for change in data.card["changes"]
      ),
      *changes,
    ],
    "parts": {part: data.card for part, data in datasets.items()},
    "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
  }


def _without_info(read: Callable | None) -> Callable | None:
  if not isinstance(read, functools.partial):
    return read
  settings = {k: v for k, v in read.keywords.items() if k != "info"}
  return functools.partial(read.func, *read.args, **settings)
