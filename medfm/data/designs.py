"""What a classical model sees of a dataset: the columns of all its inputs.

Each input makes its own columns; here they are put side by side.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from medfm.types import PRESENT, Design, Info, Split, UserError, view


def linear(train: Split, info: Info, seed: int) -> Design:
  """For linear models: no NaN, fitted on the training split.

  An example without one of several inputs has the training means of its
  columns, and 1 in the column `<input> missing`.

  Raises:
    UserError: an input that gives no columns.
  """
  return _side_by_side(
    train, info, lambda each, split: each.design(split, seed), _with_means
  )


def native(train: Split, info: Info, seed: int) -> Design:
  """For trees, which take NaN for missing and codes of levels as they are."""
  return _side_by_side(
    train, info, lambda each, split: each.native(split, seed), _with_nan
  )


def _side_by_side(
  train: Split, info: Info, fitted: Callable, filled: Callable
) -> Design:
  designs: list[Design] = []
  for name, each in info.inputs.items():
    part = _part(train, info, name)
    present = part.arrays.get(PRESENT)
    rows = part if present is None else part.take(np.flatnonzero(present))
    design = fitted(each, rows)
    if design is None:
      raise UserError(
        f"{info.name}: this baseline reads tables and images, and the data "
        f"hold {info.describe()}; set its baselines to ()"
      )
    if len(info.inputs) > 1:
      design = _of_one(filled(design, rows, name), info, name)
    designs.append(design)
  if len(designs) == 1:
    return designs[0]
  starts = np.cumsum([0, *(len(design.names) for design in designs)]).tolist()
  return Design(
    tuple(name for design in designs for name in design.names),
    lambda split: np.concatenate([d.of(split) for d in designs], axis=1),
    tuple(
      start + level
      for start, design in zip(starts, designs, strict=False)
      for level in design.levels
    ),
  )


def _part(split: Split, info: Info, name: str) -> Split:
  return dataclasses.replace(split, arrays=view(split.arrays, info, name))


def _of_one(design: Design, info: Info, name: str) -> Design:
  """A design of one input, called with the split of all inputs."""
  return design._replace(of=lambda split: design.of(_part(split, info, name)))


def _with_means(design: Design, rows: Split, name: str) -> Design:
  means = design.of(rows).mean(0)

  def of(split: Split) -> np.ndarray:
    missing = ~np.asarray(split.arrays[PRESENT])
    columns = np.where(missing[:, None], means, design.of(split))
    return np.concatenate([columns, missing[:, None]], axis=1)

  return Design((*design.names, f"{name} missing"), of)


def _with_nan(design: Design, rows: Split, name: str) -> Design:
  del rows, name

  def of(split: Split) -> np.ndarray:
    present = np.asarray(split.arrays[PRESENT])
    return np.where(present[:, None], design.of(split), np.nan)

  return design._replace(of=of)
