"""Several processes of one run: they start, continue and end together.

Each runs the same program on its own devices, with its share of every batch.
Only the first process reads files and clocks on which something depends, writes
files and prints; it tells the others, which wait for it.
"""

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from medfm import host, interrupt, jsons
from medfm.types import UserError

LOST_S = 10
"""A process that is silent for this long is given up, which ends the others."""

_PATIENCE_S = 7 * 24 * 3600  # The first may prepare data or write for hours.
_LEAVE_S = 5
_waits, _asks = itertools.count(), itertools.count(1)


def start(
  coordinator: str | None, count: int | None, index: int | None
) -> None:
  """Joins the other processes; call it before jax looks for devices.

  coordinator: HOST:PORT, where the first process is to listen. Without it the
    cluster is asked (Slurm's srun, Open MPI's mpirun, and others jax knows).
  count, index: the number of processes, and which one this is, from 0.
  """
  given = coordinator is not None
  try:
    jax.distributed.initialize(
      coordinator,
      count,
      index,
      cluster_detection_method="deactivate" if given else None,
      heartbeat_timeout_seconds=LOST_S,
      shutdown_timeout_seconds=LOST_S // 2,
    )
  except (ValueError, RuntimeError) as error:
    raise UserError(
      "--distributed=auto finds no other processes: start them with srun, or "
      "give --coordinator, --num_processes and --process_id"
      if isinstance(error, ValueError) and not given
      else f"the processes cannot be joined: {str(error).splitlines()[0]}"
    ) from None
  host.index, host.count = jax.process_index(), jax.process_count()
  if host.index:
    # For good, so that nothing is printed twice.
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def wait() -> None:
  """Waits until all processes are here."""
  if host.count > 1:
    _barrier(f"medfm-{next(_waits)}", _PATIENCE_S)


def by_first(function: Callable, *arguments: Any) -> Any:
  """The function's result, or its error, on the first process; JSON-able."""
  if host.count == 1:
    return function(*arguments)
  value = failure = None
  if host.index == 0:
    try:
      value = function(*arguments)
    except UserError as error:
      failure = [str(error), error.exit_code]
  wait()
  first, failure = _of_first([value, failure])
  if failure:
    error = UserError(failure[0])
    error.exit_code = failure[1]
    raise error
  return first if host.index else value


def in_turn(function: Callable, *arguments: Any) -> Any:
  """The function's result here; the first process calls it before the others.

  So anything that it prepares on a shared disk is prepared once.
  """
  made = []
  by_first(lambda: made.append(function(*arguments)))
  return made[0] if made else function(*arguments)


def gathered(arrays: Any) -> Any:
  """The tree's arrays whole on this process; all processes call it."""
  if host.count == 1:
    return arrays
  return multihost_utils.process_allgather(arrays, tiled=True)


def leave(line: str, code: int) -> NoReturn:
  """Ends this process with an error, printed once if all processes have it.

  If the others do not come here too within seconds, this process ends alone,
  and they notice that it is gone.
  """
  together = True
  try:
    _barrier("medfm-leave", _LEAVE_S)
  except Exception:  # Whatever is wrong with the others, this process ends.
    together = False
  if host.index == 0 or not together:
    print(line, file=sys.stderr, flush=True)
  if together:
    sys.exit(code)
  os._exit(code)  # Handlers at exit would wait for the others.


def watch() -> interrupt.Watch:
  """Notes a signal to this process or, if there are several, to any."""
  return _SharedWatch() if host.count > 1 else interrupt.Watch()


class _SharedWatch(interrupt.Watch):
  """A signal to any process is noted by all of them after the same step.

  jax's coordination service passes it on. It took over SIGTERM when the
  processes were joined, and a Python handler would take SIGTERM away from it.
  """

  numbers = (signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)

  def noted(self) -> int | None:
    if multihost_utils.reached_preemption_sync_point(next(_asks)):
      return self.signal or signal.SIGTERM
    return None

  def _note(self, number: int, frame: Any) -> None:
    super()._note(number, frame)
    os.kill(os.getpid(), signal.SIGTERM)


def _barrier(name: str, seconds: int) -> None:
  ocp.multihost.get_barrier_sync_fn()(key=name, timeout_ms=1000 * seconds)


def _of_first(value: Any) -> Any:
  """The first process's value, as JSON through an array."""
  content = json.dumps(value).encode() if host.index == 0 else b""
  size = int(multihost_utils.broadcast_one_to_all(np.int32(len(content))))
  room = np.zeros(1 << size.bit_length(), np.uint8)  # Few sizes to compile.
  room[: len(content)] = np.frombuffer(content, np.uint8)
  room = multihost_utils.broadcast_one_to_all(room)
  return jsons.parsed(room[:size].tobytes())
