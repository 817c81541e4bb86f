"""Tables as datasets: recorded row by row, split by patient, then encoded.

The records hold every column of the cleaned table in raw units with all the
levels that occur; what depends on the training split is fitted when the
dataset is loaded, so that another seed needs no new records.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import records, splits
from medfm.data.tables import encoding
from medfm.data.tables.encoding import Columns
from medfm.data.tables.labels import Truth
from medfm.types import Dataset, Info, Split, Target

WHOLE = splits.WHOLE
COLUMNS = ("features", "categories")


@dataclasses.dataclass(frozen=True)
class Rows:
  """A cleaned table, ready to be recorded.

  truth: what is to be predicted, by the names of a split's arrays: `label`
    int32 [N] of classes, float32 [N,K] of labels or numbers, or others.
  names: of the classes, labels or numbers.
  part: [N] the split each row is given to, or None where none is given.
  """

  columns: Columns
  truth: Truth
  names: tuple[str, ...]
  ids: np.ndarray
  patients: np.ndarray | None = None
  groups: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  part: np.ndarray | None = None
  changes: tuple[dict[str, Any], ...] = ()

  @property
  def schema(self) -> dict[str, Any]:
    """What the records' numbers mean, JSON-able."""
    return {
      "numeric": self.columns.numeric,
      "levels": self.columns.levels,
      "classes": self.names,
    }


class Builder(records.Builder, skip_registration=True):
  """Writes the `Rows` of a table in their order; subclasses give `rows`."""

  def rows(self) -> Rows:
    raise NotImplementedError

  @functools.cached_property
  def _rows(self) -> Rows:
    return self.rows()

  @property
  def changes(self) -> list[dict[str, Any]]:
    # The schema depends on the data and must come back with the records.
    return [*self._rows.changes, {"schema": self._rows.schema}]

  def _info(self) -> tfds.core.DatasetInfo:
    rows, features = self._rows, tfds.features
    kinds = {"id": features.Text()}
    kinds |= {name: records.feature(a) for name, a in rows.truth.items()}
    if rows.patients is not None:
      kinds["patient"] = features.Text()
    for name in rows.groups:
      kinds[f"group_{name}"] = features.Text()
    for name, array in _arrays(rows.columns).items():
      kinds[name] = records.feature(array)
    return tfds.core.DatasetInfo(
      builder=self,
      features=features.FeaturesDict(kinds),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    part = self._rows.part
    if part is None:
      return {WHOLE: self._generate_examples(np.arange(len(self._rows.ids)))}
    return {
      name: self._generate_examples(np.flatnonzero(part == name))
      for name in splits.NAMES
      if (part == name).any()
    }

  def _generate_examples(self, indices):
    rows = self._rows
    columns = {**rows.truth, **_arrays(rows.columns)}
    texts = {f"group_{name}": group for name, group in rows.groups.items()}
    texts["id"] = rows.ids
    if rows.patients is not None:
      texts["patient"] = rows.patients
    for index in indices:
      example = {name: array[index] for name, array in columns.items()}
      example |= {name: str(array[index]) for name, array in texts.items()}
      yield int(index), example


def dataset(
  prepared: records.Prepared,
  *,
  name: str,
  target: Callable[[Sequence[str], Truth], Target],
  card: Mapping[str, Any],
  seed: int,
  fractions: tuple[float, ...],
  stratify: str = "label",
  encode: Callable[..., Split] = encoding.encoded,
) -> Dataset:
  """The dataset of a recorded table.

  Splits that the records do not give are made by patient: all three, or
  validation out of train.

  target: (names, truth in training) -> description, as the task's
    `columns.target`.
  stratify: the array that splits keep in proportion.
  encode: `encode(path, info=info)` gives the split of a user's new file.
  """
  schema, changes = _schema(prepared.changes)
  parts, how = splits.completed(prepared.splits, seed, fractions, stratify)
  columns = {
    part: Columns(
      features=_array(split, "features", np.float32),
      categories=_array(split, "categories", np.int32),
      numeric=tuple(schema["numeric"]),
      levels={key: tuple(levels) for key, levels in schema["levels"].items()},
    )
    for part, split in parts.items()
  }
  described, constant = encoding.fit(columns["train"])
  truth = {
    part: {k: v for k, v in split.arrays.items() if k not in COLUMNS}
    for part, split in parts.items()
  }
  info = Info(
    name=name,
    inputs={"table": described},
    target=target(tuple(schema["classes"]), truth["train"]),
  )
  arrays = {
    part: encoding.arrays(own, described) for part, own in columns.items()
  }
  return Dataset(
    splits={
      part: dataclasses.replace(split, arrays={**arrays[part], **truth[part]})
      for part, split in parts.items()
    },
    info=info,
    card={
      **card,
      "changes": [*changes, *constant, *_unseen(columns, arrays)],
      "split": how,
      "fingerprint": prepared.fingerprint,
    },
    encode=functools.partial(encode, info=info),
  )


def _schema(changes: list[dict]) -> tuple[dict[str, Any], list[dict]]:
  (schema,) = (entry["schema"] for entry in changes if "schema" in entry)
  return schema, [entry for entry in changes if "schema" not in entry]


def _unseen(
  columns: Mapping[str, Columns], arrays: Mapping[str, Mapping]
) -> list[dict[str, Any]]:
  """What of validation and test has a level that training has not."""
  count = 0
  for part, own in columns.items():
    if own.levels:
      lost = (arrays[part]["categories"] < 0) & (own.categories >= 0)
      count += int(lost.sum())
  what = "levels never seen in training taken for missing"
  return [{"what": what, "count": count}] if count else []


def _arrays(columns: Columns) -> dict[str, np.ndarray]:
  found = {"features": columns.features, "categories": columns.categories}
  return {name: array for name, array in found.items() if array.shape[1]}


def _array(split: Split, name: str, dtype: Any) -> np.ndarray:
  """A split's array in memory, or [N,0] where the table has no such columns."""
  empty = np.zeros((len(split), 0), dtype)
  return np.asarray(split.arrays.get(name, empty))
