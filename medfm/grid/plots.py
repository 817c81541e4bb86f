"""Curves of a grid: what arms are judged by against a setting swept."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medfm.grid import arms
from medfm.grid.arms import Arm
from medfm.report import style, wording

_MOST_PANELS = 12
_MOST_LINES = 9


def figures(
  description: Mapping[str, Any],
  listed: Sequence[Arm],
  chosen: Sequence[Arm],
  described: wording.Described,
) -> dict[str, bytes]:
  """File name -> PNG; {} where no number was swept.

  described: what metrics say of themselves (`report.wording`).
  """
  asked = description["figure"]
  key = asked.get("x") or _swept(listed)
  if not key or not listed:
    return {}
  groups: dict[tuple[str, str, str], dict[str, list[Arm]]] = {}
  for arm in listed:
    if _x(arm, key) is None:
      continue
    split_by = asked.get("panels", "")
    place = (arm.metric, arm.data, arm.setting.get(split_by, ""))
    line = _line(arm, key, split_by)
    groups.setdefault(place, {}).setdefault(line, []).append(arm)
  places = list(groups)[:_MOST_PANELS]
  if not places:
    return {}
  columns = min(3, len(places))
  rows = math.ceil(len(places) / columns)
  metrics = {metric for metric, *_ in places}
  figure, axes = style.panels(
    max(5.4, 4.2 * columns),
    3.8 * rows,
    columns,
    rows,
    sharey=len(places) > 1 and len(metrics) == 1,
  )
  picked = {id(arm) for arm in chosen} if description["tuned"] else set()
  names = list(
    dict.fromkeys(name for place in places for name in groups[place])
  )
  classical = list(dict.fromkeys(k for arm in listed for k in arm.baselines()))
  for panel, place in zip(axes, places, strict=False):
    metric, *words = place
    _panel(panel, groups[place], key, picked, names, classical)
    title = ", ".join(filter(None, words))
    style.describe(
      panel,
      title,
      key.rpartition(".")[2].replace("_", " "),
      wording.title(metric, described),
    )
  for panel in axes[len(places) :]:
    panel.set_visible(False)
  _legends(axes[: len(places)])
  what = metrics.pop() if len(metrics) == 1 else "score"
  return {f"{what}-by-{key.rpartition('.')[2]}": style.png(figure)}


def _panel(
  axes: Any,
  lines: Mapping[str, Sequence[Arm]],
  key: str,
  picked: set[int],
  names: Sequence[str],
  classical: Sequence[str],
) -> None:
  """One panel; a line looks as its name's place in `names` has it look."""
  xs = [_x(arm, key) for line in lines.values() for arm in line]
  for name, line in list(lines.items())[:_MOST_LINES]:
    i = names.index(name)
    line = sorted(line, key=lambda arm: _x(arm, key))
    spreads = [arm.spread("test") for arm in line]
    looks = style.series(i)
    axes.errorbar(
      [_x(arm, key) for arm in line],
      [spread["mean"] for spread in spreads],
      yerr=[spread["sd"] or 0 for spread in spreads],
      marker=style.MARKERS[i % len(style.MARKERS)],
      label=style.plain(name, 48),
      capsize=3,
      **looks,
    )
    thin = {**looks, "linewidth": 0.8, "alpha": 0.6}
    _draw(axes, line, key, "validation", **thin)
    chosen = [arm for arm in line if id(arm) in picked]
    ring = {"mfc": "none", "mec": looks["color"], "ms": 13, "mew": 1.5}
    _draw(axes, chosen, key, "test", marker="o", ls="", **ring)
  for name, points in _baselines(lines, key).items():
    dash = style.DASHES[(classical.index(name) + 1) % len(style.DASHES)]
    label = style.plain(f"baseline {name}", 48)
    axes.plot(*points, color=style.GREY, linestyle=dash, label=label)
  if min(xs) > 0 and max(xs) / min(xs) >= 10:
    axes.set_xscale("log")


def _baselines(
  lines: Mapping[str, Sequence[Arm]], key: str
) -> dict[str, tuple[list[float], list[float]]]:
  """Of each classical model, xs and mean test scores; of several x only."""
  found: dict[str, dict[float, float]] = {}
  for arm in (arm for line in lines.values() for arm in line):
    for name, spread in arm.baselines().items():
      found.setdefault(name, {})[_x(arm, key)] = spread["mean"]
  return {
    name: tuple(map(list, zip(*sorted(points.items()), strict=True)))
    for name, points in found.items()
    if len(points) > 1
  }


def _legends(panels: Sequence[Any]) -> None:
  """A legend in every panel that names what the ones before do not."""
  named: set[str] = set()
  for axes in panels:
    labels = set(axes.get_legend_handles_labels()[1])
    if labels - named:
      style.legend(axes)
    named |= labels


def _draw(axes, line, key: str, split: str, **looks: Any) -> None:
  kept = [arm for arm in line if arm.mean(split) is not None]
  axes.plot(
    [_x(arm, key) for arm in kept], [arm.mean(split) for arm in kept], **looks
  )


def _swept(listed: Sequence[Arm]) -> str:
  """The first key that takes several numbers, and only numbers."""
  keys = dict.fromkeys(key for arm in listed for key in arm.setting)
  for key in keys:
    values = {arm.setting.get(key) for arm in listed}
    if len(values) > 1 and all(
      arms.number(value) is not None for value in values
    ):
      return key
  return ""


def _line(arm: Arm, key: str, panel: str) -> str:
  words = [
    arms.shown(k, v) for k, v in arm.setting.items() if k not in (key, panel)
  ]
  stage = arms.stem(arm.stage) if key == "label_fraction" else arm.stage
  stage = stage.removeprefix(f"{arm.data}_")  # The panel's title has it.
  return ", ".join([*words, *filter(None, [stage])]) or "all"


def _x(arm: Arm, key: str) -> float | None:
  return arms.number(arm.runs[0].values.get(key))
