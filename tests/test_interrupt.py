"""Signals: the first one decides how the program ends, the next nothing."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from medfm import interrupt

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def handlers():
  before = {number: signal.getsignal(number) for number in interrupt.EXIT}
  yield
  interrupt._raised.clear()
  for number, handler in before.items():
    signal.signal(number, handler)


def send(number: int) -> None:
  os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", interrupt.EXIT)
def test_the_first_signal_raises_and_the_second_changes_nothing(number):
  interrupt.raise_on_signals()
  with pytest.raises(interrupt.Interrupted) as stop:
    send(number)
  assert stop.value.exit_code == interrupt.EXIT[number]
  for other in interrupt.EXIT:
    send(other)


def test_a_watch_that_noted_a_signal_hands_its_end_over_undisturbed():
  interrupt.raise_on_signals()
  with interrupt.Watch() as watch:
    assert watch.noted() is None
    send(signal.SIGTERM)
    send(signal.SIGINT)
    assert watch.noted() == signal.SIGTERM
  send(signal.SIGTERM)


def test_a_watch_that_noted_nothing_leaves_signals_as_they_were():
  interrupt.raise_on_signals()
  with interrupt.Watch():
    pass
  with pytest.raises(interrupt.Interrupted):
    send(signal.SIGTERM)


ALONE = """
import os, signal, sys, time
from medfm import interrupt

if sys.argv[1] == "nohup":
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
getattr(interrupt, sys.argv[2])()
os.kill(os.getpid(), int(sys.argv[3]))
print("went on")
"""


def alone(*words) -> tuple[int, str, str]:
  """The end of a process that sends itself a signal."""
  command = [sys.executable, "-c", ALONE, *map(str, words)]
  done = subprocess.run(command, capture_output=True, text=True)
  return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", interrupt.EXIT)
def test_before_anything_is_done_a_signal_is_one_line(number):
  code, _, line = alone("", "leave_on_signals", int(number))
  assert code == interrupt.EXIT[number]
  assert line.startswith("error: stopped before") and line.count("\n") == 1


@pytest.mark.parametrize("how", ["leave_on_signals", "raise_on_signals"])
def test_what_nohup_started_outlives_its_terminal(how):
  assert alone("nohup", how, int(signal.SIGHUP)) == (0, "went on\n", "")


def test_a_run_whose_terminal_has_gone_still_ends_well():
  """What it says then is an error of the terminal's, which must not count."""
  program = """
import os, sys
from medfm import interrupt
with interrupt.Watch() as watch:
  sys.stdin.readline()  # EOFError's place: the terminal has gone.
  os.kill(os.getpid(), 1)
  print("saved", flush=True)
os._exit(interrupt.EXIT[watch.signal])
"""
  ours, theirs = os.openpty()
  run = subprocess.Popen(
    [sys.executable, "-c", program],
    stdin=subprocess.PIPE,
    stdout=theirs,
    stderr=theirs,
    start_new_session=True,
  )
  os.close(theirs)
  os.close(ours)
  run.communicate(b"\n")
  assert run.returncode == 75


SHUTTING_DOWN = """
import os, sys
from medfm import interrupt

class Late:
  def __del__(self, kill=os.kill, number=int(sys.argv[1]), me=os.getpid()):
    kill(me, number)

interrupt.raise_on_signals()
sys.late = Late()  # Deleted when Python has given the handlers back.
if sys.argv[2] == "ignored":
  interrupt.ignore_signals()
"""


@pytest.mark.parametrize("number", interrupt.EXIT)
def test_python_does_not_die_of_a_signal_while_it_shuts_down(number):
  def code(how: str) -> int:
    command = [sys.executable, "-c", SHUTTING_DOWN, str(int(number)), how]
    return subprocess.run(command, capture_output=True).returncode

  assert code("raised") == -number  # What would happen without.
  assert code("ignored") == 0


def test_a_signal_whose_exception_was_lost_is_noted_by_the_next_watch(
  monkeypatch, capsys
):
  class Collected:
    def __del__(self):
      send(signal.SIGTERM)

  monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
  interrupt.raise_on_signals()
  assert interrupt.raised() is None
  Collected()
  assert interrupt.raised() == signal.SIGTERM
  with interrupt.Watch() as watch:
    assert watch.noted() == signal.SIGTERM
  assert capsys.readouterr().err == ""


AT_THE_END = """
import os, sys, threading
from medfm import interrupt

class Late:
  def __del__(self):
    os._exit(1)

sys.late = Late()
sys.stdout.write("told")
interrupt.end("the last line", 75)
"""


def test_the_process_ends_at_once_with_all_it_said():
  done = subprocess.run(
    [sys.executable, "-c", AT_THE_END], capture_output=True, text=True
  )
  assert done.returncode == 75
  assert (done.stdout, done.stderr) == ("told", "the last line\n")


def struck(workdir, data_dir, cache, number, seconds):
  """A ResNet's run that gets a signal while XLA compiles, and its end."""
  log = workdir.with_suffix(".log")
  with log.open("w") as out:
    run = subprocess.Popen(
      [
        sys.executable,
        "launch.py",
        "--config=configs/resnet.py:breastmnist,tiny",
        f"--workdir={workdir}",
      ],
      cwd=ROOT,
      env={
        **os.environ,
        "XLA_FLAGS": "",
        "JAX_LOG_COMPILES": "1",
        "JAX_ENABLE_COMPILATION_CACHE": "0",
        "MEDFM_CACHE_DIR": cache,
        "MEDFM_DATA_DIR": str(data_dir),
      },
      stdout=out,
      stderr=out,
    )
  begun = "Finished jaxpr to MLIR module conversion jit(initial)"
  limit = time.monotonic() + 240
  while begun not in log.read_text():
    assert run.poll() is None and time.monotonic() < limit, log.read_text()
    time.sleep(0.01)
  time.sleep(seconds)
  assert run.poll() is None
  assert "Finished XLA compilation of jit(initial)" not in log.read_text()
  run.send_signal(number)
  run.wait(240)
  return run.returncode, log.read_text().splitlines()[-1]


@pytest.mark.parametrize(
  ("number", "seconds"),
  [
    (signal.SIGTERM, 0.3),
    pytest.param(signal.SIGINT, 1, marks=pytest.mark.slow),
  ],
)
def test_a_signal_while_xla_compiles_is_a_clean_end(
  number, seconds, tmp_path, data_dir, shared_cache
):
  run = tmp_path / "run"
  code, line = struck(run, data_dir, shared_cache, number, seconds)
  assert code == interrupt.EXIT[number]
  assert line.startswith("error: stopped; everything up to here is saved")
