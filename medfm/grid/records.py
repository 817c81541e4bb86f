"""What the cells of a grid found: one record per cell and stage."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from medfm.grid import cells, combine
from medfm.grid.cells import Cell, Status
from medfm.report import reading, wording


@dataclasses.dataclass(frozen=True)
class Record:
  """One stage of one cell, or a cell that has no result.

  setting: all that tells the cell from others, as text.
  stage: "" where the cell has one stage only.
  metric: what it is judged by: as the experiment tells, as it selects its best
    step, or the first of its task's; "" without a result.
  ideal: what is better of it: "more", "less" or the value to be near.
  result: the stage's entry of results.json; {} without a result.
  """

  cell: str
  setting: Mapping[str, str]
  status: Status
  stage: str = ""
  metric: str = ""
  ideal: str | float = "more"
  result: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  @property
  def data(self) -> str:
    return (self.result.get("data") or {}).get("name", "")

  @property
  def supervised(self) -> bool:
    """Whether it answers by labels; so it is taken to do if not known."""
    return reading.Stage("", self.result).supervised

  @property
  def test(self) -> str:
    """What identifies the examples it was tested on."""
    return self._split("test").get("sha256", "")

  def entry(self, split: str, metric: str) -> Mapping[str, Any]:
    """A metric with its interval; {} where it has none."""
    return self._split(split).get("metrics", {}).get(metric) or {}

  def baselines(self) -> dict[str, Mapping[str, Any]]:
    """The test score of each classical model, by name."""
    models = self._split("test").get("baselines") or {}
    metrics = {name: each.get("metrics") or {} for name, each in models.items()}
    return {k: m[self.metric] for k, m in metrics.items() if m.get(self.metric)}

  def _split(self, split: str) -> Mapping[str, Any]:
    return self.result.get("splits", {}).get(split, {})


def records(every: Sequence[Cell], metric: str) -> list[Record]:
  """The records of all cells, in the order of cells and stages.

  metric: what the experiment has all of them judged by, after a minus where
    less is better; "" leaves it to each.
  """
  listed, states = [], cells.statuses(every)
  for cell in every:
    setting = combine.as_text(cell.setting)
    blank = Record(cell.name, setting, states[cell.name])
    results = config = {}
    if blank.status.state == cells.DONE:
      results = cells.read(cell.folder / "results.json")
      config = cells.read(cell.folder / "config.json")
    stages = results.get("stages", {})
    if not stages:
      listed.append(blank)
    for name, result in stages.items():
      label = "" if len(stages) == 1 and name == "train" else name
      judge = _judge(metric, cells.stage_config(config, name), result)
      facts = (cell.name, setting, blank.status, label, *judge, result)
      listed.append(Record(*facts))
  return listed


def _judge(
  asked: str, config: Mapping[str, Any], result: Mapping[str, Any]
) -> tuple[str, str | float]:
  """What a stage is judged by, and what is better of that.

  The metric says so itself, else a minus before its name.
  """
  selected = config.get("schedule", {}).get("select", "")
  metrics = result.get("splits", {}).get("test", {}).get("metrics", {})
  first = next(iter(reading.Stage("", result).main(metrics)), "")
  chosen = asked or selected or first
  metric = chosen.removeprefix("-")
  less = "-" + metric in (asked, selected)
  ideal = wording.better(metric, result.get("described") or {})
  return metric, ("less" if less else "more") if ideal is None else ideal
