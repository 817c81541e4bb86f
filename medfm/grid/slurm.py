"""Runs the cells of a grid as Slurm job arrays, with plain sbatch.

`submit` queues an array of tasks, an array before it for the stages that others
start from, and a job after both (afterany) that writes the summary. A task that
is stopped (preempted, or at its time limit) saves and queues itself again; exit
code 75 tells clusters with RequeueExit=75 to do so. Nothing here needs
accounting. Submitting again queues the cells that are neither done nor in the
queue. If the options ask for several tasks (--nodes=2 --ntasks-per-node=4),
each cell is one run of that many processes.

On a node: python -m medfm.grid.slurm task FILE | summary FOLDER | again
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from medfm import workdir
from medfm.data import cards
from medfm.grid import attempt, cells
from medfm.grid.cells import Cell
from medfm.interrupt import Watch
from medfm.types import UserError

GRACE_S = 90
"""How long before its time limit a task is told to save."""

_PERIOD_S = 0.2
_PAUSES_S = (1, 2, 4, 8, 15)
"""Pauses between tries of a scheduler without an answer; within `GRACE_S`."""
_PATIENCE_S = 15
"""How long a command of the scheduler may take; it may never answer."""
_IDS = re.compile(r"(\d+([_+]\S+)?\s+)*")
"""Ids of jobs, or of tasks of an array, as squeue lists them."""

_SCRIPT = """#!/bin/bash
# SIGTERM is passed on. If Python dies of it, it was still starting and has done
# nothing, so the job is queued again.
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
  jobs: how many at a time; 0 sets no limit.
  options: for sbatch, such as "--partition=gpu --gres=gpu:1".
  stale: names of cells whose old runs are moved aside.

  Raises:
    UserError: sbatch is missing or refuses, or squeue keeps failing. Then it is
      not known what is in the queue, and nothing is queued a second time.
  """
  folder = root / "slurm"
  asked = {cell.name for cell in todo}
  known = {k: job for k, job in _queued(folder).items() if k in asked}
  live = _in_queue({*known.values()})
  known = {name: job for name, job in known.items() if job in live}
  fresh = [cell for cell in todo if cell.name not in known]
  if len(fresh) < len(todo):
    queued = cards.amount(len(todo) - len(fresh), "cell")
    print(f"{queued} in the queue already")
  needed = {name for cell in fresh for name in cell.needs}
  before = sorted({job.partition("_")[0] for job in known.values()})
  ids = []
  for first in (True, False):
    members = [cell for cell in fresh if (cell.name in needed) == first]
    if not members:
      continue
    number = len(list(folder.glob("tasks-*.json"))) + 1
    tasks = folder / f"tasks-{number}.json"
    content = {
      "command": list(command),
      "stale": [cell.name for cell in members if cell.name in stale],
      "cells": [{**cell.plain(), "request": cell.request} for cell in members],
    }
    workdir.write(tasks, content)
    array = f"--array=0-{len(members) - 1}" + (f"%{jobs}" if jobs else "")
    after = before if any(cell.needs for cell in members) else []
    ids.append(_sbatch(folder, "task", tasks, after, f"{array} {options}"))
    before = [*before, ids[-1]]
    known |= {cell.name: f"{ids[-1]}_{i}" for i, cell in enumerate(members)}
    workdir.write(folder / "jobs.json", known)
  if ids:
    ids.append(_sbatch(folder, "summary", root, before, options))
    print(
      f"jobs {', '.join(ids[:-1])}; {ids[-1]} writes the summary", flush=True
    )
  return ids


def _queued(folder: Path) -> dict[str, str]:
  """Cell -> the job that it was queued as when the grid was submitted."""
  path = folder / "jobs.json"
  known = cells.read(path)
  if path.exists() and not known:
    raise UserError(
      f"{path} is damaged; it records which cells are in the queue: restore "
      "it, or remove it once squeue lists no job of this grid"
    )
  return known


def _in_queue(known: Collection[str]) -> set[str]:
  """The ids of all jobs that the user has in the queue.

  If one of `known` is not listed, the table may be cut short: then squeue must
  not report an error, and is asked again.
  """

  def whole(done: subprocess.CompletedProcess) -> bool:
    if {*known} <= {*done.stdout.split()}:
      return True
    return _silent(done) and bool(_IDS.fullmatch(f"{done.stdout} "))

  command = "squeue", "--noheader", "--array", "--format=%i", "--me"
  live = {*_asked(*command, sound=whole).split()}
  if not {*known} <= live:
    time.sleep(_PAUSES_S[0])
    live |= {*_asked(*command, sound=whole).split()}
  return live


def step(options: str) -> list[str]:
  """The words before a cell's command that make it run as its own job."""
  _asked("srun", "--version")
  return ["srun", "--quiet", *shlex.split(options)]


def task(tasks: Path, index: int) -> int:
  """Runs one cell of a tasks file within its job; gives the exit code."""
  content = cells.read(tasks)
  if not content:
    raise UserError(f"{tasks} is missing or damaged: submit the grid again")
  cell = cells.listed(tasks.parent.parent, tasks)[index]
  state = cells.status(cell).state
  first = int(os.environ.get("SLURM_RESTART_COUNT", "0")) == 0
  stale = state == cells.STALE or (first and cell.name in content["stale"])
  if state == cells.DONE and not stale:
    return 0
  if not cells.prepare(cell, stale):
    return 2
  # A job step gets signals that a batch script is not sent.
  command = ["srun", *content["command"]]
  counts = ("SLURM_NTASKS", "SLURM_JOB_NUM_NODES")
  if any(int(os.environ.get(word, "1")) > 1 for word in counts):
    command.append("--distributed=auto")
  with Watch() as watch:
    under_way = attempt.Attempt(command, cell)
    while under_way.process.poll() is None and watch.signal is None:
      time.sleep(_PERIOD_S)
    if watch.signal is not None:
      under_way.stop()
  exit_code = under_way.end()
  if exit_code == attempt.AGAIN or (exit_code and under_way.stopping):
    return _requeue()
  return exit_code


def _requeue() -> int:
  """Queues this job again, unless it is being cancelled."""
  number = os.environ.get("SLURM_JOB_ID", "")
  try:
    if not _cancelled(number):
      _asked("scontrol", "requeue", number, sound=_silent)
  except UserError as error:
    print(
      f"error: {error}; job {number} could not be queued again: submit the "
      "grid again",
      file=sys.stderr,
      flush=True,
    )
  return attempt.AGAIN


def _cancelled(number: str) -> bool:
  """Whether a job is being cancelled; False if the scheduler cannot tell."""
  try:
    command = "scontrol", "show", "job", "-o", number
    shown = _asked(*command, sound=lambda done: "JobState=" in done.stdout)
  except UserError as error:
    print(f"{error}; assuming it was preempted", file=sys.stderr, flush=True)
    return False
  return "JobState=RUNNING" not in shown


def _sbatch(
  folder: Path, what: str, path: Path, after: Sequence[str], options: str
) -> str:
  """Submits one script, to begin after other jobs; gives its job's id."""
  script = folder / f"{what}.sh"
  home = Path(__file__).resolve().parents[2]
  program = shlex.join([sys.executable, "-m", "medfm.grid.slurm"])
  asked = f"{program} {what} {shlex.quote(str(path))}"
  workdir.write(
    script,
    _SCRIPT.format(home=shlex.quote(str(home)), asked=asked, program=program),
  )
  done = _run(
    "sbatch",
    "--parsable",
    f"--job-name=medfm-{what}-{folder.parent.name}",
    f"--output={folder}/%x-%A_%a.log",
    "--open-mode=append",
    "--requeue",
    f"--signal=B:TERM@{GRACE_S}",
    *([f"--dependency=afterany:{':'.join(after)}"] if after else []),
    *shlex.split(options),
    str(script),
  )
  if done.returncode:  # Not tried again: it may have been queued anyway.
    raise UserError(f"sbatch refuses: {_reason(done)}")
  number = done.stdout.strip().partition(";")[0]
  if not number.isdecimal():
    raise UserError(
      f"sbatch answers {number[:80]!r}, which is not a job number: check with "
      "squeue whether it has queued a job"
    )
  return number


def _asked(
  *command: str,
  sound: Callable[[subprocess.CompletedProcess], bool] = lambda done: True,
) -> str:
  """What a command prints; a failure is reported and tried again.

  A busy scheduler fails now and then, which says nothing about jobs.

  sound: whether output without a failure counts as an answer.

  Raises:
    UserError: it fails every time, or does not exist.
  """
  for pause in (*_PAUSES_S, None):
    done = _run(*command)
    if done.returncode == 0 and sound(done):
      return done.stdout.strip()
    line = f"{' '.join(command[:2])} fails: {_reason(done)}"
    if pause is None or "Invalid job id" in line:  # The latter is an answer.
      break
    print(f"{line}; trying again in {pause} s", file=sys.stderr, flush=True)
    time.sleep(pause)
  raise UserError(f"{line}; try again later")


def _silent(done: subprocess.CompletedProcess) -> bool:
  """Whether a command prints no error, which it may do despite success."""
  return "error" not in done.stderr.lower()


def _reason(done: subprocess.CompletedProcess) -> str:
  lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
  return lines[-1][:200] if lines else "it said nothing"


def _run(*command: str) -> subprocess.CompletedProcess:
  options: Any = {"capture_output": True, "text": True, "errors": "replace"}
  try:
    return subprocess.run(command, timeout=_PATIENCE_S, **options)
  except subprocess.TimeoutExpired:
    silent = f"no answer within {_PATIENCE_S} s"
    return subprocess.CompletedProcess(command, 1, "", silent)
  except OSError as error:
    raise UserError(
      f"--executor=slurm: {command[0]} cannot be run on this machine "
      f"({error.strerror})"
    ) from None


def main(arguments: Sequence[str]) -> int:
  what, *rest = arguments
  if what == "again":
    return _requeue()
  path = Path(*rest)
  try:
    if what == "task":
      return task(path, int(os.environ["SLURM_ARRAY_TASK_ID"]))
    from medfm.grid import summary  # Slow to import, and a task needs none.

    print(f"summary: {summary.write(path)}")
  except UserError as error:
    print(f"error: {error}", file=sys.stderr, flush=True)
    return error.exit_code
  return 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
