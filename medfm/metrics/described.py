"""The description of a metric: a title, how to read it, what is better.

Reports and grid pages read it from results.json and hold no table of names.
"""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

Better = Literal["more", "less"] | float
"""Whether more or less is better, or the value to be near."""

_Function = TypeVar("_Function", bound=Callable)


class Description(NamedTuple):
  """A metric's title, how to read it in one clause, and what is better."""

  title: str
  clause: str
  better: Better


def described(
  title: str, clause: str, better: Better
) -> Callable[[_Function], _Function]:
  """Marks a metric function with its description."""
  description = Description(title, clause, better)

  def mark(function: _Function) -> _Function:
    setattr(function, _MARK, description)
    return function

  return mark


def of(metric: Callable) -> Description | None:
  """The description of a metric function, bound or not; None without one."""
  while isinstance(metric, functools.partial):
    metric = metric.func
  return getattr(metric, _MARK, None)


_MARK = "described"
