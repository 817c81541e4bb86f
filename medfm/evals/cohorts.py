"""Another cohort, as a model was trained to read it."""

import dataclasses
from collections.abc import Callable, Iterator

from medfm import tasks
from medfm.data import cards, records, splits
from medfm.data.tables import labels
from medfm.types import (
  Dataset,
  Folders,
  Info,
  Reading,
  Split,
  UserError,
  key,
)

SPLIT = "test"
"""The one split of another cohort, which holds all of its rows."""


def read(
  factory: Callable[[Folders], Dataset], folders: Folders, reading: Reading
) -> Dataset:
  """A cohort as a trained model reads it: one split, `SPLIT`, of every row.

  factory: the data of the cohort's config. What depends on training (sizes,
    levels, the tokenizer) is taken from the model, whatever the config says;
    the card's `changes` say where the two differ.

  The info has the cohort's name, and the inputs and target of training.
  UserError if the model cannot read the cohort or predicts other things.
  """
  data = factory(folders._replace(reading=reading))
  info = Info(data.info.name, reading.inputs, reading.target)
  whole = splits.together(data.splits)
  card = {**data.card, "split": "not split: every row is scored"}
  data = dataclasses.replace(data, splits={SPLIT: whole}, card=card)
  return as_trained(data, info)


def lines(data: Dataset) -> Iterator[str]:
  """What the terminal says about a cohort: its rows, and what was changed."""
  counts = splits.manifest(data)[SPLIT]
  patients = counts["patients"]
  known = patients is not None
  owners = cards.amount(patients, "patient") if known else "patients unknown"
  rows = cards.amount(counts["n"], "row")
  yield f"{data.info.name}: all {rows} ({owners})"
  for card in data.card.get("parts", {"": data.card}).values():
    if cards.READ in card:
      yield f"{data.info.name}: {card[cards.READ]}"
  for change in data.card.get("changes", ()):
    yield f"{data.info.name}: {cards.line(change)}"


def as_trained(data: Dataset, trained: Info) -> Dataset:
  """Another dataset of the same task, in the codes the model was trained on.

  Classes and category levels are matched by name. A level or class that did
  not occur in training becomes missing (-1), and the card says so.

  UserError if the inputs or the task differ, or if the names of what is
  predicted may be spelt differently.
  """
  info = data.info
  kinds = [tasks.of(each.target).__name__ for each in (info, trained)]
  for what, new, old in (
    ("task", *(kind.rpartition(".")[2] for kind in kinds)),
    ("inputs", sorted(info.inputs), sorted(trained.inputs)),
  ):
    if new != old:
      raise UserError(
        f"{info.name} has {what} {new}; the model was trained on {old}"
      )
  names, known = info.target.names, trained.target.names
  labels.refuse_strangers(info.name, names, known)
  others = [name for name in names if name not in known]
  what = (
    f"labels that training did not have, not scored ({cards.listed(others)})"
  )
  changes = records.counted({what: len(others)})
  moved = {
    name: _recoded(split, info, trained) for name, split in data.splits.items()
  }
  card = {**data.card, "changes": [*data.card.get("changes", ()), *changes]}
  return dataclasses.replace(data, splits=moved, info=trained, card=card)


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
        f"{info.name} has {error}, which the model was trained on"
      ) from None
    arrays |= {names[array]: values for array, values in part.items()}
  if task.TARGETS and set(task.TARGETS) <= arrays.keys():
    target = {name: arrays[name] for name in task.TARGETS}
    arrays |= task.recoded(target, info, trained)
  return dataclasses.replace(split, arrays=arrays)
