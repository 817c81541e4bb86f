"""Figures that set models, groups and label counts side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.report import style


class Row(NamedTuple):
  """One line of a forest plot: a metric's entry, and a note beside it."""

  name: str
  entry: Mapping[str, Any]
  note: str
  bold: bool = False


def forest(rows: Sequence[Row], title: str, x: str, reference: float):
  """Values with intervals, one per line, with their notes at the right.

  rows: from the top down.
  reference: the place of the dotted line: 0 for differences, or the value of
    all together.
  """
  axes = _list([row.name for row in rows], 44, 1.4 + 0.34 * len(rows))
  axes.axvline(reference, linewidth=1.2, **style.DOTTED)
  note_at = {"transform": axes.get_yaxis_transform(), "va": "center"}
  for place, row in enumerate(rows):
    look = {"color": style.BLACK if row.bold else style.BLUE}
    reach = [row.entry.get("low"), row.entry.get("high")]
    if None not in reach:
      axes.plot(reach, [place, place], lw=1.6, **look)
      axes.plot(reach, [place, place], "|", markersize=7, **look)
    marker = "D" if row.bold else "s"
    axes.plot(row.entry["value"], place, marker, markersize=6, **look)
    note = style.plain(row.note, 60)
    axes.text(1.01, place, note, fontsize=style.SMALL, **note_at)
  style.describe(axes, title, x, "")
  return axes.figure


class Series(NamedTuple):
  """A metric against the share of labels, for one way of training.

  points: (label_fraction, metric entry), by rising fraction.
  baseline: drawn thinner, behind the models.
  """

  name: str
  points: Sequence[tuple[float, Mapping[str, Any]]]
  baseline: bool = False


def label_efficiency(lines: Sequence[Series], metric: str, title: str):
  """A metric with its intervals against the share of training labels.

  metric: its title, for the axis.
  """
  figure, (axes,) = style.panels(10.8, 4.4)
  shares = sorted({share for line in lines for share, _ in line.points})
  for index, line in enumerate(lines):
    # Points are side by side, so that their bars do not hide each other.
    aside = 1 + 0.035 * (index - (len(lines) - 1) / 2)
    points = [
      [share * aside, *(entry.get(key) for key in ("value", "low", "high"))]
      for share, entry in line.points
      if entry.get("value") is not None
    ]
    x, y, *ends = np.array(points, float).reshape(-1, 4).T
    reach = np.nan_to_num(np.abs(ends - y)) if points else None
    look = style.series(index) | {"capsize": 3}
    look["marker"] = style.MARKERS[index % len(style.MARKERS)]
    look["markersize"] = 5 if line.baseline else 6.5
    look["linewidth"] = 1.1 if line.baseline else 1.9
    name = style.plain(line.name, 48)
    axes.errorbar(x, y, yerr=reach, label=name, **look)
  axes.set_xscale("log")
  axes.minorticks_off()
  axes.set_xticks(shares, [f"{100 * share:.3g} %" for share in shares])
  if shares:
    axes.set_xlim(shares[0] / 1.25, shares[-1] * 1.25)
  x, y = "Share of the training labels used (logarithmic)", "(95 % interval)"
  style.describe(axes, title, x, f"{metric} {y}")
  style.legend(axes)
  return figure


def pairs(block: Mapping[str, Any], most: int = 15):
  """A block of pairs (`report.blocks`), one per line, the largest x first.

  x is drawn as a hollow diamond.
  """
  names, x, y = block["names"], block["x"], block["y"]
  size = [abs(value or 0) for value in x["values"]]
  order = sorted(range(len(names)), key=lambda k: -size[k])[:most]
  axes = _list([names[k] for k in order], 40, 1.5 + 0.3 * len(order))
  axes.axvline(0, linewidth=1, **style.DOTTED)
  hollow = {"marker": "D", "mfc": "white", "ms": 9, "color": style.BLACK}
  full = {"marker": "o", "ms": 4.5, "color": style.BLUE}
  for way, looks in ((x, hollow), (y, full)):
    values, label = [way["values"][k] for k in order], style.plain(way["title"])
    axes.plot(values, range(len(order)), ls="", label=label, **looks)
  more = f", the {most} largest of {len(names)}" if len(names) > most else ""
  style.describe(axes, f"{block['title']}{more}", "Value", "")
  style.legend(axes)
  return axes.figure


def _list(names: Sequence[str], width: int, height: float):
  """Axes with a line for each name, cut to a width, from the top down."""
  _, (axes,) = style.panels(10.8, height)
  axes.grid(axis="y", visible=False)
  axes.set_yticks(range(len(names)), [style.plain(n, width) for n in names])
  axes.set_ylim(len(names) - 0.4, -0.6)
  return axes
