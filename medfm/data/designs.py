"""What a classical model sees of a dataset: the columns of all its inputs.

Each input makes its columns; here they are put side by side.
"""

import dataclasses

import numpy as np

from medfm.types import PRESENT, Design, Info, Split, UserError, view


def linear(train: Split, info: Info, seed: int) -> Design:
  """For linear models: no NaN, fitted on the training split.

  An example that lacks one of several inputs gets the training means of that
  input's columns, and 1 in the column `<input> missing`.
  """
  return _side_by_side(train, info, seed, trees=False)


def native(train: Split, info: Info, seed: int) -> Design:
  """For trees, which take NaN for missing and codes of levels as they are."""
  return _side_by_side(train, info, seed, trees=True)


def handcrafted(train: Split, info: Info, seed: int, *, kind: str) -> Design:
  """For linear models: features of a kind that images offer.

  Inputs that offer none are as in `linear`. UserError if none of them does.
  """
  if not any(hasattr(each, "handcrafted") for each in info.inputs.values()):
    raise UserError(
      f"{info.name} holds {info.describe()}: hand-crafted features are of "
      "images; choose another baseline"
    )
  return _side_by_side(train, info, seed, trees=False, kind=kind)


def of_input(
  train: Split,
  info: Info,
  name: str,
  seed: int,
  trees: bool = False,
  kind: str = "",
) -> Design:
  """The columns of one input, as the functions above have them."""
  each, part = info.inputs[name], alone(train, info, name)
  present = part.arrays.get(PRESENT)
  rows = part if present is None else part.take(np.flatnonzero(present))
  crafted = getattr(each, "handcrafted", None) if kind else None
  if crafted:
    design = crafted(rows, kind)
  else:
    design = each.native(rows, seed) if trees else each.design(rows, seed)
  if design is None:
    raise UserError(
      f"{info.name}: this baseline has no columns for {name} "
      f"({each.describe()}); set the config's baselines to ()"
    )
  if present is not None:
    return _filled(design, rows, info, name, trees)
  if len(info.inputs) == 1:
    return design
  return design._replace(of=lambda split: design.of(alone(split, info, name)))


def _side_by_side(
  train: Split, info: Info, seed: int, trees: bool, kind: str = ""
) -> Design:
  designs = [
    of_input(train, info, name, seed, trees, kind) for name in info.inputs
  ]
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


def alone(split: Split, info: Info, name: str) -> Split:
  """The split with one input's arrays, under their own names."""
  return dataclasses.replace(
    split, arrays=view(split.arrays, info.inputs, name)
  )


def _filled(
  design: Design, rows: Split, info: Info, name: str, trees: bool
) -> Design:
  """A design of one of several inputs, which an example may lack."""
  fill = np.nan if trees else design.of(rows).mean(0)

  def of(split: Split) -> np.ndarray:
    part = alone(split, info, name)
    present = np.asarray(part.arrays[PRESENT])[:, None]
    columns = np.where(present, design.of(part), fill)
    return columns if trees else np.concatenate([columns, ~present], axis=1)

  names = design.names if trees else (*design.names, f"{name} missing")
  return Design(names, of, design.levels)
