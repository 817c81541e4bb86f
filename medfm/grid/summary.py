"""A grid's results: summary.json, .csv, .md, .html and figures.

Everything is read from the cells' folders, so that a summary can be made of
a grid in any state, and two runs of the same grid sum up to the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfm import log, predictions, workdir
from medfm.grid import arms, cells, pages, plots, records
from medfm.grid.arms import Arm
from medfm.grid.records import Record
from medfm.types import UserError

_FURTHER = ("auroc", "accuracy", "precision", "recall", "f1", "rmse", "r2")
"""Metrics that a table of arms shows beside the metric that judges them."""


def write(root: Path) -> Path:
  """Writes the summary of the grid in a folder, and gives the HTML's path."""
  description = cells.read(root / "grid.json")
  if not description:
    raise UserError(f"{root} is not the folder of a grid: no grid.json")
  planned = cells.listed(root, root / "grid.json")
  every = records.records(planned, description["metric"])
  facts = _facts(root, description, every)
  figures = plots.figures(facts, description)
  for name, png in figures.items():
    (root / "figures").mkdir(exist_ok=True)
    (root / "figures" / f"{name}.png").write_bytes(png)
  markdown, html = pages.pages(facts, figures)
  workdir.write(root / "summary.json", facts)
  workdir.write(root / "summary.csv", _table(every))
  workdir.write(root / "summary.md", markdown)
  workdir.write(root / "summary.html", html)
  return root / "summary.html"


def _facts(
  root: Path, description: Mapping[str, Any], every: Sequence[Record]
) -> dict[str, Any]:
  """The content of summary.json."""
  listed = arms.arms(every)
  chosen = arms.tuned(listed, description["tuned"])
  picked = {id(arm) for arm in chosen}
  leaders = [arms.best(group) for group in arms.rivals(chosen)]
  leaders = [arm for arm in leaders if arm is not None]
  states = {record.cell: record.status for record in every}
  studies = (record.cell for record in every if record.stage.name)
  config = cells.read(root / next(studies, "") / "config.json")
  compared = arms.pairs(
    chosen,
    description["reference"],
    config.get("compare", ()),  # Stages that the studies compare themselves.
    description["tuned"],
  )
  asked = description["metric"].removeprefix("-")
  metrics = {arm.metric for arm in listed} or {asked}
  described = {}
  for record in every:
    described |= record.stage.described
  return {
    "name": description["name"],
    "hypothesis": description["hypothesis"],
    "metric": metrics.pop() if len(metrics) == 1 else "",
    "described": described,
    "tuned": description["tuned"],
    "counts": cells.counted(states.values()),
    "arms": [_arm(arm, id(arm) in picked) for arm in listed],
    "best": [_arm(arm, True) for arm in leaders],
    "comparisons": arms.comparisons(root, compared),
    "trials": _trials(root, description, every),
    "blocks": [
      {"run": run.cell, "stage": run.stage.name, **block}
      for run in (arm.runs[0] for arm in leaders)
      for block in run.stage.result.get("blocks") or ()
      if block.get("split") in (None, "", "test") and block["kind"] != "texts"
    ],
    "cells": [
      {
        "name": name,
        **status._asdict(),
        "report": f"{name}/report.html" if status.state == cells.DONE else None,
      }
      for name, status in states.items()
    ],
    "runs": [_run(record) for record in every if record.stage.finished],
  }


def _table(every: Sequence[Record]) -> str:
  """One row per cell and stage, failed and missing ones too, as CSV."""
  keys = dict.fromkeys(key for record in every for key in record.setting)
  rows = []
  for record in every:
    row = {"cell": record.cell, "stage": record.stage.name}
    row |= record.status._asdict() | dict.fromkeys(keys, "")
    row |= {**record.setting, "data": record.data}
    for name in ("params", "step", "label_fraction"):
      row[name] = record.stage.result.get(name, "")
    for split, result in record.stage.splits.items():
      for metric, entry in result["metrics"].items():
        if "[" in metric:
          continue
        for end in ("value", "low", "high"):
          name = f"{split}/{metric}/{end}".removesuffix("/value")
          row[name] = "" if entry[end] is None else f"{entry[end]:.6g}"
    rows.append(row)
  return predictions.text(rows)


def _arm(arm: Arm, chosen: bool) -> dict[str, Any]:
  known = arm.runs[0].stage.part("test", "metrics")
  others = [name for name in _FURTHER if name in known and name != arm.metric]
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
    "others": {name: arm.spread("test", name) for name in others},
  }


def _run(record: Record) -> dict[str, Any]:
  known = ("step", "params", "label_fraction", "best", "skipped")
  return {
    "cell": record.cell,
    "stage": record.stage.name,
    "setting": dict(record.setting),
    "data": record.data,
    "metric": record.metric,
    **{name: record.stage.result.get(name) for name in known},
    **{
      split: dict(record.stage.entry(split, record.metric)) or None
      for split in ("validation", "test")
    },
  }


def _trials(
  root: Path, description: Mapping[str, Any], every: Sequence[Record]
) -> list[dict[str, Any]]:
  """One row per trial, in their order; [] if the grid is not a search.

  `trial` counts only trials whose drawing was completed; Optuna's numbers also
  count those whose runner was killed while it drew them.
  `validation` is the score of the state that a finished run reports, the best
  score of a pruned run up to the verdict, and the best score of any other run.
  """
  search, metric = description.get("search") or {}, description["metric"]
  first = {
    record.cell: record
    for record in reversed(every)
    if record.stage.name in ("", search.get("stage"))
  }
  return [
    {
      "trial": number,
      "cell": name,
      **first[name].status._asdict(),
      "setting": {key: first[name].setting[key] for key in search["space"]},
      "validation": _score(root / name, first[name], search, metric),
    }
    for number, name in enumerate(search.get("trials", {}).values())
  ]


def _score(
  folder: Path, record: Record, search: Mapping[str, Any], metric: str
) -> float | None:
  if record.stage.finished:
    return record.stage.entry("validation", metric).get("value")
  if record.status.state == cells.PRUNED:
    return cells.read(folder / "cell.json").get("validation")
  lines = log.read(folder / search["stage"] / "metrics.jsonl")
  scores = [line.get(f"validation/{metric}") for line in lines]
  scores = [score for score in scores if isinstance(score, int | float)]
  best = max if search.get("maximize", True) else min
  return best(scores, default=None)
