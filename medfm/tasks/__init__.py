"""What is predicted: one folder per task, with its numbers, figures and words.

A task is a module with the functions of `types.Task`. An objective names the
task of its predictions; a target is a dataclass of its task.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from medfm.spec import nearest
from medfm.types import Target, Task, UserError

_DEPTH = len(["medfm", "tasks", "survival"])
_CALLED = {"none": "pretext"}


def of(target: Target) -> Task:
  """The task whose folder defines the target's dataclass."""
  folder = ".".join(type(target).__module__.split(".")[:_DEPTH])
  task: Any = importlib.import_module(folder)
  return task


def named(name: str) -> Task:
  """The task of a dotted name, as results.json holds it."""
  if not name.startswith(f"{__name__}."):
    raise UserError(f"{name!r} is not a task of {__name__}")
  try:
    task: Any = importlib.import_module(name)
  except ImportError:
    raise UserError(f"there is no task {name!r}") from None
  return task


def columns_of(
  task: str, written: Mapping[str, Any] = {}, **settings: Any
) -> Any:
  """How a task reads a table's label columns: its `Columns`.

  task: its folder's name, or "none".
  written: how files of this kind are written, for tasks that need to know.
  settings: fields of its `Columns`; empty settings are left out.
  """
  modules: dict[str, Any] = {
    folder.name: named(f"{__name__}.{folder.name}")
    for folder in pkgutil.iter_modules(__path__)
    if folder.ispkg
  }
  readers = {k: m.Columns for k, m in modules.items() if hasattr(m, "Columns")}
  name = _CALLED.get(task, task)
  if name not in readers:
    raise UserError(
      f"task={task!r}: expected {', '.join(readers)}{nearest(name, readers)}"
    )
  kind = readers[name]
  fields = {field.name for field in dataclasses.fields(kind)}
  settings = {key: value for key, value in settings.items() if value}
  for key in settings:
    if key not in fields:
      raise UserError(
        f"{key}={settings[key]!r}: the task {task} has no such setting; "
        "leave it out"
      )
  written = {key: value for key, value in written.items() if key in fields}
  return kind(**written, **settings)
