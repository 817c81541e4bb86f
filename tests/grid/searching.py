"""A search over stub runs, which score best at a learning rate of 0.01."""

import pathlib
import sys

from medfm import workdir
from medfm.grid import cells, local, search, slots, summary
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
    search=asked,
    tuned=tuple(asked.space),
  )


def trials(
  root, asked, retry="stale", code=toy.CODE, changed=lambda found: None
) -> search.Trials:
  root.mkdir(exist_ok=True)
  again = grids.AGAIN[retry]
  return search.Trials(asked, root, [], code=code, again=again, changed=changed)


def run(root, asked, retry="stale", code=toy.CODE, jobs=1) -> list[str]:
  """Runs a search, sums up, and gives the cells in the order of trials."""

  def changed(found):
    content = grids.description(asked, found.cells()) | {"metric": "auroc"}
    content["search"] = found.description()
    workdir.write(root / "grid.json", content)

  found = trials(root, asked, retry, code, changed)
  room = slots.slots(jobs)
  local.run([], [], toy.COMMAND, room, code, source=found)
  summary.write(root, code)
  found.close()
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
