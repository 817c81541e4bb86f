"""Real runs that a real Slurm stops; tests/slurm/start.sh starts one."""

import contextlib
import dataclasses
import fcntl
import json
import pathlib
import sys
from collections.abc import Iterator

from medfm import command, spec
from medfm.grid import cells
from medfm.grid import slurm as executor
from tests.drills.catalogue import Skipped, drill
from tests.drills.processes import both
from tests.drills.room import FAULTY, LONG, ROOT, TOY, Room, losses, same
from tests.grid.summing import summed
from tests.slurm import queues
from tests.slurm.queues import queue, until

PATIENCE_S = 500


@dataclasses.dataclass(frozen=True)
class Job:
  """One toy run in the queue: its cell, its job, the job that sums up."""

  cell: cells.Cell
  task: str
  summary: str

  def log(self) -> str:
    return (self.cell.folder / "log.txt").read_text()

  def gone(self) -> bool:
    """Neither it nor its summary is in the queue."""
    found = {line.split()[0].partition("_")[0] for line in queue()}
    return not found & {self.task, self.summary}

  def trained(self) -> bool:
    """It has some checkpoints, and is far from its end."""
    path = self.cell.folder / "metrics.jsonl"
    return path.exists() and len(losses(self.cell.folder)) > 20

  def again(self) -> bool:
    """It is in the queue again, or has begun again."""
    return "Restarts=0" not in slurm("scontrol", "show", "job", "-o", self.task)


@contextlib.contextmanager
def queued(room: Room, options: str = "") -> Iterator[Job]:
  """A toy run that Slurm has begun; it is slow until `ended`.

  One drill at a time: what preempts one job would preempt others.
  """
  if not queues.answers():
    raise Skipped("no Slurm answers; source tests/slurm/start.sh")
  config, *settings = [*TOY, LONG]
  words = [word.removeprefix("--config.") for word in settings]
  made = command.config(str(ROOT / config.removeprefix("--config=")), words)
  cell = cells.Cell("toy", room.place / "toy", {}, spec.to_json(made))
  summed(room.place, [cell])
  slow = {"slow": 0.2, "until": str(room.place / "fast")}
  launch = ["env", f"MEDFM_CACHE_DIR={room.cache}", "JAX_PLATFORMS=cpu"]
  launch += [f"DRILL_MARKS={room.place / 'marks'}"]
  launch += ["XLA_FLAGS=", sys.executable, FAULTY, json.dumps([slow])]
  with (room.shared / "slurm").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    job = Job(cell, *executor.submit([cell], room.place, launch, 0, options))
    try:
      until(job.trained, PATIENCE_S)
      assert (room.place / "marks").exists(), "it was never slow"
      yield job
    finally:
      slurm("scancel", job.summary, job.task)


def slurm(*words: str) -> str:
  return queues.told(*words, refused=words[0] != "scancel")


def saved(job: Job) -> None:
  """Waits until it is in the queue again, with all it has done saved."""
  until(job.again, PATIENCE_S)
  log = job.log().split("$ srun")[1]
  assert log.count("stopped at step") == 1, log


def ended(room: Room, job: Job, unbroken: pathlib.Path) -> None:
  """It went on, and is the run that Slurm never stopped."""
  slurm("scontrol", "update", f"JobId={job.task}", "TimeLimit=60")
  (room.place / "fast").touch()  # Not before: it might have ended by then.
  until(job.gone, PATIENCE_S)
  state = cells.status(job.cell).state
  assert state == cells.DONE, job.log()
  assert "from step" in job.log(), "it was never stopped"
  same(job.cell.folder, unbroken)


def preempted(job: Job) -> None:
  """A job of the higher partition wants the whole machine."""
  output = f"--output={job.cell.folder.parent}/high.log"
  options = "--partition=high", "--exclusive", output
  slurm("sbatch", *options, "--wrap=sleep 2")


def at_its_limit(job: Job) -> None:
  """Of two minutes from now, a minute more or less; Slurm looks twice in one.

  What the job is told to do 90 seconds before is due at once.
  """
  told = slurm("squeue", "-h", "-j", job.task, "-o", "%M")
  minutes = int(told.split(":")[-2])
  slurm("scontrol", "update", f"JobId={job.task}", f"TimeLimit={minutes + 2}")


STOPS = (preempted, at_its_limit)


@drill("Slurm", cases=STOPS)
def a_job_saves_and_goes_on(room: Room, stop):
  with queued(room) as job:
    stop(job)
    saved(job)
    ended(room, job, room.unbroken(LONG))


@drill("Slurm", cases=STOPS)
def a_job_of_two_tasks_saves_and_goes_on(room: Room, stop):
  """Both save the same step; the run is that of two processes unstopped."""
  with queued(room, "--ntasks=2") as job:
    stop(job)
    saved(job)
    place = room.place / "whole"
    for run in both(room, place, LONG):
      run.end()
    ended(room, job, place)


@drill("Slurm")
def a_requeued_job_goes_on(room: Room):
  """scontrol requeue gives it no time to save: from the checkpoint before."""
  with queued(room) as job:
    slurm("scontrol", "requeue", job.task)
    ended(room, job, room.unbroken(LONG))
