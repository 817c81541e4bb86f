"""What is predicted: one folder a task, with its numbers, figures and words.

A task is a module with the functions of `types.Task`. An objective names the
task that its predictions are of; a target is a dataclass of its task.
"""

import importlib
from typing import Any

from medfm.types import Target, Task, UserError


def of(target: Target) -> Task:
  """The task whose module the target's dataclass stands in."""
  task: Any = importlib.import_module(type(target).__module__)
  return task


def named(name: str) -> Task:
  """The task of a dotted name, as results.json holds it.

  Raises:
    UserError: there is no such task.
  """
  if not name.startswith(f"{__name__}."):
    raise UserError(f"{name!r} is no task of {__name__}")
  try:
    task: Any = importlib.import_module(name)
  except ImportError:
    raise UserError(f"there is no task {name!r}") from None
  return task
