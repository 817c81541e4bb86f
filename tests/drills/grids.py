"""Grids whose runner is killed."""

import json
import os
import pathlib
import random
import subprocess
import sys
import time

from tests.drills.catalogue import drill
from tests.drills.room import LONG, ROOT, TOY, Room, same, wait
from tests.grid import toy
from tests.grid.summing import summed

RUNNER = """
import json, pathlib, sys
from tests.grid import toy
every = json.loads(sys.argv[2])
root = pathlib.Path(sys.argv[1])
toy.run([toy.cell(root, name, **one) for name, one in every.items()], jobs=2)
"""
FAILING = (2, 5)
CELLS = {
  f"c{i}": {
    "steps": 10,
    "sleep": 0.1,
    "score": i / 10,
    "fail": 3 * (i in FAILING),
  }
  for i in range(8)
}
PAGES = ("summary.json", "summary.csv", "summary.md", "summary.html")


def runner(room: Room, name: str) -> subprocess.Popen:
  place = room.place / name
  place.mkdir(exist_ok=True)
  return subprocess.Popen(
    [sys.executable, "-c", RUNNER, str(place), json.dumps(CELLS)],
    cwd=ROOT,
    env={**os.environ, "XLA_FLAGS": ""},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )


@drill("grid runner killed", faults=10)
def ten_times_over_stub_cells(room: Room):
  """Two of eight fail; the tables are those of a grid left alone."""
  draw = random.Random(0)
  for _ in range(10):
    before = logged(room)
    process = runner(room, "broken")
    # Its cells take steps: it is under way, and not near its end.
    wait(lambda before=before: logged(room) > before, "a step of a cell")
    time.sleep(draw.uniform(0.0, 0.1))
    process.kill()
    assert process.wait() == -9, "it had ended before it was killed"
  pages = []
  for name in ("broken", "whole"):
    assert runner(room, name).wait(300) == 0
    root = room.place / name
    every = [toy.cell(root, one, **given) for one, given in CELLS.items()]
    states = toy.states(every)
    assert sorted(states.values()) == ["done"] * 6 + ["failed"] * 2
    summed(root, every)
    pages.append([(root / page).read_bytes() for page in PAGES])
  assert pages[0] == pages[1]
  for name in CELLS:
    lines = (room.place / "broken" / name / "metrics.jsonl").read_text()
    steps = [json.loads(line)["step"] for line in lines.splitlines()]
    assert steps == list(range(1, 11)), name


def logged(room: Room) -> int:
  """How many steps all cells of the broken grid have logged."""
  paths = (room.place / "broken").glob("*/metrics.jsonl")
  return sum(path.read_text().count("\n") for path in paths)


GRID = '''"""Toy runs of two seeds."""

CONFIG = "configs/table.py:wisconsin,mlp,tiny"


def grid():
  return [{"seed": 0}, {"seed": 1}]
'''


@drill("grid runner killed", faults=10)
def ten_times_with_all_its_cells_over_real_runs(room: Room):
  """Each time at a later step."""
  (room.place / "study.py").write_text(GRID)
  toy = (f"--grid={room.place / 'study.py'}", "--jobs=2", *TOY[1:], LONG)
  draw = random.Random(1)
  for _ in range(10):
    before = reached(room)
    run = room.start(toy=toy)
    wait(lambda before=before: reached(room) > before, "another checkpoint")
    time.sleep(draw.uniform(0.0, 0.2))
    assert not run.ended(), str(run)
    for lock in room.run.glob("*/.lock"):
      words = lock.read_text().split()
      if len(words) > 1:
        kill(int(words[1]))
    run.kill()
  room.finish(toy=toy)
  facts = json.loads((room.run / "summary.json").read_text())
  assert facts["counts"] == {"done": 2}
  for seed in (0, 1):
    (folder,) = room.run.glob(f"seed{seed}-*")
    same(folder, room.unbroken(f"--config.seed={seed}", LONG))


def reached(room: Room) -> int:
  """The newest checkpoint of any cell."""
  found = room.run.glob("seed*/checkpoints/*/manifest.json")
  return max((int(path.parent.name) for path in found), default=0)


def kill(number: int) -> None:
  """A cell's process, where it still is one."""
  try:
    words = pathlib.Path(f"/proc/{number}/cmdline").read_text()
    if "launch.py" in words:
      os.kill(number, 9)
  except (FileNotFoundError, ProcessLookupError):
    pass
