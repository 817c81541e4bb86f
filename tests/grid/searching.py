"""A search over stub runs, which score best at a learning rate of 0.01."""

import pathlib
import sys

from medfm.grid import attempt, cells, local, search, summary
from medfm.grid import run as grids
from medfm.grid.combine import Between, Search
from medfm.grid.experiment import Experiment
from medfm.interrupt import Interrupted
from tests.grid import toy

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = str(ROOT / "configs/table.py:cleveland,mlp,tiny")
SPACE = {"optimizer.lr": Between(1e-5, 1.0, log=True)}


def experiment(**changes) -> Experiment:
  asked = Search(**{"trials": 8, "space": SPACE, "startup": 3} | changes)
  return Experiment(
    name="toy",
    hypothesis="A toy.",
    config=TABLE,
    metric="auroc",
    search=asked,
    tuned=tuple(asked.space),
  )


def trials(root, asked, retry="stale") -> search.Trials:
  root.mkdir(exist_ok=True)
  return search.Trials(asked, root, grids.AGAIN[retry])


def run(root, asked, retry="stale", jobs=1) -> list[str]:
  """Runs a search, sums up, and gives the cells in the order of trials."""
  found = trials(root, asked, retry)
  room = attempt.slots(jobs)
  local.Runner([], toy.COMMAND, room, source=found).run()
  summary.write(root)
  return [cell.name for cell in found.cells()]


def attempts(root) -> dict[str, int]:
  return {
    path.parent.name: cells.read(path)["attempts"]
    for path in root.glob("*/cell.json")
  }


if __name__ == "__main__":
  try:
    run(pathlib.Path(sys.argv[1]), experiment())
  except Interrupted as stop:
    sys.exit(stop.exit_code)
