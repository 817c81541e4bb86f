"""Runs the cells of a grid as Slurm job arrays, with plain sbatch.

`submit` queues one array of tasks, those that others start from in an array
before it, and a job behind them (afterany) that sums up. A task that is
stopped (preempted, at its time limit) has saved, and has itself queued again;
exit code 75 says so to clusters with RequeueExit=75. Nothing here needs
accounting. Submitting again queues what is neither done nor in the queue.
Where the options ask for several tasks (--nodes=2 --ntasks-per-node=4), each
cell is one run of so many processes.

On a node: python -m medfm.grid.slurm task FILE | summary FOLDER | again
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from medfm import workdir
from medfm.grid import attempt, cells
from medfm.grid.cells import Cell
from medfm.types import UserError

GRACE_S = 90
"""How long before its time limit a task is told to save."""

_SCRIPT = """#!/bin/bash
# SIGTERM is passed on. Python that dies of it, since it was still starting,
# has done nothing yet, and the job is queued again.
export PYTHONPATH={home}:$PYTHONPATH
trap 'told=1; kill -TERM $work 2> /dev/null' TERM
{asked} &
work=$!
[ -z "$told" ] || kill -TERM $work
wait $work
while kill -0 $work 2> /dev/null; do wait $work; done
wait $work
code=$?
trap '' TERM
[ $code != 143 ] || exec {program} again
exit $code
"""


def submit(
  todo: Sequence[Cell],
  root: Path,
  command: Sequence[str],
  jobs: int,
  options: str = "",
  stale: Collection[str] = (),
) -> list[str]:
  """Queues `todo` and the summary; gives the ids of the jobs.

  root: the grid's folder, on a file system that all nodes see.
  command: of `attempt.command`.
  jobs: how many at a time; 0 sets no limit.
  options: for sbatch, such as "--partition=gpu --gres=gpu:1".
  stale: names of those whose old runs are to be set aside.

  Raises:
    UserError: sbatch is missing or refuses.
  """
  folder = root / "slurm"
  queued = _queued(folder)
  fresh = [cell for cell in todo if cell.name not in queued]
  if len(fresh) < len(todo):
    print(f"{len(todo) - len(fresh)} cells are in the queue already")
  needed = {name for cell in fresh for name in cell.needs}
  arrays = [
    [cell for cell in fresh if cell.name in needed],
    [cell for cell in fresh if cell.name not in needed],
  ]
  known = dict(queued)
  before: list[str] = sorted({job.partition("_")[0] for job in queued.values()})
  ids = []
  for members in filter(None, arrays):
    tasks = _tasks(folder, members, command, stale)
    most = f"%{jobs}" if jobs else ""
    given = [f"--array=0-{len(members) - 1}{most}"]
    if any(cell.needs for cell in members) and before:
      given.append(f"--dependency=afterany:{':'.join(before)}")
    ids.append(_sbatch(folder, "task", tasks, given, options))
    before = [*before, ids[-1]]
    known |= {cell.name: f"{ids[-1]}_{i}" for i, cell in enumerate(members)}
    workdir.write(folder / "jobs.json", known)
  if ids:
    after = [f"--dependency=afterany:{':'.join(before)}"]
    ids.append(_sbatch(folder, "summary", root, after, options))
    print(f"jobs {', '.join(ids[:-1])}; {ids[-1]} sums up", flush=True)
  return ids


def step(options: str) -> list[str]:
  """What a cell's command is put behind to run as a job of its own.

  Raises:
    UserError: srun is missing.
  """
  _slurm("srun", "--version")
  return ["srun", "--quiet", *shlex.split(options)]


def task(tasks: Path, index: int) -> int:
  """Runs one cell of a tasks file within its job; gives the exit code."""
  content = cells.read(tasks)
  folder = tasks.parent.parent
  cell = cells.of_plain(folder, content["cells"][index])
  code = cells.code_version()
  now = cells.status(cell, code)
  again = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
  stale = now.state == cells.STALE or (
    cell.name in content["stale"] and not again
  )
  if now.state == cells.DONE and not stale:
    return 0
  cells.prepare(cell, code, stale)
  for name in cell.needs:
    first = Cell(name, folder / name, {}, "")
    if cells.status(first, code).state != cells.DONE:
      cells.note_end(cell.folder, 2, f"needs {name}, which is not done", 0)
      return 2
  # As a step, it gets the signals that a batch script is not sent.
  command = ["srun", *content["command"]]
  if _several():
    command.append("--distributed=auto")
  exit_code = _attempted(command, cell.folder)
  if exit_code == attempt.AGAIN:
    _requeue()
  return exit_code


def _attempted(command: Sequence[str], folder: Path) -> int:
  """The exit code of a cell's step; SIGTERM has it save and leave."""
  under_way, stopped = None, []

  def stop(number, frame):
    del frame
    stopped.append(number)
    if under_way:
      under_way.stop()

  signal.signal(signal.SIGTERM, stop)
  under_way = attempt.begin(command, folder, {})
  if stopped:
    under_way.stop()
  under_way.process.wait()
  code = under_way.end(stopping=bool(stopped))
  return attempt.AGAIN if stopped and code != 0 else code


def _several() -> bool:
  """Whether srun starts more than one process in this job."""
  words = ("SLURM_NTASKS", "SLURM_JOB_NUM_NODES")
  return any(int(os.environ.get(word, "1")) > 1 for word in words)


def _requeue() -> None:
  """Has this job queued again, unless it is being cancelled."""
  number = os.environ.get("SLURM_JOB_ID", "")
  shown = _slurm("scontrol", "show", "job", "-o", number)
  if "JobState=RUNNING" in shown:
    _slurm("scontrol", "requeue", number)


def _tasks(
  folder: Path,
  members: Sequence[Cell],
  command: Sequence[str],
  stale: Collection[str],
) -> Path:
  """Writes what an array's tasks have to know."""
  number = len(list(folder.glob("tasks-*.json"))) + 1
  path = folder / f"tasks-{number}.json"
  listed = [{**cell.plain(), "request": cell.request} for cell in members]
  names = [cell.name for cell in members if cell.name in stale]
  content = {"command": list(command), "stale": names, "cells": listed}
  workdir.write(path, content)
  return path


def _sbatch(
  folder: Path, what: str, path: Path, given: Sequence[str], options: str
) -> str:
  """Submits one script and gives its job's id."""
  script = folder / f"{what}.sh"
  home = Path(__file__).resolve().parents[2]
  program = shlex.join([sys.executable, "-m", "medfm.grid.slurm"])
  asked = f"{program} {what} {shlex.quote(str(path))}"
  workdir.write(
    script,
    _SCRIPT.format(home=shlex.quote(str(home)), asked=asked, program=program),
  )
  return _slurm(
    "sbatch",
    "--parsable",
    f"--job-name=medfm-{what}-{folder.parent.name}",
    f"--output={folder}/%x-%A_%a.log",
    "--open-mode=append",
    "--requeue",
    f"--signal=B:TERM@{GRACE_S}",
    *given,
    *shlex.split(options),
    str(script),
    refused=True,
  ).partition(";")[0]


def _queued(folder: Path) -> dict[str, str]:
  """Cell -> job, of those that the queue still holds."""
  known = cells.read(folder / "jobs.json")
  listed = _slurm("squeue", "--noheader", "--array", "--format=%i", "--me")
  live = set(listed.split())
  return {name: job for name, job in known.items() if job in live}


def _slurm(*command: str, refused: bool = False) -> str:
  """What a Slurm command prints.

  Raises:
    UserError: it is missing; or it failed, where `refused` is to be told.
  """
  try:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
  except FileNotFoundError:
    raise UserError(
      f"--executor=slurm: there is no {command[0]} on this machine"
    ) from None
  if done.returncode and refused:
    said = done.stderr.strip().splitlines() or ["it said nothing"]
    raise UserError(f"{command[0]} refuses: {said[-1]}")
  return done.stdout.strip()


def main(arguments: Sequence[str]) -> int:
  what, *rest = arguments
  if what == "again":
    _requeue()
    return attempt.AGAIN
  path = Path(*rest)
  if what == "task":
    return task(path, int(os.environ["SLURM_ARRAY_TASK_ID"]))
  from medfm.grid import summary  # Its imports are heavy, a task's are not.

  print(f"summary: {summary.write(path)}")
  return 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
