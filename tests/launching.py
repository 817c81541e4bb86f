"""`launch.py` in a process of its own, or within the one of the test."""

import os
import pathlib
import signal
import subprocess
import sys
from typing import NamedTuple

import pytest
from absl import flags, logging

from medfm import host, interrupt

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Ended(NamedTuple):
  """How the command ended, and what it said."""

  returncode: int
  stdout: str
  stderr: str


def launch(*arguments, **environment):
  """As a user does."""
  return subprocess.run(
    [sys.executable, str(ROOT / "launch.py"), *arguments],
    cwd=ROOT,
    env={**os.environ, "XLA_FLAGS": "", **environment},
    capture_output=True,
    text=True,
    timeout=300,
  )


@pytest.fixture
def launched(monkeypatch, capsys):
  """`launch` within this process, whose signals and settings stay as they are.

  A process of its own takes seconds to start.
  """
  from medfm import setup  # Takes seconds, which few tests need.

  monkeypatch.setattr(host, "keep_freed_memory", lambda: True)
  monkeypatch.setattr(setup, "jax_settings", lambda folders: None)
  monkeypatch.chdir(ROOT)
  logger = logging.get_absl_logger()
  verbosity, level = logging.get_verbosity(), logger.level
  handlers = {number: signal.getsignal(number) for number in interrupt.EXIT}

  def run(*arguments, **environment):
    import launch as program  # Defines its flags.

    for name, value in environment.items():
      monkeypatch.setenv(name, value)
    flags.FLAGS.unparse_flags()
    for name in flags.FLAGS:
      flags.FLAGS[name].unparse()
    capsys.readouterr()
    code = 0
    try:
      program.main(program.parse(["launch.py", *arguments]))
    except SystemExit as end:
      code = end.code
    return Ended(code, *capsys.readouterr())

  yield run
  interrupt._raised.clear()
  for number, handler in handlers.items():
    signal.signal(number, handler)
  logging.set_verbosity(verbosity)
  logger.setLevel(level)
