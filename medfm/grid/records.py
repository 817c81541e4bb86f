"""What the cells of a grid found: one record per cell and stage."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
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
  stage: str
  metric: str
  ideal: str | float
  status: Status
  result: Mapping[str, Any]

  @property
  def shared(self) -> bool:
    """Whether it is a stage that other cells start from, not an answer."""
    return self.cell.startswith("shared-")

  @property
  def done(self) -> bool:
    return bool(self.result)

  @property
  def values(self) -> dict[str, str]:
    """The setting, and the share of labels where the setting has none."""
    share = self.result.get("label_fraction")
    own = {} if share is None else {"label_fraction": f"{share:g}"}
    return own | dict(self.setting)

  @property
  def data(self) -> str:
    return (self.result.get("data") or {}).get("name", "")

  @property
  def supervised(self) -> bool:
    """Whether it answers by labels; so it is taken to do if not known."""
    return reading.Stage("", self.result).supervised

  @property
  def described(self) -> wording.Described:
    """How its metrics describe themselves, by stem."""
    return self.result.get("described") or {}

  @property
  def folder(self) -> str:
    """Of its stage, within the grid's folder."""
    return f"{self.cell}/{self.stage}" if self.stage else self.cell

  @property
  def test(self) -> str:
    """What identifies the examples it was tested on."""
    return self.result["splits"].get("test", {}).get("sha256", "")

  def entry(self, split: str, metric: str) -> Mapping[str, Any]:
    """A metric with its interval; {} where it has none."""
    return self._split(split).get("metrics", {}).get(metric) or {}

  def baselines(self, split: str, metric: str) -> dict[str, Mapping[str, Any]]:
    """The metric of each rival on the same examples, by name."""
    rivals = self._split(split).get("baselines") or {}
    return {
      name: rival["metrics"][metric]
      for name, rival in rivals.items()
      if (rival.get("metrics") or {}).get(metric)
    }

  def _split(self, split: str) -> Mapping[str, Any]:
    return self.result.get("splits", {}).get(split, {})

  def value(self, split: str, metric: str) -> float | None:
    return self.entry(split, metric).get("value")


def records(
  every: Sequence[Cell], found: Mapping[str, Status], metric: str
) -> list[Record]:
  """The records of all cells, in the order of cells and stages.

  metric: what the experiment has all of them judged by, after a minus where
    less is better; "" leaves it to each.
  """
  listed = []
  for cell in every:
    setting = combine.as_text(cell.setting)
    status = found[cell.name]
    stages = config = {}
    if status.state == cells.DONE:
      results = cells.read(cell.folder / "results.json")
      config = cells.read(cell.folder / "config.json")
      stages = results.get("stages", {})
    if not stages:
      listed.append(Record(cell.name, setting, "", "", "more", status, {}))
    for name, result in stages.items():
      label = "" if len(stages) == 1 and name == "train" else name
      own = config.get("stages", {}).get(name, config)
      judge, ideal = _judge(metric, own, result)
      listed.append(
        Record(cell.name, setting, label, judge, ideal, status, result)
      )
  return listed


def cells_of(root: Path, description: Mapping[str, Any]) -> list[Cell]:
  """The cells that a grid.json names."""
  return [cells.of_plain(root, e) for e in description.get("cells", ())]


def _judge(
  asked: str, config: Mapping[str, Any], result: Mapping[str, Any]
) -> tuple[str, str | float]:
  """What a stage is judged by, and what is better of that.

  A metric says so itself; of one that does not, a minus before its name does.
  """
  selected = config.get("schedule", {}).get("select", "")
  metrics = result.get("splits", {}).get("test", {}).get("metrics", {})
  first = next(iter(reading.Stage("", result).main(metrics)), "")
  chosen = asked or selected or first
  metric = chosen.removeprefix("-")
  less = "-" + metric in (asked, selected)
  ideal = wording.better(metric, result.get("described") or {})
  return metric, ("less" if less else "more") if ideal is None else ideal
