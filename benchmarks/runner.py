"""One case: its files, its tools' commands, and what they come to."""

import copy
import os
import pathlib
import shutil
from collections.abc import Sequence

from benchmarks import compare, process
from benchmarks.cases import Case
from benchmarks.machine import interpreter, limit
from benchmarks.tools import OURS, ROOT, TOOLS

_CONFIG = ROOT / "benchmarks" / "configs.py"


class Runner:
  """Runs one case's tools, on files made once.

  given: the command line's `threads`, `scale`, `rounds` and `brief`.
  cache: the folder of MedFM's decoded data and compiled programs.
  """

  cache = "cache"

  def __init__(self, case: Case, folder: pathlib.Path, pythons, given):
    self.case, self.folder = case, folder
    self.pythons, self.given, self._count = pythons, given, 0
    case.data(folder)

  def beside(self, python: str) -> "Runner":
    """The same case and files, MedFM with that Python and its own cache."""
    other = copy.copy(self)
    ours = [name for name in TOOLS if name.startswith(OURS)]
    other.pythons = self.pythons | dict.fromkeys(ours, python)
    other.cache = "cache_beside"
    return other

  def __call__(self, name: str, *, cold: bool = False) -> process.Measured:
    """One measurement; cold: MedFM without compiled programs, start alone."""
    self._count += 1
    place = self.folder / f"run{self._count}_{self.cache}"
    place.mkdir()
    span = self.case.tools[name]
    last = span.scaled(self.given.scale)
    measured = process.measured(
      self.command(name, place, last),
      self.environment(name, cold),
      place,
      batch=self.case.batch if self.case.training else 1,
      first=span.first,
      last=1 if cold else last,
      threads=self.given.threads,
    )
    shutil.rmtree(place)
    return measured

  def command(self, name: str, place: pathlib.Path, last: int) -> list[str]:
    """The words that start a tool and make it work until step `last`."""
    tool, case = TOOLS[name], self.case
    python = interpreter(name, self.pythons)
    every = case.tools[name].every
    # MedFM tells of a step once the next is under way.
    steps = last + every if case.training else last
    if not tool.module:
      words = [*self.settings(), *tool.options]
      own = launched(python, words, steps, every, place / "run")
      if tool.without:
        own[1:2] = ["-m", "benchmarks.ours.without", tool.without]
      return own
    return [
      python, "-m", tool.module, case.model, f"--data={self.folder}",
      f"--batch={case.batch}", f"--steps={steps}", f"--every={every}",
      *tool.options,
    ]  # fmt: skip

  def settings(self) -> list[str]:
    """MedFM's config and its overrides."""
    return settings(
      self.case.model, self.case.batch, self.folder, self.case.overrides
    )

  def environment(self, name: str, cold: bool = False) -> dict[str, str]:
    own = environment(self.folder, self.given.threads)
    own["MEDFM_CACHE_DIR"] = str(self.folder / self.cache)
    if cold:
      compiled = pathlib.Path(own["MEDFM_CACHE_DIR"], "compiled")
      shutil.rmtree(compiled, ignore_errors=True)
    return own | TOOLS[name].environment

  def counted(self, what: str) -> float | None:
    """`flops` of an example's training step, or its share of `padding`."""
    config, *overrides = self.settings()
    config = config.removeprefix("--config=")
    environment = self.environment(OURS)
    return limit(self.pythons, 0, what, config, *overrides, **environment)


def settings(
  model: str, batch: int, folder: pathlib.Path, overrides: tuple[str, ...]
) -> list[str]:
  """The words of a config of `configs.py`; {data} is the folder."""
  overrides = [text.format(data=folder) for text in overrides]
  return [
    f"--config={_CONFIG}:{model}",
    f"--config.batch_size={batch}",
    *(f"--config.{text}" for text in overrides),
  ]


def launched(
  python: str, words: list[str], steps: int, every: int, place: pathlib.Path
) -> list[str]:
  """MedFM's own command."""
  return [
    python,
    str(ROOT / "launch.py"),
    *words,
    f"--config.steps={steps}",
    f"--config.schedule.log_every={every}",
    f"--workdir={place}",
  ]


def environment(folder: pathlib.Path, threads: int) -> dict[str, str]:
  """Of every tool: caches of the case's own, and its cores."""
  own = {
    "MEDFM_CACHE_DIR": str(folder / "cache"),
    "PYTHONPATH": str(ROOT),
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
  }
  return own | ({"OMP_NUM_THREADS": str(threads)} if threads else {})


BESIDE = "beside"
"""The rounds' name of MedFM with the Python of --beside."""


def measured(
  name: str,
  runner: Runner,
  found,
  peaks: Sequence[float | None],
  beside: Runner | None = None,
) -> list[dict]:
  """One case's entry in results.json; with `beside`, MedFM's of both.

  found: tool -> version, None where it is not installed. peaks: FLOP/s, of
  each entry. beside: the same case, where MedFM has another Python; the
  second entry is of that one, and of the same runs of the peers.
  """
  case = runner.case
  tell(f"{name}: {case.title}")
  ours = next(iter(case.tools))
  runners = {ours: runner} | ({BESIDE: beside} if beside else {})
  cold: dict[str, list[float]] = {each: [] for each in runners}

  def run(tool: str) -> process.Measured:
    if tool not in runners:
      return runner(tool)
    if TOOLS[ours].compiles:
      cold[tool].append(runners[tool](ours, cold=True).start)
    return runners[tool](ours)

  for own in runners.values():
    _decode(own)
  shown = [
    tool
    for tool in case.tools
    if tool == ours or not (runner.given.brief and tool.startswith(OURS))
  ]
  tools = [tool for tool in shown if found[tool]]
  tools[1:1] = [*runners][1:]
  taken, failed = compare.rounds(tools, run, runner.given.rounds, tell)
  work = _work(runner, OURS in taken)
  entries = []
  for each, peak in zip(runners, peaks, strict=True):
    rows = {
      tool: each if tool == ours else tool
      for tool in shown  # MedFM's other rows are of the first Python.
      if each == ours or tool == ours or not tool.startswith(OURS)
    }
    done = {tool: taken[row] for tool, row in rows.items() if row in taken}
    why = {tool: failed.get(row) for tool, row in rows.items()}
    entries.append(_entry(case, done, why, cold[each], work | {"peak": peak}))
  return entries


def _decode(runner: Runner) -> None:
  """Decodes the case's data once, which no peer is asked to do."""
  if OURS not in runner.case.tools:
    return
  try:
    runner(OURS, cold=True)
  except process.FailedError as error:
    tell(f"  {error}")


def _work(runner: Runner, trained: bool) -> dict[str, float | None]:
  """A training example's FLOPs, and the padding's share of a row."""
  flops, padding = runner.case.flops or None, None
  if trained and runner.case.training and not flops:
    flops = runner.counted("flops")
  if trained and runner.case.length:
    padding = runner.counted("padding")
  return {"flops": flops, "padding": padding}


def _entry(case: Case, taken, failed, cold: list[float], work) -> dict:
  """A case as results.json has it.

  taken: tool -> its rounds. failed: tool -> why, or None where it is not
  installed. cold: first steps without compiled programs. work: `_work`, and
  the machine's `peak`.
  """
  ours = next(iter(case.tools))
  flops, padding, peak = work["flops"], work["padding"], work["peak"]
  entries = compare.summary(taken, ours)
  shown = {}
  for tool, why in failed.items():
    title = TOOLS[tool].title
    if tool not in entries:
      problem = f"failed: {why}" if why else "not installed"
      shown[tool] = {"title": title, "problem": problem}
      continue
    entry = shown[tool] = {"title": title, **entries[tool]}
    if flops and peak:
      entry["share"] = flops * entry["rate"]["median"] / peak
    if case.length:  # Rows of the peers are full; see `inputs.corpus`.
      real = 1 if TOOLS[tool].module else 1 - (padding or 0)
      entry["tokens"] = compare.times(entry["rate"], case.length * real)
  if cold and "problem" not in shown[ours]:
    shown[ours]["cold_start"] = compare.spread(cold)
  return {
    "title": case.title,
    "unit": case.unit,
    "batch": case.batch,
    "ours": ours,
    "flops": flops,
    "padding": padding,
    "load": round(os.getloadavg()[0], 1),
    "tools": shown,
  }


def tell(text: str) -> None:
  print(text, flush=True)
