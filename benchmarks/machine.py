"""What this machine and its Pythons are, asked of each in its own process."""

import json
import os
import pathlib
import platform
import subprocess
import sys
from typing import Any

from benchmarks import process
from benchmarks.tools import OURS, ROOT, TOOLS

_PROBE = (
  "import importlib.metadata as m, sys; "
  "print([m.version(name) for name in sys.argv[1:]][0])"
)
_VERSIONS = (
  "import importlib.metadata as m, json, platform, sys; print(json.dumps("
  "{'python': platform.python_version()} "
  "| {name: m.version(name) for name in sys.argv[1:]}))"
)


def pythons(pairs: list[str]) -> dict[str, str]:
  """Tool -> interpreter, of TOOL=PATH pairs; later ones win.

  The tool "peers" is all that are not MedFM's.
  """
  found = {}
  for pair in pairs:
    name, _, path = pair.partition("=")
    peers = [key for key in TOOLS if not key.startswith(OURS)]
    found |= dict.fromkeys(peers if name == "peers" else [name], path)
  return found


def interpreter(name: str, pythons: dict[str, str]) -> str:
  """A tool's Python: its own, or this one."""
  return pythons.get(name, sys.executable)


def version(name: str, pythons: dict[str, str]) -> str | None:
  """The version of a tool's package; None where one is not installed."""
  done = subprocess.run(
    [interpreter(name, pythons), "-c", _PROBE, *TOOLS[name].packages],
    capture_output=True,
    text=True,
  )
  return done.stdout.strip() or None


def versions(
  found: dict[str, str | None], python: str = sys.executable
) -> dict[str, str]:
  """Package -> version, of the packages of MedFM's Python and the peers'."""
  done = subprocess.run(
    [python, "-c", _VERSIONS, "jax", "flax", "optax", "numpy"],
    capture_output=True,
    text=True,
    check=True,
  )
  peers = {TOOLS[name].packages[0]: v for name, v in found.items() if v}
  own = json.loads(done.stdout)
  return {"python": own.pop("python"), **peers, **own}


def limit(pythons, threads: int, *words: str, **environment: str) -> Any:
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
    return json.loads(done.stdout.splitlines()[-1])
  except (IndexError, ValueError):
    print(f"  no {words[0]}: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return None


def machine() -> dict[str, Any]:
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


def shown(module: str, words: list[str]) -> str:
  """The command, without this machine's folders."""
  words = [
    word.partition("=")[0] + "=PYTHON" if "/python" in word else word
    for word in words
    if not word.startswith("--out=")
  ]
  return " ".join([f"python -m {module}", *words])
