"""A run's files as plain values; a run that has not finished reads too."""

import dataclasses
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medfm import log, predictions, spec
from medfm.report import wording
from medfm.types import Info, UserError

EXAMPLES = "examples.json"
"""In a stage's folder: split -> a few texts of it, where any may be shown."""

_TASKS = "medfm.tasks."


@dataclasses.dataclass(frozen=True)
class Predictions:
  """What one model said of one split, beside the truth.

  names: [K] of classes, labels or targets.
  patients: [N] str, or None where the source names none.
  target: the truth, name -> [N, ...], as the task's `table` gives it.
  predicted: name -> [N, ...]: probabilities, values, tags.
  """

  names: tuple[str, ...]
  patients: np.ndarray | None
  target: Mapping[str, np.ndarray]
  predicted: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Stage:
  """One stage of a run.

  result: its entry in results.json; {} where it has not finished.
  config: its part of config.json.
  history: the lines of its metrics.jsonl.
  task: its module of `medfm.tasks`; None where it is not known.
  figures: that task's figures and words; None where there are none.
  blocks: what its evaluators have to show (`report.blocks`).
  predictions: split -> its own predictions.
  baselines: split -> baseline -> predictions.
  """

  name: str
  result: dict[str, Any]
  config: dict[str, Any]
  history: list[dict[str, Any]]
  task: Any = None
  figures: Any = None
  blocks: Sequence[Mapping[str, Any]] = ()
  predictions: dict[str, Predictions] = dataclasses.field(default_factory=dict)
  baselines: dict[str, dict[str, Predictions]] = dataclasses.field(
    default_factory=dict
  )

  @property
  def finished(self) -> bool:
    return bool(self.result)

  @property
  def supervised(self) -> bool:
    """Whether it learns from labels; so it is taken to do if not known."""
    return supervised(self.task)

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
  def described(self) -> wording.Described:
    """How its metrics describe themselves, by stem."""
    return self.result.get("described") or {}

  @property
  def whom(self) -> str:
    """What examples are of, which splits and intervals keep together."""
    card = self.data.get("card") or {}
    return f"{card.get('grouped_by', 'patient')}s"

  @property
  def final_split(self) -> str | None:
    """The split that answers the question: test where there is one."""
    return final_split(self.splits)

  @property
  def origin(self) -> str:
    """Where its start weights came from; "" for fresh ones."""
    return (self.result.get("init") or {}).get("from") or ""

  @property
  def last_step(self) -> int:
    steps = [line["step"] for line in self.history if "step" in line]
    return max(steps, default=0)

  def title(self, metric: str) -> str:
    return wording.title(metric, self.described)

  def main(self, metrics: Mapping[str, Any]) -> list[str]:
    """The metrics that answer its question, of those there are."""
    return main(self.result, metrics)

  def entry(self, split: str, metric: str) -> Mapping[str, Any]:
    """A metric with its interval; {} where it has none."""
    metrics = (self.splits.get(split) or {}).get("metrics") or {}
    return metrics.get(metric) or {}


@dataclasses.dataclass(frozen=True)
class Run:
  """A workdir, read. `problems`: what could not be read, one line each."""

  workdir: Path
  name: str
  description: str
  finished: bool
  stages: dict[str, Stage]
  comparisons: list[dict[str, Any]]
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
  planned = config.get("stages")
  planned = planned if isinstance(planned, Mapping) else None
  names = list(dict.fromkeys([*done, *(planned or ())])) or ["train"]
  tables, problems = _tables(workdir / "predictions.csv")
  stages = {}
  for name in names:
    folder = workdir / name if planned or len(names) > 1 else workdir
    own = (planned or {}).get(name, config)
    stages[name] = _stage(name, results, own, folder)
    if stages[name].finished and stages[name].task is None:
      problems.append(
        f"stage {name}: this version knows no task "
        f"{done[name].get('task', '')!r}, so that its figures are left out"
      )
    problems += _attach(stages[name], folder, tables)
  return Run(
    workdir=workdir,
    name=results.get("name") or config.get("name") or workdir.name,
    description=config.get("description") or "",
    finished=bool(results.get("finished")),
    stages=stages,
    comparisons=results.get("comparisons") or [],
    config=config,
    environment=_json(workdir / "environment.json"),
    problems=problems,
  )


def module(name: str) -> Any | None:
  """A task, or a task's figures, by its dotted name; None without one."""
  if not name.startswith(_TASKS):
    return None
  try:
    return importlib.import_module(name)
  except ModuleNotFoundError as error:
    if error.name and name.startswith(error.name):
      return None
    raise


def task_name(result: Mapping[str, Any]) -> str:
  """The dotted name of a stage's task, from its entry in results.json."""
  return result.get("task") or ""


def supervised(task: Any | None) -> bool:
  if task is None:
    return True
  return bool(task.TARGETS)


def main(
  result: Mapping[str, Any], metrics: Mapping[str, Any], task: str = ""
) -> list[str]:
  """The metrics that answer a stage's question, of those there are.

  result: the stage's entry in results.json.
  metrics: by name, the stage's own or a rival's.
  task: dotted name of the metrics' task, where it is not the stage's.
  """
  names, select = list(metrics), result.get("select") or ""
  owner = module(task or task_name(result))
  if owner is None:
    return [select] if select in names else names[:1]
  return owner.headline(names, select)


def final_split(splits: Mapping[str, Any]) -> str | None:
  """The split that answers the question: test where there is one."""
  for name in ("test", "validation"):
    if name in splits:
      return name
  return next(iter(splits), None)


def info(folder: Path) -> Info:
  """What training knew of its data, from a stage's info.json.

  Raises:
    UserError: the file is missing or damaged, or of another version.
  """
  content = _json(folder / "info.json")
  known = spec.noun(content) if content else None
  if not isinstance(known, Info):
    raise UserError(
      f"{folder.name}/info.json is missing or of another version of MedFM"
    )
  return known


def table(
  task: Any, known: Info, rows: Sequence[predictions.Row]
) -> Predictions:
  """The predictions that rows of one stage, model and split hold.

  Raises:
    KeyError, ValueError: a column is missing, or a cell is no number.
  """
  target, predicted = task.table(known, rows)
  patients = np.array([row.get("patient") or "" for row in rows])
  named = patients if all(patients) else None
  return Predictions(known.target.names, named, target or {}, predicted)


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
  name: str, results: Mapping[str, Any], config: dict[str, Any], folder: Path
) -> Stage:
  result = (results.get("stages") or {}).get(name) or {}
  task = task_name(result)
  blocks = list(result.get("blocks") or ())
  for split, shown in (_json(folder / EXAMPLES) if result else {}).items():
    blocks += [block | {"split": split} for block in shown]
  return Stage(
    name,
    result,
    config,
    log.read(folder / "metrics.jsonl"),
    module(task),
    module(f"{task}.figures"),
    blocks,
  )


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


_Tables = Mapping[tuple[str, str], list[predictions.Row]]


def _tables(path: Path) -> tuple[_Tables, list[str]]:
  """(stage, split) -> rows of predictions.csv; rows cut short are left out."""
  tables: dict[tuple[str, str], list[predictions.Row]] = {}
  short = 0
  for row in predictions.read(path):
    if None in row or None in row.values():
      short += 1
    elif "stage" not in row or "split" not in row:
      return {}, [f"{path.name} has no columns stage and split"]
    else:
      tables.setdefault((row["stage"], row["split"]), []).append(row)
  if not short:
    return tables, []
  return tables, [
    f"{path.name}: {short} rows of another length than its header were left out"
  ]


def _attach(stage: Stage, folder: Path, tables: _Tables) -> list[str]:
  """Adds a stage's predictions and its baselines'; returns what failed."""
  problems: list[str] = []
  mine = [key for key in tables if key[0].partition(":")[0] == stage.name]
  if not mine or stage.task is None or not stage.supervised:
    return problems
  try:
    known = info(folder)
  except UserError as error:
    return [f"predictions of stage {stage.name}: {error}"]
  for key, split in mine:
    try:
      read_back = table(stage.task, known, tables[key, split])
    except (KeyError, ValueError) as error:
      missing = "no column " if isinstance(error, KeyError) else ""
      what = f"{missing}{error.args[0]}"
      problems.append(f"predictions.csv, {key}, {split}: {what}")
      continue
    if not read_back.target:
      continue  # Without the truth there is nothing to draw.
    if baseline := key.partition(":")[2]:
      stage.baselines.setdefault(split, {})[baseline] = read_back
    else:
      stage.predictions[split] = read_back
  return problems
