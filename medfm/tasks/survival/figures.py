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
"""Times below a Kaplan-Meier plot at which patients are counted."""
_SHADE: dict[str, Any] = {"step": "post", "alpha": 0.15, "linewidth": 0}


class _Told(NamedTuple):
  """The rows of a split whose follow-up is known.

  risks: [N,K,T]. weight: [R,N] resamples of patients, for bands.
  times, horizons, unit, causes: as `details` gives them.
  groups: [N] places in `observed.GROUPS`; None where no cut was decided.
  """

  time: np.ndarray
  event: np.ndarray
  risks: np.ndarray
  weight: np.ndarray
  times: Sequence[float]
  horizons: Sequence[float]
  unit: str
  causes: Sequence[Mapping[str, Any]]
  groups: np.ndarray | None


def question(stage: Stage) -> str:
  """What the model was trained to do: `predict the time to death`."""
  names = [wording.short(name) for name in stage.classes]
  return f"predict the time to {' or '.join(names)}"


def plates(stage: Stage, split: str) -> Iterator[Plate]:
  """Kaplan-Meier by risk group, calibration, and incidence over time."""
  told = _told(stage, split)
  if told is None:
    return
  title = f"{split}, n = {len(told.time):,}, {(told.event > 0).sum():,} events"
  if told.groups is not None:
    yield Plate(
      drawn.file_name(stage.name, split, "kaplan_meier"),
      "Kaplan-Meier curves by predicted risk. Validation fixed the cuts, at "
      f"its thirds; bands are pointwise, a bootstrap over {stage.whom}; "
      "figures below are how many are still followed.",
      f"Kaplan-Meier curves of three groups by the risk that {stage.name} "
      f"predicts on {split}.",
      style.png(_by_risk(told, title)),
      wide=True,
    )
  for k, cause in enumerate(told.causes):
    several = len(told.causes) > 1
    yield Plate(
      drawn.file_name(
        stage.name, split, "calibration", *([cause["name"]] if several else [])
      ),
      f"Calibration of the risk of {cause['name']}: observed risk "
      "(Kaplan-Meier, or Aalen-Johansen of several causes) against the mean "
      "predicted one, in groups of equal size by predicted risk; bars are a "
      f"bootstrap over {stage.whom}.",
      f"Calibration of {stage.name} on {split} at each horizon.",
      style.png(_calibration(told, k, split)),
      wide=True,
    )
  yield Plate(
    drawn.file_name(stage.name, split, "incidence"),
    "Cumulative incidence: observed (solid; Aalen-Johansen, with a bootstrap "
    f"over {stage.whom}) and the mean of the predictions (dashed).",
    f"Observed and predicted cumulative incidence of {stage.name} on {split}.",
    style.png(_incidence(told, title)),
  )


def tables(stage: Stage) -> list[Mapping[str, Any]]:
  """The risk groups of each split: predicted and observed risks."""
  shown = []
  for split in stage.splits:
    told = _told(stage, split)
    if told is not None and told.groups is not None:
      shown.append(_groups(told, split))
  return shown


def _told(stage: Stage, split: str) -> _Told | None:
  """None where nothing can be drawn."""
  entry = stage.splits.get(split) or {}
  about, held = entry.get("follow_up"), stage.predictions.get(split)
  if about is None or held is None:
    return None
  time, event = held.target["time"], held.target["event"]
  known = (event >= 0) & ~np.isnan(time)
  patients = None if held.patients is None else held.patients[known]
  cluster = bootstrap.clusters(patients, int(known.sum()))
  cuts = entry.get("thresholds") or {}
  groups = observed.group_of(held.predicted["risk"], cuts)
  incidence = held.predicted["incidence"][known]
  return _Told(
    time[known].astype(np.float64),
    event[known],
    incidence.reshape(len(incidence), len(held.names), -1),
    bootstrap.weights(cluster, _REPLICATES, 0),
    about["times"],
    about["horizons"],
    about["unit"],
    about["causes"],
    None if groups is None else groups[known],
  )


def _axis(told: _Told) -> str:
  return f"Time ({told.unit})" if told.unit else "Time"


def _until(told: _Told) -> float:
  """Where curves end: the last time of the grid."""
  return float(told.times[-1])


def _by_risk(told: _Told, title: str) -> Any:
  """Curves of the risk groups above the numbers at risk."""
  figure, (axes, below) = style.panels(
    8.4, 5.6, rows=2, sharex=True, height_ratios=(5, 1)
  )
  grid = np.linspace(0, _until(told), 201)
  ticks = np.linspace(0, _until(told), _TICKS)
  for group, name in enumerate(observed.GROUPS):
    rows = told.groups == group
    if not rows.any():
      continue
    time, event = told.time[rows], told.event[rows]
    look = style.series(group)
    label = f"{name}: n = {rows.sum():,}, {(event > 0).sum():,} events"
    curve = kaplan_meier(time, event, times=grid)
    axes.step(grid, curve, where="post", linewidth=1.8, label=label, **look)
    low, high = _band(
      kaplan_meier(time, event, told.weight[:, rows], times=grid)
    )
    axes.fill_between(
      grid, low, high, step="post", alpha=0.15, color=look["color"], linewidth=0
    )
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
  _horizons(axes, told)
  names = [each["name"] for each in told.causes]
  what = f"Free of {wording.listed([wording.short(n) for n in names])}"
  style.describe(axes, f"By predicted risk, {title}", "", what)
  axes.set_ylim(-0.02, 1.02)
  style.legend(axes)
  below.set_ylim(-0.7, 2.7)
  below.set_yticks([2, 1, 0], [name for name in observed.GROUPS])
  below.grid(False)
  style.describe(below, "Number at risk", _axis(told), "")
  return figure


def _calibration(told: _Told, cause: int, split: str) -> Any:
  """A panel for each of the first horizons."""
  entries = told.causes[cause]["calibration"][:_MOST_HORIZONS]
  figure, panels = style.panels(
    max(5.4, 4.6 * len(entries)), 4.6, columns=len(entries)
  )
  for axes, entry in zip(panels, entries, strict=True):
    horizon = entry["horizon"]
    risk = told.risks[:, cause, list(told.times).index(horizon)]
    groups = [
      group
      for group in observed.calibration(
        told.time, told.event, risk, horizon, cause + 1, told.weight
      )
      if group["observed"] is not None
    ]
    _reliability(axes, groups)
    name = wording.short(told.causes[cause]["name"])
    style.describe(
      axes,
      f"{name} by {horizon:g} {told.unit}".rstrip() + f", {split}",
      "Mean predicted risk",
      "Observed risk",
    )
  return figure


def _reliability(axes: Any, groups: list[dict[str, Any]]) -> None:
  """Points with bars, counts beside them, and the diagonal."""
  if not groups:
    axes.text(0.5, 0.5, "nobody is followed to here", ha="center")
    return
  x = np.array([group["predicted"] for group in groups])
  y = np.array([group["observed"] for group in groups])
  # A group without an interval has a point alone.
  low, high = (
    np.array([group.get(end, group["observed"]) for group in groups])
    for end in ("low", "high")
  )
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


def _incidence(told: _Told, title: str) -> Any:
  """Observed and mean predicted incidence of every cause."""
  figure, (axes,) = style.panels(6.2, 4.6)
  grid = np.linspace(0, _until(told), 201)
  for k, cause in enumerate(told.causes):
    color = style.CYCLE[k % len(style.CYCLE)]
    name = wording.short(cause["name"])
    given = (told.time, told.event)
    curve = aalen_johansen(*given, times=grid, cause=k + 1)
    draws = aalen_johansen(*given, told.weight, times=grid, cause=k + 1)
    axes.step(
      grid,
      curve,
      where="post",
      color=color,
      linewidth=1.8,
      label=f"{name}, observed",
    )
    axes.fill_between(grid, *_band(draws), color=color, **_SHADE)
    axes.plot(
      [0, *told.times],
      [0, *told.risks[:, k].mean(0)],
      color=color,
      linestyle="--",
      marker=".",
      markersize=4,
      label=f"{name}, predicted",
    )
  _horizons(axes, told)
  axes.set_ylim(bottom=0)
  style.describe(
    axes, f"Cumulative incidence, {title}", _axis(told), "Share that failed"
  )
  style.legend(axes, loc="upper left")
  return figure


def _horizons(axes: Any, told: _Told) -> None:
  for horizon in told.horizons:
    axes.axvline(horizon, color=style.GREY, linestyle=":", linewidth=1)


def _band(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  low, high = np.quantile(draws, (0.025, 0.975), axis=0)
  return low, high


def _groups(told: _Told, split: str) -> Mapping[str, Any]:
  """A row for each risk group, two columns for each cause and horizon."""
  asked = [
    (k, cause["name"], horizon)
    for k, cause in enumerate(told.causes)
    for horizon in told.horizons
  ]
  columns = ["Group", "n", "Events"]
  for _, name, horizon in asked:
    at = f"{name} by {horizon:g} {told.unit}".rstrip()
    columns += [f"{at}: predicted", "observed"]
  rows = []
  for group, name in enumerate(observed.GROUPS):
    members = told.groups == group
    if not members.any():
      continue
    row = [name, int(members.sum()), int((told.event[members] > 0).sum())]
    for k, _, horizon in asked:
      risk = told.risks[members, k, list(told.times).index(horizon)]
      row += [float(risk.mean()), _observed(told, members, k + 1, horizon)]
    rows.append(row)
  note = "Validation fixed the cuts, at the thirds of its predicted risks."
  return blocks.table("Risk groups", columns, rows, split=split, note=note)


def _observed(told: _Told, rows: np.ndarray, cause: int, horizon: float) -> Any:
  """The observed risk of some rows with its interval, or why there is none."""
  group = observed.risk_by(
    told.time[rows], told.event[rows], horizon, cause, told.weight[:, rows]
  )
  if group["observed"] is None:
    return "not followed"
  ends = {end: group.get(end) for end in ("low", "high")}
  return {"value": group["observed"], **ends}
