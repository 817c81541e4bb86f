"""kill -9, at random moments and at every place where a run writes."""

import random
import time

from tests.drills.catalogue import drill
from tests.drills.room import LATE, STEPS, Room

FILES = (
  "config.json.partial",
  "environment.json.partial",
  "info.json.partial",
  "encode.json.partial",
  "metrics.jsonl",
  "manifest.json.partial",
  "predictions.csv.partial",
  "results.json.partial",
  "report.html",
  "figures",
)
"""Parts of the names of all that a run writes itself, in time's order."""

SLOWLY = {"slow": 0.1, "until": "/nowhere"}


@drill("kill -9 at a random moment", cases=(0, 1, 2, 3), faults=5)
def killed_five_times_in_a_row(room: Room, seed: int):
  """Twice on the way to the first step, then at three later and later steps.

  Each batch takes a tenth of a second, so that it is there when it is killed.
  """
  draw = random.Random(seed)
  words = draw.sample(("", "leakage", "devices", "parameters"), 2)
  steps = sorted(draw.sample(range(4, STEPS - 8, 4), 3))
  for word in [*words, *(f" {step}/" for step in steps)]:
    run = room.start(fault=SLOWLY).until(word)
    time.sleep(draw.uniform(0.0, 0.3))
    run.kill()
  room.finish()
  room.same()


@drill("kill -9 at a random moment", faults=5, fast=True)
def killed_five_times_while_it_trains(room: Room):
  draw = random.Random(4)
  for _ in range(5):
    run = room.start(fault=SLOWLY).until("parameters")
    time.sleep(draw.uniform(0.0, 0.4))
    run.kill()
  room.finish()
  room.same()


@drill("kill -9 while a file is written", cases=FILES)
def killed_when_a_file_has_been_emptied_to_be_written(room: Room, name: str):
  dies = {"event": "open", "path": name, "act": "torn"}
  room.start(fault=dies).end(-9)
  room.finish()
  room.same()


@drill("kill -9 while a file is written", cases=("metrics.jsonl",), fast=True)
def killed_when_a_resumed_run_writes(room: Room, name: str):
  room.start().until(f" {LATE}/").kill()
  dies = {"event": "open", "path": name, "act": "torn"}
  room.start(fault=dies).end(-9)
  room.finish()
  room.same()


@drill("kill -9 while a file is written", cases=("config.json", "results.json"))
def killed_before_a_file_takes_its_name(room: Room, name: str):
  room.start(fault={"event": "os.rename", "path": name, "act": "kill"}).end(-9)
  room.finish()
  room.same()


@drill("kill -9 during a checkpoint", cases=(1, 3, 8), fast=(3,))
def killed_between_the_data_and_the_manifest(room: Room, nth: int):
  sleeps = {"event": "open", "path": "manifest.json.partial", "act": "sleep"}
  room.start(fault=sleeps | {"nth": nth}).until("sleeping").kill()
  room.finish()
  room.same()


@drill("kill -9 during a checkpoint", cases=(1, 4))
def killed_before_the_manifest_takes_its_name(room: Room, nth: int):
  dies = {"event": "os.rename", "path": "manifest.json.partial", "act": "kill"}
  room.start(fault=dies | {"nth": nth}).end(-9)
  room.finish()
  room.same()


@drill("kill -9 during a checkpoint", cases=(1, 3))
def killed_before_the_data_take_their_name(room: Room, nth: int):
  dies = {"event": "os.rename", "path": "/checkpoints/", "act": "kill"}
  room.start(fault=dies | {"nth": 2 * nth - 1}).end(-9)
  room.finish()
  room.same()


@drill("kill -9 during a checkpoint", cases=(1, 6, 20))
def killed_in_the_middle_of_pruning(room: Room, nth: int):
  dies = {"event": "os.remove", "path": "", "act": "kill", "nth": nth}
  room.start(fault=dies).end(-9)
  room.finish()
  room.same()


@drill(
  "kill -9 after training",
  cases=(
    "medfm.scoring:evaluation",
    "medfm.predictions:text",
    "medfm.report.html:write",
  ),
)
def killed_between_training_and_report(room: Room, call: str):
  room.start(fault={"call": call, "act": "kill"}).end(-9)
  out = room.finish()
  assert "examples/s" not in out, "it trained again"
  room.same()


@drill("kill -9 of a study", faults=3)
def a_study_of_stages_killed_three_times(room: Room):
  study = (
    "--config=configs/quickstart.py:tiny",
    "--config.stages.*.evaluation.replicates=10",
  )
  unbroken = room.unbroken(toy=study)
  # As the first stage begins, after its training, after that of the second.
  for call, nth in (
    ("medfm.study:_run_stage", 1),
    ("medfm.scoring:evaluation", 1),
    ("medfm.scoring:evaluation", 2),
  ):
    fault = {"call": call, "nth": nth, "act": "kill"}
    room.start(toy=study, fault=fault).end(-9)
  room.finish(toy=study)
  for name in ("results.json", "predictions.csv"):
    mine, theirs = room.run / name, unbroken / name
    assert mine.read_bytes() == theirs.read_bytes(), name


@drill("clock", cases=(-86400, 86400))
def the_clock_jumps_by_a_day(room: Room, seconds: int):
  """Orbax may give a save up, when a day seems to have passed over it."""
  run = room.start(fault={"clock": seconds})
  run.end(None)
  if run.process.returncode != 0:
    run.refused("could not be written", "timed out")
  room.finish()
  room.same()
