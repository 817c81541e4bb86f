"""Real runs that a real Slurm stops; tests/slurm/start.sh starts one."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable

from medfm import command, spec
from medfm.grid import cells
from medfm.grid import slurm as executor
from tests.drills.catalogue import Skipped, drill
from tests.drills.room import ROOT, TOY, Room, losses, same
from tests.grid.summing import summed

LONG = "--config.steps=600"


def answers() -> None:
  """Skips the drill where no Slurm does."""
  if (
    not shutil.which("sbatch")
    or subprocess.run(["sinfo"], capture_output=True).returncode
  ):
    raise Skipped("no Slurm answers; source tests/slurm/start.sh")


def queued(room: Room, options: str) -> cells.Cell:
  """One toy run in the queue; its cell."""
  config, *settings = [*TOY, LONG]
  words = [word.removeprefix("--config.") for word in settings]
  made = command.config(str(ROOT / config.removeprefix("--config=")), words)
  cell = cells.Cell("toy", room.place / "toy", {}, spec.to_json(made))
  summed(room.place, [cell])
  launch = ["env", f"MEDFM_CACHE_DIR={room.cache}", "JAX_PLATFORMS=cpu"]
  launch += ["XLA_FLAGS=", sys.executable, str(ROOT / "launch.py")]
  executor.submit([cell], room.place, launch, 0, options)
  return cell


def queue() -> list[str]:
  told = executor._slurm("squeue", "-h", "-r", "-o", "%i %t %P %r %j")
  return told.splitlines()


def until(true: Callable[[], bool], seconds: float = 500) -> None:
  """Waits; a job queued again need not rest for Slurm's two minutes."""
  limit = time.monotonic() + seconds
  while not true():
    assert time.monotonic() < limit, f"it never came; the queue: {queue()}"
    for line in queue():
      job, state, _, reason, _ = line.split(maxsplit=4)
      if (state, reason) == ("PD", "BeginTime"):
        executor._slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    time.sleep(0.5)


def ended(room: Room, cell: cells.Cell) -> None:
  """It went on, and is the run that Slurm never stopped."""
  until(lambda: not any(room.place.name in line for line in queue()))
  log = (cell.folder / "log.txt").read_text()
  assert cells.status(cell, cells.code_version()).state == cells.DONE, log
  assert "from step" in log, "it was never stopped"
  same(cell.folder, room.unbroken(LONG))


@drill("Slurm")
def a_preempted_job_goes_on(room: Room):
  answers()
  cell = queued(room, "--partition=low")
  until(lambda: trained(cell))
  executor._slurm(
    "sbatch",
    "--partition=high",
    "--exclusive",
    f"--output={room.place}/high.log",
    "--wrap=sleep 2",
  )
  ended(room, cell)


@drill("Slurm")
def a_job_at_its_time_limit_goes_on(room: Room):
  answers()
  cell = queued(room, "--time=1 --signal=B:TERM@40")
  ended(room, cell)


@drill("Slurm")
def a_requeued_job_goes_on(room: Room):
  """scontrol requeue gives it no time to save: from the checkpoint before."""
  answers()
  cell = queued(room, "")
  until(lambda: trained(cell))
  job = next(x.split()[0] for x in queue() if f"task-{room.place.name}" in x)
  executor._slurm("scontrol", "requeue", job)
  ended(room, cell)


def trained(cell: cells.Cell) -> bool:
  path = cell.folder / "metrics.jsonl"
  return path.exists() and len(losses(cell.folder)) > 20
