"""The command line as a user meets it."""

import os
import subprocess
import sys

import pytest

from tests.launching import ROOT, launch

CONFIG = "--config=configs/linear_regression.py:tiny"


MISTAKES = [
  ([CONFIG, "--config.optimizer.lrr=1"], "nearest: optimizer.lr"),
  ([CONFIG, "--config.steps=many"], "expected int"),
  ([CONFIG, "--config.data={'sed': 1}"], "nearest: data.seed"),
  ([CONFIG, "--config.name=None"], "to give no text, write"),
  ([CONFIG, "--mod=train"], "unknown flag '--mod=train' (nearest: mode)"),
  ([CONFIG, "--mode=trian"], "trian"),
  ([CONFIG, "extra"], "unexpected argument 'extra'"),
  (["--config=configs/quickstar.py"], "nearest: configs/quickstart.py"),
  (["--config=configs/quickstart.py:tinny"], "nearest: tiny"),
  (["--config=configs/cnn.py:brestmnist"], "nearest: breastmnist"),
  ([], "--config=FILE is missing"),
  (["--mode=evaluate"], "needs --workdir"),
  (["--mode=predict", "--workdir=nowhere", "--input=x"], "nowhere"),
  ([CONFIG, "--process_id=0"], "give all or none"),
  (
    [CONFIG, "--coordinator=a:1", "--num_processes=2", "--process_id=2"],
    "--process_id=2: expected 0 to",
  ),
  (
    [CONFIG, "--coordinator=a", "--num_processes=2", "--process_id=1"],
    "expected HOST:PORT",
  ),
  ([CONFIG, "--distributed=auto"], "start them with srun"),
  (
    ["--mode=evaluate", "--workdir=x", "--distributed=auto"],
    "several processes train one run together",
  ),
  (["--mode=predict"], "predict takes --workdir and --input"),
  ([CONFIG, "--on=configs/cnn.py"], "--on works with --mode=evaluate"),
  ([CONFIG, "--config.optimizer.name=adma"], "nearest: adam"),
  ([CONFIG, "--config.data.fractions=0.5,0.9"], "sum 1"),
  ([CONFIG, "--config.batch_size=1000"], "larger than the"),
]


def told(launch, place, arguments):
  """What a command with a mistake in it says."""
  if not any(word.startswith(("--workdir", "--mode=")) for word in arguments):
    arguments = [*arguments, f"--workdir={place / 'run'}"]
  done = launch(*arguments, MEDFM_CACHE_DIR=str(place / "cache"))
  assert done.returncode == 2, done.stderr
  assert done.stderr.startswith("error: ")
  assert done.stderr.count("\n") == 1
  assert not (place / "run").exists()
  return done.stderr


@pytest.mark.parametrize(
  ("arguments", "message"),
  [case for case in MISTAKES if not case[1].endswith("srun")],
)
def test_a_mistake_is_one_line_and_makes_no_workdir(
  launched, tmp_path, arguments, message
):
  assert message in told(launched, tmp_path, arguments)


@pytest.mark.parametrize(
  ("arguments", "message"),
  # Processes are joined before anything else uses jax.
  [c for c in MISTAKES if c[1].startswith(("unknown", "larger", "start"))],
)
def test_a_mistake_ends_the_process_with_one_line(tmp_path, arguments, message):
  assert message in told(launch, tmp_path, arguments)


def test_print_config_lists_every_knob_with_its_type(launched):
  done = launched(CONFIG, "--print_config")
  assert done.returncode == 0
  assert "optimizer.lr = 0.2  (float)" in done.stdout.splitlines()
  assert "steps = 4  (int)" in done.stdout.splitlines()


def test_help_does_not_need_jax():
  program = (
    "import runpy, sys; sys.argv = ['launch.py', '--help']\n"
    "try: runpy.run_path('launch.py', run_name='__main__')\n"
    "except SystemExit: pass\n"
    "print('jax' in sys.modules)"
  )
  done = subprocess.run(
    [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
  )
  assert "--config" in done.stdout
  assert done.stdout.splitlines()[-1] == "False"


def test_a_disk_that_takes_no_more_is_one_line_with_what_is_free(tmp_path):
  """As where files may not grow: ulimit -f 1 allows a kilobyte."""
  done = subprocess.run(
    [
      *("bash", "-c", 'ulimit -f 1; exec "$@"', "-", sys.executable),
      str(ROOT / "launch.py"),
      CONFIG,
      f"--workdir={tmp_path / 'run'}",
    ],
    cwd=ROOT,
    env={**os.environ, "XLA_FLAGS": "", "MEDFM_CACHE_DIR": str(tmp_path)},
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == 2, done.stderr
  (line,) = done.stderr.splitlines()
  assert line.startswith("error: File too large: ")
  assert str(tmp_path) in line and "MiB are free); " in line


INTERRUPTED = """
import os, signal, sys
import launch
from medfm.types import UserError

def train(given, overrides):
  try:
    os.kill(os.getpid(), signal.SIGINT)
  except BaseException:
    raise UserError("config.py: ImportError: initialization failed")

launch.MODES["train"] = train
sys.argv = ["launch.py"]
launch.app.run(launch.main, flags_parser=launch.parse)
"""


def test_a_signal_that_became_a_mistake_is_still_a_signal():
  """As where it came while a config imported a module written in C."""
  done = subprocess.run(
    [sys.executable, "-c", INTERRUPTED],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 130
  assert done.stderr.startswith("error: stopped; everything up to here")


def test_the_exit_code_holds_where_nothing_can_be_said():
  with open("/dev/full", "w") as full:
    command = [sys.executable, str(ROOT / "launch.py"), "--unknown=1"]
    assert subprocess.run(command, stderr=full).returncode == 2
