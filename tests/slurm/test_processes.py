"""Cells of two processes, through srun, on a real Slurm."""

import pathlib
import sys

import pytest

from medfm.grid import cells, slurm
from medfm.grid.experiment import Experiment
from tests.grid.summing import summed
from tests.slurm.queues import queue, until
from tests.slurm.test_slurm import pytestmark  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs/linear_regression.py:tiny")


def submitted(root, options) -> dict:
  """The results of one cell that ran as a job with these options."""
  asked = Experiment(
    name="toy", hypothesis="", config=CONFIG, settings=[{"seed": 1}]
  )
  every = asked.cells(root)
  summed(root, every)
  command = [sys.executable, str(ROOT / "launch.py")]
  slurm.submit(every, root, command, 0, options)
  until(lambda: not queue())
  log = every[0].folder / "log.txt"
  state = cells.status(every[0])
  assert state.state == cells.DONE, f"{state}: {log.read_text()}"
  return cells.read(every[0].folder / "results.json"), log.read_text()


def test_two_tasks_are_one_run_with_the_results_of_one(tmp_path, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "")
  monkeypatch.setenv("MEDFM_CACHE_DIR", str(tmp_path / "cache"))
  one, _ = submitted(tmp_path / "one", "--ntasks=1")
  two, said = submitted(tmp_path / "two", "--ntasks=2")
  assert "devices: 2 x" in said
  for split, found in one["stages"]["train"]["splits"].items():
    other = two["stages"]["train"]["splits"][split]["metrics"]
    for name, entry in found["metrics"].items():
      assert other[name]["value"] == pytest.approx(entry["value"], abs=1e-5)
