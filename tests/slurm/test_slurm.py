"""Grids on a real Slurm; tests/slurm/start.sh starts one of one host.

source tests/slurm/start.sh; python -m pytest tests/slurm
"""

import json
import shutil
import subprocess
import time

import pytest

from medfm.grid import cells, slurm
from tests.grid import toy
from tests.grid.summing import summed


def _answers() -> bool:
  return (
    shutil.which("sbatch") is not None
    and subprocess.run(["sinfo"], capture_output=True).returncode == 0
  )


pytestmark = [
  pytest.mark.slurm,
  pytest.mark.skipif(
    not _answers(), reason="no Slurm answers; source tests/slurm/start.sh"
  ),
]


def submit(root, every, jobs=0, options=""):
  """Queues cells with their summary."""
  summed(root, every)
  (root / "summary.json").unlink()
  return slurm.submit(every, root, toy.COMMAND, jobs, options)


def queue() -> list[str]:
  return slurm._slurm("squeue", "-h", "-r", "-o", "%i %t %P %r").splitlines()


def until(true, seconds=300):
  """Waits; a job queued again need not rest for Slurm's two minutes."""
  limit = time.monotonic() + seconds
  while not true():
    assert time.monotonic() < limit, f"it never came; the queue: {queue()}"
    for line in queue():
      job, state, _, reason = line.split(maxsplit=3)
      if (state, reason) == ("PD", "BeginTime"):
        slurm._slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    time.sleep(0.5)


def states(every):
  return toy.states(every, cells.code_version())


def steps(folder):
  lines = (folder / "metrics.jsonl").read_text().splitlines()
  return [json.loads(line)["step"] for line in lines]


def test_an_array_runs_all_but_the_failing_cell_and_sums_up(tmp_path):
  every = [toy.cell(tmp_path, f"c{i}", fail=4 * (i == 2)) for i in range(5)]
  submit(tmp_path, every)
  until(lambda: not queue())
  found = states(every)
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
  assert set(states(every).values()) == {"done"}


def test_a_cell_runs_after_the_one_it_starts_from(tmp_path):
  first = toy.cell(tmp_path, "first", steps=2, sleep=0.5)
  late = toy.cell(tmp_path, "late", needs=("first",))
  submit(tmp_path, [first, late])
  until(lambda: not queue())
  assert states([first, late]) == {"first": "done", "late": "done"}


def test_cells_in_the_queue_are_not_queued_again(tmp_path, capsys):
  every = [toy.cell(tmp_path, "a", steps=10, sleep=0.3)]
  assert len(submit(tmp_path, every)) == 2
  assert slurm.submit(every, tmp_path, toy.COMMAND, 0) == []
  assert "1 cells are in the queue already" in capsys.readouterr().out
  until(lambda: not queue())
  assert states(every) == {"a": "done"}


def test_a_preempted_cell_saves_and_goes_on(tmp_path):
  every = [toy.cell(tmp_path, "a", steps=30, sleep=0.3)]
  submit(tmp_path, every)
  until((every[0].folder / "metrics.jsonl").exists)
  slurm._slurm(
    "sbatch",
    "--partition=high",
    "--exclusive",
    f"--output={tmp_path}/high.log",
    "--wrap=sleep 2",
  )
  until(lambda: any(" high" in line and " R " in line for line in queue()))
  assert cells.read(every[0].folder / "cell.json")["exit"] == 75
  until(lambda: not queue())
  assert states(every) == {"a": "done"}
  assert steps(every[0].folder) == list(range(1, 31))


def test_a_cell_at_its_time_limit_saves_and_goes_on(tmp_path):
  every = [toy.cell(tmp_path, "a", steps=100, sleep=0.3)]
  submit(tmp_path, every, options="--time=1 --signal=B:TERM@50")
  until(lambda: not queue(), 400)
  assert states(every) == {"a": "done"}
  assert steps(every[0].folder) == list(range(1, 101))
  assert (every[0].folder / "log.txt").read_text().count("$ ") > 1


def test_a_cancelled_cell_does_not_come_back(tmp_path):
  every = [toy.cell(tmp_path, "a", steps=1000, sleep=0.1)]
  job, last = submit(tmp_path, every)
  until((every[0].folder / "metrics.jsonl").exists)
  slurm._slurm("scancel", last)
  slurm._slurm("scancel", job)
  until(lambda: not queue())
  time.sleep(6)
  assert not queue()
  assert states(every) == {"a": "missing"}


def test_what_sbatch_refuses_is_one_line(tmp_path):
  every = [toy.cell(tmp_path, "a")]
  with pytest.raises(slurm.UserError, match=r"sbatch refuses: .*partition"):
    submit(tmp_path, every, options="--partition=nowhere")
