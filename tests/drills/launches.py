"""Several launches, and launches that do not fit what is there."""

import json
import os
import platform
import shutil
import signal

from tests.drills.catalogue import drill
from tests.drills.room import LATE, STEPS, TOY, Room, losses


@drill("two launches at once", fast=True)
def a_second_launch_while_the_first_trains(room: Room):
  first = room.start().until(" 2/")
  first.send(signal.SIGSTOP)  # However slowly the second one starts.
  second = room.start()
  second.refused(f"in use by process {first.process.pid}")
  first.send(signal.SIGCONT)
  first.end()
  room.same()


@drill("two launches at once", faults=2)
def three_launches_at_the_same_moment(room: Room) -> int:
  """Those that find another at work are refused; some must have met."""
  runs = [room.start() for _ in range(3)]
  for run in runs:
    run.end(None)
  refused = [run for run in runs if run.process.returncode]
  for run in refused:
    run.refused("in use by process")
  assert 1 <= len(refused) <= 2, [str(run) for run in runs]
  room.same()
  return len(refused)


@drill("two launches at once", fast=True)
def the_lock_of_a_process_that_died(room: Room):
  room.run.mkdir()
  line = f"process {os.getpid()} on {platform.node()}\n"
  (room.run / ".lock").write_text(line)
  room.finish()
  room.same()


CHANGES = (
  ("objective.model.dropout", "0.3", "0.2"),
  ("optimizer.lr", "0.5", "0.001"),
  ("seed", "7", "0"),
  ("batch_size", "8", "16"),
  ("data.seed", "3", "0"),
)


@drill("resume with a changed config", cases=CHANGES)
def refused_with_the_difference(room: Room, change: tuple[str, str, str]):
  key, new, old = change
  room.start().until(f" {LATE}/").kill()
  run = room.start(f"--config.{key}={new}")
  run.refused(f"{key} is {new}, was {old}", "--workdir")
  room.finish()
  room.same()


@drill("resume with a changed config")
def cadences_may_change(room: Room):
  room.start().until(f" {LATE}/").kill()
  room.finish(
    "--config.schedule.checkpoint_every=3", "--config.schedule.log_every=1"
  )
  mine = {json.dumps(line) for line in losses(room.run)}
  assert {json.dumps(line) for line in losses(room.unbroken())} <= mine
  shutil.copy(room.unbroken() / "metrics.jsonl", room.run)
  room.same()


@drill("resume with a changed config")
def a_run_is_made_longer(room: Room):
  """With a constant rate; ten steps more are those of the longer run."""
  constant = (
    "--config.optimizer.schedule=constant",
    "--config.optimizer.warmup=0",
  )
  longer = *constant, f"--config.steps={STEPS + 10}"
  room.finish(*constant)
  room.finish(*longer)
  mine, theirs = losses(room.run), losses(room.unbroken(*longer))
  assert [line for line in theirs if line not in mine] == []
  shutil.copy(room.unbroken(*longer) / "metrics.jsonl", room.run)
  room.same(*longer)


@drill("resume at the end")
def a_finished_run_is_launched_twice_more(room: Room):
  shutil.copytree(room.unbroken(), room.run)
  for _ in range(2):
    assert "examples/s" not in room.finish(), "it trained again"
    room.same()


@drill("resume at the end")
def at_the_last_step_before_the_results(room: Room):
  shutil.copytree(room.unbroken(), room.run)
  for name in ("results.json", "predictions.csv", "report.html"):
    (room.run / name).unlink()
  assert "examples/s" not in room.finish(), "it trained again"
  room.same()


@drill("resume on other devices", cases=(1, 2, 4, 8))
def saved_on_eight(room: Room, count: int):
  """The losses of 20 steps differ by less than 1e-5; on eight not at all."""
  run = room.start(XLA_FLAGS=devices(8)).until(" 20/")
  run.kill()
  begun = room.steps()[-1]
  out = room.finish(XLA_FLAGS=devices(count))
  assert f"from step {begun}" in out
  if count == 8:
    room.same(XLA_FLAGS=devices(8))
    return
  mine = losses(room.run)
  theirs = losses(room.unbroken(XLA_FLAGS=devices(8)))
  assert len(mine) == len(theirs)
  for a, b in zip(mine, theirs, strict=True):
    if "loss" in a:
      assert abs(a["loss"] - b["loss"]) <= 1e-5 * b["loss"], (a, b)


def devices(count: int) -> str:
  return f"--xla_force_host_platform_device_count={count}"


@drill("resume with other readers", cases=((0, 4), (4, 1), (1, 0)))
def threads_that_read_ahead(room: Room, threads: tuple[int, int]):
  before, after = threads
  room.start(fault={"threads": before}).until(f" {LATE}/").kill()
  room.finish(fault={"threads": after})
  room.same()


@drill("config.json alone")
def a_run_is_made_again_from_its_config_json(room: Room):
  config = f"--config={room.unbroken() / 'config.json'}"
  room.finish(toy=(config,))
  room.same()


WRONG = (
  "--config.optimizer.lrr=1",
  "--config.steps=many",
  "--config.optimizer.name=adma",
  "--config.objective={'modle': 1}",
  "--config.name=None",
  "--config.batch_size=100000",
  "stray",
  "--unknown=1",
)


@drill("resume with a mistake", cases=WRONG, fast=WRONG[:1])
def a_mistake_is_one_line_and_changes_nothing(room: Room, wrong: str):
  shutil.copytree(room.unbroken(), room.run)
  before = {path: path.stat().st_mtime_ns for path in room.run.rglob("*")}
  toy = tuple(word for word in TOY if word.split("=")[0] != wrong.split("=")[0])
  room.start(wrong, toy=toy).refused()
  after = {path: path.stat().st_mtime_ns for path in room.run.rglob("*")}
  before.pop(room.run / ".lock", None), after.pop(room.run / ".lock", None)
  assert after == before


@drill("damaged file of the workdir", cases=("config.json", "results.json"))
def told_by_name_and_mended_as_told(room: Room, name: str):
  shutil.copytree(room.unbroken(), room.run)
  path = room.run / name
  content = path.read_bytes()
  path.write_bytes(content[: len(content) // 2])
  room.start().refused(str(path), "remove it")
  path.unlink()
  room.finish()
  room.same()


@drill("damaged file of the workdir")
def metrics_cut_in_the_middle_of_a_line(room: Room):
  room.start().until(f" {LATE}/").kill()
  path = room.run / "metrics.jsonl"
  with path.open("a") as file:
    file.write('{"step": 33, "lo')
  room.finish()
  room.same()
