"""A search whose trials are steps of a real Slurm."""

import os
import pathlib
import subprocess
import sys

import pytest

from medfm.grid import cells
from tests.slurm.test_slurm import pytestmark  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEARCH = (
  "--sweep",
  "--search=3",
  "--jobs=1",
  "--config=configs/table.py:wisconsin,mlp,tiny",
  "--config.schedule.select=auroc",
  "--config.optimizer.lr=1e-4..1e-1",
)


def searched(root, cache, executor):
  """The facts of its summary, and what it said."""
  done = subprocess.run(
    [
      sys.executable,
      str(ROOT / "launch.py"),
      *SEARCH,
      f"--executor={executor}",
      f"--workdir={root}",
    ],
    cwd=ROOT,
    env={**os.environ, "XLA_FLAGS": "", "MEDFM_CACHE_DIR": str(cache)},
    capture_output=True,
    text=True,
    timeout=500,
  )
  assert done.returncode == 0, done.stdout + done.stderr
  return cells.read(root / "summary.json")


def test_trials_as_steps_find_what_they_find_on_this_machine(tmp_path):
  pytest.importorskip("optuna")
  one = searched(tmp_path / "local" / "grid", tmp_path / "cache", "local")
  two = searched(tmp_path / "slurm" / "grid", tmp_path / "cache", "slurm")
  assert one == two
  assert one["counts"] == {"done": 3}
  commands = [
    path.read_text().split()[1]
    for path in (tmp_path / "slurm").glob("grid/*/log.txt")
  ]
  assert commands == ["srun"] * 3
