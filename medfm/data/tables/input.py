"""What a model must know of a table, fitted on the training split alone."""

import dataclasses
from typing import Any


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

  @property
  def arrays(self) -> tuple[str, ...]:
    """Names of its arrays in a split."""
    present = {"features": self.numeric, "categories": self.levels}
    return tuple(name for name, columns in present.items() if columns)

  def settings(self) -> dict[str, Any]:
    """What a model of it is called with: the number of levels by column."""
    if not self.levels:
      return {}
    return {"levels": tuple(len(names) for names in self.levels.values())}
