"""Signals that ask a run to stop: it finishes the step, saves, and says how to
continue."""

import contextlib
import os
import signal
import stat
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

EXIT = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGHUP: 75}
EXIT[signal.SIGINT] = 130
"""Exit codes; a cluster requeues on 75 (EX_TEMPFAIL).

SIGUSR1 means the same as SIGTERM, which Slurm's srun does not pass on; SIGHUP
comes when the terminal is closed, except for a run started by nohup.
"""


class Interrupted(BaseException):
  """The run was asked to stop, and stopped after saving all its work."""

  def __init__(self, number: int, step: int | None = None):
    where = f" at step {step}" if step is not None else ""
    super().__init__(f"stopped{where}; everything up to here is saved")
    self.exit_code = EXIT[signal.Signals(number)]


_raised: list[int] = []
"""The signal that `Interrupted` was raised for, if any."""


def raise_on_signals() -> None:
  """The next signal raises `Interrupted` wherever the program is.

  Later signals change nothing, since the program is ending already.
  """
  _raised.clear()
  if sys.unraisablehook is sys.__unraisablehook__:
    sys.unraisablehook = unless_interrupted

  def handler(number: int, frame: Any) -> None:
    ignore_signals()
    _leave_terminal()
    _raised.append(number)
    raise Interrupted(number)

  for number in _heard():
    signal.signal(number, handler)


def leave_on_signals() -> None:
  """The next signal ends the program at once, as it has done nothing yet."""

  def handler(number: int, frame: Any) -> None:
    _leave_terminal()
    line = "error: stopped before anything was done; give the command again"
    end(line, EXIT[signal.Signals(number)])

  for number in _heard():
    signal.signal(number, handler)


def _heard(numbers: Iterable[int] = EXIT) -> list[int]:
  """The signals to handle: all but those ignored, such as SIGHUP by nohup."""
  ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
  return [n for n in numbers if n != signal.SIGHUP or not ignored]


def _leave_terminal() -> None:
  """If the terminal was closed, sends output to /dev/null, since writing to
  the terminal would fail."""
  for descriptor in (1, 2):
    with contextlib.suppress(OSError):
      kind = os.fstat(descriptor).st_mode
      if stat.S_ISCHR(kind) and not os.isatty(descriptor):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def raised() -> int | None:
  """The signal that was raised, or None.

  An exception raised within a callback of the garbage collector or of XLA is
  lost or turned into another; the signal can still be asked for here.
  """
  return _raised[0] if _raised else None


def unless_interrupted(unraisable: Any) -> None:
  """Prints an uncatchable exception, unless a signal raised it.

  A signal may arrive in a callback of the garbage collector, where its
  exception is lost; `raised` remembers it.
  """
  if not isinstance(unraisable.exc_value, Interrupted):
    sys.__unraisablehook__(unraisable)


def end(line: str, code: int) -> NoReturn:
  """Prints a last line and ends the process at once, without shutting down.

  Threads of XLA may still be compiling, and freeing memory under them would
  end in a segmentation fault. All contexts have been left by now, and their
  data are on the disk.
  """
  ignore_signals()
  with contextlib.suppress(OSError, ValueError):
    sys.stdout.flush()
  with contextlib.suppress(OSError, ValueError):
    print(line, file=sys.stderr, flush=True)
  os._exit(code)


def ignore_signals() -> None:
  """From now on no signal changes how the program ends.

  Python restores the system's handlers while it shuts down, so a late signal
  would kill it after all its work is done.
  """
  for number in EXIT:
    signal.signal(number, signal.SIG_IGN)


class Watch:
  """A context that notes a signal instead of ending the process.

  A second signal changes nothing: saving finishes, and the caller, who acts on
  the first signal, ends undisturbed.
  """

  numbers = tuple(EXIT)

  def __init__(self):
    self.signal = raised()

  def __enter__(self) -> "Watch":
    heard = _heard(self.numbers)
    self._previous = {n: signal.signal(n, self._note) for n in heard}
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
    _leave_terminal()
    self.signal = self.signal or number
