"""Caches and raw files that are damaged, half written or changed."""

import contextlib
import os
import pathlib
import shutil

import numpy as np

from medfm.data import decoded
from medfm.data.datasets import wisconsin
from medfm.types import Folders
from tests.drills.catalogue import drill
from tests.drills.checkpoints import DAMAGES, without_privileges
from tests.drills.disks import remounted, small_disk
from tests.drills.room import LATE, ROOT, Room, Run, wait


def copied(room: Room, *names: str) -> pathlib.Path:
  """A copy of parts of the warm cache, to be damaged."""
  room.unbroken()
  place = room.place / "cache"
  for name in names:
    shutil.copytree(room.cache / name, place / name)
  place.mkdir(exist_ok=True)
  return place


def examples(cache: pathlib.Path) -> dict[str, bytes]:
  """Every array of the toy's dataset, as a new process reads it."""
  decoded._sound.clear()
  data = wisconsin.wisconsin(Folders(None, str(cache)))
  found = {"fingerprint": data.card["fingerprint"].encode()}
  for name, split in data.splits.items():
    found[f"{name}/id"] = np.asarray(split.ids).tobytes()
    for key, array in split.arrays.items():
      found[f"{name}/{key}"] = np.asarray(array).tobytes()
  return found


def each_damaged(room: Room, cache: pathlib.Path, folder: str, damage) -> int:
  """Damages each file of a folder of a cache; the data must be the same."""
  whole = room.place / "whole"
  shutil.copytree(cache, whole)
  wanted, count = examples(cache), 0
  shutil.rmtree(cache)
  shutil.copytree(whole, cache)
  names = [
    path.relative_to(whole)
    for path in sorted((whole / folder).rglob("*"))
    if path.is_file() and path.suffix != ".lock"
  ]
  for name in names:
    content = (whole / name).read_bytes()
    damage(cache / name)
    if (cache / name).exists() and (cache / name).read_bytes() == content:
      continue
    assert examples(cache) == wanted, name
    count += 1
    shutil.rmtree(cache)
    shutil.copytree(whole, cache)
  assert count > 2
  return count


@drill("damaged data cache", cases=DAMAGES, faults=4, fast=DAMAGES[-1:])
def each_decoded_file(room: Room, damage) -> int:
  cache = copied(room, "decoded", "records")
  return each_damaged(room, cache, "decoded", damage)


@drill("damaged data cache", cases=DAMAGES, faults=4)
def each_file_of_the_records(room: Room, damage) -> int:
  """Nothing is decoded yet, so that the records are read."""
  cache = copied(room, "records")
  return each_damaged(room, cache, "records", damage)


@drill("damaged data cache", cases=DAMAGES[-1:])
def under_a_run_that_goes_on(room: Room, damage):
  cache = copied(room, "decoded", "records", "compiled")
  where = {"MEDFM_CACHE_DIR": str(cache)}
  room.start(**where).until(f" {LATE}/").kill()
  arrays = [*cache.glob("decoded/**/*.npy")]
  assert len(arrays) > 2
  for path in [*arrays, *cache.glob("records/**/*record*")]:
    if path.is_file():
      damage(path)
  room.finish(**where)
  room.same()


@drill("damaged compilation cache", cases=DAMAGES)
def every_compiled_program(room: Room, damage):
  cache = copied(room, "decoded", "records", "compiled")
  programs = [
    path
    for path in cache.glob("compiled/**/*")
    if path.is_file() and path.stat().st_size
  ]
  assert len(programs) > 2
  for path in programs:
    damage(path)
  room.finish(MEDFM_CACHE_DIR=str(cache))
  room.same()


@drill(
  "cache half written",
  cases=(
    {"event": "open", "path": "/records/", "nth": 4},
    {"event": "os.rename", "path": "/records/"},
    {"event": "open", "path": "/decoded/", "nth": 3},
    {"event": "open", "path": "/decoded/", "nth": 6},
    {"event": "os.rename", "path": "/decoded/"},
  ),
)
def killed_while_the_data_are_prepared(room: Room, fault: dict):
  cache = copied(room, "compiled")
  where = {"MEDFM_CACHE_DIR": str(cache)}
  room.start(fault=fault | {"act": "kill"}, **where).end(-9)
  room.finish(**where)
  room.same()


@drill("cache half written", cases=("records", "decoded"))
def two_runs_prepare_the_same_data_and_one_is_killed(room: Room, part: str):
  """The first is killed with a part half written; the second waits for it."""
  cache = copied(room, "compiled")
  where = {"MEDFM_CACHE_DIR": str(cache)}
  sleeps = {"event": "open", "path": f"/{part}/", "nth": 3, "act": "sleep"}
  first = room.start(place=room.place / "first", fault=sleeps, **where)
  first.until("sleeping")
  second = room.start(**where)
  wait(lambda: waits(second, cache) or second.ended(), "a wait for the lock")
  assert not second.ended(), str(second)
  made = [path.relative_to(cache).as_posix() for path in cache.rglob("*")]
  half = [name for name in made if ".part-" in name or "incomplete" in name]
  assert half, f"nothing is half written: {made}"
  first.kill()
  second.end()
  room.same()


def waits(run: Run, cache: pathlib.Path) -> bool:
  """Whether a run has a lock of the cache open."""
  for descriptor in pathlib.Path(f"/proc/{run.process.pid}/fd").glob("*"):
    with contextlib.suppress(OSError):
      place = os.readlink(descriptor)
      if place.startswith(str(cache)) and place.endswith(".lock"):
        return True
  return False


@drill("cache that cannot be written", cases=("16k", "32k", "64k"))
def a_full_cache_is_one_line(room: Room, size: str):
  """The disk fills while data are prepared; with room made it goes on."""
  cache = room.place / "cache"
  where = {"MEDFM_CACHE_DIR": str(cache)}
  with small_disk(cache, size):
    room.start(**where).refused("No space left", str(cache))
    assert not room.run.exists()
    remounted(cache, "size=256m")
    room.finish(**where)
    room.same()


@drill("cache that cannot be written")
def a_read_only_cache_is_one_line(room: Room):
  cache = room.place / "cache"
  cache.mkdir()
  cache.chmod(0o555)
  run = room.start(MEDFM_CACHE_DIR=str(cache), prefix=without_privileges())
  run.refused("Permission denied", str(cache))
  assert not room.run.exists()
  cache.chmod(0o755)


def table(room: Room) -> tuple[str, ...]:
  """A toy run on a CSV file of this room; its settings."""
  draw = np.random.default_rng(0)
  lines = ["patient,age,dose,ill"]
  for i in range(80):
    ill = int(draw.uniform() < 0.5)
    age = draw.uniform(20, 80) + 9 * ill
    lines.append(f"p{i},{age:.2f},{draw.normal():.4f},{ill}")
  path = room.place / "cohort.csv"
  path.write_text("\n".join(lines) + "\n")
  return (
    f"--config={ROOT}/configs/own_table.py:tiny",
    f"--config.data.path={path}",
    "--config.data.label=ill",
    "--config.data.patient=patient",
    "--config.steps=12",
    "--config.evaluators.baselines.names=()",
    "--config.schedule.checkpoint_every=4",
  )


def more(path: pathlib.Path) -> None:
  with path.open("a") as file:
    file.write("p900,50,0.1,1\n")


def other(path: pathlib.Path) -> None:
  text = path.read_text().splitlines()
  text[3] = text[3][:-1] + ("0" if text[3][-1] == "1" else "1")
  path.write_text("\n".join(text) + "\n")


def shorter(path: pathlib.Path) -> None:
  path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


@drill("data changed since the checkpoint", cases=(more, other, shorter))
def refused_until_it_is_what_it_was(room: Room, change):
  toy = table(room)
  path = room.place / "cohort.csv"
  content = path.read_bytes()
  room.start(toy=toy).until(" 8/12 ").kill()
  assert room.steps()
  change(path)
  room.start(toy=toy).refused("have changed since the checkpoint")
  path.write_bytes(content)
  room.finish(toy=toy)
  room.same(toy=toy)


@drill("data changed since the checkpoint")
def a_file_that_has_gone(room: Room):
  toy = table(room)
  path = room.place / "cohort.csv"
  room.start(toy=toy).until(" 8/12 ").kill()
  path.rename(path.with_suffix(".away"))
  room.start(toy=toy).refused("cohort.csv")
  path.with_suffix(".away").rename(path)
  room.finish(toy=toy)
  room.same(toy=toy)


@drill("data changed since the checkpoint")
def a_cell_cut_in_half_is_told_by_row(room: Room):
  toy = table(room)
  path = room.place / "cohort.csv"
  path.write_text(path.read_text()[:-4])
  room.start(toy=toy).refused("cohort.csv", "row 81")
  assert not room.run.exists()
