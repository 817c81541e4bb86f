"""A run that is killed, stopped or damaged ends as the unbroken one does."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMAND = (
  "--config=configs/table.py:wisconsin,mlp,tiny",
  "--config.objective.model.dropout=0.2",
  "--config.steps=60",
  "--config.ema_decay=0.9",
  "--config.schedule.evaluate_every=10",
  "--config.schedule.checkpoint_every=7",
  "--config.schedule.log_every=2",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
  return str(tmp_path_factory.mktemp("cache"))


def start(place, cache, *more, **environment):
  return subprocess.Popen(
    [
      sys.executable,
      str(ROOT / "launch.py"),
      *COMMAND,
      *more,
      f"--workdir={place}",
    ],
    cwd=ROOT,
    env={
      **os.environ,
      "XLA_FLAGS": "",
      "MEDFM_CACHE_DIR": cache,
      **environment,
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def finish(process):
  out, err = process.communicate(timeout=300)
  assert process.returncode == 0, err
  return out


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, cache):
  place = tmp_path_factory.mktemp("unbroken") / "run"
  finish(start(place, cache))
  return place


def losses(place):
  lines = map(json.loads, (place / "metrics.jsonl").read_text().splitlines())
  kept = [
    {k: v for k, v in line.items() if k != "examples_per_s"} for line in lines
  ]
  return sorted(kept, key=json.dumps)


def state(place):
  """Every array of the newest checkpoint, as bytes, by path."""
  from medfm import tree
  from medfm.checkpoint import Checkpoints

  saved = Checkpoints(place / "checkpoints")
  raw = saved.raw(saved.newest())
  saved.close()
  return {k: np.asarray(v).tobytes() for k, v in tree.paths(raw).items()}


def same(place, unbroken):
  assert losses(place) == losses(unbroken)
  assert state(place) == state(unbroken)
  for name in ("results.json", "predictions.csv"):
    assert (place / name).read_text() == (unbroken / name).read_text()


def until(process, words):
  """Reads the process's lines up to one that holds the words."""
  for line in process.stdout:
    if words in line:
      return
  pytest.fail(f"{words!r} never came: {process.stderr.read()}")


def test_a_run_killed_five_times_ends_as_the_unbroken_one(
  tmp_path, cache, unbroken
):
  draw = random.Random(0)
  for _ in range(5):
    process = start(tmp_path / "run", cache)
    until(process, "parameters")
    time.sleep(draw.uniform(0.05, 1.5))
    process.kill()
    process.communicate()
  finish(start(tmp_path / "run", cache))
  same(tmp_path / "run", unbroken)


@pytest.mark.parametrize(
  ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)]
)
def test_a_stopped_run_saves_its_step_and_says_how_to_go_on(
  tmp_path, cache, unbroken, number, code
):
  place = tmp_path / "run"
  process = start(place, cache)
  until(process, " 12/60 ")
  process.send_signal(number)
  process.send_signal(number)
  _, err = process.communicate(timeout=60)
  assert process.returncode == code, err
  assert "go on with: python" in err
  stopped = int(re.search(r"stopped at step (\d+)", err)[1])
  out = finish(start(place, cache))
  assert f"from step {stopped}" in out
  same(place, unbroken)


def test_a_second_launch_in_one_workdir_is_refused(tmp_path, cache):
  first = start(tmp_path / "run", cache, "--config.steps=100000")
  until(first, " 4/100000 ")
  second = start(tmp_path / "run", cache, "--config.steps=100000")
  _, err = second.communicate(timeout=60)
  first.kill()
  first.communicate()
  assert second.returncode == 2
  assert f"in use by process {first.pid}" in err


def test_a_damaged_newest_step_is_named_and_the_one_before_used(
  tmp_path, cache, unbroken
):
  place = tmp_path / "run"
  process = start(place, cache)
  until(process, " 50/60 ")
  process.kill()
  process.communicate()
  steps = sorted(
    int(path.parent.name) for path in place.glob("checkpoints/*/manifest.json")
  )
  target = max(
    (place / "checkpoints" / str(steps[-1]) / "state").rglob("*"),
    key=lambda path: path.stat().st_size if path.is_file() else 0,
  )
  content = bytearray(target.read_bytes())
  content[len(content) // 2] ^= 1
  target.write_bytes(bytes(content))
  (place / "checkpoints" / "999").mkdir()
  out = finish(start(place, cache))
  assert f"checkpoint {steps[-1]} is not used" in out
  assert "checkpoint 999 is ignored" in out
  same(place, unbroken)


def test_a_finished_run_trains_no_further(tmp_path, cache, unbroken):
  before = state(unbroken)
  out = finish(start(unbroken, cache))
  assert "examples/s" not in out
  assert state(unbroken) == before


def test_steps_that_are_not_finite_stop_the_run_with_their_examples(
  tmp_path, cache
):
  place = tmp_path / "run"
  process = start(
    place,
    cache,
    "--config.optimizer.name=sgd",
    "--config.optimizer.lr=1e30",
    "--config.schedule.skip_limit=3",
  )
  _, err = process.communicate(timeout=120)
  assert process.returncode == 76, err
  assert "not finite for" in err
  named = json.loads((place / "nonfinite.json").read_text())
  assert len(named) >= 3
  assert all(len(ids) for ids in named.values())
