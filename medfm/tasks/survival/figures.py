"""How a report words and draws a time until an event."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.metrics import bootstrap
from medfm.metrics.survival import (
  aalen_johansen,
  kaplan_meier,
  numbers_at_risk,
)
from medfm.report import blocks, style, wording
from medfm.report import plates as drawn
from medfm.report.plates import Plate
from medfm.report.reading import Stage
from medfm.tasks.survival import observed

_REPLICATES = 200
_MOST_HORIZONS = 3
_TICKS = 6
"""How many times have numbers at risk below a Kaplan-Meier plot."""


class _Followed(NamedTuple):
  """The rows of a split whose follow-up is known.

  risks: [N,K,T]. weight: [R,N] resamples of patients, for bands.
  names: of the causes. times, horizons, unit: from `details`.
  groups: [N] places in `observed.GROUPS`; None if no cuts were decided.
  """

  time: np.ndarray
  event: np.ndarray
  risks: np.ndarray
  weight: np.ndarray
  names: Sequence[str]
  times: Sequence[float]
  horizons: Sequence[float]
  unit: str
  groups: np.ndarray | None

  def by(self, horizon: float) -> str:
    """`by 60 months`."""
    return f"by {horizon:g} {self.unit}".rstrip()

  def grouped(
    self, risk: np.ndarray, horizon: float, cause: int, groups: np.ndarray
  ) -> list[dict[str, Any]]:
    """`observed.grouped`, with intervals."""
    given = (self.time, self.event, risk, horizon, cause + 1, groups)
    return observed.grouped(*given, self.weight)


def question(stage: Stage) -> str:
  """What the model was trained to do: `predict the time to death`."""
  names = [wording.short(name) for name in stage.classes]
  return f"predict the time to {' or '.join(names)}"


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """Kaplan-Meier by risk group, calibration, and incidence over time."""
  rows = _followed(stage, split)
  if rows is None:
    return
  title = f"{split}, n = {len(rows.time):,}, {(rows.event > 0).sum():,} events"
  if rows.groups is not None:
    yield Plate(
      drawn.file_name(stage.name, split, "kaplan_meier"),
      "Kaplan-Meier curves by predicted risk. The cuts are the thirds of "
      "validation; bands are a pointwise bootstrap over "
      f"{stage.whom}; the numbers below say how many are still followed.",
      f"Kaplan-Meier curves of three groups by the risk that {stage.name} "
      f"predicts on {split}.",
      style.png(_by_risk(rows, rows.groups, title)),
      wide=True,
    )
  for k, cause in enumerate(rows.names):
    several = [cause] if len(rows.names) > 1 else []
    yield Plate(
      drawn.file_name(stage.name, split, "calibration", *several),
      f"Calibration of the risk of {cause}: observed risk "
      "(Kaplan-Meier, or Aalen-Johansen for several causes) against the mean "
      "predicted risk, in groups of equal size by predicted risk; bars are a "
      f"bootstrap over {stage.whom}.",
      f"Calibration of {stage.name} on {split} at each horizon.",
      style.png(_calibration(rows, k, split)),
      wide=True,
    )
  yield Plate(
    drawn.file_name(stage.name, split, "incidence"),
    "Cumulative incidence: observed (solid; Aalen-Johansen, with a bootstrap "
    f"over {stage.whom}) and the mean of the predictions (dashed).",
    f"Observed and predicted cumulative incidence of {stage.name} on {split}.",
    style.png(_incidence(rows, title)),
  )


def tables(stage: Stage) -> list[Mapping[str, Any]]:
  """The risk groups of each split: predicted and observed risks."""
  shown = []
  for split in stage.splits:
    rows = _followed(stage, split)
    if rows is not None and rows.groups is not None:
      shown.append(_risk_groups(rows, rows.groups, split))
  return shown


def _followed(stage: Stage, split: str) -> _Followed | None:
  """The followed rows of a split; None if nothing can be drawn."""
  entry = stage.splits.get(split) or {}
  about, held = entry.get("follow_up"), stage.predictions.get(split)
  if about is None or held is None:
    return None
  time, event = held.target["time"], held.target["event"]
  known = (event >= 0) & ~np.isnan(time)
  patients = None if held.patients is None else held.patients[known]
  cluster = bootstrap.clusters(patients, int(known.sum()))
  risk, incidence = (
    held.predicted[name][known] for name in ("risk", "incidence")
  )
  return _Followed(
    time[known].astype(np.float64),
    event[known],
    incidence.reshape(len(incidence), len(held.names), -1),
    bootstrap.weights(cluster, _REPLICATES, 0),
    [cause["name"] for cause in about["causes"]],
    about["times"],
    about["horizons"],
    about["unit"],
    observed.group_of(risk, entry.get("thresholds") or {}),
  )


def _by_risk(rows: _Followed, groups: np.ndarray, title: str) -> Any:
  """Curves of the risk groups above the numbers at risk."""
  figure, (axes, below) = style.panels(
    8.4, 5.6, rows=2, sharex=True, height_ratios=(5, 1)
  )
  grid = np.linspace(0, rows.times[-1], 201)
  ticks = np.linspace(0, rows.times[-1], _TICKS)
  for group, name in enumerate(observed.GROUPS):
    members = groups == group
    if not members.any():
      continue
    time, event = rows.time[members], rows.event[members]
    look = style.series(group)
    label = f"{name}: n = {members.sum():,}, {(event > 0).sum():,} events"
    curve = kaplan_meier(time, event, times=grid)
    axes.step(grid, curve, where="post", linewidth=1.8, label=label, **look)
    draws = kaplan_meier(time, event, rows.weight[:, members], times=grid)
    _band(axes, grid, draws, look["color"])
    for tick, count in zip(ticks, numbers_at_risk(time, ticks), strict=True):
      below.text(
        tick,
        2 - group,
        f"{count:,}",
        color=look["color"],
        ha="center",
        va="center",
        fontsize=style.SMALL,
      )
  what = f"Free of {wording.listed([wording.short(n) for n in rows.names])}"
  _over_time(axes, rows, f"By predicted risk, {title}", "", what)
  axes.set_ylim(-0.02, 1.02)
  style.legend(axes)
  below.set_ylim(-0.7, 2.7)
  below.set_yticks([2, 1, 0], [*observed.GROUPS])
  below.grid(False)
  style.describe(below, "Number at risk", _axis(rows), "")
  return figure


def _calibration(rows: _Followed, cause: int, split: str) -> Any:
  """A panel for each of the first horizons."""
  asked = observed.at_horizons(rows.risks[:, cause], rows)[:_MOST_HORIZONS]
  figure, panels = style.panels(
    max(5.4, 4.6 * len(asked)), 4.6, columns=len(asked)
  )
  for axes, (horizon, risk) in zip(panels, asked, strict=True):
    groups = rows.grouped(risk, horizon, cause, observed.of_equal_size(risk))
    _reliability(
      axes, [each for each in groups if each["observed"] is not None]
    )
    name = wording.short(rows.names[cause])
    title = f"{name} {rows.by(horizon)}, {split}"
    style.describe(axes, title, "Mean predicted risk", "Observed risk")
  return figure


def _reliability(axes: Any, groups: list[dict[str, Any]]) -> None:
  """Points with bars, counts beside them, and the diagonal."""
  if not groups:
    axes.text(0.5, 0.5, "nobody is followed this long", ha="center")
    return
  # A group without an interval has only a point.
  x, y, low, high = np.array(
    [
      [g["predicted"], g["observed"]]
      + [g.get(end, g["observed"]) for end in ("low", "high")]
      for g in groups
    ]
  ).T
  top = min(1.0, 1.12 * max(x.max(), high.max()))
  axes.plot([0, top], [0, top], color=style.BLACK, linewidth=1)
  bars = np.maximum([y - low, high - y], 0)
  axes.errorbar(
    x, y, yerr=bars, fmt="o", color=style.BLUE, capsize=3, linewidth=1.2
  )
  for group in groups:
    axes.annotate(
      f"{group['events']}/{group['n']}",
      (group["predicted"], group["observed"]),
      xytext=(6, -10),
      textcoords="offset points",
      fontsize=7.5,
    )
  axes.set_xlim(-0.02 * top, top)
  axes.set_ylim(-0.02 * top, top)


def _incidence(rows: _Followed, title: str) -> Any:
  """Observed and mean predicted incidence of every cause."""
  figure, (axes,) = style.panels(6.2, 4.6)
  grid = np.linspace(0, rows.times[-1], 201)
  outcome = rows.time, rows.event
  for k, cause in enumerate(rows.names):
    color, name = style.CYCLE[k % len(style.CYCLE)], wording.short(cause)
    curve = aalen_johansen(*outcome, times=grid, cause=k + 1)
    draws = aalen_johansen(*outcome, rows.weight, times=grid, cause=k + 1)
    axes.step(
      grid,
      curve,
      where="post",
      color=color,
      linewidth=1.8,
      label=f"{name}, observed",
    )
    _band(axes, grid, draws, color)
    axes.plot(
      [0, *rows.times],
      [0, *rows.risks[:, k].mean(0)],
      color=color,
      linestyle="--",
      marker=".",
      markersize=4,
      label=f"{name}, predicted",
    )
  title = f"Cumulative incidence, {title}"
  _over_time(axes, rows, title, _axis(rows), "Share that failed")
  axes.set_ylim(bottom=0)
  style.legend(axes, loc="upper left")
  return figure


def _axis(rows: _Followed) -> str:
  return f"Time ({rows.unit})" if rows.unit else "Time"


def _over_time(axes: Any, rows: _Followed, title: str, x: str, y: str) -> None:
  """Titles, and a line at each horizon."""
  for horizon in rows.horizons:
    axes.axvline(horizon, color=style.GREY, linestyle=":", linewidth=1)
  style.describe(axes, title, x, y)


def _band(axes: Any, grid: np.ndarray, draws: np.ndarray, color: str) -> None:
  """The middle 95 % of draws [R,T] of a curve, shaded."""
  low, high = np.quantile(draws, (0.025, 0.975), axis=0)
  axes.fill_between(
    grid, low, high, step="post", alpha=0.15, color=color, linewidth=0
  )


def _risk_groups(
  rows: _Followed, groups: np.ndarray, split: str
) -> Mapping[str, Any]:
  """A row for each risk group, two columns for each cause and horizon."""
  columns, members = ["Group", "n", "Events"], np.unique(groups)
  cells: list[list[Any]] = [
    [observed.GROUPS[group], int(here.sum()), int((rows.event[here] > 0).sum())]
    for group, here in ((group, groups == group) for group in members)
  ]
  for k, name in enumerate(rows.names):
    for horizon, risk in observed.at_horizons(rows.risks[:, k], rows):
      columns += [f"{name} {rows.by(horizon)}: predicted", "observed"]
      entries = rows.grouped(risk, horizon, k, groups)
      for row, entry in zip(cells, entries, strict=True):
        ends = {end: entry.get(end) for end in ("low", "high")}
        seen = {"value": entry["observed"], **ends}
        followed = entry["observed"] is not None
        row += [entry["predicted"], seen if followed else "not followed"]
  note = "The cuts are the thirds of the predicted risks on validation."
  return blocks.table("Risk groups", columns, cells, split=split, note=note)
