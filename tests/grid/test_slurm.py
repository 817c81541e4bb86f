"""A scheduler that fails says nothing about jobs: stand-ins for its commands.

On a real Slurm: tests/slurm.
"""

import os
import stat

import pytest

from medfm.grid import attempt, cells, slurm
from medfm.types import UserError
from tests.grid import toy

COMMANDS = {
  "sbatch": """
    number=$(($(cat next 2> /dev/null || echo 100) + 1)); echo $number > next
    echo "$number $*" >> submitted
    echo $number
  """,
  "squeue": """
    while read -r id rest; do
      case "$rest" in
        *--array=0-2*) for i in 0 1 2; do echo ${id}_$i; done;;
        *) echo $id;;
      esac
    done < submitted
  """,
  "scontrol": """
    case "$1" in
      show) echo "JobId=$4 JobState=$(cat state)";;
      requeue) echo "$2" >> requeued;;
    esac
  """,
}
FAILING = """#!/bin/sh
cd "$(dirname "$0")/.."
if [ "$(cat down-{name} 2> /dev/null || echo 0)" -gt 0 ]; then
  echo $(($(cat down-{name}) - 1)) > down-{name}
  echo "{name}: error: Socket timed out on send/recv operation" >&2; exit 1
fi
{body}
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
  """A folder of what a stand-in for Slurm was told; `down-NAME` fails."""
  place = tmp_path / "fake"
  (place / "bin").mkdir(parents=True)
  for name, body in COMMANDS.items():
    path = place / "bin" / name
    path.write_text(FAILING.format(name=name, body=body))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
  (place / "submitted").touch()
  (place / "state").write_text("RUNNING")
  monkeypatch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
  monkeypatch.setenv("SLURM_JOB_ID", "101")
  monkeypatch.setattr(slurm, "_PAUSES_S", (0, 0))
  return place


def down(fake, name, times):
  (fake / f"down-{name}").write_text(str(times))


def submitted(fake):
  return len((fake / "submitted").read_text().splitlines())


@pytest.fixture
def queued(fake, tmp_path):
  """Three cells in the queue, and what submits them again."""
  every = [toy.cell(tmp_path / "grid", f"c{i}") for i in range(3)]

  def submit():
    return slurm.submit(every, tmp_path / "grid", toy.COMMAND, 0)

  assert submit() == ["101", "102"]
  return submit


def test_what_is_in_the_queue_is_not_queued_again(fake, queued):
  assert queued() == []
  assert submitted(fake) == 2


def test_a_queue_that_fails_twice_is_asked_again(fake, queued, capsys):
  down(fake, "squeue", 2)
  assert queued() == []
  assert submitted(fake) == 2
  assert capsys.readouterr().err.count("Socket timed out") == 2


def test_a_queue_that_cannot_be_read_is_not_an_empty_one(
  fake, queued, tmp_path
):
  before = cells.read(tmp_path / "grid/slurm/jobs.json")
  down(fake, "squeue", 99)
  with pytest.raises(UserError, match=r"squeue --noheader fails: .*timed out"):
    queued()
  assert submitted(fake) == 2
  assert cells.read(tmp_path / "grid/slurm/jobs.json") == before
  down(fake, "squeue", 0)
  assert queued() == []


def requeued(fake):
  path = fake / "requeued"
  return path.read_text().split() if path.exists() else []


def test_a_preempted_task_is_queued_again_by_a_scheduler_that_fails_once(fake):
  down(fake, "scontrol", 1)
  assert slurm._requeue() == attempt.AGAIN
  assert requeued(fake) == ["101"]


def test_a_job_of_unknown_state_is_not_taken_for_cancelled(fake, capsys):
  down(fake, "scontrol", 3)  # All three times that it is shown.
  assert slurm._requeue() == attempt.AGAIN
  assert requeued(fake) == ["101"]
  assert "assuming it was preempted" in capsys.readouterr().err


def test_a_cancelled_task_stays_cancelled(fake):
  (fake / "state").write_text("COMPLETING")
  assert slurm._requeue() == attempt.AGAIN
  assert requeued(fake) == []


def test_a_task_that_cannot_be_queued_again_says_so(fake, capsys):
  down(fake, "scontrol", 99)
  assert slurm._requeue() == attempt.AGAIN
  assert requeued(fake) == []
  line = capsys.readouterr().err.splitlines()[-1]
  assert line.startswith("error: scontrol requeue fails: scontrol: error: Sock")
  assert "job 101 is not in the queue again" in line


def test_a_refused_job_is_one_line_and_is_not_tried_again(fake, tmp_path):
  down(fake, "sbatch", 1)
  every = [toy.cell(tmp_path / "grid", "c0")]
  with pytest.raises(UserError, match="sbatch refuses: sbatch: error: Socket"):
    slurm.submit(every, tmp_path / "grid", toy.COMMAND, 0)
  assert submitted(fake) == 0
