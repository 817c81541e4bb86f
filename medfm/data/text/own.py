"""Texts of one's own with their labels, from a CSV or JSON lines file."""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from medfm.data import files, splits
from medfm.data.tables import encoding, labels
from medfm.data.tables import table as tables
from medfm.data.tables.table import Table
from medfm.data.text import text_tables, texts
from medfm.data.text import tokenizers as tokens
from medfm.data.text.sequences import TooLong
from medfm.spec import nearest
from medfm.types import Dataset, Folders, TaskName, UserError


class OwnText(texts.Builder, skip_registration=True):
  """The user's file as its settings say; `raw` holds `train` and `test`."""

  def __init__(self, *, settings: dict[str, Any], **kwargs):
    self.settings = settings
    super().__init__(**kwargs)

  def rows(self) -> texts.Rows:
    return _rows(self.raw, **self.settings)


def own_text(
  folders: Folders,
  *,
  path: str,
  label: str | tuple[str, ...],
  text: str = "text",
  pair: str = "",
  document: str = "",
  id: str = "",
  groups: tuple[str, ...] = (),
  task: TaskName = "multiclass",
  classes: tuple[str, ...] = (),
  positive: str = "",
  missing_label: labels.Policy = "error",
  split_column: str = "",
  test_path: str = "",
  delimiter: str = "",
  around_markers: bool = False,
  tokenizer: Callable = tokens.wordpiece,
  length: int = 256,
  too_long: TooLong = "windows",
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
) -> Dataset:
  """The dataset of a file of texts: .csv, .tsv, .jsonl.

  path, test_path: relative to the raw data folder or to where the command
    runs; all rows of `test_path` are the test split.
  label: one column; for multilabel several columns of 0 and 1, or one with
    names separated by `|` (in JSON lines a list).
  text, pair: the columns with the text and, for pairs, the second one.
  document: the column (a patient's or an article's name) that keeps rows in
    one split; without it equal texts stay in one.
  around_markers: the text marks two entities, << so >> and [[ so ]], and a
    long one is reduced to the part around them.
  Others as in `own_table`.

  Raises: UserError naming the file, and the row and column where there is one.
  """
  raw = {"train": found(folders, path)}
  if test_path:
    raw["test"] = found(folders, test_path)
  settings = {
    "label": [label] if isinstance(label, str) else list(label),
    "text": text,
    "pair": pair,
    "document": document,
    "id": id,
    "groups": list(groups),
    "task": task,
    "classes": list(classes),
    "positive": positive,
    "missing_label": missing_label,
    "split_column": split_column,
    "delimiter": delimiter,
  }
  own = texts.raw(
    OwnText,
    folders,
    files=raw,
    seed=seed,
    fractions=fractions,
    settings=settings,
  )
  return texts.dataset(
    own,
    folders,
    name=pathlib.Path(path).stem,
    task=task,
    card={
      "source": "the user's own texts",
      "licence": "",
      "citation": "",
      "notes": [],
      "file": [files.origin(place, url="") for place in raw.values()],
    },
    tokenizer=tokenizer,
    length=length,
    too_long=too_long,
    around_markers=around_markers,
    private=True,
    text=text,
    pair=pair,
    id=id,
  )


def found(folders: Folders, path: str) -> pathlib.Path:
  """The file, looked for where the command runs and in the data folder."""
  own = pathlib.Path(path).expanduser()
  places = [own, *([pathlib.Path(folders.raw) / own] if folders.raw else [])]
  for place in places:
    if place.is_dir():
      raise UserError(f"{place}: is a folder, expected a file")
    if place.exists():
      return place
  folder = places[-1].parent
  names = os.listdir(folder) if folder.is_dir() else []
  raise UserError(f"{path}: no such file{nearest(own.name, names)}")


def _rows(
  raw: dict[str, pathlib.Path],
  *,
  label: Sequence[str],
  text: str,
  pair: str,
  document: str,
  id: str,
  groups: Sequence[str],
  task: TaskName,
  classes: Sequence[str],
  positive: str,
  missing_label: labels.Policy,
  split_column: str,
  delimiter: str,
) -> texts.Rows:
  if task not in ("multiclass", "multilabel", "regression"):
    raise UserError(
      f"task={task!r}: expected multiclass, multilabel or regression"
    )
  if "test" in raw and split_column:
    raise UserError("split_column and test_path: give one of them")
  used = [text, pair, document, id, split_column, *label, *groups]
  used = list(dict.fromkeys(filter(None, used)))
  parts, changes = [], []
  for path in raw.values():
    own = text_tables.read(str(path), text, delimiter)
    for name in used:
      _ = own[name]  # An unknown column is an error, with the nearest one.
    own, dropped = labels.labelled(own, label, task, missing_label)
    parts.append(own)
    changes += dropped
  table = tables.joined(parts, used)
  for name in filter(None, (text, pair)):
    for index, cell in enumerate(table[name]):
      if not cell:
        raise table.error(index, name, "the text is empty")
  part = splits.given(table, split_column)
  values, names = _labels(table, parts[0], label, task, classes, positive, part)
  documents = _documents(table, text, pair, document, part)
  if part is not None and documents:
    _check_documents(table, documents, part)
  strings = {"text": table[text]} | ({"pair": table[pair]} if pair else {})
  return texts.Rows(
    strings=strings,
    ids=encoding.ids(table, id).tolist(),
    label=values,
    classes=names,
    documents=documents,
    groups={name: encoding.group(table, name).tolist() for name in groups},
    part=part,
    changes=tuple(changes),
  )


def _labels(
  table: Table, train: Table, columns, task, classes, positive, part
) -> tuple[np.ndarray, tuple[str, ...]]:
  if task == "multilabel" and len(columns) == 1:
    return _sets(table, columns[0], classes, part)
  if task == "multiclass" and not classes:
    rows = np.arange(len(table)) if part is None else part == "train"
    if part is not None:
      rows = np.flatnonzero(rows)
    # A class that only other splits have is an error there, by its row.
    _, classes = labels.read(table.take(rows), columns, task)
  return labels.read(table, columns, task, classes=classes, positive=positive)


def _sets(
  table: Table, column: str, classes: Sequence[str], part
) -> tuple[np.ndarray, tuple[str, ...]]:
  """Labels named in one cell, separated by `|`: float32 [N,K] of 0 and 1."""
  cells = [
    [name.strip() for name in cell.split(text_tables.SEPARATOR)]
    for cell in table[column]
  ]
  training = [
    own
    for index, own in enumerate(cells)
    if part is None or part[index] == "train"
  ]
  order = list(classes) or sorted({n for own in training for n in own if n})
  number = {name: code for code, name in enumerate(order)}
  label = np.zeros((len(table), len(order)), np.float32)
  for index, own in enumerate(cells):
    for name in filter(None, own):
      if name not in number:
        raise table.error(
          index,
          column,
          f"{tables.shortened(name)} is none of the labels in training"
          f"{nearest(name, order)}",
        )
      label[index, number[name]] = 1
  return label, tuple(order)


def _documents(
  table: Table, text: str, pair: str, document: str, part: np.ndarray | None
) -> list[str] | None:
  """[N] what keeps rows together; equal texts, where we make the split."""
  if document:
    return table[document]
  if part is not None:
    return None
  second = table[pair] if pair else [""] * len(table)
  return [texts.content(a, b) for a, b in zip(table[text], second, strict=True)]


def _check_documents(
  table: Table, documents: list[str], part: np.ndarray
) -> None:
  first: dict[str, int] = {}
  for index, name in enumerate(documents):
    seen = first.setdefault(name, index)
    if name and part[seen] != part[index]:
      raise UserError(
        f"{table.place(seen)} ({part[seen]}) and {table.place(index)} "
        f"({part[index]}) are of one document: move its rows into one split"
      )
