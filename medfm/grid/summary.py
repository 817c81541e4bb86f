"""What a grid found: summary.json, .csv, .md, .html and figures.

Everything is read from the cells' folders, so that a summary can be made of
a grid in any state, and two runs of the same grid sum up to the same bytes.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfm import workdir
from medfm.grid import arms, cells, pages, plots, records, trials
from medfm.grid.arms import Arm
from medfm.grid.records import Record
from medfm.report import wording
from medfm.types import UserError


def write(root: Path, code: str | None = None) -> Path:
  """Writes the summary of the grid in a folder, and gives the HTML's path.

  root: with the grid.json that a runner has left.
  code: `cells.code_version()`, where it is known already.

  Raises:
    UserError: this is not the folder of a grid.
  """
  description = cells.read(root / "grid.json")
  if not description:
    raise UserError(f"{root} is not the folder of a grid: no grid.json")
  every = records.cells_of(root, description)
  found = records.records(
    every,
    cells.statuses(every, code or cells.code_version()),
    description["metric"],
  )
  listed = arms.arms(found)
  chosen = arms.tuned(listed, description["tuned"])
  result = facts(root, description, found, listed, chosen)
  if result["trials"]:
    metric = description["metric"].removeprefix("-")
    title = wording.title(metric, result["described"])
    more = description["search"].get("maximize", True)
    png = trials.figure(result["trials"], title, more)
    figures = {f"{metric}-by-trial": png} if png else {}
  else:
    figures = plots.figures(description, listed, chosen, result["described"])
  for name, png in figures.items():
    (root / "figures").mkdir(exist_ok=True)
    (root / "figures" / f"{name}.png").write_bytes(png)
  blocks = list(pages.blocks(result, figures))
  workdir.write(root / "summary.json", result)
  workdir.write(root / "summary.csv", table(found))
  workdir.write(root / "summary.md", pages.markdown(blocks))
  workdir.write(root / "summary.html", pages.html(result["name"], blocks))
  return root / "summary.html"


def facts(
  root: Path,
  description: Mapping[str, Any],
  found: Sequence[Record],
  listed: Sequence[Arm],
  chosen: Sequence[Arm],
) -> dict[str, Any]:
  """The content of summary.json."""
  states = {record.cell: record.status for record in found}
  counts = Counter(status.state for status in states.values())
  picked = {id(arm) for arm in chosen}
  leaders = [arms.best(group) for group in arms.rivals(chosen)]
  compared = arms.pairs(
    chosen,
    description["reference"],
    _stage_pairs(root, found),
    description["tuned"],
  )
  asked = description["metric"].removeprefix("-")
  metrics = {arm.metric for arm in listed} or {asked}
  described = {}
  for record in found:
    described |= record.described
  return {
    "name": description["name"],
    "hypothesis": description["hypothesis"],
    "metric": metrics.pop() if len(metrics) == 1 else "",
    "described": described,
    "tuned": description["tuned"],
    "counts": {state: counts[state] for state in cells.STATES if counts[state]},
    "arms": [_arm(arm, id(arm) in picked) for arm in listed],
    "best": [_arm(arm, True) for arm in leaders if arm is not None],
    "comparisons": arms.comparisons(root, compared),
    "trials": trials.facts(root, description, found),
    "blocks": _blocks(leaders),
    "cells": [
      {
        "name": name,
        "state": status.state,
        "why": status.why,
        "report": f"{name}/report.html" if status.state == cells.DONE else None,
      }
      for name, status in states.items()
    ],
    "runs": [_run(record) for record in found if record.done],
  }


def table(found: Sequence[Record]) -> str:
  """One row per cell and stage, failed and missing ones too, as CSV."""
  keys = list(dict.fromkeys(key for record in found for key in record.setting))
  rows = []
  for record in found:
    row = {"cell": record.cell, "stage": record.stage}
    row |= {"state": record.status.state, "why": record.status.why}
    row |= dict(record.setting)
    row |= {"data": record.data}
    for name in ("params", "step", "label_fraction"):
      row[name] = record.result.get(name, "")
    for split, result in record.result.get("splits", {}).items():
      for metric, entry in result["metrics"].items():
        if "[" in metric:
          continue
        row[f"{split}/{metric}"] = _number(entry["value"])
        row[f"{split}/{metric}/low"] = _number(entry["low"])
        row[f"{split}/{metric}/high"] = _number(entry["high"])
    rows.append(row)
  first = ["cell", "stage", "state", "why", *keys, "data"]
  columns = list(dict.fromkeys([*first, *(key for row in rows for key in row)]))
  out = io.StringIO()
  writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
  writer.writeheader()
  writer.writerows(rows)
  return out.getvalue()


def _blocks(leaders: Sequence[Arm | None]) -> list[dict[str, Any]]:
  """What evaluators have to show of each leading arm's first run."""
  runs = [arm.runs[0] for arm in leaders if arm is not None]
  return [
    {"run": run.cell, "stage": run.stage, **block}
    for run in runs
    for block in run.result.get("blocks") or ()
    if block.get("split") in (None, "", "test") and block["kind"] != "texts"
  ]


def _arm(arm: Arm, chosen: bool) -> dict[str, Any]:
  return {
    "name": arm.name,
    "setting": dict(arm.setting),
    "stage": arm.stage,
    "data": arm.data,
    "metric": arm.metric,
    "asked": arm.asked,
    "runs": [run.cell for run in arm.runs],
    "chosen": chosen,
    "validation": arm.spread("validation"),
    "test": arm.spread("test"),
    "baselines": arm.baselines(),
    "others": {name: arm.spread("test", name) for name in _others(arm)},
  }


def _others(arm: Arm) -> list[str]:
  """Further metrics of a table: those most asked for, of those there are."""
  known = arm.runs[0].result["splits"]["test"]["metrics"]
  wanted = ("auroc", "accuracy", "precision", "recall", "f1", "rmse", "r2")
  return [name for name in wanted if name in known and name != arm.metric]


def _run(record: Record) -> dict[str, Any]:
  result = record.result
  return {
    "cell": record.cell,
    "stage": record.stage,
    "setting": dict(record.setting),
    "data": record.data,
    "metric": record.metric,
    "step": result.get("step"),
    "params": result.get("params"),
    "label_fraction": result.get("label_fraction"),
    "best": result.get("best"),
    "skipped": result.get("skipped"),
    "validation": dict(record.entry("validation", record.metric)) or None,
    "test": dict(record.entry("test", record.metric)) or None,
  }


def _stage_pairs(root: Path, found: Sequence[Record]) -> list[list[str]]:
  """The pairs of stages that the grid's studies compare themselves."""
  for record in found:
    if record.done and record.stage:
      config = cells.read(root / record.cell / "config.json")
      return config.get("compare", [])
  return []


def _number(value: float | None) -> str:
  return "" if value is None else f"{value:.6g}"
