"""Five thousand steps with flat memory, open files and threads."""

import dataclasses
import os
import pathlib
import time
from collections.abc import Sequence

from tests.drills.catalogue import drill
from tests.drills.room import Room, Run

STEPS = 5000
LONG = (
  f"--config.steps={STEPS}",
  "--config.schedule.checkpoint_every=100",
  "--config.schedule.evaluate_every=250",
  "--config.schedule.log_every=10",
)
GROWTH_MIB = 8.0
"""How much the resident size may rise over the second half of the run."""

SLACK = 4
"""By how much the least number of files or threads may differ by chance."""


@dataclasses.dataclass(frozen=True)
class Sample:
  """What /proc says of a run at a step."""

  step: int
  mib: float
  files: int
  threads: int


def samples(run: Run, metrics: pathlib.Path) -> list[Sample]:
  """Looks at a run from outside, five times a second, until it ends."""
  found: list[Sample] = []
  own = pathlib.Path("/proc", str(run.process.pid))
  page = os.sysconf("SC_PAGE_SIZE") / 2**20
  while not run.ended():
    try:
      step = last_step(metrics)
      mib = int((own / "statm").read_text().split()[1]) * page
      files = len(list((own / "fd").iterdir()))
      threads = len(list((own / "task").iterdir()))
      found.append(Sample(step, mib, files, threads))
    except (OSError, ValueError, IndexError):
      pass  # It has not begun, or has just ended.
    time.sleep(0.2)
  return [one for one in found if 0 < one.step < STEPS and one.files]


def last_step(metrics: pathlib.Path) -> int:
  with metrics.open("rb") as file:
    file.seek(max(0, metrics.stat().st_size - 2000))
    line = file.read().splitlines()[-1].decode()
  return int(line.partition('"step": ')[2].partition(",")[0])


def grown(found: Sequence[Sample], steps: int = STEPS) -> list[str]:
  """What grew between the sixth and the last tenth of a run, in words.

  Of memory the medians are compared; of open files and threads, which come
  and go with every checkpoint, the least numbers.
  """
  early = [x for x in found if 0.5 <= x.step / steps < 0.6]
  late = [x for x in found if x.step / steps >= 0.9]
  assert len(early) >= 3 and len(late) >= 3, "too few samples"
  said = []
  before, after = (median([x.mib for x in part]) for part in (early, late))
  if after > before + GROWTH_MIB:
    said.append(f"memory grew from {before:.0f} to {after:.0f} MiB")
  for what in ("files", "threads"):
    before, after = (
      min(getattr(x, what) for x in part) for part in (early, late)
    )
    if after > before + SLACK:
      said.append(f"{what} grew from {before} to {after}")
  return said


def median(values: list[float]) -> float:
  return sorted(values)[len(values) // 2]


def curve(found: Sequence[Sample], steps: int = STEPS) -> str:
  """The samples by tenths of the run, for people."""
  lines = ["   steps  MiB median/max  files min/max  threads min/max"]
  for tenth in range(10):
    part = [x for x in found if tenth <= 10 * x.step / steps < tenth + 1]
    if part:
      mib = [x.mib for x in part]
      files = [x.files for x in part]
      threads = [x.threads for x in part]
      lines.append(
        f"{(tenth + 1) * steps // 10:>8}  {median(mib):>6.1f} {max(mib):>7.1f}"
        f"  {min(files):>6} {max(files):>6}"
        f"  {min(threads):>7} {max(threads):>7}"
      )
  return "\n".join(lines)


@drill("5,000 steps", faults=3)
def memory_files_and_threads_stay_flat(room: Room) -> int:
  run = room.start(*LONG)
  found = samples(run, room.run / "metrics.jsonl")
  run.end()
  print(curve(found), flush=True)
  assert grown(found) == []
  return 3
