"""One attempt at a cell: a process of launch.py, its log, its CPUs or GPU."""

import dataclasses
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from medfm.grid import cells
from medfm.grid.cells import Cell

AGAIN = 75
"""The exit code of a run that was stopped after saving all its work."""

_STOPS = (signal.SIGTERM, signal.SIGUSR1)
_UNHEARD = [code for n in _STOPS for code in (-n, 128 + n)]
"""Exit codes of a run stopped before it handled signals: alone, under srun."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class Slot:
  """Room for one cell; with processors=() it may use all of this process's."""

  environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
  processors: tuple[int, ...] = ()


def slots(jobs: int) -> list[Slot]:
  """`jobs` slots; for 0 one per GPU, or one if there is no GPU.

  More slots than GPUs share them, and their memory, evenly. Without a GPU the
  processors are divided; more slots than processors share them.
  """
  if visible := gpus():
    jobs = jobs or len(visible)
    environment = {}
    if (share := -(-jobs // len(visible))) > 1:
      environment["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / share:.2f}"
    return [
      Slot({"CUDA_VISIBLE_DEVICES": visible[i % len(visible)], **environment})
      for i in range(jobs)
    ]
  if jobs < 2:
    return [Slot()]
  cores = sorted(os.sched_getaffinity(0))
  size = max(1, len(cores) // jobs)
  threads = dict.fromkeys(_THREADS, str(size))
  share = itertools.cycle(cores)
  return [Slot(threads, (*itertools.islice(share, size),)) for _ in range(jobs)]


def gpus() -> list[str]:
  """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
  if os.environ.get("JAX_PLATFORMS", "") == "cpu":
    return []
  visible = os.environ.get("CUDA_VISIBLE_DEVICES")
  if visible is not None:
    return [name for name in visible.split(",") if name and name != "-1"]
  query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
  try:
    return subprocess.check_output(
      query, stderr=subprocess.DEVNULL, text=True, timeout=30
    ).split()
  except (OSError, subprocess.SubprocessError):
    return []


class Attempt:
  """A process that runs a cell whose files `cells.prepare` has written.

  command: of launch.py; the cell's config and folder are added to it.
  """

  def __init__(self, command: Sequence[str], cell: Cell, slot: Slot = Slot()):
    self.cell, self.slot, folder = cell, slot, cell.folder
    self.stopping = False
    self._begun = time.monotonic()
    config = f"--config={folder / 'request.json'}"
    line = [*command, config, f"--workdir={folder}"]
    before = os.sched_getaffinity(0)
    lock = cells.hold(folder)
    try:
      with (folder / "log.txt").open("a") as log:
        log.write(f"$ {' '.join(line)}\n")
        log.flush()
        if slot.processors:  # The child inherits them.
          os.sched_setaffinity(0, slot.processors)
        self.process = subprocess.Popen(
          line,
          stdin=subprocess.DEVNULL,
          stdout=log,
          stderr=subprocess.STDOUT,
          env={**os.environ, **slot.environment},
          pass_fds=[lock],
          start_new_session=True,  # Ctrl-C reaches only the runner.
        )
    finally:
      if slot.processors:
        os.sched_setaffinity(0, before)
      os.close(lock)

  def seconds(self) -> float:
    return time.monotonic() - self._begun

  def stop(self) -> None:
    """Asks the run to save and end.

    At SIGTERM srun would kill what it runs; it passes SIGUSR1 on.
    """
    self.stopping = True
    if self.process.poll() is None:
      behind = Path(self.process.args[0]).name == "srun"
      self.process.send_signal(_STOPS[behind])

  def end(self) -> int:
    """Notes in cell.json how the process ended, and gives its exit code.

    A run that was asked to stop has not failed, whatever its exit code; nor has
    a run that something else stopped before it had begun.
    """
    code = self.process.wait()
    code = AGAIN if code in _UNHEARD else code
    error = ""
    if code == 0 and not (self.cell.folder / "report.html").exists():
      error = "the run ended without results"
    elif code not in (0, AGAIN) and not self.stopping:
      error = cells.last_error(self.cell.folder / "log.txt", code)
    cells.note_end(self.cell.folder, code, error, self.seconds())
    return code
