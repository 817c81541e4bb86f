"""A user's own texts with their labels, from a CSV or JSON lines file."""

import dataclasses
import pathlib
from typing import Any

import tensorflow_datasets as tfds

from medfm import tasks
from medfm.data import files
from medfm.data.tables import own as own_table
from medfm.data.tables.labels import Policy, adopted
from medfm.data.text import text_files, texts
from medfm.spec import forwards
from medfm.types import Dataset, Folders


class OwnText(own_table.Own, skip_registration=True):
  """The user's texts; `raw` holds `train` and perhaps `test`."""

  VERSION = tfds.core.Version("1.3.0")  # 1.3: the case of codes counts.

  def rows(self) -> texts.Rows:
    given = self.given
    columns = [given.text, given.pair, given.document, given.id]
    columns += [given.split_column, *self.labels.columns, *given.groups]
    parts, changes = self.labelled(
      text_files.read(str(path), given.text, given.delimiter)
      for path in self.raw.values()
    )
    columns = filter(None, columns)
    table, rows = self.joined(parts, columns, given.document, "document")
    strings = text_files.strings(table, text=given.text, pair=given.pair)
    documents = rows.patients
    if documents is None and rows.part is None:
      # The split is made here, so equal texts stay in one split.
      second = strings.get("pair", [""] * len(table))
      pairs = zip(strings["text"], second, strict=True)
      documents = [texts.content(*pair) for pair in pairs]
    return dataclasses.replace(
      rows, texts=strings, patients=documents, changes=(*changes, *rows.changes)
    )


@forwards(texts.dataset, "tokenizer", "length", "too_long", "unit", length=256)
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
  seed: int = 0,
  fractions: tuple[float, ...] = (0.7, 0.1, 0.2),
  **cutting: Any,
) -> Dataset:
  """The dataset of a file of texts: .csv, .tsv, .jsonl.

  path, test_path: relative to the raw data folder or to where the command
    runs; all rows of `test_path` are the test split.
  label: one column; for multilabel several columns of 0 and 1, or one with
    names separated by `|` (in JSON lines a list).
  text, pair: the columns with the text and, for pairs, the second text.
  document: the column (a patient's or an article's name) that keeps rows in
    one split; without it equal texts stay in one split.
  around_markers: whether the text marks two entities, << so >> and [[ so ]];
    a long text is then reduced to the part around them.
  cutting: `tokenizer`, `length`, `too_long` and `unit` of `texts.dataset`.
    The other settings are as in `own_table`.

  Raises: UserError naming the file and, where known, the row and column.
  """
  reading = folders.reading
  labels = tasks.columns_of(
    task,
    {"separator": text_files.SEPARATOR},
    label=(label,) if isinstance(label, str) else tuple(label),
    classes=tuple(classes),
    positive=positive,
    missing_label=missing_label,
  )
  labels = adopted(labels, reading)
  raw = {"train": files.of_user(folders, path)}
  if test_path:
    raw["test"] = files.of_user(folders, test_path)
  in_new_files = {"text": text, "pair": pair, "id": id, "delimiter": delimiter}
  settings = {
    **in_new_files,
    "document": document,
    "groups": tuple(groups),
    "split_column": "" if reading else split_column,
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
    **({"whole": True} if reading else {}),
  )
  card = files.own_card("the user's own texts", raw.values())
  card |= {} if document else {"grouped_by": "text"}
  return texts.dataset(
    (recorded, card),
    folders,
    name=pathlib.Path(path).stem,
    target=labels.target,
    around_markers=around_markers,
    private=True,
    **in_new_files,
    **cutting,
  )
