"""All drills by one command: python -m tests.drills [--fast] [--only=WORDS].

Exit code 0 only where everything that was tried survived. What this machine
cannot do (mount a small disk, ask a Slurm) is skipped and counted so.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from tests.drills import every
from tests.drills.catalogue import Drill, Skipped
from tests.drills.room import Room

SAID = sys.stdout
"""Drills that share this process may have redirected it when others end."""


def main() -> int:
  parser = argparse.ArgumentParser(prog="python -m tests.drills")
  parser.add_argument("--fast", action="store_true")
  parser.add_argument("--only", default="", help="words of kinds or names")
  parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
  parser.add_argument("--list", action="store_true")
  parser.add_argument("--keep", action="store_true", help="keep all folders")
  asked = parser.parse_args()
  chosen = [
    one
    for one in every.DRILLS
    if (one.fast or not asked.fast) and wanted(one, asked.only.split(","))
  ]
  if asked.list:
    for one in chosen:
      print(f"{'fast' if one.fast else '    '}  {one.kind}: {one.name}")
    return 0
  root = pathlib.Path(tempfile.mkdtemp(prefix="drills-"))
  try:
    Room(root / "shared", root / "first").unbroken()  # The caches are warm.
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
      jobs = [pool.submit(tried, one, i, root) for i, one in enumerate(chosen)]
      rows = [job.result() for job in jobs]
  finally:
    if not asked.keep:
      shutil.rmtree(root, ignore_errors=True)
  return summed(rows)


def wanted(one: Drill, words: list[str]) -> bool:
  return any(word in f"{one.kind}: {one.name}" for word in words)


def tried(one: Drill, number: int, root: pathlib.Path) -> tuple:
  """(kind, tried, survived, skipped, seconds) of one drill."""
  begin = time.monotonic()
  room = Room(root / "shared", root / str(number))
  count, lived, skipped, why = one.faults, 0, 0, ""
  try:
    count = lived = one.run(room) or one.faults
    word = "survived"
  except Skipped as reason:
    count, skipped, word, why = 0, one.faults, "skipped", f": {reason}"
  except Exception:
    word, why = "FAILED", f"\n{traceback.format_exc()}"
  finally:
    room.close()
  seconds = time.monotonic() - begin
  line = f"{word:<8}  {one.kind}: {one.name} ({seconds:.0f} s){why}"
  print(line, file=SAID, flush=True)
  return one.kind, count, lived, skipped, seconds


def summed(rows: list[tuple]) -> int:
  """Prints the table; 0 where all that was tried survived."""
  table = collections.defaultdict(lambda: [0, 0, 0, 0.0])
  for kind, *numbers in rows:
    table[kind] = [a + b for a, b in zip(table[kind], numbers, strict=True)]
  width = max(map(len, table), default=4)
  lines = [f"\n{'kind':<{width}}  tried  survived  skipped  seconds"]
  lines += [
    f"{kind:<{width}}  {count:>5}  {lived:>8}  {skipped:>7}  {seconds:>7.0f}"
    for kind, (count, lived, skipped, seconds) in table.items()
  ]
  count, lived, skipped = (sum(row[i] for row in rows) for i in (1, 2, 3))
  lines.append(f"survived {lived} / tried {count} (skipped {skipped})")
  print("\n".join(lines), file=SAID)
  return 0 if count and lived == count else 1


if __name__ == "__main__":
  sys.exit(main())
