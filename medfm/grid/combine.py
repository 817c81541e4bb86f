"""Lists of settings, put together: what an experiment's `grid()` returns.

A setting is a flat dict in the spelling of the command line: the key
`optimizer.lr` is the flag `--config.optimizer.lr`, and `*` in a key stands
for any part of it. The key `config` replaces the experiment's CONFIG.
"""

import dataclasses
import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medfm.types import UserError

Setting = dict[str, Any]
Part = Mapping[str, Any] | Iterable[Mapping[str, Any]]


def product(*parts: Part) -> list[Setting]:
  """Every setting of the first part with every one of the next, and so on.

  A part is a list of settings, or a dict of key -> values, each of which is
  taken in turn: `product({"optimizer.lr": (1e-3, 1e-4)}, seeds(3))` has six.
  """
  lists = [_settings(part) for part in parts]
  return [_merged(chosen) for chosen in itertools.product(*lists)]


def zipped(*parts: Part) -> list[Setting]:
  """The first setting of each part together, then the second, and so on.

  In a dict of key -> values, too, the values go along with each other.

  Raises:
    UserError: parts of different lengths.
  """
  lists = []
  for part in parts:
    if isinstance(part, Mapping):
      lists += [_along(key, values) for key, values in part.items()]
    else:
      lists.append(list(part))
  counts = {len(one) for one in lists}
  if len(counts) > 1:
    raise UserError(f"zipped parts have different lengths: {sorted(counts)}")
  return [_merged(chosen) for chosen in zip(*lists, strict=True)]


def chain(*parts: Part) -> list[Setting]:
  """The settings of all parts, one part after the other."""
  return [dict(one) for part in parts for one in _settings(part)]


def seeds(count: int, key: str = "seed") -> list[Setting]:
  """Seeds 0 to count - 1; for every stage of a study, key `stages.*.seed`."""
  return [{key: seed} for seed in range(count)]


@dataclasses.dataclass(frozen=True)
class Between:
  """Numbers from low to high; evenly in their logarithm, where asked."""

  low: float
  high: float
  log: bool = False

  def draw(self, generator: random.Random) -> float:
    """One number, to three digits."""
    if not self.log:
      return float(f"{generator.uniform(self.low, self.high):.3g}")
    drawn = generator.uniform(math.log(self.low), math.log(self.high))
    return float(f"{math.exp(drawn):.3g}")


def sampled(
  count: int, ranges: Mapping[str, Between | Sequence[Any]], seed: int = 0
) -> list[Setting]:
  """Random search: `count` settings, each key drawn by itself.

  A range is a `Between` or a sequence of choices. The i-th setting is a
  function of (ranges, seed, i): a larger count adds settings to those there
  are, so that a search goes on where it stopped.
  """
  settings = []
  for i in range(count):
    setting = {}
    for key, values in ranges.items():
      generator = random.Random(f"{seed}/{i}/{key}")
      if isinstance(values, Between):
        setting[key] = values.draw(generator)
      else:
        setting[key] = generator.choice(list(values))
    settings.append(setting)
  return settings


def sweep(overrides: Iterable[str]) -> list[Setting]:
  """The product of command-line overrides `key=value,value,...`.

  Commas within brackets or quotes do not divide, so that a tuple is one
  value: `--config.objective.model.widths=(16,),(32,16)` has two.
  """
  parts = []
  for text in overrides:
    key, equals, values = text.partition("=")
    if not equals:
      raise UserError(f"--config.{key} needs a value: --config.{key}=...")
    parts.append(_along(key, _divided(values)))
  return product(*parts)


def _settings(part: Part) -> list[Setting]:
  if isinstance(part, Mapping):
    return product(*(_along(key, values) for key, values in part.items()))
  return [dict(one) for one in part]


def _along(key: str, values: Sequence[Any]) -> list[Setting]:
  if isinstance(values, str) or not isinstance(values, Iterable):
    values = (values,)
  return [{key: value} for value in values]


def _merged(chosen: Iterable[Mapping[str, Any]]) -> Setting:
  merged: Setting = {}
  for one in chosen:
    if twice := merged.keys() & one.keys():
      raise UserError(f"two parts of a grid set {', '.join(sorted(twice))}")
    merged |= one
  return merged


def _divided(text: str) -> list[str]:
  """Text at its commas, but for those within brackets or quotes."""
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
