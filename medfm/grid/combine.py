"""Lists of settings, put together: what an experiment's `grid()` returns.

A setting is a flat dict in the spelling of the command line: the key
`optimizer.lr` is the flag `--config.optimizer.lr`, and `*` in a key stands
for any part of it. The key `config` replaces the experiment's CONFIG.
"""

import contextlib
import dataclasses
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from medfm.types import UserError

Setting = dict[str, Any]
Part = Mapping[str, Any] | Iterable[Mapping[str, Any]]


def as_text(setting: Mapping[str, Any]) -> dict[str, str]:
  """A setting with its values as text, as in the JSON files of a grid."""
  return {key: str(value) for key, value in setting.items()}


def product(*parts: Part) -> list[Setting]:
  """Every setting of the first part with every one of the next, and so on.

  A part is a list of settings, or a dict of key -> values, whose values are
  taken in turn: `product({"optimizer.lr": (1e-3, 1e-4)}, seeds(3))` has six.
  """
  return [_merged(chosen) for chosen in itertools.product(*_lists(parts))]


def zipped(*parts: Part) -> list[Setting]:
  """The first setting of each part together, then the second, and so on.

  The values in a dict of key -> values are paired in the same way; all parts
  must have the same length.
  """
  lists = list(_lists(parts))
  lengths = sorted(set(map(len, lists)))
  if len(lengths) > 1:
    raise UserError(f"zipped parts have different lengths: {lengths}")
  return [_merged(chosen) for chosen in zip(*lists, strict=True)]


def chain(*parts: Part) -> list[Setting]:
  """The settings of all parts, one part after the other."""
  return [setting for part in parts for setting in product(part)]


def seeds(count: int, key: str = "seed") -> list[Setting]:
  """Seeds 0 to count - 1; for every stage of a study, key `stages.*.seed`."""
  return [{key: seed} for seed in range(count)]


@dataclasses.dataclass(frozen=True)
class Between:
  """Numbers from low to high; with `log`, evenly in their logarithm.

  Whole numbers where both ends are `int`, else to three digits.
  """

  low: float
  high: float
  log: bool = False

  def __post_init__(self):
    if not self.low < self.high:
      raise UserError(f"{self}: low must be below high")
    if self.log and self.low <= 0:
      raise UserError(f"{self}: a logarithm needs low above 0")

  @property
  def whole(self) -> bool:
    return isinstance(self.low, int) and isinstance(self.high, int)

  def draw(self, generator: random.Random) -> float:
    """One number at random."""
    scale, back = (math.log, math.exp) if self.log else (float, float)
    drawn = generator.uniform(scale(self.low), scale(self.high))
    return self.rounded(back(drawn))

  def rounded(self, value: float) -> float:
    return round(value) if self.whole else float(f"{value:.3g}")


Range = Between | Sequence[Any]
"""The range of a searched key: a span of numbers, or choices."""


def ends(values: Range) -> list[Any]:
  """Both ends of a span of numbers, or every choice."""
  between = isinstance(values, Between)
  return [values.low, values.high] if between else list(values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
  """Trials one after another, each chosen by the validation scores before it.

  The tree-structured Parzen estimator of Optuna (Bergstra et al. 2011) draws
  the settings. A trial whose best validation score so far is below the median
  that completed trials had after as many evaluations is pruned (Golovin et
  al. 2017). Needs `pip install optuna`.

  trials: how many in all; a larger number continues an earlier search.
  space: key -> range.
  stage: the stage whose scores count; needed if the config is a study.
  startup: trials drawn at random, and completed, before any choice is made.
  warmup: evaluations that a trial has before it may be pruned.
  """

  trials: int
  space: Mapping[str, Range]
  fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  stage: str = ""
  seed: int = 0
  startup: int = 8
  warmup: int = 1
  prune: bool = True

  def __post_init__(self):
    if self.trials < 1 or not self.space:
      raise UserError("a search needs a space and at least one trial")
    for key, values in self.space.items():
      if isinstance(values, str) or len(ends(values)) < 2:
        raise UserError(
          f"the space of {key} is a Between or two choices or more, "
          f"not {values!r}"
        )


def sampled(
  count: int, ranges: Mapping[str, Range], seed: int = 0
) -> list[Setting]:
  """Random search: `count` settings, each key drawn independently.

  The i-th setting is a function of (ranges, seed, i): a larger count adds
  settings to the earlier ones, so that a search continues where it stopped.
  """

  def drawn(i: int, key: str) -> Any:
    generator, values = random.Random(f"{seed}/{i}/{key}"), ranges[key]
    if isinstance(values, Between):
      return values.draw(generator)
    return generator.choice(list(values))

  return [{key: drawn(i, key) for key in ranges} for i in range(count)]


def sweep(overrides: Iterable[str]) -> list[Setting]:
  """The product of command-line overrides `key=value,value,...`.

  Commas within brackets or quotes do not divide, so that a tuple is one
  value: `--config.objective.model.widths=(16,),(32,16)` has two.
  """
  given = map(_assigned, overrides)
  return product(*({key: _divided(values)} for key, values in given))


def searched(overrides: Iterable[str], trials: int) -> Search:
  """The search of command-line overrides: ranges, choices and fixed values.

  `optimizer.lr=1e-5..1e-1` is a range, `log:1e-5..1e-1` one of logarithms,
  `seed=0..9` one of whole numbers, and `name=a,b` are choices.
  """
  space: dict[str, Range] = {}
  fixed = {}
  for key, values in map(_assigned, overrides):
    choices = _divided(values)
    low, dots, high = values.removeprefix("log:").partition("..")
    if dots:
      log = values.startswith("log:")
      space[key] = Between(_number(key, low), _number(key, high), log)
    elif len(choices) > 1:
      space[key] = choices
    else:
      fixed[key] = values
  if not space:
    raise UserError(
      "--search needs a flag with a range or several values, such as "
      "--config.optimizer.lr=log:1e-5..1e-1"
    )
  return Search(trials=trials, space=space, fixed=fixed)


def _assigned(text: str) -> tuple[str, str]:
  key, equals, values = text.partition("=")
  if not equals:
    raise UserError(f"--config.{key} needs a value: --config.{key}=...")
  return key, values


def _number(key: str, text: str) -> float:
  for kind in (int, float):
    with contextlib.suppress(ValueError):
      return kind(text)
  raise UserError(f"--config.{key}: {text!r} is not a number, for a range a..b")


def number(value: str | None) -> float | None:
  """A setting's value as a number, or None."""
  try:
    return float(value)
  except (TypeError, ValueError):
    return None


def _lists(parts: Iterable[Part]) -> Iterator[list[Setting]]:
  """Each list of settings, and of a dict one list for each key."""
  for part in parts:
    if not isinstance(part, Mapping):
      yield list(part)
      continue
    for key, values in part.items():
      if isinstance(values, str) or not isinstance(values, Iterable):
        values = (values,)
      yield [{key: value} for value in values]


def _merged(chosen: Iterable[Mapping[str, Any]]) -> Setting:
  merged: Setting = {}
  for setting in chosen:
    if twice := merged.keys() & setting.keys():
      raise UserError(f"two parts of a grid set {', '.join(sorted(twice))}")
    merged |= setting
  return merged


def _divided(text: str) -> list[str]:
  """Text split at its commas, except within brackets or quotes."""
  parts, depth, quote = [""], 0, ""
  for character in text:
    if quote:
      quote = "" if character == quote else quote
    elif character in "\"'":
      quote = character
    else:
      depth += (character in "([{") - (character in ")]}")
      if character == "," and depth == 0:
        parts.append("")
        continue
    parts[-1] += character
  return [part.strip() for part in parts]
