"""What an evaluator is given, of made-up splits and predictions."""

from medfm import tasks
from medfm.evals.context import Context, Settings
from medfm.types import Dataset


def of(info, splits, predicted=None, *, card=None, replicates=20, **given):
  """Of splits and what was predicted of those not trained on."""
  task = tasks.of(info.target)
  held_out = {name: split for name, split in splits.items() if name != "train"}
  defaults = {
    "data": Dataset(splits, info, card or {}),
    "train": splits.get("train"),
    "task": task,
    "asked": task,
    "splits": held_out,
    "predicted": predicted or {name: {} for name in held_out},
    "decisions": {},
    "settings": Settings(replicates),
    "predict": lambda split: {},
  }
  return Context(**defaults | given)
