"""Two processes of one run, of which one is stopped or killed."""

import pathlib
import signal
import socket

from tests.drills.catalogue import Skipped, drill
from tests.drills.room import LATE, ROOT, Room, Run, same, wait

WITHIN_S = 30
"""How soon the other has to leave."""


def both(
  room: Room, place: pathlib.Path | None = None, *settings: str
) -> list[Run]:
  """The toy run as two processes."""
  if '"coordinator"' not in (ROOT / "launch.py").read_text():
    raise Skipped("a run is of one process here")
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  words = *settings, f"--coordinator=localhost:{port}", "--num_processes=2"
  return [
    room.start(*words, f"--process_id={i}", place=place) for i in range(2)
  ]


def whole(room: Room) -> pathlib.Path:
  """The run of two processes to which nothing happens."""
  place = room.place / "whole"
  for run in both(room, place):
    run.end()
  return place


def gone_on_with(room: Room) -> None:
  for run in both(room):
    run.end()
  same(room.run, whole(room))


@drill("two processes", cases=(0, 1))
def sigterm_to_one(room: Room, which: int):
  """Both leave with 75, and the step they saved is the same."""
  runs = both(room)
  runs[0].until(" 12/")
  runs[which].send(signal.SIGTERM)
  for run in runs:
    run.end(75, WITHIN_S)
  assert len(room.steps()) >= 1
  gone_on_with(room)


@drill("two processes", cases=(0, 1))
def kill_9_of_one(room: Room, which: int):
  """The other leaves within seconds, and not as if all were well."""
  runs = both(room)
  runs[0].until(f" {LATE}/")
  runs[which].kill()
  other = runs[1 - which]
  wait(other.ended, "the end of the other", WITHIN_S)
  assert other.process.returncode != 0, str(other)
  gone_on_with(room)


@drill("two processes")
def kill_9_of_both(room: Room):
  runs = both(room)
  runs[0].until(f" {LATE}/")
  for run in runs:  # Of the first one's death the other may die as well.
    run.clear()
  assert runs[0].process.returncode == -9, str(runs[0])
  gone_on_with(room)
