"""Numbers that are not finite, and numbers that are far too large."""

import csv
import json

import numpy as np

from tests.drills.catalogue import drill
from tests.drills.room import Room, arrays, losses, same_state

EVERY = (
  "--config.steps=20",
  "--config.schedule.checkpoint_every=1",
  "--config.schedule.log_every=1",
  "--config.schedule.keep=100",
)
BAD = 12  # The batch; its step is the next.
COUNTS = ("step", "extra/skipped", "extra/skipped_in_row")


@drill("not finite", fast=True)
def one_step_changes_nothing_but_the_counts(room: Room):
  room.finish(*EVERY, fault={"batches": [BAD], "feature": "inf"})
  before, after = (arrays(room.run, step) for step in (BAD, BAD + 1))
  assert after["extra/skipped"] == 1 and before["extra/skipped"] == 0
  for state in (before, after):
    for name in COUNTS:
      del state[name]
  same_state(before, after)
  assert all(np.isfinite(leaf).all() for leaf in arrays(room.run).values())
  lines = [line for line in losses(room.run) if "skipped" in line]
  told = {line["step"]: line["skipped"] for line in lines}
  assert told == {step: int(step > BAD) for step in range(1, 21)}
  results = json.loads((room.run / "results.json").read_text())
  assert results["stages"]["train"]["skipped"] == 1


@drill("not finite")
def a_step_skipped_before_a_kill_stays_skipped(room: Room):
  fault = {"batches": [BAD], "feature": "inf"}
  whole = room.place / "whole"
  room.finish(fault=fault, place=whole)
  run = room.start(fault=fault).until(" 24/")
  assert run.struck(), "the step was not skipped before the kill"
  run.kill()
  room.start(fault=fault).end(missed=True)  # It goes on behind that step.
  mine, theirs = losses(room.run), losses(whole)
  assert mine == theirs
  same_state(arrays(room.run), arrays(whole))


@drill("not finite", fast=True)
def too_many_in_a_row_stop_the_run_with_their_examples(room: Room):
  fault = {"batches": [15, 16, 17, 18, 19], "feature": "inf"}
  limit = "--config.schedule.skip_limit=3"
  run = room.start(limit, fault=fault)
  run.refused("not finite for", "nonfinite.json", code=76)
  named = json.loads((room.run / "nonfinite.json").read_text())
  assert next(iter(named)) == "16" and len(named) >= 3
  assert all(len(ids) == 16 for ids in named.values())
  with (room.unbroken() / "predictions.csv").open() as file:
    held_out = {row["id"] for row in csv.DictReader(file)}
  assert not held_out & {one for ids in named.values() for one in ids}
  assert all(np.isfinite(leaf).all() for leaf in arrays(room.run).values())
  assert room.steps()[-1] == 14
  room.finish(limit)
  room.same(limit)


@drill("spike", cases=("1e6", "-1e6"))
def a_clipped_spike_moves_the_parameters_by_one_step(room: Room, times: str):
  settings = (
    *EVERY,
    "--config.optimizer.name=sgd",
    "--config.optimizer.schedule=constant",
    "--config.optimizer.lr=0.1",
    "--config.optimizer.clip_norm=1.0",
  )
  room.finish(*settings, fault={"batches": [BAD], "feature": times})
  norms = [x["grad_norm"] for x in losses(room.run) if "grad_norm" in x]
  lines = {x["step"]: x for x in losses(room.run) if "grad_norm" in x}
  assert lines[BAD + 1]["grad_norm"] > 1e3 * np.median(norms)
  moved = 0.0
  before, after = (arrays(room.run, step) for step in (BAD, BAD + 1))
  for name in before:
    if name.startswith("params/"):
      moved += float(((after[name] - before[name]) ** 2).sum())
  assert 0 < moved**0.5 <= 0.1 * 1.001, moved**0.5
  assert lines[20]["loss"] < 10 * lines[BAD]["loss"]
