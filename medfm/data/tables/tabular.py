"""Tables as datasets: recorded row by row, split by patient, then encoded.

The records hold every column of the cleaned table in raw units with all the
levels that occur. Whatever depends on the training split is fitted when the
dataset is loaded, so that another seed needs no new records.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import cards, records, splits
from medfm.data.tables import encoding
from medfm.data.tables.encoding import Columns
from medfm.data.tables.input import Table as Described
from medfm.data.tables.labels import Truth
from medfm.types import Dataset, Info, Split, Target

Builder = records.RowsBuilder
"""Writes `Rows` in their order; subclasses give `rows`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
  """N cleaned rows of a table, or texts, ready to be recorded.

  columns: of the table; texts: `text` and perhaps `pair`, or `words` and
    `tags`, tab-separated.
  truth: what is to be predicted, by the names of a split's arrays, as `label`;
    {} if the tags hold it or there is none.
  names: of the classes, labels, numbers or tags.
  patients: whose rows stay in one split, "" if unknown; for texts, documents.
  part: the split of each, if given.
  """

  ids: Sequence[str] | np.ndarray
  columns: Columns | None = None
  texts: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
  truth: Truth = dataclasses.field(default_factory=dict)
  names: tuple[str, ...] = ()
  patients: Sequence[str] | np.ndarray | None = None
  groups: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  part: np.ndarray | None = None
  changes: Sequence[dict[str, Any]] = ()

  @property
  def strings(self) -> dict[str, Any]:
    owners = {} if self.patients is None else {"patient": self.patients}
    return {**self.texts, **owners}

  @property
  def arrays(self) -> Truth:
    return self.truth | (self.columns.arrays if self.columns else {})

  @property
  def schema(self) -> dict[str, Any]:
    table, names = self.columns, {"classes": self.names}
    if table is None:
      return names
    return {
      "schema": {"numeric": table.numeric, "levels": table.levels, **names}
    }


def dataset(
  prepared: records.Prepared,
  *,
  name: str,
  target: Callable[[Sequence[str], Truth], Target],
  card: Mapping[str, Any],
  seed: int = 0,
  fractions: tuple[float, ...] = (0.6, 0.2, 0.2),
  stratify: str = "label",
  **reads: Any,
) -> Dataset:
  """The dataset of a recorded table.

  target: (names, truth in training) -> description, as the task's
    `columns.target`.
  stratify: the array that splits keep in proportion.
  reads: settings of `encoding.encoded`, which reads a user's new file.
  """
  if prepared.reading:
    return _as_trained(prepared, name, target, card)
  *changes, last = prepared.changes
  schema = last["schema"]
  parts, how = splits.completed(prepared.splits, seed, fractions, stratify)
  columns, truth = _columns(parts, schema)
  described, constant = encoding.fit(columns["train"])
  info = Info(
    name=name,
    inputs={"table": described},
    target=target(tuple(schema["classes"]), truth["train"]),
  )
  unseen = respelt = 0
  for part, split in parts.items():
    coded = encoding.arrays(columns[part], described)
    if columns[part].levels:
      lost = (coded["categories"] < 0) & (columns[part].categories >= 0)
      unseen += int(lost.sum())
      respelt += encoding.respelt(columns[part], coded, described)
    parts[part] = dataclasses.replace(split, arrays=coded | truth[part])
  what = "levels never seen in training taken for missing"
  cased = "levels that differ from one in training by case, taken for it"
  lost = records.counted({what: unseen, cased: respelt})
  return Dataset(
    splits=parts,
    info=info,
    card={
      **card,
      cards.READ: _read(described.numeric, described.levels),
      **cards.warned(cards.doubts(schema["classes"])),
      "changes": [*changes, *constant, *lost],
      "split": how,
      "fingerprint": prepared.fingerprint,
    },
    encode=functools.partial(encoding.encoded, info=info, **reads),
  )


def _read(numeric: Sequence[str], levels: Mapping[str, Any]) -> str:
  """The columns that are features, by kind."""
  kinds = {"numbers": [*numeric], "categories": [*levels]}
  shown = [
    f"{len(names)} {kind if len(names) > 1 else singular} "
    f"({cards.listed(names)})"
    for (kind, names), singular in zip(
      kinds.items(), ("number", "category"), strict=True
    )
    if names
  ]
  return f"features: {', '.join(shown)}"


def _columns(
  parts: Mapping[str, Split], schema: Mapping[str, Any]
) -> tuple[dict[str, Columns], dict[str, Truth]]:
  """The recorded columns of each split, and its truth."""
  levels = {key: tuple(levels) for key, levels in schema["levels"].items()}
  columns, truth = {}, {}
  for part, split in parts.items():
    arrays = {key: records.read(array) for key, array in split.arrays.items()}
    none = np.zeros((len(split), 0), np.int32)
    features = arrays.pop("features", none.astype(np.float32))
    categories = arrays.pop("categories", none)
    numeric = tuple(schema["numeric"])
    columns[part] = Columns(features, categories, numeric, levels)
    truth[part] = arrays
  return columns, truth


def _as_trained(
  prepared: records.Prepared,
  name: str,
  target: Callable[[Sequence[str], Truth], Target],
  card: Mapping[str, Any],
) -> Dataset:
  """All rows of a recorded table in the columns and codes of training."""
  *changes, last = prepared.changes
  described = prepared.reading.only(Described, name)
  whole = splits.together(prepared.splits)
  columns, truth = _columns({name: whole}, last["schema"])
  arrays, recoded = encoding.recoded(columns[name], described, name)
  whole = dataclasses.replace(whole, arrays=arrays | truth[name])
  names = tuple(last["schema"]["classes"])
  info = Info(name, {"table": described}, target(names, truth[name]))
  return Dataset(
    splits={splits.WHOLE: whole},
    info=info,
    card={
      **card,
      cards.READ: _read(described.numeric, described.levels),
      "changes": [*changes, *recoded],
      "fingerprint": prepared.fingerprint,
    },
  )
