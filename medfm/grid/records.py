"""What the cells of a grid found: one record per cell and stage."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfm.grid import cells
from medfm.grid.cells import Cell, Status
from medfm.report import wording


@dataclasses.dataclass(frozen=True)
class Record:
  """One stage of one cell, or a cell that has no result.

  setting: all that tells the cell from others, as text.
  stage: "" where the cell has one stage only.
  metric: what it is judged by: as the experiment tells, as it selects its best
    step, or the first of its task's; "" without a result.
  result: the stage's entry of results.json; {} without a result.
  """

  cell: str
  setting: Mapping[str, str]
  stage: str
  metric: str
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
  def task(self) -> str:
    return (self.result.get("data") or {}).get("task", "")

  @property
  def test(self) -> str:
    """What identifies the examples it was tested on."""
    return self.result["splits"].get("test", {}).get("sha256", "")

  def entry(self, split: str, metric: str) -> Mapping[str, Any]:
    """A metric with its interval; {} where it has none."""
    found = self.result.get("splits", {}).get(split, {})
    return found.get("metrics", {}).get(metric) or {}

  def baselines(self, split: str, metric: str) -> dict[str, Mapping[str, Any]]:
    """The metric of each classical model on the same examples, by name."""
    found = self.result.get("splits", {}).get(split, {}).get("baselines") or {}
    return {
      name: one["metrics"][metric]
      for name, one in found.items()
      if (one.get("metrics") or {}).get(metric)
    }

  def value(self, split: str, metric: str) -> float | None:
    return self.entry(split, metric).get("value")


def records(
  every: Sequence[Cell], found: Mapping[str, Status], metric: str
) -> list[Record]:
  """The records of all cells, in the order of cells and stages.

  metric: what the experiment has all of them judged by; "" leaves it to each.
  """
  listed = []
  for cell in every:
    setting = {key: str(value) for key, value in cell.setting.items()}
    one = found[cell.name]
    stages = config = {}
    if one.state == cells.DONE:
      results = cells.read(cell.folder / "results.json")
      config = cells.read(cell.folder / "config.json")
      stages = results.get("stages", {})
    if not stages:
      listed.append(Record(cell.name, setting, "", "", one, {}))
    for name, result in stages.items():
      label = "" if len(stages) == 1 and name == "train" else name
      own = config.get("stages", {}).get(name, config)
      judge = metric or _metric(own, result)
      listed.append(Record(cell.name, setting, label, judge, one, result))
  return listed


def cells_of(root: Path, description: Mapping[str, Any]) -> list[Cell]:
  """The cells that a grid.json names."""
  return [
    Cell(
      name=one["name"],
      folder=root / one["name"],
      setting=one["setting"],
      request="",
      needs=tuple(one["needs"]),
      unavailable=one["unavailable"],
    )
    for one in description.get("cells", ())
  ]


def _metric(config: Mapping[str, Any], result: Mapping[str, Any]) -> str:
  schedule = config.get("schedule", {})
  if selected := schedule.get("select", "").removeprefix("-"):
    return selected
  if "test" not in result.get("splits", {}):
    return ""
  metrics = result["splits"]["test"]["metrics"]
  return wording.main(result["data"]["task"], metrics)[0]
