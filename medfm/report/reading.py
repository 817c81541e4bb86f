"""A run's files as plain values; a run that has not finished reads too."""

import csv
import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medfm.types import UserError

EXAMPLES = "examples.json"
"""In a stage's folder: split -> a few texts of it, where any may be shown."""


@dataclasses.dataclass(frozen=True)
class Predictions:
  """What one model said of one split, beside the truth.

  task: multiclass, multilabel or regression.
  classes: [K] names of classes, labels or targets.
  patients: [N] str, or None where the source names none.
  labels: [N] int, -1 = unknown (multiclass); [N,K] float, NaN = missing.
  outputs: [N,K] probabilities, or values in the target's unit.
  """

  task: str
  classes: tuple[str, ...]
  patients: np.ndarray | None
  labels: np.ndarray
  outputs: np.ndarray


@dataclasses.dataclass(frozen=True)
class Stage:
  """One stage of a run.

  result: its entry in results.json; {} where it has not finished.
  config: its part of config.json.
  history: the lines of its metrics.jsonl.
  predictions: split -> its own predictions.
  baselines: split -> baseline -> predictions.
  examples: split -> texts to show (`explain.examples`).
  """

  name: str
  result: dict[str, Any]
  config: dict[str, Any]
  history: list[dict[str, Any]]
  predictions: dict[str, Predictions]
  baselines: dict[str, dict[str, Predictions]]
  examples: dict[str, list[dict[str, Any]]]

  @property
  def finished(self) -> bool:
    return bool(self.result)

  @property
  def task(self) -> str:
    return self.data.get("task") or "none"

  @property
  def data(self) -> dict[str, Any]:
    return self.result.get("data") or {}

  @property
  def classes(self) -> tuple[str, ...]:
    return tuple(str(name) for name in self.data.get("classes") or ())

  @property
  def splits(self) -> dict[str, Any]:
    return self.result.get("splits") or {}

  @property
  def whom(self) -> str:
    """What examples are of, which splits and intervals keep together."""
    card = self.data.get("card") or {}
    return f"{card.get('grouped_by', 'patient')}s"

  @property
  def final_split(self) -> str | None:
    """The split that answers the question: test where there is one."""
    for name in ("test", "validation"):
      if name in self.splits:
        return name
    return next(iter(self.splits), None)

  @property
  def origin(self) -> str:
    """Where its start weights came from; "" for fresh ones."""
    return (self.result.get("init") or {}).get("from") or ""

  @property
  def select(self) -> str:
    """The metric that its best step was chosen by; "" for the last step."""
    return self.result.get("select") or ""

  @property
  def last_step(self) -> int:
    steps = [line["step"] for line in self.history if "step" in line]
    return max(steps, default=0)


@dataclasses.dataclass(frozen=True)
class Run:
  """A workdir, read. `problems`: what could not be read, one line each."""

  workdir: Path
  name: str
  description: str
  finished: bool
  stages: dict[str, Stage]
  comparisons: list[dict[str, Any]]
  coefficients: list[dict[str, Any]]
  config: dict[str, Any]
  environment: dict[str, Any]
  problems: list[str]


def read(workdir: Path | str) -> Run:
  """The run in a workdir, as far as it has come.

  Raises:
    UserError: there is no run here, or one of its JSON files is damaged.
  """
  workdir = Path(workdir)
  results = _json(workdir / "results.json")
  config = _json(workdir / "config.json")
  if not results and not config:
    raise UserError(
      f"{workdir} holds neither results.json nor config.json; give --workdir "
      "the folder of a run"
    )
  done = results.get("stages") or {}
  planned = config.get("stages") if _is_study(config) else None
  names = list(dict.fromkeys([*done, *(planned or ())])) or ["train"]
  tables, problems = _rows(workdir / "predictions.csv")
  stages = {}
  for name in names:
    folder = workdir / name if planned or len(names) > 1 else workdir
    stages[name] = _stage(
      name, done.get(name) or {}, (planned or {}).get(name, config), folder
    )
    problems += _attach(stages[name], tables)
  return Run(
    workdir=workdir,
    name=results.get("name") or config.get("name") or workdir.name,
    description=config.get("description") or "",
    finished=bool(results.get("finished")),
    stages=stages,
    comparisons=results.get("comparisons") or [],
    coefficients=results.get("coefficients") or [],
    config=config,
    environment=_json(workdir / "environment.json"),
    problems=problems,
  )


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Dotted key -> leaf, in the spelling of the command line's overrides."""
  leaves = {}
  for key, value in config.items():
    if isinstance(value, Mapping):
      leaves |= flat(value, f"{prefix}{key}.")
    else:
      leaves[f"{prefix}{key}"] = value
  return leaves


def target(config: Mapping[str, Any], path: str) -> str:
  """The function a config entry names, without `medfm.`; "" if none."""
  for key in path.split("."):
    config = config.get(key) if isinstance(config, Mapping) else None
  if not isinstance(config, Mapping):
    return ""
  name = config.get("_call_") or config.get("_bind_") or ""
  return name.removeprefix("medfm.")


def finite(value: Any) -> bool:
  """Whether a logged value is a number that can be drawn."""
  return isinstance(value, int | float) and math.isfinite(value)


def _stage(
  name: str, result: dict[str, Any], config: dict[str, Any], folder: Path
) -> Stage:
  history = _lines(folder / "metrics.jsonl")
  shown = {
    split: [text for block in blocks for text in block["texts"]]
    for split, blocks in _json(folder / EXAMPLES).items()
  }
  return Stage(name, result, config, history, {}, {}, shown)


def _is_study(config: Mapping[str, Any]) -> bool:
  return isinstance(config.get("stages"), Mapping)


def _json(path: Path) -> dict[str, Any]:
  if not path.exists():
    return {}
  try:
    content = json.loads(path.read_text())
  except ValueError:
    raise UserError(f"{path} is damaged; restore it or run again") from None
  if not isinstance(content, dict):
    raise UserError(f"{path} is damaged: expected an object at its top")
  return content


def _lines(path: Path) -> list[dict[str, Any]]:
  """The lines of a metrics.jsonl; a last line cut short is left out."""
  lines = []
  for line in path.read_text().splitlines() if path.exists() else ():
    try:
      lines.append(json.loads(line))
    except ValueError:
      break
  return lines


_Table = tuple[dict[str, int], list[list[str]]]


def _rows(path: Path) -> tuple[dict[tuple[str, str], _Table], list[str]]:
  """(stage, split) -> (column -> index, rows) of predictions.csv."""
  if not path.exists():
    return {}, []
  with path.open(newline="") as file:
    reader = csv.reader(file)
    header = {name: index for index, name in enumerate(next(reader, ()))}
    if "stage" not in header or "split" not in header:
      return {}, [f"{path.name} has no columns stage and split"]
    tables: dict[tuple[str, str], _Table] = {}
    short = 0
    for row in reader:
      if len(row) != len(header):
        short += 1
        continue
      key = row[header["stage"]], row[header["split"]]
      tables.setdefault(key, (header, []))[1].append(row)
  problems = []
  if short:
    problems.append(
      f"{path.name}: {short} rows without {len(header)} columns were left out"
    )
  return tables, problems


def _attach(
  stage: Stage, tables: Mapping[tuple[str, str], _Table]
) -> list[str]:
  """Adds a stage's predictions and its baselines'; returns what failed."""
  problems = []
  for (key, split), table in tables.items():
    owner, _, baseline = key.partition(":")
    if owner != stage.name or stage.task in ("none", "tokens"):
      continue  # Words have tags, and no probability that a curve could use.
    try:
      found = _predictions(stage, table)
    except (KeyError, ValueError) as error:
      problems.append(f"predictions.csv, {key}, {split}: {error.args[0]}")
      continue
    if baseline:
      stage.baselines.setdefault(split, {})[baseline] = found
    else:
      stage.predictions[split] = found
  return problems


def _predictions(stage: Stage, table: _Table) -> Predictions:
  header, rows = table

  def column(name: str) -> list[str]:
    if name not in header:
      raise KeyError(f"no column {name}")
    return [row[header[name]] for row in rows]

  def numbers(prefix: str) -> np.ndarray:
    columns = [
      [float(cell) if cell else math.nan for cell in column(prefix + name)]
      for name in stage.classes
    ]
    return np.asarray(columns, dtype=np.float64).reshape(-1, len(rows)).T

  if stage.task == "multiclass":
    index = {name: value for value, name in enumerate(stage.classes)}
    labels = np.asarray([_label(cell, index) for cell in column("label")])
  else:
    labels = numbers("label_")
  outputs = numbers("value_" if stage.task == "regression" else "prob_")
  patients = column("patient") if "patient" in header else []
  return Predictions(
    task=stage.task,
    classes=stage.classes,
    patients=np.asarray(patients) if any(patients) else None,
    labels=labels,
    outputs=outputs,
  )


def _label(cell: str, index: Mapping[str, int]) -> int:
  """The class of a label, written by name or by number; -1 unknown."""
  if cell in index:
    return index[cell]
  return int(cell) if cell.isdigit() and int(cell) < len(index) else -1
