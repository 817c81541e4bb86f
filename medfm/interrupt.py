"""SIGTERM, SIGUSR1 and Ctrl-C: finish the step, save, and say how to go on."""

import signal
from typing import Any

EXIT = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGINT: 130}
"""Exit codes; a cluster requeues on 75 (EX_TEMPFAIL).

SIGUSR1 asks for the same as SIGTERM, which Slurm's srun does not pass on.
"""


class Interrupted(BaseException):
  """The run was asked to stop, and stopped with all it had done saved."""

  def __init__(self, number: int, step: int | None = None):
    where = f" at step {step}" if step is not None else ""
    super().__init__(f"stopped{where}; everything up to here is saved")
    self.exit_code = EXIT[signal.Signals(number)]


def raise_on_signals() -> None:
  """The next signal raises `Interrupted` wherever the program is.

  Those after it change nothing: how the program ends has been decided.
  """

  def handler(number: int, frame: Any) -> None:
    ignore_signals()
    raise Interrupted(number)

  for number in EXIT:
    signal.signal(number, handler)


def ignore_signals() -> None:
  """From now on no signal changes how the program ends.

  Python itself, while it shuts down, would give a handler back to the system,
  and die of a signal with all its work done.
  """
  for number in EXIT:
    signal.signal(number, signal.SIG_IGN)


class Watch:
  """Notes a signal while it is entered, instead of dying of it.

  A second signal changes nothing: what is being saved is finished, and the
  caller, who acts on the first one, ends undisturbed.
  """

  numbers = tuple(EXIT)

  def __init__(self):
    self.signal: int | None = None

  def __enter__(self) -> "Watch":
    self._previous = {n: signal.signal(n, self._note) for n in self.numbers}
    return self

  def __exit__(self, *error: object) -> None:
    if self.signal is not None:
      return ignore_signals()
    for number, handler in self._previous.items():
      signal.signal(number, handler)

  def noted(self) -> int | None:
    """The first signal so far; called once a step."""
    return self.signal

  def _note(self, number: int, frame: Any) -> None:
    self.signal = self.signal or number
