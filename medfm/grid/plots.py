"""Curves of a grid, and the scores of a search's trials."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from medfm.grid import arms, cells
from medfm.grid.combine import number
from medfm.report import style, wording

Facts = Mapping[str, Any]
"""The content of summary.json or of grid.json, or an entry of one."""

_MOST_PANELS = 12
_MOST_LINES = 9
_MOST_KEYS = 7


def figures(facts: Facts, description: Facts) -> dict[str, bytes]:
  """File name -> PNG; from summary.json and grid.json."""
  return (_trials if facts["trials"] else _curves)(facts, description)


def _curves(facts: Facts, description: Facts) -> dict[str, bytes]:
  """Scores of arms against a swept setting; {} if no number was swept."""
  asked = description["figure"]
  key, split_by = asked.get("x") or _swept(facts["arms"]), asked.get("panels")
  firsts = {(run["cell"], run["stage"]): run for run in facts["runs"]}
  listed = []
  for arm in facts["arms"]:
    run = firsts[arm["runs"][0], arm["stage"]]
    share = run["label_fraction"]
    known = {} if share is None else {"label_fraction": f"{share:g}"}
    x = number((known | run["setting"]).get(key))
    listed += [] if x is None else [{**arm, "x": x}]
  groups = arms.grouped(
    listed,
    lambda arm: (arm["metric"], arm["data"], arm["setting"].get(split_by, "")),
  )
  places = list(groups)[:_MOST_PANELS]
  if not places:
    return {}
  panels = [
    arms.grouped(groups[place], lambda arm: _line(arm, key, split_by))
    for place in places
  ]
  metrics = {metric for metric, *_ in places}
  share = len(places) > 1 and len(metrics) == 1
  figure, axes = _panels(len(places), 3.8, least=5.4, sharey=share)
  names = list(dict.fromkeys(name for lines in panels for name in lines))
  baselines = [name for arm in facts["arms"] for name in arm["baselines"]]
  looks = [names, list(dict.fromkeys(baselines)), bool(facts["tuned"])]
  swept = key.rpartition(".")[2]
  labelled: set[str] = set()
  for panel, (metric, *words), lines in zip(axes, places, panels, strict=True):
    _panel(panel, lines, *looks)
    title = ", ".join(filter(None, words))
    y = wording.title(metric, facts["described"])
    style.describe(panel, title, swept.replace("_", " "), y)
    labels = set(panel.get_legend_handles_labels()[1])
    if labels - labelled:  # Lines that no earlier panel has named.
      style.legend(panel)
    labelled |= labels
  what = metrics.pop() if len(metrics) == 1 else "score"
  return {f"{what}-by-{swept}": style.png(figure)}


def _trials(facts: Facts, description: Facts) -> dict[str, bytes]:
  """Validation scores by trial and by each setting; {} without any score.

  Pruned trials are hollow, at the best score they had reached.
  """
  rows = [row for row in facts["trials"] if row["validation"] is not None]
  if not rows:
    return {}
  metric = description["metric"].removeprefix("-")
  title = f"Validation {wording.title(metric, facts['described'])}"
  keys = list(rows[0]["setting"])[:_MOST_KEYS]
  figure, (first, *others) = _panels(1 + len(keys), 3.6, sharey=True)
  _points(first, [row["trial"] for row in rows], rows)
  best = max if description["search"].get("maximize", True) else min
  done = [row for row in rows if row["state"] == cells.DONE]
  first.step(
    [row["trial"] for row in done],
    list(itertools.accumulate((row["validation"] for row in done), best)),
    where="post",
    color=style.GREY,
    label="best so far",
  )
  first.xaxis.get_major_locator().set_params(integer=True)
  style.describe(first, "", "trial", title)
  style.legend(first)
  for axes, key in zip(others, keys, strict=True):
    values = [row["setting"][key] for row in rows]
    _points(axes, _places(axes, values), rows)
    style.describe(axes, "", key.rpartition(".")[2], "")
  return {f"{metric}-by-trial": style.png(figure)}


def _panels(
  count: int, height: float, least: float = 0, **options: Any
) -> tuple[Any, list[Any]]:
  """(figure, axes): `count` panels, at most three in a row.

  height: of a row; least: the least width of the figure; in inches.
  """
  columns = min(3, count)
  rows = -(-count // columns)
  width = max(least, 4.2 * columns)
  figure, axes = style.panels(width, height * rows, columns, rows, **options)
  for unused in axes[count:]:
    unused.set_visible(False)
  return figure, axes[:count]


def _panel(
  axes: Any,
  lines: Mapping[str, Sequence[Facts]],
  names: Sequence[str],
  classical: Sequence[str],
  tuned: bool,
) -> None:
  """Draws one panel; colours follow the places in `names` and `classical`."""
  every = [arm for line in lines.values() for arm in line]
  for name, line in list(lines.items())[:_MOST_LINES]:
    i = names.index(name)
    line = sorted(line, key=lambda arm: arm["x"])
    looks = style.series(i)
    axes.errorbar(
      [arm["x"] for arm in line],
      [arm["test"]["mean"] for arm in line],
      yerr=[arm["test"]["sd"] or 0 for arm in line],
      marker=style.MARKERS[i % len(style.MARKERS)],
      label=style.plain(name, 48),
      capsize=3,
      **looks,
    )
    thin = {**looks, "linewidth": 0.8, "alpha": 0.6}
    _draw(axes, line, "validation", **thin)
    chosen = [arm for arm in line if tuned and arm["chosen"]]
    ring = {"mfc": "none", "mec": looks["color"], "ms": 13, "mew": 1.5}
    _draw(axes, chosen, "test", marker="o", ls="", **ring)
  points: dict[str, dict[float, float]] = {}
  for arm in every:
    for name, runs in arm["baselines"].items():
      points.setdefault(name, {})[arm["x"]] = runs["mean"]
  for name, means in points.items():
    if len(means) > 1:
      dash = style.DASHES[(classical.index(name) + 1) % len(style.DASHES)]
      label = style.plain(f"baseline {name}", 48)
      looks = {"color": style.GREY, "linestyle": dash, "label": label}
      axes.plot(*zip(*sorted(means.items()), strict=True), **looks)
  _scale(axes, [arm["x"] for arm in every], 10)


def _scale(axes: Any, xs: Sequence[float], ratio: float) -> None:
  """Makes x logarithmic if positive numbers span at least this ratio."""
  if min(xs) > 0 and max(xs) / min(xs) >= ratio:
    axes.set_xscale("log")


def _draw(axes: Any, line: Sequence[Facts], split: str, **looks: Any) -> None:
  kept = [arm for arm in line if arm[split]["mean"] is not None]
  means = [arm[split]["mean"] for arm in kept]
  axes.plot([arm["x"] for arm in kept], means, **looks)


def _points(axes: Any, xs: Sequence[float], rows: Sequence[Mapping]) -> None:
  looks = {"ls": "", "marker": "o", "mec": style.BLUE, "ms": 6}
  for done, label, fill in (
    (True, "finished", style.BLUE),
    (False, "pruned or not finished", "white"),
  ):
    kept = [
      (x, row["validation"])
      for x, row in zip(xs, rows, strict=True)
      if (row["state"] == cells.DONE) == done
    ]
    if kept:
      axes.plot(*zip(*kept, strict=True), mfc=fill, label=label, **looks)


def _places(axes: Any, values: Sequence[str]) -> list[float]:
  """The places of values on an axis: numbers to scale, names evenly spaced."""
  numbers = [number(value) for value in values]
  if None not in numbers:
    _scale(axes, numbers, 30)
    return numbers
  names = sorted(set(values))
  axes.set_xticks(range(len(names)), [style.plain(name, 16) for name in names])
  axes.set_xlim(-0.5, len(names) - 0.5)
  return [names.index(value) for value in values]


def _swept(listed: Sequence[Facts]) -> str:
  """The first key that takes several numbers, and only numbers; or ""."""
  for key in dict.fromkeys(key for arm in listed for key in arm["setting"]):
    values = {arm["setting"].get(key) for arm in listed}
    if len(values) > 1 and None not in map(number, values):
      return key
  return ""


def _line(arm: Facts, key: str, panel: str | None) -> str:
  settings = arm["setting"].items()
  words = [arms.shown(k, v) for k, v in settings if k not in (key, panel)]
  # The panel's title names the data.
  stage = arm["stage"].removeprefix(f"{arm['data']}_")
  if key == "label_fraction":
    stage = re.sub(r"[_-]?\d+$", "", stage)  # finetune_5 is finetune.
  return ", ".join([*words, *filter(None, [stage])]) or "all"
