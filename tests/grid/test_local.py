"""The local runner, over runs that take milliseconds."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from medfm.grid import attempt, cells
from tests.grid import toy
from tests.grid.summing import summed

pytestmark = pytest.mark.once

RUNNER = """
import json, pathlib, sys
from tests.grid import toy
from medfm.interrupt import Interrupted
root, keep = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
every = [toy.cell(root, name, **config) for name, config in keep.items()]
try:
  toy.run(every, jobs=3)
except Interrupted as stop:
  sys.exit(stop.exit_code)
"""


def runner(root, configs):
  """The local runner in a process of its own."""
  return subprocess.Popen(
    [sys.executable, "-c", RUNNER, str(root), json.dumps(configs)],
    env={**os.environ, "XLA_FLAGS": ""},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )


def until(true, seconds=60):
  limit = time.monotonic() + seconds
  while not true():
    assert time.monotonic() < limit, "it never came"
    time.sleep(0.05)


def test_two_failing_members_of_eight_do_not_stop_the_others(tmp_path, capsys):
  every = [
    toy.cell(tmp_path, f"c{i}", fail=3 if i in (2, 5) else 0, score=i / 10)
    for i in range(8)
  ]
  found = toy.run(every)
  failed = {"c2", "c5"}
  assert {name for name, state in found.items() if state == "failed"} == failed
  assert sum(state == "done" for state in found.values()) == 6
  said = capsys.readouterr().out
  assert "failed   c2" in said
  assert "told to fail with 3" in said


def test_only_what_is_asked_for_is_run_again(tmp_path):
  every = [toy.cell(tmp_path, name) for name in "ab"]
  toy.run(every)
  before = {name: log(tmp_path / name) for name in "ab"}
  toy.run(every, todo=every[:1])  # Done meanwhile: not run either.
  assert {name: log(tmp_path / name) for name in "ab"} == before


def log(folder):
  return (folder / "log.txt").read_text()


def test_a_failed_cell_that_is_tried_again_can_succeed(tmp_path):
  assert toy.run([toy.cell(tmp_path, "a", fail=1)]) == {"a": "failed"}
  assert toy.run([toy.cell(tmp_path, "a")]) == {"a": "done"}
  assert cells.read(tmp_path / "a/cell.json")["attempts"] == 2


def test_a_cell_is_run_after_what_it_needs(tmp_path):
  late = toy.cell(tmp_path, "late", needs=("first",))
  first = toy.cell(tmp_path, "first", sleep=0.3)
  assert toy.run([late, first]) == {"late": "done", "first": "done"}
  times = [(tmp_path / n / "report.html").stat().st_mtime for n in ("first",)]
  assert (tmp_path / "late/request.json").stat().st_mtime >= times[0]


def test_a_cell_whose_start_failed_is_failed_with_its_name(tmp_path):
  first = toy.cell(tmp_path, "first", fail=1)
  late = toy.cell(tmp_path, "late", needs=("first",))
  assert toy.run([first, late]) == {"first": "failed", "late": "failed"}
  why = cells.status(late).why
  assert why == "needs first, which is not done"


def test_a_cell_that_is_stopped_goes_on_later(tmp_path, capsys):
  one = toy.cell(tmp_path, "a", fail=75)
  one.folder.mkdir()

  def relent():
    (one.folder / "request.json").write_text("{}")

  original, calls = cells.prepare, []

  def prepare(cell, stale):
    ready = original(cell, stale)
    calls.append(cell.name)
    if len(calls) == 3:
      relent()
    return ready

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(cells, "prepare", prepare)
    assert toy.run([one]) == {"a": "done"}
  assert len(calls) == 3
  assert capsys.readouterr().out.count("will continue later") == 2


def test_a_killed_runner_loses_nothing(tmp_path):
  """The summary is byte for byte that of a grid that was never killed."""
  configs = {
    f"c{i}": {"steps": 4, "sleep": 0.05, "score": i / 10, "fail": 2 * (i == 1)}
    for i in range(6)
  }
  for folder in ("broken", "whole"):
    (tmp_path / folder).mkdir()
  for at in (0.2, 0.5, 0.9):
    process = runner(tmp_path / "broken", configs)
    until(lambda: any((tmp_path / "broken").glob("*/metrics.jsonl")))
    time.sleep(at)
    process.kill()
    process.communicate()
  for folder in ("broken", "whole"):
    process = runner(tmp_path / folder, configs)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
  pages = []
  for folder in ("broken", "whole"):
    root = tmp_path / folder
    every = [toy.cell(root, name, **config) for name, config in configs.items()]
    summed(root, every)
    pages.append(
      [
        (root / f"summary.{end}").read_bytes()
        for end in ("json", "csv", "html")
      ]
    )
  assert pages[0] == pages[1]
  for i in (0, 2, 3, 4, 5):  # No step was lost or made twice.
    steps = (tmp_path / "broken" / f"c{i}/metrics.jsonl").read_text()
    assert [json.loads(line)["step"] for line in steps.splitlines()] == [
      1,
      2,
      3,
      4,
    ]


@pytest.mark.parametrize(
  ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)]
)
def test_a_stopped_runner_has_its_cells_save_and_leave(tmp_path, number, code):
  configs = {"a": {"steps": 600, "sleep": 0.1}}
  process = runner(tmp_path, configs)
  until((tmp_path / "a/metrics.jsonl").exists)
  process.send_signal(number)
  out, _ = process.communicate(timeout=60)
  assert process.returncode == code, out
  assert "waiting for 1 cell to save" in out
  noted = cells.read(tmp_path / "a/cell.json")
  assert (noted["exit"], noted["error"]) == (75, "")
  one = toy.cell(tmp_path, "a", **configs["a"])
  assert cells.status(one) == cells.Status("missing", "interrupted")


def test_cells_of_a_killed_runner_are_waited_for(tmp_path, capsys):
  configs = {"a": {"steps": 10, "sleep": 0.2}}
  process = runner(tmp_path, configs)
  until((tmp_path / "a/metrics.jsonl").exists)
  process.kill()
  process.communicate()
  one = toy.cell(tmp_path, "a", **configs["a"])
  assert toy.states([one]) == {"a": "running"}
  assert toy.run([one]) == {"a": "done"}
  assert "waiting for it" in capsys.readouterr().out
  assert log(tmp_path / "a").count("$ ") == 1


def test_each_cell_has_processors_of_its_own(monkeypatch):
  monkeypatch.setattr(attempt, "gpus", list)
  monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
  assert [slot.processors for slot in attempt.slots(2)] == [(0, 1), (2, 3)]
  assert [slot.processors for slot in attempt.slots(1)] == [()]
  assert len(attempt.slots(8)) == 8


def test_the_gpus_are_those_that_this_process_may_use(monkeypatch):
  monkeypatch.setenv("JAX_PLATFORMS", "")
  monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5a,7")
  assert attempt.gpus() == ["3", "GPU-5a", "7"]
  visible = [s.environment["CUDA_VISIBLE_DEVICES"] for s in attempt.slots(2)]
  assert visible == ["3", "GPU-5a"]
  monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
  assert attempt.gpus() == []


def test_each_cell_has_a_gpu_of_its_own(monkeypatch):
  monkeypatch.setattr(attempt, "gpus", lambda: ["0", "1"])
  visible = [s.environment["CUDA_VISIBLE_DEVICES"] for s in attempt.slots(0)]
  assert visible == ["0", "1"]
  shared = attempt.slots(4)[3].environment
  assert shared["CUDA_VISIBLE_DEVICES"] == "1"
  assert shared["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.45"
