"""Grids of stub runs, which take milliseconds."""

import json
import pathlib
import sys

from medfm.grid import attempt, local
from medfm.grid.cells import Cell, statuses

STUB = str(pathlib.Path(__file__).with_name("stub.py"))
COMMAND = [sys.executable, "-S", STUB]
CODE = "today's code"


def cell(root, name, needs=(), **config) -> Cell:
  """A cell whose config is the keywords; see stub.py."""
  text = json.dumps(config)
  return Cell(name, root / name, {"name": name}, text, needs)


def run(every, todo=None, jobs=2, code=CODE, stale=()) -> dict[str, str]:
  """Runs cells, and gives the state of each."""
  todo = every if todo is None else todo
  local.Runner(todo, COMMAND, attempt.slots(jobs), code, stale).run()
  return states(every, code)


def states(every, code=CODE) -> dict[str, str]:
  return {name: one.state for name, one in statuses(every, code).items()}
