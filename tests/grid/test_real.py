"""Grids of real runs, started as a user starts them."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from medfm.grid import cells

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRID = '''"""Does the rate matter?

At four steps it hardly can."""

from medfm.grid.combine import chain, product, seeds

CONFIG = "configs/table.py:cleveland,mlp,tiny"


def grid():
  wrong = {"optimizer.name": "adma", "optimizer.lr": 1e-3}
  return chain(product({"optimizer.lr": (1e-3, 1e-2)}, seeds(1)), [wrong])
'''


def launch(root, cache, data_dir, *more):
  (root / "study.py").write_text(GRID)
  return subprocess.Popen(
    [
      sys.executable,
      str(ROOT / "launch.py"),
      f"--grid={root / 'study.py'}",
      f"--workdir={root / 'grid'}",
      f"--data_dir={data_dir}",
      "--jobs=2",
      *more,
    ],
    cwd=ROOT,
    env={**os.environ, "XLA_FLAGS": "", "MEDFM_CACHE_DIR": str(cache)},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def finish(process):
  out, _ = process.communicate(timeout=400)
  assert process.returncode == 0, out
  return out


@pytest.mark.slow
def test_a_killed_grid_of_real_runs_ends_as_the_unbroken_one(
  tmp_path, data_dir
):
  for name in ("broken", "whole"):
    (tmp_path / name).mkdir()
  process = launch(tmp_path / "broken", tmp_path / "cache", data_dir)
  limit = time.monotonic() + 200
  while not list((tmp_path / "broken/grid").glob("*/checkpoints/2")):
    assert time.monotonic() < limit and process.poll() is None
    time.sleep(0.1)
  process.kill()
  process.communicate()
  out = finish(launch(tmp_path / "broken", tmp_path / "cache", data_dir))
  assert "nearest: adam" in out
  finish(launch(tmp_path / "whole", tmp_path / "cache", data_dir))
  for name in ("summary.json", "summary.csv", "summary.html"):
    broken, whole = (
      (tmp_path / one / "grid" / name).read_text()
      for one in ("broken", "whole")
    )
    assert broken == whole
  facts = json.loads((tmp_path / "whole/grid/summary.json").read_text())
  assert facts["counts"] == {"done": 2, "failed": 1}
  assert facts["metric"] == "auroc"
  again = launch(
    tmp_path / "whole",
    tmp_path / "cache",
    data_dir,
    "--dry_run",
    "--retry=failed",
  )
  assert "1 of 3 cells to run" in finish(again)
  for place in (tmp_path / "whole/grid").glob("*-*/"):
    assert cells.read(place / "cell.json")["attempts"] == 1


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--sweep"], "--sweep with --config=FILE"),
    (["--sweep", "--config=configs/cnn.py"], "several values"),
    (["--grid=experiments/medmnist_tabel.py"], "nearest: "),
    (["--grid=experiments/medmnist_table.py", "--jobs=-1"], "jobs"),
    (["--grid=experiments/medmnist_table.py", "--retry=faild"], "faild"),
    (["--grid=experiments/medmnist_table.py", "--executor=slrum"], "slrum"),
    (["--grid=experiments/medmnist_table.py", "--search=3"], "--sweep"),
    (["--sweep", "--config=configs/cnn.py", "--search=3"], "needs a flag"),
    (["--search=3", "--config=configs/cnn.py"], "--sweep"),
  ],
)
def test_a_mistake_in_the_command_is_one_line(
  launched, tmp_path, arguments, message
):
  done = launched(*arguments, "--dry_run", MEDFM_CACHE_DIR=str(tmp_path))
  assert done.returncode == 2
  assert message in done.stderr
  assert done.stderr.count("\n") == 1
