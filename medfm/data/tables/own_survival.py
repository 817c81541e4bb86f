"""A CSV file of one's own with a time of follow-up and what ended it.

Beside the two columns, everything is as in `own`: one row per example, the
other columns are features unless dropped, what does not fit is an error by
file, row and column.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import files, records, splits
from medfm.data.tables import encoding, labels, own, tabular
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.spec import nearest
from medfm.tasks import survival
from medfm.types import Dataset, Folders, Split, UserError

_CENSORED = ("0", "0.0", "no", "false")
_FAILED = ("1", "1.0", "yes", "true")


class OwnSurvival(tabular.Builder, skip_registration=True):
  """The user's table as its settings say; `raw` holds `table` and `test`."""

  def __init__(self, *, settings: dict[str, Any], **kwargs):
    self.settings = settings
    super().__init__(**kwargs)

  def rows(self) -> tabular.Rows:
    return _rows(self.raw, **self.settings)


def own_survival(
  folders: Folders,
  *,
  path: str,
  time: str,
  event: str,
  causes: tuple[str, ...] = (),
  unit: str = "",
  horizons: tuple[float, ...] = (),
  intervals: int = 20,
  patient: str = "",
  id: str = "",
  groups: tuple[str, ...] = (),
  numeric: tuple[str, ...] = (),
  categorical: tuple[str, ...] = (),
  drop: tuple[str, ...] = (),
  missing: tuple[str, ...] = tables.MISSING,
  missing_follow_up: labels.Policy = "error",
  split_column: str = "",
  test_path: str = "",
  delimiter: str = ",",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.6, 0.2, 0.2),
) -> Dataset:
  """The dataset of a CSV file, to predict the time until an event.

  time: the column of the time from where a prediction is made to the event or
    the end of follow-up; 0 or more, in any unit. unit: for figures.
  event: the column of what ended it: 0, no or false where nothing did
    (censored); 1, yes or true for the event.
  causes: where there are several, their cells, as `1,2` or with names
    `1=relapse,2=death`.
  horizons: times at which risks are scored; () for the quartiles of the
    training events. intervals: see `tasks.survival.fitted`.
  missing_follow_up: "error", or "drop" to leave out, counted, rows without a
    time or an event.
  Everything else: see `own.own_table`.

  Raises:
    UserError: names the file, and the row and column where there is one.
  """
  raw = {"table": own._found(folders, path)}
  if test_path:
    raw["test"] = own._found(folders, test_path)
  settings = {
    "time": time,
    "event": event,
    "causes": dict(map(_named, own._names(causes))),
    "patient": patient,
    "id": id,
    "groups": own._names(groups),
    "numeric": own._names(numeric),
    "categorical": own._names(categorical),
    "drop": own._names(drop),
    "missing": ["", *missing],
    "missing_follow_up": missing_follow_up,
    "split_column": split_column,
    "delimiter": delimiter,
  }
  return dataset(
    records.prepared(OwnSurvival, folders, raw=raw, settings=settings),
    name=pathlib.Path(path).stem,
    causes=tuple(dict.fromkeys(settings["causes"].values())) or (event,),
    unit=unit,
    horizons=horizons,
    intervals=intervals,
    card={
      "source": "the user's own table",
      "licence": "",
      "citation": "",
      "notes": [],
      "file": [files.origin(each, url="") for each in raw.values()],
    },
    seed=seed,
    fractions=fractions,
    encode=functools.partial(
      encoding.encoded,
      id=id,
      patient=patient,
      groups=tuple(settings["groups"]),
      missing=tuple(settings["missing"]),
      delimiter=delimiter,
    ),
  )


def outcomes(event: np.ndarray, time: np.ndarray) -> np.ndarray:
  """[N,2] float32: the labels of `tabular.Rows`, as `dataset` reads them."""
  return np.stack([event, time], 1).astype(np.float32)


def dataset(
  prepared: records.Prepared,
  *,
  causes: Sequence[str],
  unit: str,
  horizons: Sequence[float],
  intervals: int,
  card: Mapping[str, Any],
  seed: int,
  fractions: tuple[float, ...],
  encode: Callable[..., Split],
  name: str,
) -> Dataset:
  """The dataset of a recorded table whose labels are `outcomes`.

  Splits are made in proportion to what ended the follow-up.
  """
  given = {
    part: _with(split, label=_event(split), outcome=split.arrays["label"])
    for part, split in prepared.splits.items()
  }
  parts, how = splits.completed(given, seed, fractions)
  parts = {
    part: _with(split, label=split.arrays["outcome"], outcome=None)
    for part, split in parts.items()
  }
  table = tabular.dataset(
    prepared._replace(splits=parts),
    name=name,
    task="regression",
    card=card,
    seed=seed,
    fractions=fractions,
    encode=encode,
  )
  parts = {
    part: _with(
      split,
      label=None,
      time=np.array(split.arrays["label"][:, 1]),
      event=_event(split),
    )
    for part, split in table.splits.items()
  }
  target = survival.fitted(
    causes,
    parts["train"].arrays["time"],
    parts["train"].arrays["event"],
    unit=unit,
    horizons=horizons,
    intervals=intervals,
  )
  info = dataclasses.replace(table.info, target=target)
  return dataclasses.replace(
    table,
    splits=parts,
    info=info,
    card={**table.card, "split": how},
    encode=functools.partial(encode, info=info),
  )


def _event(split: Split) -> np.ndarray:
  return np.asarray(split.arrays["label"])[:, 0].astype(np.int32)


def _with(split: Split, **arrays: np.ndarray | None) -> Split:
  """The split with these arrays; None takes one away."""
  changed = {**split.arrays, **arrays}
  kept = {name: array for name, array in changed.items() if array is not None}
  return dataclasses.replace(split, arrays=kept)


def _rows(
  raw: dict[str, pathlib.Path],
  *,
  time: str,
  event: str,
  causes: dict[str, str],
  patient: str,
  id: str,
  groups: Sequence[str],
  numeric: Sequence[str],
  categorical: Sequence[str],
  drop: Sequence[str],
  missing: Sequence[str],
  missing_follow_up: labels.Policy,
  split_column: str,
  delimiter: str,
) -> tabular.Rows:
  parts = [
    tables.read(path, missing=missing, delimiter=delimiter)
    for path in raw.values()
  ]
  table = parts[0]
  roles = [time, event, *filter(None, (patient, id, split_column))]
  for name in (*roles, *groups, *drop):
    _ = table[name]  # An unknown column is an error, with the nearest one.
  for name in roles:
    if roles.count(name) > 1:
      raise UserError(f"the column {name!r} is given two roles")
  if len(parts) > 1 and split_column:
    raise UserError("split_column and test_path: give one of them")
  followed = [_followed(part, time, event, missing_follow_up) for part in parts]
  parts = [part for part, _ in followed]
  changes = [change for _, dropped in followed for change in dropped]
  features = [name for name in table.columns if name not in (*roles, *drop)]
  numeric, categorical, left_out = encoding.kinds(
    parts[0], features, numeric=numeric, categorical=categorical
  )
  if not numeric and not categorical:
    raise UserError(f"{table.path}: no feature column is left")
  whole = tables.joined(parts, {*numeric, *categorical, *roles, *groups})
  part = splits.given(whole, split_column)
  patients = np.array(whole[patient]) if patient else None
  if patients is not None:
    changes += own._checked_patients(whole, patients, part)
  return tabular.Rows(
    columns=encoding.parsed(whole, numeric, categorical),
    label=outcomes(_events(whole, event, causes), _times(whole, time)),
    classes=("event", "time"),
    ids=encoding.ids(whole, id),
    patients=patients,
    groups={name: encoding.group(whole, name) for name in groups},
    part=part,
    changes=(*changes, *left_out),
  )


def _followed(
  table: Table, time: str, event: str, missing: labels.Policy
) -> tuple[Table, list[dict[str, Any]]]:
  """The rows with a time and an event, and the change for the card."""
  if missing not in ("error", "drop"):
    raise UserError(
      f"missing_follow_up={missing!r}: expected 'error' or 'drop'"
    )
  known = np.array(
    [[cell != "" for cell in table[name]] for name in (time, event)]
  )
  whole = known.all(0)
  lost = int((~whole).sum())
  if not lost:
    return table, []
  if missing == "error":
    row = int(whole.argmin())
    raise table.error(
      row,
      event if known[0, row] else time,
      f"the follow-up is missing (as in {lost} rows); fill it in or set "
      "missing_follow_up='drop'",
    )
  if not whole.any():
    raise UserError(f"{table.path}: no row has both {time!r} and {event!r}")
  what = f"dropped rows without follow-up ({time}, {event})"
  return table.take(np.flatnonzero(whole)), [{"what": what, "count": lost}]


def _times(table: Table, column: str) -> np.ndarray:
  times = tables.numbers(table, column)
  if (times < 0).any():
    row = int((times < 0).argmax())
    raise table.error(
      row, column, f"{tables.shortened(table[column][row])} is a negative time"
    )
  return times


def _events(table: Table, column: str, causes: dict[str, str]) -> np.ndarray:
  """[N] int: 0 censored, else the number of the cause."""
  codes = dict.fromkeys(_CENSORED, 0)
  if causes:
    numbers = {
      name: i for i, name in enumerate(dict.fromkeys(causes.values()), 1)
    }
    codes |= {cell.lower(): numbers[name] for cell, name in causes.items()}
    expected = f"0, no, false or one of {', '.join(causes)}"
  else:
    codes |= dict.fromkeys(_FAILED, 1)
    expected = (
      "0, 1, no, yes, false or true; several causes are named with "
      "causes=1=relapse,2=death"
    )
  for row, cell in enumerate(table[column]):
    if cell.lower() not in codes:
      raise table.error(
        row,
        column,
        f"{tables.shortened(cell)} is no event: expected {expected}"
        f"{nearest(cell, codes)}",
      )
  return np.array([codes[cell.lower()] for cell in table[column]], np.int32)


def _named(cause: str) -> tuple[str, str]:
  """Cell and name of `1=relapse`, or of `relapse`."""
  cell, _, name = (part.strip() for part in cause.partition("="))
  return cell, name or cell
