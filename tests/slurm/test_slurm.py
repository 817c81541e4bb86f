"""Grids on a real Slurm; tests/slurm/start.sh starts one of one host.

source tests/slurm/start.sh; python -m pytest tests/slurm
"""

import json
import sys
import time

import pytest

from medfm.grid import attempt, cells, slurm
from tests.grid import toy
from tests.grid.summing import summed
from tests.slurm import queues
from tests.slurm.queues import queue, until

pytestmark = [
  pytest.mark.slurm,
  pytest.mark.skipif(
    not queues.answers(), reason="no Slurm answers; source tests/slurm/start.sh"
  ),
]


def submit(root, every, jobs=0, options="", command=toy.COMMAND):
  """Queues cells with their summary."""
  summed(root, every)
  (root / "summary.json").unlink()
  return slurm.submit(every, root, command, jobs, options)


def steps(folder):
  lines = (folder / "metrics.jsonl").read_text().splitlines()
  return [json.loads(line)["step"] for line in lines]


def test_an_array_runs_all_but_the_failing_cell_and_sums_up(tmp_path):
  every = [toy.cell(tmp_path, f"c{i}", fail=4 * (i == 2)) for i in range(5)]
  submit(tmp_path, every)
  until(lambda: not queue())
  found = toy.states(every)
  assert found.pop("c2") == "failed"
  assert set(found.values()) == {"done"}
  facts = cells.read(tmp_path / "summary.json")
  assert facts["counts"] == {"done": 4, "failed": 1}


def test_no_more_cells_run_at_once_than_asked_for(tmp_path):
  every = [toy.cell(tmp_path, f"c{i}", steps=4, sleep=0.5) for i in range(3)]
  submit(tmp_path, every, jobs=1)
  most = 0
  while queue():
    most = max(most, sum(" R " in line for line in queue()))
    time.sleep(0.1)
  assert most == 1
  assert set(toy.states(every).values()) == {"done"}


def test_a_cell_runs_after_the_one_it_starts_from(tmp_path):
  first = toy.cell(tmp_path, "first", steps=2, sleep=0.5)
  late = toy.cell(tmp_path, "late", needs=("first",))
  submit(tmp_path, [first, late])
  until(lambda: not queue())
  assert toy.states([first, late]) == {"first": "done", "late": "done"}


def test_cells_in_the_queue_are_not_queued_again(tmp_path, capsys):
  every = [toy.cell(tmp_path, "a", steps=10, sleep=0.3)]
  assert len(submit(tmp_path, every)) == 2
  assert slurm.submit(every, tmp_path, toy.COMMAND, 0) == []
  assert "1 cell in the queue already" in capsys.readouterr().out
  until(lambda: not queue())
  assert toy.states(every) == {"a": "done"}


def test_a_preempted_cell_saves_and_goes_on(tmp_path):
  every = [toy.cell(tmp_path, "a", steps=30, sleep=0.3)]
  submit(tmp_path, every)
  until((every[0].folder / "metrics.jsonl").exists)
  queues.told(
    "sbatch",
    "--partition=high",
    "--exclusive",
    f"--output={tmp_path}/high.log",
    "--wrap=sleep 2",
  )
  until(lambda: any(" high" in line and " R " in line for line in queue()))
  assert cells.read(every[0].folder / "cell.json")["exit"] == 75
  until(lambda: not queue())
  assert toy.states(every) == {"a": "done"}
  assert steps(every[0].folder) == list(range(1, 31))


def test_a_cell_at_its_time_limit_saves_and_goes_on(tmp_path):
  every = [toy.cell(tmp_path, "a", steps=100, sleep=0.3)]
  submit(tmp_path, every, options="--time=1 --signal=B:TERM@50")
  until(lambda: not queue(), 400)
  assert toy.states(every) == {"a": "done"}
  assert steps(every[0].folder) == list(range(1, 101))
  log = (every[0].folder / "log.txt").read_text()
  assert log.count("$ ") == 1 + log.count("error: stopped") > 1, log


SLOW = """import os, pathlib, time
begun = pathlib.Path(os.environ["STUB_BEGUN"])
if not begun.exists():
  begun.touch()
  time.sleep(20)
"""


@pytest.mark.parametrize("who", ["the task", "its step"])
def test_a_cell_stopped_while_it_starts_is_queued_again(
  tmp_path, monkeypatch, who
):
  """Python, still importing, dies of SIGTERM: nothing is done, nor lost."""
  (tmp_path / "sitecustomize.py").write_text(SLOW)
  monkeypatch.setenv("STUB_BEGUN", str(tmp_path / "begun"))
  every = [toy.cell(tmp_path, "a", steps=3)]
  command, options = toy.COMMAND, "--signal=TERM"
  if who == "the task":
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    options = "--batch"
  else:
    command = ["env", f"PYTHONPATH={tmp_path}", sys.executable, toy.STUB]
  job, _ = submit(tmp_path, every, command=command)
  until((tmp_path / "begun").exists, 60)
  queues.told("scancel", "--signal=TERM", options, f"{job}_0", refused=True)
  until(lambda: not queue(), 120)
  assert toy.states(every) == {"a": "done"}
  (log,) = (tmp_path / "slurm").glob("medfm-task-*.log")
  assert "CANCELLED AT" in log.read_text(), "it was never stopped"


def test_a_step_that_is_stopped_saves(tmp_path):
  """As a trial of a search that is pruned, or whose runner is stopped."""
  cell = toy.cell(tmp_path, "a", steps=1000, sleep=0.1)
  cells.prepare(cell, False)
  command = [*slurm.step(""), *toy.COMMAND]
  under_way = attempt.Attempt(command, cell)
  until((cell.folder / "metrics.jsonl").exists, 60)
  under_way.stop()
  assert under_way.end() == attempt.AGAIN
  assert "error: stopped" in (cell.folder / "log.txt").read_text()


def test_a_cancelled_cell_does_not_come_back(tmp_path):
  every = [toy.cell(tmp_path, "a", steps=1000, sleep=0.1)]
  job, last = submit(tmp_path, every)
  until((every[0].folder / "metrics.jsonl").exists)
  queues.told("scancel", last)
  queues.told("scancel", job)
  until(lambda: not queue())
  time.sleep(6)
  assert not queue()
  assert toy.states(every) == {"a": "missing"}


def test_what_sbatch_refuses_is_one_line(tmp_path):
  every = [toy.cell(tmp_path, "a")]
  with pytest.raises(slurm.UserError, match=r"sbatch refuses: .*partition"):
    submit(tmp_path, every, options="--partition=nowhere")
