"""A room for a drill: toy runs in it, and the run that nothing happens to."""

import fcntl
import hashlib
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from medfm import tree
from medfm.checkpoint import Checkpoints

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAULTY = str(pathlib.Path(__file__).with_name("faulty.py"))
STEPS = 40
LATE = 32
"""A step that is logged after several checkpoints."""
TOY = (
  "--config=configs/table.py:wisconsin,mlp,tiny",
  "--config.objective.model.dropout=0.2",
  f"--config.steps={STEPS}",
  "--config.ema_decay=0.9",
  "--config.schedule.evaluate_every=10",
  "--config.schedule.checkpoint_every=7",
  "--config.schedule.log_every=2",
  "--config.evaluation.replicates=10",
  "--config.evaluators.baselines.names=()",
)
MARKS = "DRILL_MARKS"
"""The environment's name for the file in which faults note that they happen."""
LONG = "--config.steps=600"
"""Long enough to be stopped many times."""
_PATIENCE_S = 240


class Run:
  """A launch in a process of its own; its output goes to files."""

  def __init__(
    self, command: list[str], log: pathlib.Path, env: dict, faults: int = 0
  ):
    self.out, self.err = log.with_suffix(".out"), log.with_suffix(".err")
    self.marks, self.faults = log.with_suffix(".marks"), faults
    env = {**env, MARKS: str(self.marks)}
    with self.out.open("w") as out, self.err.open("w") as err:
      self.process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdout=out,
        stderr=err,
        start_new_session=True,
      )

  def until(self, words: str) -> "Run":
    """Waits for words in what it says; it must not end before."""
    wait(lambda: words in self.out.read_text() or self.ended(), words)
    assert words in self.out.read_text(), f"{words!r} never came: {self}"
    return self

  def ended(self) -> bool:
    return self.process.poll() is not None

  def kill(self) -> None:
    """kill -9, to it and to whatever it started; it must die of that."""
    assert not self.ended(), f"it had ended before it was killed: {self}"
    self.clear()
    code = self.process.returncode
    assert code == -signal.SIGKILL, f"it ended before the kill: {self}"

  def clear(self) -> None:
    """Whatever is left of it is killed."""
    if not self.ended():
      os.killpg(self.process.pid, signal.SIGKILL)
    self.process.wait()

  def send(self, number: int) -> None:
    """A signal to it while it is there."""
    assert not self.ended(), f"it had ended before the signal: {self}"
    self.process.send_signal(number)

  def struck(self) -> set[str]:
    """Which of its faults happened, as `faulty.py` notes them by number."""
    return {*self.marks.read_text().split()} if self.marks.exists() else set()

  def end(
    self,
    code: int | None = 0,
    seconds: float = _PATIENCE_S,
    missed: bool = False,
  ) -> str:
    """Waits for its end, which must be with this code; what it said.

    missed: its faults need not have happened.
    """
    try:
      self.process.wait(seconds)
    except subprocess.TimeoutExpired:
      self.clear()
      raise AssertionError(f"still there after {seconds} s: {self}") from None
    assert code is None or self.process.returncode == code, str(self)
    never = {*map(str, range(self.faults))} - self.struck()
    assert missed or not never, f"its faults {never} never happened: {self}"
    return self.out.read_text()

  def refused(
    self,
    *words: str,
    code: int = 2,
    seconds: float = _PATIENCE_S,
    tidy: bool = True,
    missed: bool = False,
  ) -> str:
    """Waits for its end by one error line that holds the words.

    tidy: no library may say more than that either.
    """
    self.end(code, seconds, missed)
    said = self.err.read_text()
    errors = [line for line in said.splitlines() if line[:7] == "error: "]
    assert len(errors) == 1, str(self)
    assert not tidy or "Traceback" not in said, str(self)
    for word in words:
      assert word in errors[0], f"{word!r} is not in: {errors[0]}"
    return errors[0]

  def __str__(self) -> str:
    tail = self.out.read_text()[-800:] + self.err.read_text()[-2500:]
    return f"exit code {self.process.returncode}; {tail}"


class Room:
  """Where one drill happens.

  Args:
    shared: a folder that all drills share: caches, runs without a fault.
    place: the drill's own folder.
  """

  def __init__(self, shared: pathlib.Path, place: pathlib.Path):
    self.shared, self.place = shared, place
    self.cache = shared / "cache"
    self.run = place / "run"
    self.runs: list[Run] = []
    place.mkdir(parents=True, exist_ok=True)
    self.cache.mkdir(parents=True, exist_ok=True)

  def start(
    self,
    *settings: str,
    fault: dict | list[dict] | None = None,
    place: pathlib.Path | None = None,
    toy: tuple[str, ...] = TOY,
    prefix: tuple[str, ...] = (),
    **environment: str,
  ) -> Run:
    """Begins the toy run, or goes on with it, in this room's workdir."""
    if not isinstance(fault, list):
      fault = [] if fault is None else [fault]
    env = {
      **os.environ,
      "JAX_PLATFORMS": "cpu",
      "XLA_FLAGS": "",
      "MEDFM_CACHE_DIR": str(self.cache),
      **environment,
    }
    program = (
      [FAULTY, json.dumps(fault)] if fault else [str(ROOT / "launch.py")]
    )
    command = [
      *prefix,
      sys.executable,
      *program,
      *toy,
      *settings,
      f"--workdir={place or self.run}",
    ]
    log = self.place / f"log{len(self.runs)}"
    log.with_suffix(".command").write_text(shlex.join(command))
    self.runs.append(Run(command, log, env, len(fault)))
    return self.runs[-1]

  def finish(self, *settings: str, **options) -> str:
    """Runs to the end, which must be a good one; what was said."""
    return self.start(*settings, **options).end()

  def unbroken(self, *settings: str, **options) -> pathlib.Path:
    """The workdir of the run to which nothing happens, made once."""
    key = hashlib.sha256(repr((settings, options)).encode()).hexdigest()[:12]
    place = self.shared / "unbroken" / key
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
      fcntl.flock(lock, fcntl.LOCK_EX)
      if not (place / "seconds").exists():
        begin = time.monotonic()
        Room(self.shared, place).finish(*settings, **options)
        seconds = time.monotonic() - begin
        (place / "seconds").write_text(str(seconds))
    return place / "run"

  def same(self, *settings: str, place: pathlib.Path | None = None, **options):
    """The run here must be the unbroken one, bit for bit."""
    same(place or self.run, self.unbroken(*settings, **options))

  def steps(self) -> list[int]:
    """The finished checkpoints of the run here."""
    found = self.run.glob("checkpoints/*/manifest.json")
    return sorted(int(path.parent.name) for path in found)

  def close(self) -> None:
    for run in self.runs:
      run.clear()


def same(place: pathlib.Path, other: pathlib.Path) -> None:
  """Two runs have the same losses, results, predictions and parameters."""
  assert losses(place) == losses(other), "other losses"
  for name in ("results.json", "predictions.csv"):
    assert (place / name).read_bytes() == (other / name).read_bytes(), name
  assert (place / "report.html").exists()
  same_state(arrays(place), arrays(other))


def same_state(mine: dict, theirs: dict) -> None:
  """Two states of arrays are bit for bit the same."""
  assert mine.keys() == theirs.keys()
  for name in mine:
    assert mine[name].tobytes() == theirs[name].tobytes(), name


def losses(place: pathlib.Path) -> list[dict]:
  """Every line of metrics.jsonl but its speed; told twice is twice here."""
  lines = map(json.loads, (place / "metrics.jsonl").read_text().splitlines())
  kept = [
    {k: v for k, v in line.items() if k != "examples_per_s"} for line in lines
  ]
  return sorted(kept, key=json.dumps)


def arrays(place: pathlib.Path, step: int | None = None) -> dict:
  """Every array of the newest checkpoint (or of a step), by path."""
  saved = Checkpoints(place / "checkpoints")
  try:
    raw = saved.raw(saved.newest() if step is None else step)
  finally:
    saved.close()
  return {name: np.asarray(leaf) for name, leaf in tree.paths(raw).items()}


def stopped_at(run: Run) -> int:
  """The step that an interrupted run says it stopped at."""
  return int(re.search(r"stopped at step (\d+)", run.err.read_text())[1])


def wait(true: Callable[[], bool], what: str, seconds: float = _PATIENCE_S):
  limit = time.monotonic() + seconds
  while not true():
    assert time.monotonic() < limit, f"it never came: {what}"
    time.sleep(0.02)
