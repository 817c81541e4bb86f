"""The results of a grid's cells: one record per cell and stage."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from medfm.grid import cells, combine
from medfm.grid.cells import Cell, Status
from medfm.report import reading, wording


@dataclasses.dataclass(frozen=True)
class Record:
  """One stage of one cell, or a cell that has no result.

  setting: all settings in which the cell differs from others, as text.
  stage: its results; named "" if the cell has only one stage.
  metric: what it is judged by: the experiment's METRIC, the metric that selects
    its best step, or the first of its task; "" without a result.
  ideal: which values are better: "more", "less" or the value to be near.
  """

  cell: str
  setting: Mapping[str, str]
  status: Status
  stage: reading.Stage
  metric: str = ""
  ideal: str | float = "more"

  @property
  def data(self) -> str:
    return self.stage.data.get("name", "")

  def baselines(self) -> dict[str, Mapping[str, Any]]:
    """The test score of each classical model, by name."""
    models = self.stage.part("test", "baselines")
    metrics = {name: each.get("metrics") or {} for name, each in models.items()}
    return {k: m[self.metric] for k, m in metrics.items() if m.get(self.metric)}


def records(every: Sequence[Cell], metric: str) -> list[Record]:
  """The records of all cells, in the order of cells and stages.

  metric: what the experiment judges all of them by, with a minus before it if
    less is better; "" leaves it to each stage.
  """
  listed, states = [], cells.statuses(every)
  for cell in every:
    known = cell.name, combine.as_text(cell.setting), states[cell.name]
    results = config = {}
    if states[cell.name].state == cells.DONE:
      results = cells.read(cell.folder / "results.json")
      config = cells.read(cell.folder / "config.json")
    stages = results.get("stages", {})
    for name, result in stages.items():
      alone = len(stages) == 1 and name == "train"
      stage = reading.Stage("" if alone else name, result)
      judge = _judge(metric, cells.stage_config(config, name), stage)
      listed.append(Record(*known, stage, *judge))
    if not stages:
      listed.append(Record(*known, reading.Stage("", {})))
  return listed


def _judge(
  asked: str, config: Mapping[str, Any], stage: reading.Stage
) -> tuple[str, str | float]:
  """The metric that a stage is judged by, and which of its values are better.

  The metric's description says so or, without one, a minus before its name.
  """
  selected = config.get("schedule", {}).get("select", "")
  first = next(iter(stage.main(stage.part("test", "metrics"))), "")
  metric = (asked or selected or first).removeprefix("-")
  less = "-" + metric in (asked, selected)
  ideal = wording.better(metric, stage.described)
  return metric, ("less" if less else "more") if ideal is None else ideal
