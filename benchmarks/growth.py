"""How cost grows with the work: curves through MedFM's own train loop.

python -m benchmarks.growth
python -m benchmarks.growth --only=length,devices --threads=1

Along each axis one thing grows and everything else stands still; step time,
CPU time and peak memory are fitted by a power of it. Writes growth.json,
growth.md and growth.png.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks import curves, inputs, machine, process, runner
from benchmarks.run import now

_DEVICES = "--xla_force_host_platform_device_count="
_TEXT = (
  "data.path={data}/corpus.txt",
  "data.tokenizer.path={data}/vocab.txt",
  "objective.model.depth=2",
)


@dataclasses.dataclass(frozen=True)
class Axis:
  """What grows, and the run it grows in.

  values: of what grows. batch: examples per step; 0 is the value itself.
  files: writes a value's data into a folder.
  overrides: of `configs.py`; {data} is that folder, {value} the value.
  first, last: steps between which is measured.
  by_parameters: the fit is over the number of parameters, not the value.
  devices: the value is the number of virtual devices.
  """

  title: str
  model: str
  values: tuple[int, ...]
  batch: int
  files: Callable[[pathlib.Path, int], None]
  overrides: tuple[str, ...]
  first: int = 2
  last: int = 8
  by_parameters: bool = False
  devices: bool = False


def _table(folder: pathlib.Path, value: int) -> None:
  inputs.table(folder, count=value)


def _corpus(folder: pathlib.Path, value: int) -> None:
  inputs.corpus(folder, count=300, length=64)


def _gpt(title, values, batch, *overrides, **settings):
  overrides = (*_TEXT, *overrides)
  return Axis(title, "gpt", values, batch, _corpus, overrides, **settings)


AXES = {
  "examples": Axis(
    "training examples (MLP, batch 128)",
    "mlp", (2048, 8192, 32768), 128, _table,
    ("data.path={data}/table.csv",), first=50, last=500,
  ),
  "batch": _gpt(
    "examples per step (GPT of 2 layers, width 128, 64 tokens)",
    (8, 16, 32, 64), 0, "data.length=64", "objective.model.width=128",
  ),
  "parameters": _gpt(
    "parameters (GPT of 2 layers, 64 tokens, batch 8, width 128 to 512)",
    (128, 256, 512), 8, "data.length=64", "objective.model.width={value}",
    by_parameters=True,
  ),
  "length": _gpt(
    "tokens of a row (GPT of 2 layers, width 64, batch 4)",
    (128, 256, 512, 1024), 4, "data.length={value}",
    "objective.model.length={value}", "objective.model.width=64",
  ),
  "devices": _gpt(
    "virtual devices on the same cores (GPT of 2 layers, width 128, batch 16)",
    (1, 2, 4, 8), 16, "data.length=64", "objective.model.width=128",
    devices=True,
  ),
}  # fmt: skip


def main(words: list[str] | None = None) -> dict[str, Any]:
  """Measures, prints and writes; returns what growth.json holds."""
  given = arguments(words)
  result = {
    "date": now(),
    "command": machine.shown(
      "benchmarks.growth", words if words is not None else sys.argv[1:]
    ),
    "threads": given.threads or os.cpu_count(),
    "machine": machine.machine(),
    "versions": machine.versions({}),
    "axes": {},
  }
  for name in given.only or AXES:
    axis = AXES[name]
    runner.tell(f"{name}: {axis.title}")
    points = [
      point(axis, value, given.threads) for value in axis.values[: given.points]
    ]
    result["axes"][name] = {
      "title": axis.title,
      "points": points,
      "fits": curves.fits(points),
    }
    write(result, given.out)
  print(curves.markdown(result))
  return result


def arguments(words: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
  parser.add_argument(
    "--only", type=lambda text: text.split(","), help="axes, by commas"
  )
  parser.add_argument(
    "--threads", type=int, default=0, help="cores for each process; 0 is all"
  )
  parser.add_argument(
    "--points", type=int, default=None, help="of each axis; all by default"
  )
  parser.add_argument(
    "--out", type=pathlib.Path, default=pathlib.Path("runs/growth")
  )
  given = parser.parse_args(words)
  for name in given.only or ():
    if name not in AXES:
      parser.error(f"no axis {name!r}; choose among {', '.join(AXES)}")
  if given.points is not None and given.points < 2:
    parser.error("--points: a curve needs 2 or more")
  return given


def point(axis: Axis, value: int, threads: int) -> dict[str, float | None]:
  """One process at one value: x, seconds and CPU seconds a step, bytes."""
  batch = axis.batch or value
  with tempfile.TemporaryDirectory(prefix="medfm-growth-") as name:
    folder = pathlib.Path(name)
    axis.files(folder, value)
    words = runner.settings(
      axis.model,
      batch,
      folder,
      tuple(text.replace("{value}", str(value)) for text in axis.overrides),
    )
    every = axis.first
    environment = runner.environment(folder, threads)
    if axis.devices:
      flags = os.environ.get("XLA_FLAGS", "")
      environment["XLA_FLAGS"] = f"{flags} {_DEVICES}{value}".strip()
    found = process.measured(
      runner.launched(
        sys.executable, words, axis.last + every, every, folder / "run"
      ),
      environment,
      folder,
      batch=batch,
      first=axis.first,
      last=axis.last,
      threads=threads,
    )
    x = value
    if axis.by_parameters:
      config = words[0].removeprefix("--config=")
      x = machine.limit({}, 0, "parameters", config, *words[1:], **environment)
  cpu = None if found.cpu is None else found.cpu * batch
  made = {
    "x": x,
    "seconds": batch / found.rate,
    "cpu": cpu,
    "memory": found.memory,
  }
  runner.tell(
    f"  {x:,}: {1e3 * made['seconds']:.1f} ms a step, "
    f"{found.memory / 2**20:,.0f} MiB"
  )
  return made


def write(result: dict[str, Any], out: pathlib.Path) -> None:
  """growth.json, growth.md and growth.png, anew after every axis."""
  out.mkdir(parents=True, exist_ok=True)
  (out / "growth.json").write_text(json.dumps(result, indent=2) + "\n")
  (out / "growth.md").write_text(curves.markdown(result))
  curves.figure(result, out / "growth.png")


if __name__ == "__main__":
  # As an exception, so that the process being measured is stopped as well.
  signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
  main()
