"""What a model must know about a table, fitted on the training split alone."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import spelling
from medfm.data.tables import design, near
from medfm.types import (
  Arrays,
  Batch,
  Design,
  Info,
  Near,
  Profile,
  Split,
  UserError,
)


@dataclasses.dataclass(frozen=True)
class Table:
  """Columns of numbers and of categories.

  numeric: names of `features` [B,F], in order.
  mean, std: [F], of the training split's observed values.
  levels: column name -> its levels, in the order of `categories` [B,M]; level
    i is stored as the integer i, anything else as -1 (missing).
  """

  numeric: tuple[str, ...] = ()
  mean: tuple[float, ...] = ()
  std: tuple[float, ...] = ()
  levels: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

  suits = ("linear", "trees")

  @property
  def arrays(self) -> tuple[str, ...]:
    """Names of its arrays in a split."""
    present = {"features": self.numeric, "categories": self.levels}
    return tuple(name for name, columns in present.items() if columns)

  @property
  def near(self) -> Near:
    """Rows that are alike except for rounding or a few columns."""
    return Near(near.RULE, near.search)

  def settings(self, chosen: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A model's settings for this table: the number of levels by column."""
    counts = tuple(map(len, self.levels.values()))
    return {"levels": counts} if counts else {}

  def scale(self, batch: Batch) -> Batch:
    """Standardises `features` [B,F] by the training split; NaN stays NaN.

    A column that never varied is only centred; `categories` stay as they are.
    """
    if "features" not in batch:
      return batch
    mean, std = self.moments()
    return {**batch, "features": (batch["features"] - mean) / std}

  def moments(self) -> tuple[np.ndarray, np.ndarray]:
    """Mean and divisor [1,F] float32 of the numeric columns."""
    mean, std = np.array([self.mean, self.std], np.float32)[:, None]
    return mean, np.where(std > 0, std, np.float32(1))

  def blank(
    self, count: int, like: Mapping[str, np.ndarray] = {}
  ) -> dict[str, np.ndarray]:
    """Rows in which every value is missing."""
    arrays = {
      "features": np.full((count, len(self.numeric)), np.nan, np.float32),
      "categories": np.full((count, len(self.levels)), -1, np.int32),
    }
    return {name: arrays[name] for name in self.arrays}

  def design(self, train: Split, seed: int) -> Design:
    """Medians for missing values, a column per level; see `design.linear`."""
    return design.linear(train, self.numeric, self.levels)

  def native(self, train: Split, seed: int) -> Design:
    """NaN for missing values, and codes of levels; see `design.native`."""
    return design.native(train, self.numeric, self.levels)

  def recoded(
    self, arrays: Mapping[str, np.ndarray], trained: "Table"
  ) -> dict[str, np.ndarray]:
    """Levels by name as training numbered them; others are missing (-1)."""
    if self.numeric != trained.numeric:
      raise ValueError(f"features {self.numeric}, not {trained.numeric}")
    if tuple(self.levels) != tuple(trained.levels):
      raise ValueError(f"columns {[*self.levels]}, not {[*trained.levels]}")
    if not self.levels:
      return dict(arrays)
    codes = renumbered(arrays["categories"], self.levels, trained.levels)
    return {**arrays, "categories": codes}

  def profile(self, arrays: Arrays) -> Profile:
    """The columns unchanged."""
    values = arrays.get("features", np.zeros((0, 0)))
    codes = np.asarray(arrays.get("categories", np.zeros((0, 0)))).T
    levels = zip(self.levels.items(), codes, strict=True) if len(codes) else ()
    return Profile(
      self.numeric, values, {name: (named, c) for (name, named), c in levels}
    )

  def describe(self) -> str:
    """The number of its columns, in words."""
    counts = {"numbers": self.numeric, "categories": self.levels}
    return " and ".join(
      f"{len(columns)} {what}" for what, columns in counts.items() if columns
    )


def renumbered(
  codes: np.ndarray,
  old: Mapping[str, Sequence[str]],
  new: Mapping[str, Sequence[str]],
) -> np.ndarray:
  """Codes [N,M] of the old levels as codes of the new levels, or -1.

  Levels are matched by name, in any spelling (`spelling.matcher`).
  """
  codes = np.array(codes)
  for column, (name, levels) in zip(codes.T, old.items(), strict=True):
    place = spelling.matcher(new[name])
    # One entry more for -1, which means "missing" before and after.
    column[:] = np.array([*map(place, levels), -1])[column]
  return codes


def only(info: Info) -> Table:
  """The table, if it is the only input; else UserError."""
  table = info.only
  if not isinstance(table, Table):
    raise UserError(
      f"{info.name} has the input {info.describe()}; this needs a table"
    )
  return table


def of_numbers(values: np.ndarray) -> dict[str, np.ndarray]:
  """The arrays of a table of numbers alone [N,F]."""
  return {"features": np.asarray(values, np.float32)}
