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
  result: the stage's entry of results.json; {} without a result.
  """

  cell: str
  setting: Mapping[str, str]
  stage: str
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
  def test(self) -> str:
    """What identifies the examples it was tested on."""
    return self.result["splits"].get("test", {}).get("sha256", "")

  def entry(self, split: str, metric: str) -> Mapping[str, Any]:
    """A metric with its interval; {} where it has none."""
    found = self.result.get("splits", {}).get(split, {})
    return found.get("metrics", {}).get(metric) or {}

  def value(self, split: str, metric: str) -> float | None:
    return self.entry(split, metric).get("value")


def records(every: Sequence[Cell], found: Mapping[str, Status]) -> list[Record]:
  """The records of all cells, in the order of cells and stages."""
  listed = []
  for cell in every:
    setting = {key: str(value) for key, value in cell.setting.items()}
    one = found[cell.name]
    stages = {}
    if one.state == cells.DONE:
      results = cells.read(cell.folder / "results.json")
      stages = results.get("stages", {})
    if not stages:
      listed.append(Record(cell.name, setting, "", one, {}))
    for name, result in stages.items():
      label = "" if len(stages) == 1 and name == "train" else name
      listed.append(Record(cell.name, setting, label, one, result))
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


def metric_of(
  root: Path, description: Mapping[str, Any], found: Sequence[Record]
) -> str:
  """What arms are judged by: as told, as runs select, or a task's first."""
  if description["metric"]:
    return description["metric"]
  for record in found:
    if not record.done or "test" not in record.result.get("splits", {}):
      continue
    config = cells.read(root / record.cell / "config.json")
    config = config.get("stages", {}).get(record.stage, config)
    if selected := config.get("select", "").removeprefix("-"):
      return selected
    metrics = record.result["splits"]["test"]["metrics"]
    return wording.main(record.result["data"]["task"], metrics)[0]
  return ""
