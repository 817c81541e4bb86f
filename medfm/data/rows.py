"""Cleaned rows as TFDS records, in their order."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow_datasets as tfds

from medfm.data import records, splits


class Rows(Protocol):
  """N rows ready to be recorded.

  part: [N] the split each is given to, or None where none is given.
  changes: for the data card.
  """

  ids: Sequence[str] | np.ndarray
  groups: Mapping[str, Sequence[str] | np.ndarray]
  part: np.ndarray | None
  changes: tuple[dict[str, Any], ...]

  @property
  def strings(self) -> Mapping[str, Sequence[str] | np.ndarray]:
    """Columns of text beside ids and groups, `patient` among them."""
    ...

  @property
  def arrays(self) -> Mapping[str, np.ndarray]:
    """Columns of numbers [N, ...]."""
    ...

  @property
  def schema(self) -> dict[str, Any]:
    """What the numbers mean, JSON-able, under a name of its own."""
    ...


def read(array: np.ndarray) -> np.ndarray:
  """A recorded column as it was written: TFDS reads a float32 as float64."""
  array = np.asarray(array)
  return array.astype(np.float32) if array.dtype == np.float64 else array


class Builder(records.Builder, skip_registration=True):
  """Writes rows; subclasses give `rows`."""

  def rows(self) -> Rows:
    raise NotImplementedError

  @functools.cached_property
  def _rows(self) -> Rows:
    return self.rows()

  @functools.cached_property
  def _texts(self) -> dict[str, Sequence[str] | np.ndarray]:
    rows = self._rows
    groups = {f"group_{name}": group for name, group in rows.groups.items()}
    return {"id": rows.ids, **rows.strings, **groups}

  @property
  def changes(self) -> list[dict[str, Any]]:
    # The schema depends on the data and must come back with the records.
    return [*self._rows.changes, self._rows.schema]

  def _info(self) -> tfds.core.DatasetInfo:
    arrays = self._rows.arrays.items()
    kinds = {name: tfds.features.Text() for name in self._texts}
    kinds |= {name: records.feature(array) for name, array in arrays}
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(kinds),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    part = self._rows.part
    if part is None:
      part = np.full(len(self._rows.ids), splits.WHOLE)
    return {
      name: self._generate_examples(np.flatnonzero(part == name).tolist())
      for name in (splits.WHOLE, *splits.NAMES)
      if (part == name).any()
    }

  def _generate_examples(self, indices):
    arrays = self._rows.arrays
    for index in indices:
      example = {name: str(cells[index]) for name, cells in self._texts.items()}
      yield index, example | {name: a[index] for name, a in arrays.items()}
