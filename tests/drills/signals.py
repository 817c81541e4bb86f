"""SIGTERM and Ctrl-C: the step is saved, the exit code says go on."""

import random
import signal
import time

from tests.drills.catalogue import drill
from tests.drills.killed import SLOWLY
from tests.drills.room import LATE, STEPS, Room, stopped_at

CODES = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGHUP: 75}
CODES[signal.SIGINT] = 130


@drill("SIGTERM and Ctrl-C", cases=tuple(CODES), fast=(signal.SIGTERM,))
def once(room: Room, number: signal.Signals):
  run = room.start().until(" 12/")
  run.send(number)
  line = run.refused("continue with: python", code=CODES[number])
  step = stopped_at(run)
  assert f"at step {step};" in line and room.steps()[-1] == step
  assert f"from step {step}" in room.finish()
  room.same()


@drill("SIGTERM and Ctrl-C", cases=tuple(CODES), fast=(signal.SIGINT,))
def twice(room: Room, number: signal.Signals):
  run = room.start().until(" 12/")
  run.send(number)
  time.sleep(0.02)
  run.send(number)
  run.refused("continue with: python", code=CODES[number])
  room.finish()
  room.same()


@drill("SIGTERM and Ctrl-C")
def twice_while_the_first_is_being_saved(room: Room):
  """The checkpoint under way is finished; the second changes nothing."""
  slow = {"event": "open", "path": "manifest.json.partial", "act": "term"}
  run = room.start(fault=[slow | {"nth": n} for n in (2, 3)])
  run.refused("continue with: python", code=75)
  assert room.steps()[-1] == stopped_at(run)
  room.finish()
  room.same()


@drill(
  "SIGTERM and Ctrl-C",
  cases=(
    "medfm.setup:dataset",
    "medfm.setup:job",
    "medfm.checkpoint:Checkpoints.restore",
    "medfm.scoring:evaluation",
    "medfm.report.html:write",
    "medfm.workdir:write",
  ),
)
def outside_the_loop(room: Room, call: str):
  room.start().until(f" {LATE}/").kill()
  fault = {"call": call, "act": "term"}
  room.start(fault=fault).refused("continue with: python", code=75)
  room.finish()
  room.same()


@drill("SIGTERM and Ctrl-C", cases=(0, 1), faults=4)
def at_random_moments(room: Room, seed: int):
  """Once on the way to the first step, then at three later and later ones."""
  draw = random.Random(seed)
  steps = sorted(draw.sample(range(4, STEPS - 8, 4), 3))
  first = draw.choice(("leakage", "devices", "parameters"))
  for step in (0, *steps):
    # On a busy machine the signal before may have come later than meant;
    # every second step is logged.
    reached = max(room.steps(), default=0)
    word = f" {max(step, 2 * (reached // 2 + 1))}/" if step else first
    run = room.start(fault=SLOWLY).until(word)
    time.sleep(draw.uniform(0.0, 0.3))
    run.send(signal.SIGTERM)
    run.refused("continue with: python", code=75, missed=not step)
  room.finish()
  room.same()


@drill("SIGTERM and Ctrl-C")
def while_the_last_step_is_being_saved(room: Room):
  """The loop has no step more to notice it after."""
  last = f"{STEPS}/manifest.json.partial"
  run = room.start(fault={"event": "open", "path": last, "act": "term"})
  run.refused(f"stopped at step {STEPS};", code=75)
  assert "examples/s" not in room.finish(), "it trained again"
  room.same()


@drill("SIGTERM and Ctrl-C", cases=("term", "int"))
def while_python_shuts_down(room: Room, act: str):
  """All is done by then, and the exit code says so."""
  room.start(fault={"end": act}).end()
  room.same()


@drill("SIGTERM and Ctrl-C")
def at_the_last_step(room: Room):
  run = room.start(fault={"batches": [STEPS - 1], "feature": "1"})
  run.until(f" {STEPS - 2}/")
  run.send(signal.SIGTERM)
  run.end(None)
  assert run.process.returncode in (0, 75), str(run)
  room.finish()
  room.same()


@drill("SIGSTOP and SIGCONT")
def stopped_for_five_seconds(room: Room):
  run = room.start().until(" 12/")
  run.send(signal.SIGSTOP)
  time.sleep(5)
  run.send(signal.SIGCONT)
  run.end()
  room.same()
