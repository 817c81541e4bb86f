"""Cost against size: fitted powers, as a table and as a figure."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

MEASURES = {
  "seconds": ("ms a step", 1e3),
  "cpu": ("CPU-ms a step", 1e3),
  "memory": ("peak MiB", 2**-20),
}


def power(x: Sequence[float], y: Sequence[float]) -> dict[str, float]:
  """The fit y = factor * x ** exponent, by least squares of the logarithms.

  error: the exponent's standard error; 0 with two points, which any power
  fits.
  """
  x, y = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
  exponent, constant = np.polyfit(x, y, 1)
  free = len(x) - 2
  left = np.square(y - constant - exponent * x).sum() / max(free, 1)
  error = np.sqrt(left / np.square(x - x.mean()).sum()) if free else 0.0
  return {
    "factor": float(np.exp(constant)),
    "exponent": float(exponent),
    "error": float(error),
  }


def fits(points: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
  """The fit of each measure that was taken at every point."""
  x = [point["x"] for point in points]
  return {
    name: power(x, [point[name] for point in points])
    for name in MEASURES
    if all(point[name] for point in points)
  }


def markdown(result: dict[str, Any]) -> str:
  """The points of every axis, and the powers below them."""
  machine = result["machine"]
  lines = [
    "# Growth of cost",
    "",
    f"{result['date']}, {machine['processor']}, {result['threads']} of "
    f"{machine['cores']} cores, load {machine['load']}. Each point is one "
    "process of MedFM's train loop as launched.",
    "",
    f"`{result['command']}`",
    "",
    ", ".join(f"{name} {v}" for name, v in result["versions"].items()),
  ]
  for name, axis in result["axes"].items():
    head = [name, *(unit for unit, _ in MEASURES.values())]
    rows = [head, ["---:"] * len(head)]
    for point in axis["points"]:
      cells = [
        f"{point[key] * times:,.1f}" if point[key] else ""
        for key, (_, times) in MEASURES.items()
      ]
      rows.append([f"{point['x']:,}", *cells])
    powers = [
      f"{axis['fits'][key]['exponent']:.2f} ± {axis['fits'][key]['error']:.2f}"
      if key in axis["fits"]
      else ""
      for key in MEASURES
    ]
    rows.append(["exponent", *powers])
    lines += ["", f"## By {axis['title']}", ""]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
  return "\n".join(lines) + "\n"


def _number(value: float) -> str:
  """2048 as 2k and 3709952 as 3.7M, for the marks of an axis."""
  for unit, name in ((1e6, "M"), (1e3, "k")):
    if value >= unit:
      return f"{value / unit:.2g}{name}"
  return f"{value:g}"


def figure(result: dict[str, Any], path: pathlib.Path) -> None:
  """Step time and peak memory of every axis, with the fitted powers."""
  import matplotlib

  matplotlib.use("agg")
  from matplotlib import pyplot, ticker

  plain = ticker.FuncFormatter(lambda value, _: _number(value))
  shown = ("seconds", "memory")
  count = len(result["axes"])
  drawing, panels = pyplot.subplots(
    len(shown),
    count,
    figsize=(3 * count, 5),
    layout="constrained",
    squeeze=False,
  )
  for column, (name, axis) in enumerate(result["axes"].items()):
    x = np.array([point["x"] for point in axis["points"]], float)
    for row, key in enumerate(shown):
      unit, times = MEASURES[key]
      fit, panel = axis["fits"][key], panels[row, column]
      y = [point[key] * times for point in axis["points"]]
      panel.plot(x, y, "o")
      line = fit["factor"] * x ** fit["exponent"] * times
      panel.plot(x, line, lw=1, label=f"x^{fit['exponent']:.2f}")
      panel.set_xscale("log")
      panel.set_yscale("log")
      panel.set_ylim(min(y) / 2, max(y) * 2)
      for part in (panel.xaxis, panel.yaxis):
        part.set_major_formatter(plain)
        part.set_minor_formatter(ticker.NullFormatter())
      panel.xaxis.set_minor_locator(ticker.NullLocator())
      panel.set_xticks(x)
      panel.yaxis.set_major_locator(ticker.LogLocator(10, subs=(1, 2, 5)))
      panel.tick_params(labelsize=7)
      panel.set_xlabel(name)
      panel.set_ylabel(unit)
      panel.legend(fontsize=7)
  drawing.savefig(path, dpi=150)
  pyplot.close(drawing)
