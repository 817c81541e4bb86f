"""Disks that are full, read-only, broken, or taken away."""

import contextlib
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

from tests.drills.catalogue import Skipped, drill
from tests.drills.checkpoints import without_privileges
from tests.drills.room import LATE, Room

ERRORS = ("ENOSPC", "EDQUOT", "EROFS", "EIO", "EFBIG")
FILES = ("manifest.json", "metrics.jsonl", "events", "results.json", "report")


@contextlib.contextmanager
def small_disk(place: pathlib.Path, size: str) -> Iterator[None]:
  """A file system of its own at `place`; only root may mount one."""
  place.mkdir(parents=True, exist_ok=True)
  command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
  try:
    subprocess.run(command, check=True, capture_output=True)
  except (OSError, subprocess.CalledProcessError):
    raise Skipped("no disk can be mounted here") from None
  try:
    yield
  finally:
    subprocess.run(["umount", "-l", str(place)], check=True)


def remounted(place: pathlib.Path, options: str) -> None:
  subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


@drill("full disk", cases=("160k", "400k", "600k"))
def a_disk_that_becomes_full(room: Room, size: str):
  """One line; what was saved is sound; with room made it goes on."""
  with small_disk(room.run, size):
    room.start().refused("No space left", str(room.run))
    remounted(room.run, "size=64m")
    room.finish()
    room.same()


@drill("full disk", cases=FILES, fast=("manifest.json",))
def no_space_left_for_a_file(room: Room, name: str):
  full = {"event": "open", "path": name, "act": "ENOSPC"}
  nth = 3 if name == "manifest.json" else 1
  if name in ("metrics.jsonl", "events"):
    room.start().until(f" {LATE}/").kill()
  room.start(fault=full | {"nth": nth}).refused("No space left", str(room.run))
  if name == "manifest.json":
    assert len(room.steps()) == 2, "a sound step was deleted or a bad one kept"
  room.finish()
  room.same()


@drill("failing disk", cases=ERRORS[1:])
def an_error_of_the_disk_under_a_checkpoint(room: Room, error: str):
  fault = {"event": "open", "path": "manifest.json", "act": error, "nth": 2}
  room.start(fault=fault).refused(str(room.run))
  room.finish()
  room.same()


@drill("failing disk", cases=ERRORS[1:])
def an_error_of_the_disk_under_the_results(room: Room, error: str):
  fault = {"event": "open", "path": "predictions.csv", "act": error}
  room.start(fault=fault).refused(str(room.run))
  room.finish()
  room.same()


@drill("failing disk")
def the_last_checkpoint_fails_with_no_next_save_to_tell(room: Room):
  room.start().until(f" {LATE}/").kill()
  fault = {"event": "open", "path": "40/manifest.json", "act": "EIO"}
  room.start(fault=fault).refused("could not be written", "/checkpoints")
  room.finish()
  room.same()


@drill("failing disk")
def a_file_may_not_grow_as_large(room: Room):
  """ulimit -f, as some clusters set: 8 blocks are less than a checkpoint."""
  limited = ("bash", "-c", 'ulimit -f 8; exec "$@"', "-")
  room.start(prefix=limited).refused(str(room.run))
  room.finish()
  room.same()


@drill("read-only workdir", fast=True)
def a_workdir_that_may_not_be_written_from_the_start(room: Room):
  room.run.mkdir()
  room.run.chmod(0o555)
  run = room.start(prefix=without_privileges())
  run.refused("Permission denied", "--workdir", str(room.run))
  room.run.chmod(0o755)
  room.finish()
  room.same()


@drill("read-only workdir")
def a_workdir_that_becomes_read_only(room: Room):
  room.start(prefix=without_privileges()).until(" 12/").kill()
  for path in (room.run, *room.run.rglob("*")):
    if path.is_dir():
      path.chmod(0o555)
  run = room.start(prefix=without_privileges())
  run.refused(str(room.run))
  for path in (room.run, *room.run.rglob("*")):
    if path.is_dir():
      path.chmod(0o755)
  room.finish()
  room.same()


@drill("deleted workdir", cases=("moved", "deleted"))
def a_workdir_that_is_taken_away_under_way(room: Room, how: str):
  """It ends within a log interval; what was moved goes on where it was.

  Orbax, in the middle of a save, may make a part of the folder again and may
  grumble; what it leaves must not be taken for a checkpoint.
  """
  longer = "--config.steps=200"
  run = room.start(longer).until(" 12/")
  aside = room.place / "aside"
  room.run.rename(aside)
  if how == "deleted":
    shutil.rmtree(aside)
  run.refused(str(room.run), seconds=30, tidy=False)
  assert not room.steps(), "a checkpoint was made after the run had gone"
  if how == "moved":
    shutil.rmtree(room.run, ignore_errors=True)
    aside.rename(room.run)
  assert ("from step" in room.finish(longer)) == (how == "moved")
  room.same(longer)


@drill("deleted workdir")
def metrics_that_are_rotated_away_under_way(room: Room):
  run = room.start().until(" 12/")
  path = room.run / "metrics.jsonl"
  path.rename(path.with_suffix(".1"))
  run.refused("metrics.jsonl has disappeared", code=2)
  path.with_suffix(".1").rename(path)
  room.finish()
  room.same()
