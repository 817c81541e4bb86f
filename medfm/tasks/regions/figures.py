"""How a report draws regions: agreement of sizes, and scores by structure.

Contours on images are drawn by `report.overlays`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.metrics import overlap
from medfm.report import blocks, style, wording
from medfm.report import plates as drawn
from medfm.report.plates import Plate
from medfm.report.reading import Stage

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


def question(stage: Stage) -> str:
  """What the model was trained to do: `mark anterior and posterior`."""
  return f"mark {wording.listed([wording.short(n) for n in stage.classes])}"


def unit(stage: Stage, metric: str) -> str:
  """The unit of distances and sizes, if it is known."""
  return _units(stage).get(_UNIT_OF.get(metric, ""), "")


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """Dice and distance of every case, and the sizes of each structure."""
  found = stage.predictions.get(split)
  if found is None or "dice" not in found.predicted:
    return
  units, columns = _units(stage), found.predicted
  shown = [Panel(_of(columns, "dice", found.names), "Dice", "Dice", (0, 1))]
  if np.isfinite(columns["hd95"]).any():
    axis = "HD95" + (f" ({units['length']})" if units["length"] else "")
    shown.append(
      Panel(_of(columns, "hd95", found.names), "HD95", axis, (0, None))
    )
  yield Plate(
    drawn.file_name(stage.name, split, "structures"),
    "Every case as a point, by structure; boxes show the quartiles. A missed "
    "or invented structure has a Dice of 0 and no distance.",
    f"Dice and 95th percentile of surface distances of {stage.name} on "
    f"{split} for every case, by structure.",
    style.png(distributions(shown)),
    wide=len(shown) > 1,
  )
  for k, name in enumerate(found.names[:_MOST]):
    true, called = (columns[c][:, k] for c in ("true_size", "predicted_size"))
    if not np.isfinite(true).any():
      continue
    title = f"{wording.short(name)}, {split}, n = {len(true):,}"
    yield Plate(
      drawn.file_name(stage.name, split, f"sizes_{k}"),
      "Predicted against true size, and their difference against their mean "
      "(Bland and Altman 1986).",
      f"Predicted against true size of {name} of {stage.name} on {split}.",
      style.png(agreement(true, called, title, units["size"])),
      wide=True,
    )


_MOST = 6
_UNIT_OF = {
  **dict.fromkeys(("hd95", "median_hd95", "assd"), "length"),
  **dict.fromkeys(
    ("size_bias", "lower_limit", "upper_limit", "size_error"), "size"
  ),
}


def _units(stage: Stage) -> dict[str, str]:
  units = list(stage.data.get("units") or ("", ""))
  return dict(zip(("length", "size"), units, strict=True))


def _of(
  columns: Mapping[str, np.ndarray], name: str, structures: Sequence[str]
) -> dict[str, np.ndarray]:
  return {each: columns[name][:, k] for k, each in enumerate(structures)}


def distributions(panels: Sequence[Panel]) -> Any:
  """A point for each case, and a box of the quartiles, by structure."""
  widest = max(len(panel.values) for panel in panels)
  width = len(panels) * float(np.clip(1.6 + 0.6 * widest, 3.8, 9))
  figure, drawn = style.panels(width, 4.4, columns=len(panels))
  for axes, panel in zip(drawn, panels, strict=True):
    _strips(axes, panel)
  return figure


def agreement(
  true: np.ndarray, predicted: np.ndarray, title: str, unit: str = ""
) -> Any:
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
