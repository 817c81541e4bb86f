"""The queue of a real Slurm, as tests wait for it."""

import shutil
import subprocess
import time
from collections.abc import Callable

_REST_S = 3
"""Slurm does not start a job again in the second that it was queued again."""


def answers() -> bool:
  """Whether there is a Slurm here."""
  return (
    shutil.which("sbatch") is not None
    and subprocess.run(["sinfo"], capture_output=True).returncode == 0
  )


def told(*command: str, refused: bool = False) -> str:
  """What a command of Slurm's prints; it may fail unless `refused`."""
  done = subprocess.run(command, capture_output=True, text=True)
  assert not (refused and done.returncode), done.stderr
  return done.stdout.strip()


def queue() -> list[str]:
  """Lines of job, state, partition, reason and name."""
  listed = told("squeue", "-h", "-r", "-o", "%i %t %P %r %j")
  return listed.splitlines()


def until(true: Callable[[], bool], seconds: float = 300) -> None:
  """Waits; a job queued again need not rest for Slurm's two minutes."""
  limit = time.monotonic() + seconds
  resting: dict[str, float] = {}
  while not true():
    now = time.monotonic()
    assert now < limit, f"it never came; the queue: {queue()}"
    begun = [line.split(maxsplit=4) for line in queue()]
    rests = {one[0] for one in begun if (one[1], one[3]) == ("PD", "BeginTime")}
    resting = {job: resting.get(job, now) for job in rests}
    for job, since in resting.items():
      if now - since > _REST_S:
        told("scontrol", "update", f"JobId={job}", "StartTime=now")
    time.sleep(0.5)
