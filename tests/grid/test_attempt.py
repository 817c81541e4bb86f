"""How an attempt at a cell ends, and what is noted of it."""

import signal
import sys

import pytest

from medfm.grid import attempt, cells
from tests.grid import toy


def ended(tmp_path, program: str) -> tuple[int, str]:
  """Exit code and error of a cell whose process is this program."""
  cell = toy.cell(tmp_path, "a")
  cells.prepare(cell, False)
  command = [sys.executable, "-S", "-c", program]
  code = attempt.Attempt(command, cell).end()
  return code, cells.read(cell.folder / "cell.json")["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("behind", [False, True], ids=["alone", "srun"])
def test_a_run_stopped_before_it_listens_is_to_go_on(tmp_path, number, behind):
  program = f"import os, sys; os.kill(os.getpid(), {int(number)})"
  if behind:  # Which tells of a signal so.
    program = f"import sys; sys.exit({128 + number})"
  assert ended(tmp_path, program) == (attempt.AGAIN, "")


def test_a_run_that_is_killed_has_failed(tmp_path):
  code, error = ended(tmp_path, "import os; os.kill(os.getpid(), 9)")
  assert code == -9 and "killed by signal 9" in error
