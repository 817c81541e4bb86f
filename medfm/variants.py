"""The words after the colon in `--config=configs/x.py:breastmnist,fast`.

Or in `--grid=experiments/x.py:tiny`.
"""

from collections.abc import Sequence

import ml_collections

from medfm import spec
from medfm.types import UserError


def variants(arg: str, **choices: Sequence[str]) -> dict[str, str]:
  """One word of each kind: the word named in `arg`, else the kind's first.

  A kind without choices, `weights=()`, takes any value, written
  `weights=value`, and is "" by default.
  """
  chosen = {kind: next(iter(words), "") for kind, words in choices.items()}
  known = [word for words in choices.values() for word in words if word]
  free = [f"{kind}=" for kind, words in choices.items() if not words]
  named: dict[str, str] = {}
  for word in filter(None, arg.split(",")):
    kinds = [kind for kind, words in choices.items() if word in words]
    prefix, equals, value = word.partition("=")
    if f"{prefix}{equals}" in free:
      kinds, word = [prefix], value
      if not value:
        raise UserError(f"variant {prefix}= needs a value")
    if not kinds:
      cut = [named[k[:-1]] for k in free if k[:-1] in named]
      hint = f"; {cut[0]!r} before it must not hold a comma" if cut else ""
      raise _unknown(word, [*known, *free], hint)
    kind = kinds[0]
    if kind in named:
      raise UserError(
        f"variants {named[kind]!r} and {word!r} exclude each other"
      )
    named[kind] = word
  return chosen | named


def subsets(arg: str, **choices: Sequence[str]) -> dict[str, list[str]]:
  """The words of each kind that `arg` names, in the order of the choices."""
  named = [word for word in arg.split(",") if word]
  known = [word for words in choices.values() for word in words]
  for word in named:
    if word not in known:
      raise _unknown(word, known)
  return {
    kind: [word for word in words if word in named]
    for kind, words in choices.items()
  }


def shrunk(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """A config whose runs take seconds: four steps, few bootstrap replicates.

  The config itself chooses small models and batches.
  """
  for run in config.stages.values() if "stages" in config else [config]:
    run.evaluation.replicates = 50
    run.devices.onednn = False  # Such a step is compiled at every start.
    if run.steps or run.epochs:
      run.steps = 4
      schedule = run.schedule
      schedule.evaluate_every = schedule.log_every = 2
      schedule.checkpoint_every = min(2, schedule.checkpoint_every)
  return config


def _unknown(word: str, known: Sequence[str], hint: str = "") -> UserError:
  return UserError(
    f"unknown variant {word!r}{spec.nearest(word, known)}{hint}; choose among "
    f"{', '.join(known)}"
  )
