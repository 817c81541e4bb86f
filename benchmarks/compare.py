"""Rounds of all tools in turn, and what they come to."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.process import FailedError, Measured

Run = Callable[[str], Measured]
MEASURES = ("rate", "cpu", "start", "memory", "device")


def rounds(
  tools: Sequence[str], run: Run, count: int, tell: Callable[[str], None]
) -> tuple[dict[str, list[Measured]], dict[str, str]]:
  """Runs every tool once a round, in alternating order.

  A tool that fails is left out of later rounds.

  Returns:
    name -> one measurement a round, and name -> why it failed.
  """
  taken: dict[str, list[Measured]] = {name: [] for name in tools}
  failed: dict[str, str] = {}
  for index in range(count):
    for name in tools[:: -1 if index % 2 else 1]:
      if name in failed:
        continue
      try:
        taken[name].append(run(name))
      except FailedError as error:
        failed[name] = str(error)
        tell(f"  {name} failed: {error}")
        continue
      tell(f"  round {index + 1} {name}: {told(taken[name][-1])}")
  return {name: taken[name] for name in tools if name not in failed}, failed


def summary(
  taken: Mapping[str, Sequence[Measured]], ours: str
) -> dict[str, dict[str, Any]]:
  """Per tool the median and range of each measure, and our ratios to it.

  `ratio` is our examples/s over the tool's, `cpu_ratio` the tool's CPU
  seconds per example over ours, both within a round: above 1 we are ahead.
  """
  result = {}
  for name, values in taken.items():
    entry = {
      measure: spread([getattr(value, measure) for value in values])
      for measure in MEASURES
    }
    if ours in taken and name != ours:
      pairs = list(zip(taken[ours], values, strict=False))
      entry["ratio"] = spread([_over(a.rate, b.rate) for a, b in pairs])
      entry["cpu_ratio"] = spread([_over(b.cpu, a.cpu) for a, b in pairs])
    result[name] = entry
  return result


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
  """median, low and high of a list; None where a value is missing."""
  if not values or any(value is None for value in values):
    return None
  return {
    "median": statistics.median(values),
    "low": min(values),
    "high": max(values),
  }


def times(entry: dict[str, float], factor: float) -> dict[str, float]:
  """A spread in another unit."""
  return {key: value * factor for key, value in entry.items()}


def _over(a: float | None, b: float | None) -> float | None:
  return a / b if a is not None and b else None


def told(measured: Measured) -> str:
  """A measurement on a line."""
  cpu = "" if measured.cpu is None else f", {1e3 * measured.cpu:.3f} CPU-ms"
  return (
    f"{measured.rate:,.0f}/s{cpu}, first step after {measured.start:.1f} s, "
    f"{measured.memory / 2**20:,.0f} MiB"
  )
