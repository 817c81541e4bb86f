"""A comparison as Markdown and as a figure."""

import pathlib
from typing import Any

_HEAD = (
  "tool",
  "{unit}/s",
  "ours / it",
  "CPU-ms per {single}",
  "it / ours, CPU",
  "first step, s",
  "peak MiB",
  "of matmul limit",
)


def markdown(result: dict[str, Any]) -> str:
  """All cases as tables; medians, with the range of the rounds in brackets."""
  machine = result["machine"]
  lines = [
    "# Benchmark",
    "",
    f"{result['date']}, {machine['processor']}, {result['threads']} of "
    f"{machine['cores']} cores, load {machine['load']}; {result['rounds']} "
    "rounds of alternating processes, medians and ranges. Matmul limit "
    f"{result['matmul'] / 1e9:,.0f} GFLOP/s, "
    f"{result.get('dtype', 'float32')}, XLA."
    if result["matmul"]
    else f"{result['date']}; {result['rounds']} rounds.",
    "",
    f"`{result['command']}`",
    "",
    ", ".join(f"{name} {v}" for name, v in result["versions"].items()),
  ]
  if result.get("device"):
    lines += ["", f"Device: {result['device']}."]
  for case in result["cases"].values():
    lines += ["", f"## {case['title']}", "", *_table(case)]
  return "\n".join(lines) + "\n"


def _table(case: dict[str, Any]) -> list[str]:
  unit = case["unit"]
  head = [cell.format(unit=unit, single=unit.rstrip("s")) for cell in _HEAD]
  tools = case["tools"].values()
  tokens = any("tokens" in tool for tool in tools)
  device = any(tool.get("device") for tool in tools)
  if tokens:
    head.insert(2, "tokens/s")
  if device:
    head.append("device MiB")
  rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
  for name, tool in case["tools"].items():
    if "problem" in tool:
      rows.append([tool["title"], tool["problem"]] + [""] * (len(head) - 2))
      continue
    start = _cell(tool["start"], ".1f")
    if tool.get("cold_start"):
      start = f"{start}; cold {_cell(tool['cold_start'], '.1f')}"
    row = [
      f"**{tool['title']}**" if name == case["ours"] else tool["title"],
      _cell(tool["rate"], ",.0f"),
      _cell(tool.get("ratio"), ".2f"),
      _cell(tool["cpu"], ".3f", 1e3),
      _cell(tool.get("cpu_ratio"), ".2f"),
      start,
      _cell(tool["memory"], ",.0f", 2**-20),
      f"{100 * tool['share']:.0f} %" if tool.get("share") else "",
    ]
    if tokens:
      row.insert(2, _cell(tool["tokens"], ",.0f"))
    if device:
      row.append(_cell(tool.get("device"), ",.0f", 2**-20))
    rows.append(row)
  lines = ["| " + " | ".join(row) + " |" for row in rows]
  if case.get("padding") is not None:
    lines += ["", f"Padding of MedFM's rows: {100 * case['padding']:.1f} %."]
  return lines


def _cell(entry: dict[str, float] | None, form: str, times: float = 1) -> str:
  if not entry:
    return ""
  middle = format(entry["median"] * times, form)
  low, high = (format(entry[key] * times, form) for key in ("low", "high"))
  return middle if low == high else f"{middle} [{low}, {high}]"


def figure(result: dict[str, Any], path: pathlib.Path) -> None:
  """Our ratio to every peer, by wall clock and by CPU time, with its range."""
  import matplotlib

  matplotlib.use("agg")
  from matplotlib import pyplot

  rows = [
    (f"{case['title']}\nover {tool['title']}", tool)
    for case in result["cases"].values()
    for tool in case["tools"].values()
    if tool.get("ratio")
  ]
  if not rows:
    return
  height = 1 + 0.5 * len(rows)
  drawing, axes = pyplot.subplots(figsize=(8, height), layout="constrained")
  for shift, key, label in ((-0.12, "ratio", "examples/s"),
                            (0.12, "cpu_ratio", "CPU time")):  # fmt: skip
    points = [(i, tool[key]) for i, (_, tool) in enumerate(rows) if tool[key]]
    middle = [entry["median"] for _, entry in points]
    sides = [
      [entry["median"] - entry["low"] for _, entry in points],
      [entry["high"] - entry["median"] for _, entry in points],
    ]
    places = [i + shift for i, _ in points]
    axes.errorbar(middle, places, xerr=sides, fmt="o", ms=4, label=label)
  axes.axvline(1, color="grey", lw=0.8)
  axes.set_xscale("log")
  axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=7)
  axes.set_ylim(len(rows) - 0.5, -0.5)
  axes.set_xlabel("MedFM over the peer; right of 1 MedFM is ahead")
  axes.legend(fontsize=7)
  drawing.savefig(path, dpi=150)
  pyplot.close(drawing)
