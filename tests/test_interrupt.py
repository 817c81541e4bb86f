"""Signals: the first one decides how the program ends, the next nothing."""

import os
import signal
import subprocess
import sys

import pytest

from medfm import interrupt


@pytest.fixture(autouse=True)
def handlers():
  before = {number: signal.getsignal(number) for number in interrupt.EXIT}
  yield
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
