"""How a report draws regions: agreement of sizes, and scores by structure.

Contours on images are drawn by `report.overlays`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.metrics import overlap
from medfm.report import blocks, style, wording

_JITTER = 0.16
_WIDTH = 1.96


class Panel(NamedTuple):
  """A measure of each case, to be drawn by structure.

  values: structure -> [N]; NaN is left out.
  title, axis: above and beside the panel. ends: of the axis, None for free.
  """

  values: Mapping[str, np.ndarray]
  title: str
  axis: str
  ends: tuple[float | None, float | None] = (None, None)


def distributions(panels: Sequence[Panel]):
  """A point for each case, and a box of the quartiles, by structure."""
  widest = max(len(panel.values) for panel in panels)
  width = len(panels) * float(np.clip(1.6 + 0.6 * widest, 3.8, 9))
  figure, drawn = style.panels(width, 4.4, columns=len(panels))
  for axes, panel in zip(drawn, panels, strict=True):
    _strips(axes, panel)
  return figure


def agreement(
  true: np.ndarray, predicted: np.ndarray, title: str, unit: str = ""
):
  """Predicted against true sizes [N], and Bland-Altman's plot beside it.

  The plot has the difference against the mean of both, with the mean
  difference and the limits within which 95 % of differences lie if normal.
  """
  true, predicted = np.asarray(true, float), np.asarray(predicted, float)
  known = np.isfinite(true) & np.isfinite(predicted)
  true, predicted = true[known], predicted[known]
  figure, (left, right) = style.panels(10.8, 4.6, columns=2)
  suffix = f" ({unit})" if unit else ""
  few = len(true) < 500
  look = {"s": 18 if few else 7, "alpha": 0.6 if few else 0.25}
  look |= {"color": style.BLUE, "edgecolors": "none"}
  ends = np.array([0.0, max(true.max(initial=0), predicted.max(initial=0))])
  ends = ends + np.array([-0.04, 0.04]) * max(np.ptp(ends), 1e-9)
  left.plot(ends, ends, color=style.BLACK, linewidth=1, label="Identity")
  left.scatter(true, predicted, **look)
  left.set(xlim=ends, ylim=ends, aspect="equal")
  style.describe(left, title, f"True size{suffix}", f"Predicted size{suffix}")
  style.legend(left, loc="upper left")
  apart = predicted - true
  right.scatter((true + predicted) / 2, apart, **look)
  right.axhline(0, color=style.BLACK, linewidth=1)
  if len(apart):
    _limits(right, apart)
  axes = f"Mean of true and predicted{suffix}", f"Predicted − true{suffix}"
  style.describe(right, "Bland-Altman", *axes)
  style.legend(right)
  return figure


def outcomes(
  counts: Sequence[Sequence[int]], names: Sequence[str], split: str
) -> Mapping[str, Any]:
  """A block: how many cases of each structure were found, missed, invented.

  counts: of `overlap.outcomes`.
  """
  rows = [(n, *map(int, row)) for n, row in zip(names, counts, strict=True)]
  spare = not any(row[-1] for row in rows)
  columns = ("Structure", *(name.capitalize() for name in overlap.OUTCOMES))
  if spare:
    columns, rows = columns[:-1], [row[:-1] for row in rows]
  note = (
    "Found: both true and predicted; only these have a distance. Missed: not "
    "predicted; invented: not true; both count 0 in Dice. Absent: neither, and "
    "left out."
  )
  title = "Cases by structure"
  return blocks.table(title, columns, rows, split=split, note=note)


def _strips(axes: Any, panel: Panel) -> None:
  generator = np.random.default_rng(0)
  columns = [np.asarray(v, float) for v in panel.values.values()]
  columns = [values[np.isfinite(values)] for values in columns]
  for k, values in enumerate(columns):
    aside = generator.uniform(-_JITTER, _JITTER, len(values))
    few = len(values) < 200
    look = {"s": 14 if few else 6, "alpha": 0.5 if few else 0.25}
    axes.scatter(
      k + aside, values, color=style.BLUE, edgecolors="none", zorder=1, **look
    )
  line = {"color": style.BLACK, "linewidth": 1.1}
  axes.boxplot(
    columns,
    positions=range(len(columns)),
    widths=0.55,
    showfliers=False,
    boxprops=line,
    whiskerprops=line,
    capprops=line,
    medianprops=line | {"color": style.RED, "linewidth": 1.8},
    zorder=3,
  )
  named = [
    f"{style.plain(name, 22)}\nn = {len(values)}"
    for name, values in zip(panel.values, columns, strict=True)
  ]
  turned = len(named) > 4
  looks = {"rotation": 40, "ha": "right"} if turned else {}
  axes.set_xticks(range(len(named)), named, **looks)
  axes.set_xlim(-0.6, len(named) - 0.4)
  axes.set_ylim(*panel.ends)
  style.describe(axes, panel.title, "", panel.axis)


def _limits(axes: Any, apart: np.ndarray) -> None:
  mean, spread = apart.mean(), apart.std(ddof=1) if len(apart) > 1 else 0.0
  for at, dashes, label in (
    (mean, "--", f"Bias {wording.number(float(mean), signed=True)}"),
    (mean - _WIDTH * spread, ":", None),
    (mean + _WIDTH * spread, ":", "Bias ± 1.96 SD"),
  ):
    axes.axhline(at, color=style.RED, linestyle=dashes, label=label)
