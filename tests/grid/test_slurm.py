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


def test_a_table_cut_short_or_an_error_beside_it_is_no_answer(
  fake, queued, monkeypatch
):
  """Once each: an error with success, words, a part of the table, no table."""
  path = fake / "bin" / "squeue"
  whole = path.read_text()
  for first in ("echo slurm error >&2", "echo Please wait", "echo 101_1", ":"):
    once = f"[ -e $0.once ] || {{ touch $0.once; {first}; exit 0; }}\n"
    path.write_text(whole.replace("\n", f"\n{once}", 1))
    assert queued() == [], first
    (fake / "bin" / "squeue.once").unlink()
  assert submitted(fake) == 2


def test_a_scheduler_that_never_answers_is_given_up(fake, queued, monkeypatch):
  (fake / "bin" / "squeue").write_text("#!/bin/sh\nsleep 60\n")
  monkeypatch.setattr(slurm, "_PATIENCE_S", 0.1)
  with pytest.raises(UserError, match="squeue --noheader fails: no answer"):
    queued()
  assert submitted(fake) == 2


def test_a_damaged_list_of_jobs_is_not_an_empty_one(fake, queued, tmp_path):
  path = tmp_path / "grid/slurm/jobs.json"
  path.write_text(path.read_text()[:-4])
  with pytest.raises(UserError, match=r"jobs\.json is damaged; it records"):
    queued()
  assert submitted(fake) == 2


@pytest.mark.parametrize("answer", ["", "echo Submitted later"])
def test_a_job_without_a_number_is_one_line(fake, tmp_path, answer):
  (fake / "bin" / "sbatch").write_text(f"#!/bin/sh\n{answer}\n")
  every = [toy.cell(tmp_path / "grid", "c0")]
  with pytest.raises(UserError, match="which is not a job number: check with"):
    slurm.submit(every, tmp_path / "grid", toy.COMMAND, 0)


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


@pytest.mark.parametrize("answer", ["", "echo slurm_load_jobs error >&2"])
def test_a_job_of_which_nothing_is_shown_is_not_taken_for_cancelled(
  fake, answer
):
  path = fake / "bin" / "scontrol"
  shown = 'show) echo "JobId=$4 JobState=$(cat state)";;'
  path.write_text(path.read_text().replace(shown, f"show) {answer or ':'};;"))
  assert slurm._requeue() == attempt.AGAIN
  assert requeued(fake) == ["101"]


def test_a_damaged_tasks_file_is_one_line(tmp_path, monkeypatch, capsys):
  monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
  (tmp_path / "tasks-1.json").write_text("{")
  assert slurm.main(["task", str(tmp_path / "tasks-1.json")]) == 2
  assert "error: " in capsys.readouterr().err


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
  assert "job 101 could not be queued again" in line


def test_a_refused_job_is_one_line_and_is_not_tried_again(fake, tmp_path):
  down(fake, "sbatch", 1)
  every = [toy.cell(tmp_path / "grid", "c0")]
  with pytest.raises(UserError, match="sbatch refuses: sbatch: error: Socket"):
    slurm.submit(every, tmp_path / "grid", toy.COMMAND, 0)
  assert submitted(fake) == 0
