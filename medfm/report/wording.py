"""Names of metrics, formatted numbers, and what may be said of a difference.

`described` maps the stem of each metric to its description: `title`, `clause`
(how to read it) and `better`, which is "more", "less" or the value to be near.
It is stored in results.json; a metric without a description is shown under its
plain name.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medfm.tasks.panel import stem

Described = Mapping[str, Mapping[str, Any]]


def title(metric: str, described: Described) -> str:
  """A metric as a reader knows it: `auroc[a]` -> `AUROC, a`."""
  name, bracket, inside = metric.partition("[")
  plain = name.replace("_", " ").capitalize()
  shown = described.get(name, {}).get("title") or plain
  return f"{shown}, {inside.removesuffix(']')}" if bracket else shown


def meaning(metric: str, described: Described) -> str:
  """One clause on how to read a metric, or ""."""
  return described.get(stem(metric), {}).get("clause") or ""


def better(metric: str, described: Described) -> str | float | None:
  """ "more", "less" or the value to be near; None if it is not known."""
  return described.get(stem(metric), {}).get("better")


def merit(value: float, ideal: str | float | None) -> float:
  """A metric's value as a number that is better if larger.

  ideal: as `better` gives it; None counts as "more".
  """
  if isinstance(ideal, int | float):
    return -abs(value - ideal)
  return -value if ideal == "less" else value


def number(
  value: float | None, signed: bool = False, scale: float = 0.0
) -> str:
  """A value with the digits worth reading; `n/a` if it is not finite.

  signed: shows a plus.
  scale: the largest absolute value of the numbers beside it.
  """
  if value is None or not math.isfinite(value):
    return "n/a"
  size = abs(value) if abs(value) > 1e-9 else 0.0
  scale = max(size, scale if scale > 1e-9 else 0.0)
  if 0 < scale < 0.0005:
    text = f"{size:.1e}"
  else:
    digits = sum(scale < limit for limit in (9.9995, 99.995, 999.95))
    text = f"{size:,.{digits}f}"
  sign = "−" if value < 0 else "+" if signed else ""
  return (sign if size else "") + text


def ends(entry: Mapping[str, Any], signed: bool = False) -> tuple[str, ...]:
  """A metric's value, low and high, in the same digits; () without them.

  Only the value if there is no interval.
  """
  values = [entry.get(name) for name in ("value", "low", "high")]
  if values[0] is None:
    return ()
  values = values[:1] if None in values else values
  scale = max(map(abs, values))
  return tuple(number(value, signed, scale) for value in values)


def reason(entry: Mapping[str, Any]) -> str:
  """Why a metric has no value."""
  return entry.get("reason") or "no reason was given"


def interval(entry: Mapping[str, Any] | None, signed: bool = False) -> str:
  """`0.912 [0.880, 0.940]`, or `n/a (reason)`.

  signed: shows a plus, as does an entry that is marked `signed`.
  """
  entry = entry or {}
  shown = ends(entry, signed or bool(entry.get("signed")))
  if not shown:
    return f"n/a ({entry['reason']})" if entry.get("reason") else "n/a"
  return shown[0] + (f" [{shown[1]}, {shown[2]}]" if len(shown) > 1 else "")


def lacks(entry: Mapping[str, Any]) -> list[str]:
  """Why a value has no interval, and which classes a mean leaves out."""
  words, reason = [], entry.get("reason")
  if reason and entry.get("value") is not None:
    why = reason.removeprefix("no interval: ")
    words.append(f"no interval: {why}")
  if left_out := entry.get("left_out"):
    words.append(f"without {listed(left_out)}, where it has no value")
  return words


def explained(entry: Mapping[str, Any] | None, signed: bool = False) -> str:
  """As `interval`, with what it lacks: `0.912 (no interval: one class)`."""
  shown, words = interval(entry, signed), "; ".join(lacks(entry or {}))
  return f"{shown} ({words})" if words else shown


def spoken(entry: Mapping[str, Any], signed: bool = False) -> str:
  """`0.912 (95 % interval 0.880 to 0.940)`, for sentences."""
  shown = ends(entry, signed)
  if len(shown) < 3:
    words = "" if lacks(entry) else " (no interval)"
    return explained(entry, signed) + words
  return f"{shown[0]} (95 % interval {shown[1]} to {shown[2]})"


def judged(
  metric: str, difference: Mapping[str, Any], described: Described
) -> Mapping[str, Any] | None:
  """The entry whose sign says which of two is better; None without one.

  For a metric that should be near a value it is `closer`, how much farther the
  first is from that value than the second; for others, the difference itself.
  """
  ideal = better(metric, described)
  if isinstance(ideal, str):
    return difference
  return None if ideal is None else difference.get("closer")


def verdict(
  metric: str, difference: Mapping[str, Any], described: Described
) -> str:
  """`better`, `worse`, `no difference shown` or `not assessed`.

  About the first of two; `difference` is the first minus the second. Only an
  interval that excludes 0 shows a difference. A metric whose description does
  not say what is better is not assessed.
  """
  entry = judged(metric, difference, described) or {}
  low, high = entry.get("low"), entry.get("high")
  if None in (entry.get("value"), low, high):
    return "not assessed"
  if low <= 0 <= high:
    return "no difference shown"
  more = better(metric, described) == "more"
  return "better" if (low > 0) == more else "worse"


def distance(
  metric: str, difference: Mapping[str, Any], described: Described
) -> str:
  """`in the distance from 1: −0.05 [−0.08, −0.02]`; "" without one.

  The first of two minus the second, for a metric that should be near a value.
  """
  ideal, closer = better(metric, described), difference.get("closer")
  if not isinstance(ideal, int | float) or closer is None:
    return ""
  return f"in the distance from {ideal:g}: {interval(closer, signed=True)}"


def count(n: int | None, noun: str = "") -> str:
  """`1,234 patients`; `patients unknown` if n is None."""
  if n is None:
    return f"{noun} unknown".strip()
  return f"{n:,} {noun.removesuffix('s') if n == 1 else noun}".strip()


def percent(share: float) -> str:
  """`73.1 %`; enough digits that a rare condition is not shown as 0."""
  digits = 1 if share >= 0.01 or share == 0 else 2
  return f"{100 * share:.{digits}f} %"


def short(text: str, width: int = 28) -> str:
  """Text cut to a width, with an ellipsis if something was cut."""
  return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def parted(text: str, width: int) -> str:
  """As `short`, but cut in the middle, so that its end stays."""
  if len(text) <= width:
    return text
  end = text[-(width // 2) :]
  return f"{text[: width - len(end) - 1].rstrip()}…{end.lstrip()}"


def listed(names: Sequence[str], most: int = 5) -> str:
  """`a, b and c`; of more than `most` names, the first and how many more."""
  shown = [*names[:most]]
  if len(names) > most:
    return f"{', '.join(shown)} and {len(names) - most} more"
  *first, last = shown or [""]
  return f"{', '.join(first)} and {last}" if first else last
