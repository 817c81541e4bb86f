"""Functions of `types.Task` for tasks that have no use for them."""

from typing import Any

from medfm.types import Profile


def nothing(*given: Any, **settings: Any) -> dict[str, Any]:
  """No details, no decision, no column, nothing to read back or to recode."""
  return {}


def unasked(*given: Any, **settings: Any) -> tuple[()]:
  """No question of two answers."""
  return ()


def none(*given: Any, **settings: Any) -> None:
  """No single class to balance over, no event, no answer to show, no vote."""


def kept(target: Any, *given: Any) -> Any:
  """A target without anything fitted."""
  return target


def unseen(*given: Any) -> Profile:
  """Nothing to compare cohorts by."""
  return Profile()
