"""Grids of stub runs, which take milliseconds."""

import json
import pathlib
import sys
from unittest import mock

from medfm.grid import attempt, cells, local
from medfm.grid.cells import Cell, statuses

STUB = str(pathlib.Path(__file__).with_name("stub.py"))
COMMAND = [sys.executable, "-S", STUB]


def cell(root, name, needs=(), **config) -> Cell:
  """A cell whose config is the keywords; see stub.py."""
  text = json.dumps(config)
  return Cell(name, root / name, {"name": name}, text, needs)


def run(every, todo=None, jobs=2, stale=()) -> dict[str, str]:
  """Runs cells, and gives the state of each."""
  todo = every if todo is None else todo
  local.Runner(todo, COMMAND, attempt.slots(jobs), stale).run()
  return states(every)


def code(version: str):
  """While entered, cells are made by and compared with this version."""
  return mock.patch.object(cells, "code_version", lambda: version)


def states(every) -> dict[str, str]:
  return {name: one.state for name, one in statuses(every).items()}
