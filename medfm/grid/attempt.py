"""One attempt at a cell: a process of launch.py with a log of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from medfm.grid import cells

AGAIN = 75
"""The exit code of a run that was stopped with all it had done saved."""

_STOPS = (signal.SIGTERM, signal.SIGUSR1)
_UNHEARD = [code for n in _STOPS for code in (-n, 128 + n)]
"""Those of a run that was stopped before it listened; srun tells the second."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Attempt:
  """A running process of a cell; made by `begin`."""

  def __init__(self, folder: Path, process: subprocess.Popen):
    self.folder = folder
    self.process = process
    self._begun = time.monotonic()

  def seconds(self) -> float:
    return time.monotonic() - self._begun

  def stop(self) -> None:
    """Asks the run to save and leave.

    At SIGTERM srun would kill what it runs; SIGUSR1 it passes on.
    """
    if self.process.poll() is None:
      behind = Path(self.process.args[0]).name == "srun"
      self.process.send_signal(_STOPS[behind])

  def end(self, stopping: bool) -> int:
    """Notes in cell.json how the process ended, and gives its exit code.

    A run that was asked to stop has not failed, whatever its code; nor has
    one that was stopped before it had begun, by others than this process.
    """
    code = self.process.wait()
    if code in _UNHEARD:
      code = AGAIN
    error = ""
    if code not in (0, AGAIN) and not stopping:
      error = cells.last_error(self.folder / "log.txt", code)
    elif code == 0 and not (self.folder / "report.html").exists():
      error = "the run ended without results"
    cells.note_end(self.folder, code, error, self.seconds())
    return code


def command(launch: Path, data_dir: str | None) -> list[str]:
  """The command that `begin` adds a cell's folder to."""
  made = [sys.executable, str(launch)]
  return made + ([f"--data_dir={data_dir}"] if data_dir else [])


def begin(
  command: Sequence[str],
  folder: Path,
  environment: Mapping[str, str],
  processors: Sequence[int] = (),
) -> Attempt:
  """Starts a cell whose files `cells.prepare` has written.

  command: of `command`.
  environment: added to this process's own.
  processors: the CPUs it may use; () leaves it those of this process.
  """
  line = [
    *command,
    f"--config={folder / 'request.json'}",
    f"--workdir={folder}",
  ]
  own = dict(environment)
  if processors:
    own |= {name: str(len(processors)) for name in _THREADS}
  before = os.sched_getaffinity(0) if processors else set()
  lock = cells.hold(folder)
  try:
    with (folder / "log.txt").open("a") as log:
      log.write(f"$ {' '.join(line)}\n")
      log.flush()
      if processors:  # Inherited by the child from its first instruction on.
        os.sched_setaffinity(0, processors)
      process = subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **own},
        pass_fds=[lock],
        start_new_session=True,  # Ctrl-C reaches the runner alone.
      )
  finally:
    if processors:
      os.sched_setaffinity(0, before)
    os.close(lock)
  return Attempt(folder, process)
