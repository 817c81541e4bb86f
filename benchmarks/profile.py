"""Where the time of a case's train step goes, on a CPU.

python -m benchmarks.profile lstm
python -m benchmarks.profile resnet18_64 --steps=20

Prints a table: kinds of operation, how often a step runs them and how long
they take. Time in which several run is shared between them; the rest of the
step is of the host. Products and convolutions hold nearly all FLOPs, so that
their rate beside the machine's limit says how much faster they could be.
"""

import argparse
import collections
import dataclasses
import gzip
import json
import pathlib
import re
import tempfile
import time

import jax

from benchmarks import runner
from benchmarks.cases import CASES, Case
from benchmarks.ours import limits
from medfm import host, setup
from medfm.types import Folders

PRODUCTS = ("dot", "convolution", "oneDNN matmul")
_INSTRUCTION = re.compile(
  r"\s*(?:ROOT )?%?([\w.-]+) = (?:\(.*?\)|\S+) ([\w-]+)\("
)
_OPERATION = re.compile(r'op_name="([^"]*)"')
_CALLED = re.compile(r"calls=%?([\w.-]+)")
_AROUND = ("while", "call", "conditional")


def main(words: list[str] | None = None) -> None:
  """Measures one case and prints."""
  parser = argparse.ArgumentParser(prog="python -m benchmarks.profile")
  known = [name for name, case in CASES.items() if case.training]
  parser.add_argument("case", choices=known)
  parser.add_argument("--steps", type=int, default=10)
  given = parser.parse_args(words)
  case = CASES[given.case]
  host.keep_freed_memory()  # As launch.py does.
  with tempfile.TemporaryDirectory(prefix="medfm-profile-") as name:
    folder = pathlib.Path(name)
    case.data(folder)
    step = _measured(case, folder, given.steps)
  peak = limits.matmul()
  rate = step.flops / step.seconds
  print(
    f"{case.title}: {step.seconds * 1e3:,.1f} ms a step, "
    f"{rate / peak:.0%} of {peak / 1e9:,.0f} GFLOP/s; "
    f"{step.traced * 1e3:,.1f} ms while traced"
  )
  print(table(step, peak))


@dataclasses.dataclass(frozen=True)
class Step:
  """seconds: of a step; traced: of one that is traced, which takes longer.

  ran: kind of operation -> (s, times) in a traced step.
  """

  seconds: float
  traced: float
  flops: float
  ran: dict[str, tuple[float, float]]


def _measured(case: Case, folder: pathlib.Path, steps: int) -> Step:
  """Runs `steps` batches thrice: to warm up, by the clock, and traced."""
  folders = Folders(raw=None, cache=str(folder / "cache"))
  jax.config.update("jax_cpu_enable_async_dispatch", False)  # As a run's.
  words = runner.settings(case.model, case.batch, folder, case.overrides)
  config, *overrides = words
  run = limits.run(config.removeprefix("--config="), overrides)
  data, _ = setup.dataset(run, folders)
  job = setup.job(run, data)
  state = job.initial()
  batches = [setup.placed(job.model, job.batches[k]) for k in range(steps)]
  step = job.step.lower(state, batches[0]).compile()

  def seconds() -> float:
    nonlocal state
    began = time.perf_counter()
    for batch in batches:
      state, _ = step(state, batch)
    jax.block_until_ready(state)
    return (time.perf_counter() - began) / steps

  seconds()
  plain = seconds()
  with jax.profiler.trace(str(folder / "trace")):
    traced = seconds()
  (found,) = (folder / "trace").rglob("*.trace.json.gz")
  with gzip.open(found) as file:
    events = json.load(file)["traceEvents"]
  flops = case.flops * case.batch or step.cost_analysis()["flops"]
  kind_of, taken = kinds(step.as_text()), collections.Counter()
  count = collections.Counter()
  for name, (micros, times) in shares(spans(events)).items():
    kind = kind_of.get(name, name)
    taken[kind] += micros / steps / 1e6
    count[kind] += times / steps
  ran = {kind: (taken[kind], count[kind]) for kind in taken}
  return Step(plain, traced, flops, ran)


def kinds(program: str) -> dict[str, str]:
  """The kind of each instruction of a compiled program's text.

  Products and convolutions, alone or in a fusion, by what computes them; the
  others by the last part of the name that jax gives an operation.
  """
  found, computation, inside = {}, "", {}
  for line in program.splitlines():
    if line.endswith("{"):
      computation = line.split()[0].lstrip("%")
    if not (match := _INSTRUCTION.match(line)):
      continue
    name, opcode = match.groups()
    operation, called = _OPERATION.search(line), _CALLED.search(line)
    kind = operation[1].rpartition("/")[2] if operation else opcode
    if opcode in (*PRODUCTS, *_AROUND):
      kind = opcode
    elif "onednn$matmul" in line:
      kind = "oneDNN matmul"
    elif called:  # A computation stands before what calls it.
      kind = inside.get(called[1], kind)
    if kind in PRODUCTS:
      inside[computation] = kind
    found[name] = kind
  return found


def spans(events: list[dict]) -> list[tuple[float, float, str]]:
  """(start, end, instruction) in µs of all that a trace saw run.

  An instruction may end on another thread, which an event "end: name" tells.
  """
  ours = [
    event
    for event in events
    if "thunk_executor" in str(event.get("args", {}).get("_src", ""))
  ]
  opened, found = collections.defaultdict(collections.deque), []
  for event in sorted(ours, key=lambda event: event["ts"]):
    word = event["name"].removeprefix("end: ")
    name = word.partition("__")[0]  # Behind it is a custom call's target.
    if word == event["name"]:
      opened[name].append(event["ts"])
    elif opened[name]:
      end = event["ts"] + event.get("dur", 0)
      found.append((opened[name].popleft(), end, name))
  return found


def shares(
  spans: list[tuple[float, float, str]],
) -> dict[str, tuple[float, int]]:
  """Instruction -> (µs, times): each moment shared by those that run in it.

  What only runs others, such as a loop, has the moments when none of them
  does.
  """
  edges = sorted(
    [(start, 1, name) for start, _, name in spans]
    + [(end, 0, name) for _, end, name in spans]
  )
  taken, count = collections.Counter(), collections.Counter()
  running, before = collections.Counter(), 0.0
  for now, opens, name in edges:
    inner = [n for n in running if not n.startswith(_AROUND)] or list(running)
    for n in inner:
      taken[n] += (now - before) / len(inner)
    before = now
    running[name] += 1 if opens else -1
    count[name] += opens
    if not running[name]:
      del running[name]
  return {name: (taken[name], count[name]) for name in count}


def table(step: Step, peak: float, most: int = 12) -> str:
  """Markdown, the longest first; the rest together.

  peak: FLOP/s of the machine.
  """
  ordered = sorted(step.ran.items(), key=lambda item: -item[1][0])
  shown = [(kind, *entry) for kind, entry in ordered[:most]]
  if rest := [entry for _, entry in ordered[most:]]:
    shown.append(("others", *map(sum, zip(*rest, strict=True))))
  lines = [
    "",
    "| kind | times | ms | of the traced step |",
    "| --- | ---: | ---: | ---: |",
  ]
  lines += [
    f"| {kind} | {count:,.0f} | {seconds * 1e3:.2f} | "
    f"{seconds / step.traced:.0%} |"
    for kind, seconds, count in shown
  ]
  products = sum(step.ran.get(kind, (0, 0))[0] for kind in PRODUCTS)
  products *= step.seconds / step.traced
  if not products:
    return "\n".join(lines)
  rate, least = step.flops / products, step.flops / peak
  if rate > 1.2 * peak:  # Their time is shared with what runs beside them.
    said = "Products run beside other operations: their rate cannot be told."
  else:
    said = (
      f"Products and convolutions at {rate / 1e9:,.0f} of {peak / 1e9:,.0f} "
      "GFLOP/s; at that limit the step would take "
      f"{min(step.seconds, step.seconds - products + least) * 1e3:,.1f} ms."
    )
  return "\n".join([*lines, "", said])


if __name__ == "__main__":
  main()
