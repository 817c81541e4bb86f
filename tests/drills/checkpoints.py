"""Checkpoints that were damaged, and strays beside them."""

import contextlib
import io
import os
import pathlib
import shutil
import threading

from medfm.checkpoint import Checkpoints
from tests.drills.catalogue import drill
from tests.drills.room import LATE, Room, arrays, same_state

TAKEN = threading.Lock()
"""Standard output is all drills' of this process: one at a time takes it."""


def deleted(path: pathlib.Path) -> None:
  path.unlink()


def truncated(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes()[:-1])


def emptied(path: pathlib.Path) -> None:
  path.write_bytes(b"")


def zeroed(path: pathlib.Path) -> None:
  path.write_bytes(bytes(path.stat().st_size))


def flipped(path: pathlib.Path) -> None:
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(bytes(content))


DAMAGES = (deleted, truncated, emptied, zeroed, flipped)


def broken(room: Room) -> None:
  """A run in this room that ended early, with two checkpoints."""
  room.start().until(f" {LATE}/").kill()
  assert len(room.steps()) >= 2


@drill("damaged checkpoint file", cases=DAMAGES, faults=13)
def each_file_in_turn(room: Room, damage) -> int:
  """Either it is told and the step before is used, or nothing is changed."""
  place = room.place / "run" / "checkpoints"
  shutil.copytree(room.unbroken() / "checkpoints", place)
  before, newest = room.steps()[-2:]
  whole = arrays(room.run)
  files = [path for path in (place / str(newest)).rglob("*") if path.is_file()]
  count = 0
  for path in files:
    content = path.read_bytes()
    damage(path)
    if path.exists() and path.read_bytes() == content:
      continue  # It was empty, or zeros, before.
    count += 1
    told = io.StringIO()
    saved = Checkpoints(place)
    with TAKEN, contextlib.redirect_stdout(told):
      used = saved.newest()
    saved.close()
    if used == newest:
      same_state(arrays(room.run), whole)
    else:
      assert used == before, path
      assert f"checkpoint {newest} is" in told.getvalue(), path
    path.write_bytes(content)
  assert count > 10
  return count


@drill("damaged checkpoint file", cases=DAMAGES, fast=(flipped,))
def the_largest_file_then_a_rerun(room: Room, damage):
  broken(room)
  newest = room.steps()[-1]
  place = room.run / "checkpoints" / str(newest)
  files = [path for path in place.rglob("*") if path.is_file()]
  damage(max(files, key=lambda path: path.stat().st_size))
  out = room.finish()
  assert f"checkpoint {newest} is not used" in out
  room.same()


@drill("damaged checkpoint file", cases=DAMAGES)
def every_manifest(room: Room, damage):
  """A missing manifest is a step that was never finished: begun afresh."""
  broken(room)
  for step in room.steps():
    damage(room.run / "checkpoints" / str(step) / "manifest.json")
  before = sorted(room.run.rglob("*"))
  if damage is deleted:
    room.finish()
  else:
    room.start().refused("no sound checkpoint", str(room.run))
    assert sorted(room.run.rglob("*")) == before, "something was deleted"
    shutil.rmtree(room.run / "checkpoints")
    room.finish()
  room.same()


@drill("stray in checkpoints/", fast=True)
def empty_and_stray_folders_and_files(room: Room):
  broken(room)
  place = room.run / "checkpoints"
  for name in ("999", "7.tmp", "0", "-3"):
    (place / name).mkdir()
  (place / "998").mkdir()
  (place / "998" / "manifest.json").mkdir()
  (place / "notes.txt").write_text("mine")
  (place / "997").write_text("no folder")
  (place / "996").symlink_to(place / "nowhere")
  out = room.finish()
  for name in ("999", "998", "7.tmp", "notes.txt", "997", "996"):
    assert f"{name} " in out, f"{name} was not told"
  assert (place / "notes.txt").read_text() == "mine"
  room.same()


@drill("stray in checkpoints/")
def a_folder_that_cannot_be_read(room: Room):
  broken(room)
  place = room.run / "checkpoints" / "999"
  place.mkdir()
  place.chmod(0)
  out = room.finish(prefix=without_privileges())
  place.chmod(0o755)
  assert "999 is ignored" in out
  room.same()


def without_privileges() -> tuple[str, ...]:
  """A command prefix that makes root obey permissions like anyone else."""
  if os.geteuid() != 0:
    return ()
  less = "-dac_override,-dac_read_search"
  return ("setpriv", f"--bounding-set={less}", f"--inh-caps={less}")
