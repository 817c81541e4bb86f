"""MedFM's train loop as launched, beside its peers on the same work.

python -m benchmarks.run
python -m benchmarks.run --only=cnn_b32,mlp --rounds=5 --threads=1
python -m benchmarks.run --python torch=/envs/torch/bin/python

Writes results.json, results.md and ratios.png. A peer that is not installed
is said to be so. See benchmarks/README.md for what is measured.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

from benchmarks import compare, process, show
from benchmarks.cases import CASES, OURS, ROOT, TOOLS, Case

_PROBE = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
_CONFIG = ROOT / "benchmarks" / "configs.py"


def main(words: list[str] | None = None) -> dict:
  """Measures, prints and writes; returns what results.json holds."""
  given = arguments(words)
  pythons = dict(pair.split("=", 1) for pair in given.python)
  found = {name: version(name, pythons) for name in TOOLS}
  result = {
    "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    "command": shown(words if words is not None else sys.argv[1:]),
    "rounds": given.rounds,
    "threads": given.threads or os.cpu_count(),
    "machine": machine(),
    "versions": versions(found),
    "matmul": None,
    "cases": {},
  }
  result["matmul"] = limit(pythons, given.threads, "matmul")
  for name in given.only or CASES:
    with tempfile.TemporaryDirectory(prefix="medfm-benchmark-") as folder:
      runner = Runner(CASES[name], pathlib.Path(folder), pythons, given)
      result["cases"][name] = measured(name, runner, found, result["matmul"])
    write(result, given.out)
  print(show.markdown(result))
  return result


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
    "--python", action="append", metavar="TOOL=PATH",
    default=list(filter(None, os.environ.get("MEDFM_PEERS", "").split(","))),
    help="a tool's interpreter, also in MEDFM_PEERS; tools: "
    + ", ".join(TOOLS),
  )  # fmt: skip
  given = parser.parse_args(words)
  for name in given.only or ():
    if name not in CASES:
      parser.error(f"no case {name!r}; choose among {', '.join(CASES)}")
  for pair in given.python:
    if pair.partition("=")[0] not in TOOLS or "=" not in pair:
      parser.error(f"--python {pair}: expected TOOL=PATH")
  return given


class Runner:
  """Runs one case's tools, on files made once."""

  def __init__(self, case: Case, folder: pathlib.Path, pythons, given):
    self.case, self.folder = case, folder
    self._pythons, self._given, self._count = pythons, given, 0
    case.data(folder)

  def __call__(self, name: str, *, cold: bool = False) -> process.Measured:
    """One measurement; cold: MedFM without compiled programs, start alone."""
    self._count += 1
    place = self.folder / f"run{self._count}"
    place.mkdir()
    span = self.case.tools[name]
    last = max(span.first + 1, round(span.last * self._given.scale))
    last = 1 if cold else last if self.case.training else span.last
    measured = process.measured(
      self.command(name, place, last + span.every),
      self.environment(name, cold),
      place,
      batch=self.case.batch if self.case.training else 1,
      first=span.first,
      last=last,
      threads=self._given.threads,
    )
    shutil.rmtree(place)
    return measured

  def command(self, name: str, place: pathlib.Path, steps: int) -> list[str]:
    tool, case = TOOLS[name], self.case
    python = interpreter(name, self._pythons)
    every = case.tools[name].every
    if not tool.module:
      return [
        python,
        str(ROOT / "launch.py"),
        *self.settings(),
        f"--config.steps={steps}",
        f"--config.log_every={every}",
        f"--workdir={place / 'run'}",
      ]
    if not case.training:
      steps = case.tools[name].last
    return [
      python, "-m", tool.module, case.model, f"--data={self.folder}",
      f"--batch={case.batch}", f"--steps={steps}", f"--every={every}",
    ]  # fmt: skip

  def settings(self) -> list[str]:
    """MedFM's config and its overrides."""
    overrides = [text.format(data=self.folder) for text in self.case.overrides]
    return [
      f"--config={_CONFIG}:{self.case.model}",
      f"--config.batch_size={self.case.batch}",
      *(f"--config.{text}" for text in overrides),
    ]

  def environment(self, name: str, cold: bool = False) -> dict[str, str]:
    cache = self.folder / "cache"
    if cold:
      shutil.rmtree(cache / "compiled", ignore_errors=True)
    own = {"MEDFM_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    if self._given.threads:
      own["OMP_NUM_THREADS"] = str(self._given.threads)
    return own | TOOLS[name].environment

  def flops(self) -> float | None:
    """Of a training step per example."""
    if not self.case.training:
      return None
    config, *overrides = self.settings()
    config = config.removeprefix("--config=")
    environment = self.environment(OURS)
    return limit(self._pythons, 0, "flops", config, *overrides, **environment)


def measured(name, runner: Runner, found, peak) -> dict:
  """One case's entry in results.json."""
  case = runner.case
  print(f"{name}: {case.title}", flush=True)
  tools = [tool for tool in case.tools if found[tool]]
  ours = next(iter(case.tools))
  tell = lambda text: print(text, flush=True)  # noqa: E731
  cold = []

  def run(tool: str) -> process.Measured:
    if tool == OURS:
      cold.append(runner(tool, cold=True).start)
    return runner(tool)

  if OURS in tools:  # Decodes the data once, which no peer is asked to do.
    try:
      runner(OURS, cold=True)
    except process.FailedError as error:
      tell(f"  {error}")
  taken, failed = compare.rounds(tools, run, runner._given.rounds, tell)
  entries = compare.summary(taken, ours)
  flops = runner.flops() if OURS in taken else None
  shown = {}
  for tool in case.tools:
    title = TOOLS[tool].title
    if tool not in entries:
      problem = failed.get(tool)
      problem = f"failed: {problem}" if problem else "not installed"
      shown[tool] = {"title": title, "problem": problem}
      continue
    shown[tool] = {"title": title, **entries[tool]}
    if flops and peak:
      share = flops * entries[tool]["rate"]["median"] / peak
      shown[tool]["share"] = share
  if cold and OURS in entries:
    shown[OURS]["cold_start"] = compare.spread(cold)
  return {
    "title": case.title,
    "unit": case.unit,
    "batch": case.batch,
    "ours": ours,
    "flops": flops,
    "load": round(os.getloadavg()[0], 1),
    "tools": shown,
  }


def interpreter(name: str, pythons: dict[str, str]) -> str:
  """A tool's Python: its own, or this one."""
  return pythons.get(name, sys.executable)


def version(name: str, pythons: dict[str, str]) -> str | None:
  """The version of a tool's package; None where it is not installed."""
  done = subprocess.run(
    [interpreter(name, pythons), "-c", _PROBE, TOOLS[name].package],
    capture_output=True,
    text=True,
  )
  return done.stdout.strip() or None


def versions(found: dict[str, str | None]) -> dict[str, str]:
  """Package -> version, of MedFM's own packages and the peers'."""
  own = {
    name: importlib.metadata.version(name)
    for name in ("jax", "flax", "optax", "numpy")
  }
  peers = {TOOLS[name].package: v for name, v in found.items() if v}
  return {"python": platform.python_version(), **peers, **own}


def limit(pythons, threads: int, *words: str, **environment: str):
  """What `ours.limits` prints, or None where it fails."""
  done = subprocess.run(
    [interpreter(OURS, pythons), "-m", "benchmarks.ours.limits", *words],
    capture_output=True,
    text=True,
    cwd=ROOT,
    env={**os.environ, **environment},
    preexec_fn=process.pinned(threads),
  )
  try:
    return float(done.stdout.splitlines()[-1])
  except (IndexError, ValueError):
    print(f"  no {words[0]}: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return None


def machine() -> dict:
  """Processor, cores, system, and the load before the first process."""
  processor = platform.processor() or platform.machine()
  info = pathlib.Path("/proc/cpuinfo")
  if info.exists():
    names = [
      line.partition(":")[2].strip()
      for line in info.read_text().splitlines()
      if line.startswith("model name")
    ]
    processor = names[0] if names else processor
  return {
    "processor": processor,
    "cores": os.cpu_count(),
    "system": platform.platform(),
    "load": round(os.getloadavg()[0], 1),
  }


def shown(words: list[str]) -> str:
  """The command, without the folders of this machine's interpreters."""
  words = [
    word.partition("=")[0] + "=PYTHON" if "/python" in word else word
    for word in words
  ]
  return " ".join(["python -m benchmarks.run", *words])


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
