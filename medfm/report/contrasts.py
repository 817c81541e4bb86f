"""Figures that set models, groups and label counts side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from medfm.report import style


@dataclasses.dataclass(frozen=True)
class Row:
  """One line of a forest plot: a value with its interval, and a note."""

  name: str
  value: float
  low: float | None
  high: float | None
  note: str = ""
  bold: bool = False


def forest(
  rows: Sequence[Row], title: str, x: str, reference: float | None = None
):
  """Values with intervals, one a line, their notes at the right.

  rows: from the top down.
  reference: where the dotted line stands: 0 for differences, or the value
    of all together.
  """
  figure, (axes,) = style.panels(10.8, 1.4 + 0.34 * len(rows))
  axes.grid(axis="y", visible=False)
  if reference is not None:
    axes.axvline(reference, color=style.GREY, linestyle=":", linewidth=1.2)
  for place, row in enumerate(rows):
    colour = style.BLACK if row.bold else style.BLUE
    if row.low is not None and row.high is not None:
      axes.plot([row.low, row.high], [place, place], color=colour, lw=1.6)
      axes.plot(
        [row.low, row.high], [place, place], "|", color=colour, markersize=7
      )
    axes.plot(
      row.value, place, "D" if row.bold else "s", color=colour, markersize=6
    )
    axes.text(
      1.01,
      place,
      style.plain(row.note, 60),
      transform=axes.get_yaxis_transform(),
      va="center",
      fontsize=style.SMALL,
    )
  axes.set_yticks(range(len(rows)), [style.plain(r.name, 44) for r in rows])
  axes.set_ylim(len(rows) - 0.4, -0.6)
  style.describe(axes, title, x, "")
  return figure


@dataclasses.dataclass(frozen=True)
class Series:
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
    # Points stand side by side, so that their bars do not hide each other.
    aside = 1 + 0.035 * (index - (len(lines) - 1) / 2)
    points = [p for p in line.points if p[1].get("value") is not None]
    value = [entry["value"] for _, entry in points]
    ends = [
      [
        abs(entry["value"] - entry[end]) if entry.get(end) is not None else 0
        for _, entry in points
      ]
      for end in ("low", "high")
    ]
    axes.errorbar(
      [share * aside for share, _ in points],
      value,
      yerr=ends if points else None,
      **style.series(index),
      marker=style.MARKERS[index % len(style.MARKERS)],
      markersize=5 if line.baseline else 6.5,
      linewidth=1.1 if line.baseline else 1.9,
      capsize=3,
      label=style.plain(line.name, 48),
    )
  axes.set_xscale("log")
  axes.minorticks_off()
  axes.set_xticks(shares, [f"{100 * share:.3g} %" for share in shares])
  if shares:
    axes.set_xlim(shares[0] / 1.25, shares[-1] * 1.25)
  style.describe(
    axes,
    title,
    "Share of the training labels used (logarithmic)",
    f"{metric} (95 % interval)",
  )
  style.legend(axes, loc="best")
  return figure


def pairs(
  names: Sequence[str],
  x: Mapping[str, Any],
  y: Mapping[str, Any],
  title: str,
  most: int = 15,
):
  """Numbers found in two ways, one pair a line, the largest of x first.

  x, y: each a `title` and its `values`; x is drawn as a hollow diamond.
  """
  size = [abs(value or 0) for value in x["values"]]
  order = sorted(range(len(names)), key=lambda k: -size[k])[:most]
  figure, (axes,) = style.panels(10.8, 1.5 + 0.3 * len(order))
  axes.grid(axis="y", visible=False)
  axes.axvline(0, color=style.GREY, linewidth=1, linestyle=":")
  place = range(len(order))
  hollow = {"marker": "D", "mfc": "white", "ms": 9, "color": style.BLACK}
  full = {"marker": "o", "ms": 4.5, "color": style.BLUE}
  for way, looks in ((x, hollow), (y, full)):
    values = [way["values"][k] for k in order]
    axes.plot(values, place, ls="", label=style.plain(way["title"]), **looks)
  axes.set_yticks(place, [style.plain(names[k], 40) for k in order])
  axes.set_ylim(len(order) - 0.4, -0.6)
  left_out = len(names) - len(order)
  more = f", the {most} largest of {len(names)}" if left_out else ""
  style.describe(axes, f"{title}{more}", "Value", "")
  style.legend(axes)
  return figure
