"""Figures that set models, groups and label counts side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from medfm.report import style, wording


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

  Args:
    rows: from the top down.
    title: of the figure.
    x: the label of the value axis.
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


def label_efficiency(series: Sequence[Series], metric: str, title: str):
  """A metric with its intervals against the share of training labels."""
  figure, (axes,) = style.panels(10.8, 4.4)
  shares = sorted({share for one in series for share, _ in one.points})
  for index, one in enumerate(series):
    # Points stand side by side, so that their bars do not hide each other.
    aside = 1 + 0.035 * (index - (len(series) - 1) / 2)
    points = [p for p in one.points if p[1].get("value") is not None]
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
      markersize=5 if one.baseline else 6.5,
      linewidth=1.1 if one.baseline else 1.9,
      capsize=3,
      label=style.plain(one.name, 48),
    )
  axes.set_xscale("log")
  axes.minorticks_off()
  axes.set_xticks(shares, [f"{100 * share:.3g} %" for share in shares])
  if shares:
    axes.set_xlim(shares[0] / 1.25, shares[-1] * 1.25)
  name = wording.title(metric)
  style.describe(
    axes,
    title,
    "Share of the training labels used (logarithmic)",
    f"{name} (95 % interval)",
  )
  style.legend(axes, loc="best")
  return figure


def coefficients(table: Sequence[Mapping[str, Any]], most: int = 15):
  """Learnt weights beside the closed-form ones, the largest first."""
  rows = sorted(table, key=lambda row: -abs(row["closed_form"] or 0))[:most]
  figure, (axes,) = style.panels(10.8, 1.5 + 0.3 * len(rows))
  axes.grid(axis="y", visible=False)
  axes.axvline(0, color=style.GREY, linewidth=1, linestyle=":")
  place = range(len(rows))
  axes.plot(
    [row["closed_form"] for row in rows],
    place,
    "D",
    color=style.BLACK,
    markerfacecolor="white",
    markersize=9,
    label="Closed form",
  )
  axes.plot(
    [row["learned"] for row in rows],
    place,
    "o",
    color=style.BLUE,
    markersize=4.5,
    label="Learnt",
  )
  axes.set_yticks(place, [style.plain(row["name"], 40) for row in rows])
  axes.set_ylim(len(rows) - 0.4, -0.6)
  left_out = len(table) - len(rows)
  more = f", the {most} largest of {len(table)}" if left_out else ""
  style.describe(axes, f"Coefficients{more}", "Coefficient", "")
  style.legend(axes)
  return figure
