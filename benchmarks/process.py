"""One tool on one case in a process of its own, measured from outside.

Every tool, ours and the peers alike, says `step/total` and its loss on a line
of its own now and then. Those lines are stamped with the wall clock and the
process's CPU time as they arrive, so no tool measures itself and none carries
code to be measured.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

_LINE = re.compile(r"(?:^|\s)(\d+)/(\d+)\s+loss\s\S+(?:\s+peak (\d+))?")
_TICKS = os.sysconf("SC_CLK_TCK")
_KILOBYTE = 1 if sys.platform == "darwin" else 1024  # Of ru_maxrss.


class FailedError(Exception):
  """A tool that ended before it had done its steps; the text says why."""


@dataclasses.dataclass(frozen=True)
class Mark:
  """A line of progress: seconds since the start, CPU seconds until then.

  device: peak bytes of the accelerator, where the tool tells of them.
  """

  step: int
  seconds: float
  cpu: float | None
  device: int | None = None


@dataclasses.dataclass(frozen=True)
class Measured:
  """start: seconds from the start of the process to the end of its first step.

  rate: examples/s between warm-up and end; None where only the start was
    asked for. cpu: CPU seconds per example, over the same steps; None where
    the system does not tell. memory: peak resident bytes. device: peak bytes
    of the accelerator.
  """

  start: float
  rate: float | None
  cpu: float | None
  memory: int
  device: int | None = None


def measured(
  command: Sequence[str],
  environment: Mapping[str, str],
  folder: pathlib.Path,
  *,
  batch: int,
  first: int,
  last: int,
  threads: int = 0,
  timeout: float = 600,
) -> Measured:
  """Runs a tool until it has told of step `last`, then stops it.

  first, last: rate and CPU time are taken between the lines at or after
    these steps. With last=1 only the start is measured.
  threads: cores it may use, 0 for all; one core each makes CPU seconds exact.

  Raises:
    FailedError: it ended, or took more than `timeout` seconds, before that.
  """
  marks, memory = watched(command, environment, folder, last, threads, timeout)
  rate, cpu = steady(marks, first, batch) if last > 1 else (None, None)
  return Measured(marks[0].seconds, rate, cpu, memory, marks[-1].device)


def steady(
  marks: Sequence[Mark], first: int, batch: int
) -> tuple[float, float | None]:
  """Examples/s and CPU seconds per example from step `first` on."""
  kept = [mark for mark in marks if mark.step >= first]
  if len(kept) < 2:
    raise FailedError(f"fewer than two lines of progress from step {first}")
  begin, end = kept[0], kept[-1]
  examples = (end.step - begin.step) * batch
  cpu = None
  if begin.cpu is not None and end.cpu is not None:
    cpu = (end.cpu - begin.cpu) / examples
  return examples / (end.seconds - begin.seconds), cpu


def watched(
  command: Sequence[str],
  environment: Mapping[str, str],
  folder: pathlib.Path,
  last: int,
  threads: int,
  timeout: float,
) -> tuple[list[Mark], int]:
  """The marks until step `last`, and the peak resident bytes."""
  marks: list[Mark] = []
  memory = None
  with (folder / "errors.txt").open("w+") as errors:
    began = time.monotonic()
    process = subprocess.Popen(
      command,
      env={**os.environ, **environment},
      stdout=subprocess.PIPE,
      stderr=errors,
      text=True,
      preexec_fn=pinned(threads),
      start_new_session=True,
    )
    try:
      with _alarm(timeout, process.pid):
        for line in process.stdout:
          if found := _LINE.search(line):
            seconds = time.monotonic() - began
            device = int(found[3]) if found[3] else None
            cpu = cpu_time(process.pid)
            marks.append(Mark(int(found[1]), seconds, cpu, device))
            if marks[-1].step >= last:
              memory = peak_resident(process.pid)
              break
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
      process.stdout.close()
      _, status, usage = os.wait4(process.pid, 0)
      process.returncode = os.waitstatus_to_exitcode(status)
    if not marks or marks[-1].step < last:
      errors.seek(0)
      lines = errors.read().strip().splitlines()
      raise FailedError(lines[-1][:200] if lines else "it ended early")
  return marks, memory or usage.ru_maxrss * _KILOBYTE


def peak_resident(pid: int) -> int | None:
  """The peak resident bytes of a process; None where /proc does not tell.

  Unlike `ru_maxrss` it leaves out what a process held before its program
  began: the pages of its parent, from which it was forked.
  """
  try:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
  except OSError:
    return None
  found = re.search(r"^VmHWM:\s*(\d+) kB$", text, re.MULTILINE)
  return int(found[1]) * 1024 if found else None


def cpu_time(session: int) -> float | None:
  """CPU seconds of a session's processes; None where /proc is absent.

  Loader workers count as well, so this is not the leader's time alone.
  """
  ticks, found = 0, False
  for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
    try:
      words = path.read_text().rpartition(")")[2].split()
    except OSError:  # It has just ended.
      continue
    if int(words[3]) == session:
      found = True
      ticks += sum(map(int, words[11:15]))  # Own, and of children reaped.
  return ticks / _TICKS if found else None


def pinned(threads: int) -> Callable[[], None] | None:
  """Restricts a child to so many cores, where the system can."""
  if not threads or not hasattr(os, "sched_setaffinity"):
    return None
  cores = sorted(os.sched_getaffinity(0))[-threads:]
  return lambda: os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _alarm(timeout: float, pid: int):
  """Kills the process group when its time is over."""

  def stop(number, frame):
    with contextlib.suppress(ProcessLookupError):
      os.killpg(pid, signal.SIGKILL)

  before = signal.signal(signal.SIGALRM, stop)
  signal.setitimer(signal.ITIMER_REAL, timeout)
  try:
    yield
  finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
