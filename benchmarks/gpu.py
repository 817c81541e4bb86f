"""The whole table of one GPU, in one call of under ten minutes.

python -m benchmarks.gpu
python -m benchmarks.gpu --python torch_resident=/envs/torch/bin/python
python -m benchmarks.gpu --tiny

MedFM's train step in bf16 on input that is resident on the device, as a share
of the card's measured bf16 matmul rate, and the same steps in PyTorch,
compiled. `--tiny` goes through all of it on a CPU in a minute or two, for
nothing but to see that it works. Writes results.json, results.md and
ratios.png.
"""

import argparse
import os
import pathlib
import signal
import sys
import tempfile
import time
from typing import Any

from benchmarks import compare, gpu_cases, machine, process, run, runner, show
from benchmarks.tools import ROOT, TOOLS

OURS, PEER = "medfm_resident", "torch_resident"
FIRST, LAST, EVERY = 5, 30, 5
"""Steps between which is measured, and between lines."""


def main(words: list[str] | None = None) -> dict[str, Any]:
  """Measures, prints and writes; returns what results.json holds."""
  began = time.monotonic()
  given = arguments(words)
  pythons = machine.pythons(given.python)
  environment = {"JAX_PLATFORMS": "cpu"} if given.tiny else {}
  device = machine.limit(pythons, 0, "device", **environment)
  if not given.tiny and (not device or device["platform"] != "gpu"):
    seen = device["name"] if device else "no device that jax can use"
    sys.exit(
      f"error: no GPU here ({seen}); this benchmark is of one GPU, and "
      "--tiny tries the script on a CPU"
    )
  size = "512" if given.tiny else "8192"
  found = {name: machine.version(name, pythons) for name in (OURS, PEER)}
  result = {
    "date": run.now(),
    "command": machine.shown(
      "benchmarks.gpu", words if words is not None else sys.argv[1:]
    ),
    "rounds": 1,
    "threads": os.cpu_count(),
    "machine": machine.machine(),
    "device": f"{device['count']} x {device['name']}",
    "versions": machine.versions(found),
    "matmul": machine.limit(
      pythons, 0, "matmul", "bfloat16", size, **environment
    ),
    "dtype": "bfloat16",
    "cases": {},
  }
  taken: dict[str, dict[str, Any]] = {}
  for tool in (OURS, PEER):
    for name in given.only or gpu_cases.FULL:
      left = given.budget - (time.monotonic() - began)
      entry = one(name, tool, given, pythons, found, left)
      taken.setdefault(name, {})[tool] = entry
      result["cases"] = cases(taken, given, result["matmul"])
      run.write(result, given.out)
  if given.keep:
    run.write(result, run.KEPT / "gpu")
  print(show.markdown(result))
  return result


def arguments(words: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
  parser.add_argument(
    "--only", type=lambda text: text.split(","), help="models, by commas"
  )
  parser.add_argument("--tiny", action="store_true", help="on a CPU")
  parser.add_argument(
    "--budget", type=float, default=570, help="seconds for everything"
  )
  parser.add_argument(
    "--scale", type=float, default=1.0, help="of the batches, to fit a card"
  )
  for name, what in (
    ("scan_layers", "one of MedFM's blocks is compiled instead of all"),
    ("remat", "MedFM's blocks are computed again for the gradient"),
    ("eager", "PyTorch is not compiled; always so with --tiny"),
    ("keep", "write benchmarks/last/gpu as well: all models, in full"),
  ):
    parser.add_argument(f"--{name}", action="store_true", help=what)
  parser.add_argument(
    "--out", type=pathlib.Path, default=pathlib.Path("runs/gpu")
  )
  run.add_python(parser)
  given = parser.parse_args(words)
  for name in given.only or ():
    if name not in gpu_cases.FULL:
      known = ", ".join(gpu_cases.FULL)
      parser.error(f"no model {name!r}; choose among {known}")
  run.check_pythons(parser, given.python)
  if given.keep and (given.tiny or given.only):
    parser.error("--keep goes with all models in full")
  return given


def one(
  name: str, tool: str, given, pythons, found, left: float
) -> process.Measured | str:
  """One tool on one model, or why there is no measurement."""
  if not found[tool]:
    return "not installed"
  if left < 20:
    return f"no time left of {given.budget:.0f} s"
  size = "tiny" if given.tiny else "full"
  batch = max(1, round(gpu_cases.SIZES[size][name].batch * given.scale))
  switches = {
    "--scan_layers": given.scan_layers,
    "--remat": given.remat,
    "--eager": given.eager or given.tiny,
  }
  command = [
    machine.interpreter(tool, pythons), "-m", TOOLS[tool].module, name,
    f"--size={size}", f"--batch={batch}", f"--steps={LAST}",
    f"--every={EVERY}", *(word for word, on in switches.items() if on),
  ]  # fmt: skip
  environment = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
  if given.tiny:
    environment |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
  with tempfile.TemporaryDirectory(prefix="medfm-benchmark-") as folder:
    try:
      made = process.measured(
        command, environment, pathlib.Path(folder),
        batch=batch, first=FIRST, last=LAST, timeout=left,
      )  # fmt: skip
    except process.FailedError as error:
      runner.tell(f"  {name} {tool} failed: {error}")
      return f"failed: {error}"
  runner.tell(f"  {name} {tool}: {compare.told(made)}")
  return made


def cases(taken, given, peak: float | None) -> dict[str, Any]:
  """What results.json holds of every model so far."""
  result = {}
  for name, entries in taken.items():
    sizes = gpu_cases.SIZES["tiny" if given.tiny else "full"][name]
    flops = sizes.flops(name)
    good = {
      tool: [entry]
      for tool, entry in entries.items()
      if not isinstance(entry, str)
    }
    summary = compare.summary(good, OURS)
    shown = {}
    for tool, entry in entries.items():
      title = TOOLS[tool].title
      if given.eager or given.tiny:
        title = title.replace("compiled", "eager")
      shown[tool] = {"title": title}
      if isinstance(entry, str):
        shown[tool]["problem"] = entry
        continue
      shown[tool] |= summary[tool]
      if flops and peak:
        shown[tool]["share"] = flops * entry.rate / peak
      if sizes.length:
        rate = summary[tool]["rate"]
        shown[tool]["tokens"] = compare.times(rate, sizes.length)
    result[name] = {
      "title": sizes.title,
      "unit": "examples",
      "batch": max(1, round(sizes.batch * given.scale)),
      "ours": OURS,
      "flops": flops,
      "tools": shown,
    }
  return result


if __name__ == "__main__":
  # As an exception, so that the process being measured is stopped as well.
  signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
  main()
