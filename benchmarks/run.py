"""MedFM's train loop as launched, beside its peers on the same work.

python -m benchmarks.run
python -m benchmarks.run --only=cnn_b32,mlp --rounds=5 --threads=1
python -m benchmarks.run --python torch=/envs/torch/bin/python

Writes results.json, results.md and ratios.png. A peer that is not installed
is said to be so. See benchmarks/README.md for what is measured.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

from benchmarks import inputs, machine, show
from benchmarks.cases import CASES
from benchmarks.runner import Runner, measured, tell
from benchmarks.tools import OURS, ROOT, TOOLS

KEPT = ROOT / "benchmarks" / "last"
"""Where --keep writes: the last result of a quiet machine. Some of the cases,
and those of a jax beside it, go to a folder of their jax version below it."""


def main(words: list[str] | None = None) -> dict:
  """Measures, prints and writes; returns what results.json holds."""
  given = arguments(words)
  pythons = machine.pythons(given.python)
  found = {name: machine.version(name, pythons) for name in TOOLS}
  ours = [machine.interpreter(OURS, pythons), *filter(None, [given.beside])]
  about = {
    "date": now(),
    "command": machine.shown(
      "benchmarks.run", words if words is not None else sys.argv[1:]
    ),
    "rounds": given.rounds,
    "threads": given.threads or os.cpu_count(),
    "machine": machine.machine(),
  }
  results = [
    about
    | {
      "versions": machine.versions(found, python),
      "matmul": machine.limit({OURS: python}, given.threads, "matmul"),
      "cases": {},
    }
    for python in ours
  ]
  peaks = [result["matmul"] for result in results]
  folders = [given.out, given.out / "beside"][: len(results)]
  for name in given.only or CASES:
    with tempfile.TemporaryDirectory(prefix="medfm-benchmark-") as folder:
      try:
        runner = Runner(CASES[name], pathlib.Path(folder), pythons, given)
      except inputs.MissingError as error:
        tell(f"{name}: left out: {error}")
        continue
      beside = runner.beside(given.beside) if given.beside else None
      entries = measured(name, runner, found, peaks, beside)
    for result, entry, out in zip(results, entries, folders, strict=True):
      result["cases"][name] = entry
      write(result, out)
  for index, result in enumerate(results):
    if given.keep:
      some = bool(given.only) or index > 0
      write(result, kept(some, result["versions"]["jax"]))
    print(show.markdown(result))
  return results[0]


def arguments(words: list[str] | None) -> argparse.Namespace:
  """The command line; a case that does not exist is an error."""
  parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
  parser.add_argument(
    "--only", type=lambda text: text.split(","), help="cases, by commas"
  )
  parser.add_argument("--rounds", type=int, default=5)
  parser.add_argument(
    "--threads", type=int, default=0, help="cores for each process; 0 is all"
  )
  parser.add_argument(
    "--scale", type=float, default=1.0, help="of the number of steps"
  )
  parser.add_argument(
    "--out", type=pathlib.Path, default=pathlib.Path("runs/benchmarks")
  )
  parser.add_argument(
    "--keep", action="store_true",
    help="write benchmarks/last as well, or with --only "
    "benchmarks/last/jax-VERSION: three rounds or more, a quiet machine",
  )  # fmt: skip
  parser.add_argument(
    "--brief",
    action="store_true",
    help="without the rows of MedFM that lack one thing which makes it fast",
  )
  parser.add_argument(
    "--beside", metavar="PATH", default="",
    help="a Python of MedFM with another jax, measured in the same rounds; "
    "its tables go to OUT/beside and, kept, to benchmarks/last/jax-VERSION",
  )  # fmt: skip
  add_python(parser)
  given = parser.parse_args(words)
  for name in given.only or ():
    if name not in CASES:
      parser.error(f"no case {name!r}; choose among {', '.join(CASES)}")
  check_pythons(parser, given.python)
  if given.beside and not shutil.which(given.beside):
    parser.error(f"--beside={given.beside}: expected a Python's path")
  if given.beside and not machine.version(OURS, {OURS: given.beside}):
    parser.error(f"--beside={given.beside}: jax is not installed there")
  if given.keep:
    check_keep(parser, given, os.getloadavg()[0])
  return given


def add_python(parser: argparse.ArgumentParser) -> None:
  """--python TOOL=PATH, with the default of MEDFM_PEERS."""
  parser.add_argument(
    "--python", action="append", metavar="TOOL=PATH",
    default=list(filter(None, os.environ.get("MEDFM_PEERS", "").split(","))),
    help="a tool's interpreter, also in MEDFM_PEERS; peers=PATH is that of "
    "all but MedFM; tools: " + ", ".join(TOOLS),
  )  # fmt: skip


def check_pythons(parser: argparse.ArgumentParser, pairs: list[str]) -> None:
  for pair in pairs:
    if pair.partition("=")[0] not in ("peers", *TOOLS) or "=" not in pair:
      parser.error(f"--python {pair}: expected TOOL=PATH")


def check_keep(parser, given: argparse.Namespace, load: float) -> None:
  """Refuses to keep short runs and those of a machine that does more."""
  if given.scale != 1 or given.rounds < 3:
    parser.error("--keep goes with --scale=1 and 3 rounds or more")
  if load > os.cpu_count() / 2:
    parser.error(
      f"--keep: the load is {load:.1f} on {os.cpu_count()} cores; a result to "
      "keep is that of a machine that does nothing else"
    )


def kept(some: bool, version: str) -> pathlib.Path:
  """The folder of a result to keep: of all cases, or of one jax beside them."""
  if not some:
    return KEPT
  return KEPT / f"jax-{'.'.join(version.split('.')[:2])}"


def now() -> str:
  return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def write(result: dict, out: pathlib.Path) -> None:
  """results.json, results.md and ratios.png, anew after every case."""
  out.mkdir(parents=True, exist_ok=True)
  (out / "results.json").write_text(json.dumps(result, indent=2) + "\n")
  (out / "results.md").write_text(show.markdown(result))
  show.figure(result, out / "ratios.png")


if __name__ == "__main__":
  # As an exception, so that the process being measured is stopped as well.
  signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
  main()
