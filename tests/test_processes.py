"""Two processes are one run: equal numbers, one end, nothing lost."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.drills.room import same

pytestmark = pytest.mark.xdist_group("processes")

ROOT = pathlib.Path(__file__).resolve().parents[1]
TRANSFORMER = (
  "--config=configs/table.py:wisconsin,transformer,tiny",
  "--config.objective.model.hidden=8",
  "--config.batch_size=18",
  "--config.steps=100",
  "--config.schedule.log_every=1",
  "--config.schedule.evaluate_every=50",
  "--config.evaluators.baselines.names=()",
  "--config.optimizer.schedule=constant",
  "--config.optimizer.warmup=0",
)
MLP = (
  "--config=configs/table.py:wisconsin,mlp,tiny",
  "--config.objective.model.dropout=0.2",
  "--config.steps=60",
  "--config.ema_decay=0.9",
  "--config.schedule.evaluate_every=20",
  "--config.schedule.checkpoint_every=7",
  "--config.schedule.log_every=2",
  "--config.evaluators.baselines.names=()",
)


def free_port():
  with socket.socket() as found:
    found.bind(("localhost", 0))
    return found.getsockname()[1]


@contextlib.contextmanager
def started(place, shared_cache, words, processes=2, devices=1):
  """The processes of one run; none of them outlives the test."""
  common = [sys.executable, str(ROOT / "launch.py"), f"--workdir={place}"]
  if processes > 1:
    common += [
      f"--coordinator=localhost:{free_port()}",
      f"--num_processes={processes}",
    ]
  count = f"--xla_force_host_platform_device_count={devices}"
  every = [
    subprocess.Popen(
      [*common, *words, *([f"--process_id={i}"] if processes > 1 else [])],
      cwd=ROOT,
      env={**os.environ, "XLA_FLAGS": count, "MEDFM_CACHE_DIR": shared_cache},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for i in range(processes)
  ]
  try:
    yield every
  finally:
    for one in every:
      one.kill()
      one.wait()


def until(process, words):
  """Reads the process's lines up to one that holds the words."""
  for line in process.stdout:
    if words in line:
      return
  pytest.fail(f"{words!r} never came: {process.stderr.read()}")


def ended(every, code=0, timeout=300):
  """What each process said: (stdout, stderr)."""
  said = [one.communicate(timeout=timeout) for one in every]
  assert [one.returncode for one in every] == [code] * len(every), said
  return said


def run(place, shared_cache, words, processes=2, devices=1):
  with started(place, shared_cache, words, processes, devices) as every:
    return ended(every)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, shared_cache):
  """A run of one process with one device."""
  place = tmp_path_factory.mktemp("alone") / "run"
  run(place, shared_cache, TRANSFORMER, processes=1)
  return place


def curve(place):
  lines = map(json.loads, (place / "metrics.jsonl").read_text().splitlines())
  return {line["step"]: line["loss"] for line in lines if "loss" in line}


def same_curve(place, alone):
  found, expected = curve(place), curve(alone)
  assert found.keys() == expected.keys()
  np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)
  np.testing.assert_allclose(
    list(found.values()), list(expected.values()), rtol=1e-4
  )


def scores(place):
  entry = json.loads((place / "results.json").read_text())["stages"]["train"]
  return {
    (split, name): metric["value"]
    for split, found in entry["splits"].items()
    for name, metric in found["metrics"].items()
  }


def test_two_processes_are_one_run_that_one_process_may_go_on_with(
  tmp_path, shared_cache
):
  """The short of what the slow tests tell at length."""
  first, half = (
    [*TRANSFORMER, f"--config.steps={n}", "--config.schedule.evaluate_every=2"]
    for n in (8, 4)
  )
  run(tmp_path / "alone", shared_cache, first, processes=1)
  one, two = run(tmp_path / "run", shared_cache, half)
  assert "devices: 2 x cpu" in one[0]
  spoken = [line for line in two[0].splitlines() if "[Gloo]" not in line]
  assert spoken == []
  again = run(tmp_path / "run", shared_cache, first, processes=1)
  assert "from step 4" in again[0][0]
  same_curve(tmp_path / "run", tmp_path / "alone")


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path, shared_cache, alone):
  words = [
    *TRANSFORMER,
    "--config.devices.mesh.fsdp=2",
    "--config.devices.mesh.tensor=2",
    "--config.devices.sharding=transformer",
  ]
  run(tmp_path / "run", shared_cache, words, devices=2)
  same_curve(tmp_path / "run", alone)
  found, expected = scores(tmp_path / "run"), scores(alone)
  assert found.keys() == expected.keys()
  for name in found:
    assert found[name] == pytest.approx(expected[name], abs=1e-3), name
  again = run(tmp_path / "run", shared_cache, words, devices=2)
  assert "examples/s" not in again[0][0]


@pytest.mark.drill
def test_what_one_process_began_two_go_on_with(tmp_path, shared_cache, alone):
  half = [*TRANSFORMER, "--config.steps=50"]
  run(tmp_path / "run", shared_cache, half, processes=1)
  said = run(tmp_path / "run", shared_cache, TRANSFORMER, devices=2)
  assert "from step 50" in said[0][0]
  same_curve(tmp_path / "run", alone)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, shared_cache):
  place = tmp_path_factory.mktemp("unbroken") / "run"
  run(place, shared_cache, MLP)
  return place


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_at_one_step(tmp_path, shared_cache):
  place = tmp_path / "run"
  long = [
    *MLP,
    "--config.steps=100000",
    "--config.schedule.checkpoint_every=1000",
  ]
  with started(place, shared_cache, long) as every:
    until(every[0], " 12/100000 ")
    every[0].send_signal(signal.SIGTERM)
    every[0].send_signal(signal.SIGTERM)
    (_, err), (_, other) = ended(every, 75)
  stopped = int(re.search(r"stopped at step (\d+)", err)[1])
  assert "continue with: python" in err
  assert "stopped" not in other
  assert (place / "checkpoints" / str(stopped) / "manifest.json").exists()


@pytest.mark.slow
def test_a_stopped_run_of_two_processes_ends_as_the_unbroken_one(
  tmp_path, shared_cache, unbroken
):
  place = tmp_path / "run"
  with started(place, shared_cache, MLP) as every:
    until(every[0], " 12/60 ")
    every[1].send_signal(signal.SIGTERM)
    for one in every:
      one.communicate(timeout=300)
    code = every[0].returncode
    assert [one.returncode for one in every] == [code, code]
    assert code in (0, 75)  # The notice takes a second, as does the run.
  run(place, shared_cache, MLP)
  same(place, unbroken)


@pytest.mark.slow
@pytest.mark.parametrize(
  "target", [0, pytest.param(1, marks=pytest.mark.drill)]
)
def test_a_killed_process_ends_the_other_and_the_run_can_go_on(
  tmp_path, shared_cache, unbroken, target
):
  place = tmp_path / "run"
  with started(place, shared_cache, MLP) as every:
    until(every[0], " 24/60 ")
    every[target].kill()
    killed = time.monotonic()
    every[1 - target].communicate(timeout=60)
    assert time.monotonic() - killed < 30
    assert every[1 - target].returncode not in (0, 75)
  if target == 0:  # What the other leaves is the same.
    return
  out = run(place, shared_cache, MLP)[0][0]
  assert "from step" in out
  same(place, unbroken)


@pytest.mark.slow
def test_a_mistake_is_told_once_and_ends_both(tmp_path, shared_cache):
  place = tmp_path / "run"
  with started(
    place, shared_cache, [*MLP, "--config.schedule.select=nothing"]
  ) as every:
    first, second = ended(every, 2)
  assert "is not among the metrics" in first[1]
  assert "error" not in second[1]


@pytest.mark.slow
def test_a_workdir_in_use_ends_both(tmp_path, shared_cache):
  from medfm import workdir

  place = tmp_path / "run"
  with workdir.owned(place), started(place, shared_cache, MLP) as every:
    first, second = ended(every, 2)
  assert "is in use by process" in first[1]
  assert "error" not in second[1]
