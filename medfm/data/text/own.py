"""Texts of one's own with their labels, from a CSV or JSON lines file."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from medfm import tasks
from medfm.data import files, splits
from medfm.data.tables import encoding
from medfm.data.tables import table as tables
from medfm.data.tables.labels import Labels, Policy
from medfm.data.tables.table import Table
from medfm.data.text import text_tables, texts
from medfm.data.text import tokenizers as tokens
from medfm.data.text.sequences import TooLong
from medfm.types import Dataset, Folders


class OwnText(texts.Builder, skip_registration=True):
  """The user's file as its settings say; `raw` holds `train` and `test`."""

  def __init__(self, *, labels: Labels, settings: dict[str, Any], **kwargs):
    self.labels, self.settings = labels, settings
    super().__init__(**kwargs)

  def rows(self) -> texts.Rows:
    return _rows(self.raw, self.labels, **self.settings)


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
  task: str = "multiclass",
  classes: tuple[str, ...] = (),
  positive: str = "",
  missing_label: Policy = "error",
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
  labels = tasks.columns_of(
    task,
    {"separator": text_tables.SEPARATOR},
    label=(label,) if isinstance(label, str) else tuple(label),
    classes=tuple(classes),
    positive=positive,
    missing_label=missing_label,
  )
  raw = {"train": files.of_user(folders, path)}
  if test_path:
    raw["test"] = files.of_user(folders, test_path)
  settings = {
    "text": text,
    "pair": pair,
    "document": document,
    "id": id,
    "groups": tuple(groups),
    "split_column": split_column,
    "delimiter": delimiter,
  }
  recorded = texts.raw(
    OwnText,
    folders,
    raw=raw,
    seed=seed,
    fractions=fractions,
    stratify=labels.stratify,
    labels=labels,
    settings=settings,
  )
  card = files.own_card("the user's own texts", raw.values())
  return texts.dataset(
    (recorded, card),
    folders,
    name=pathlib.Path(path).stem,
    target=labels.target,
    tokenizer=tokenizer,
    length=length,
    too_long=too_long,
    around_markers=around_markers,
    private=True,
    text=text,
    pair=pair,
    id=id,
  )


def _rows(
  raw: dict[str, pathlib.Path],
  labels: Labels,
  *,
  text: str,
  pair: str,
  document: str,
  id: str,
  groups: Sequence[str],
  split_column: str,
  delimiter: str,
) -> texts.Rows:
  used = [text, pair, document, id, split_column, *labels.columns, *groups]
  used = list(dict.fromkeys(filter(None, used)))
  parts, changes = [], []
  for path in raw.values():
    table = text_tables.read(str(path), text, delimiter)
    for name in used:
      _ = table[name]  # An unknown column is an error, with the nearest one.
    table, dropped = labels.labelled(table)
    parts.append(table)
    changes += dropped
  table = tables.joined(parts, used)
  for name in filter(None, (text, pair)):
    for index, cell in enumerate(table[name]):
      if not cell:
        raise table.error(index, name, "the text is empty")
  part = splits.given(table, split_column)
  if document:
    splits.refuse_shared(table, table[document], part, "document")
  # A class that only other splits have is an error there, by its row.
  truth, predicted = labels.read(
    table, None if part is None else part == "train"
  )
  strings = {"text": table[text]} | ({"pair": table[pair]} if pair else {})
  return texts.Rows(
    texts=strings,
    ids=encoding.ids(table, id).tolist(),
    truth=truth,
    names=predicted,
    documents=_documents(table, text, pair, document, part),
    groups={name: encoding.group(table, name).tolist() for name in groups},
    part=part,
    changes=tuple(changes),
  )


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
