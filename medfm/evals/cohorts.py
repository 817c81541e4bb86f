"""Another cohort, as a model was trained to read it."""

import dataclasses

from medfm import tasks
from medfm.types import Dataset, Info, Split, UserError, key


def as_trained(data: Dataset, trained: Info) -> Dataset:
  """Another dataset of the same task, in the codes the model was trained on.

  Classes and category levels are matched by name; a level that training did
  not know is missing (-1).

  UserError where inputs, names of what is predicted, or the task are others.
  """
  info = data.info
  kinds = [tasks.of(each.target).__name__ for each in (info, trained)]
  for what, new, old in (
    ("task", *(kind.rpartition(".")[2] for kind in kinds)),
    ("inputs", sorted(info.inputs), sorted(trained.inputs)),
    ("classes", sorted(info.target.names), sorted(trained.target.names)),
  ):
    if new != old:
      raise UserError(
        f"{info.name} has {what} {new}; the model was trained on "
        f"{trained.name} with {old}"
      )
  moved = {
    name: _recoded(split, info, trained) for name, split in data.splits.items()
  }
  return dataclasses.replace(data, splits=moved, info=trained)


def _recoded(split: Split, info: Info, trained: Info) -> Split:
  """The split with classes and levels numbered as training numbered them."""
  arrays, task = dict(split.arrays), tasks.of(trained.target)
  for name, each in info.inputs.items():
    names = {array: key(info, name, array) for array in each.arrays}
    part = {
      array: arrays[stored]
      for array, stored in names.items()
      if stored in arrays
    }
    try:
      part = each.recoded(part, trained.inputs[name])
    except ValueError as error:
      raise UserError(
        f"{info.name} has {error}, on which {trained.name} trained the model"
      ) from None
    arrays |= {names[array]: values for array, values in part.items()}
  if task.TARGETS and set(task.TARGETS) <= arrays.keys():
    target = {name: arrays[name] for name in task.TARGETS}
    arrays |= task.recoded(target, info, trained)
  return dataclasses.replace(split, arrays=arrays)
