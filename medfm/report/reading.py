"""A run's files as plain values; unfinished runs can be read too."""

import contextlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from medfm import jsons, log, predictions, workdir
from medfm.report import wording
from medfm.types import UserError

EXAMPLES = "examples.json"
"""In a stage's folder: split -> a few of its texts, if any may be shown."""


COHORT = "cohort"
"""What a page calls the only split of another cohort, which is not a test split
of the run."""


class Predictions(NamedTuple):
  """What one model predicted for one split, beside the truth.

  names: [K] of classes, labels or targets.
  patients: [N] str, "" if a patient is not known, or None if none is.
  target: the truth, name -> [N, ...], as the task's `table` gives it.
  predicted: name -> [N, ...]: probabilities, values, tags.
  """

  names: tuple[str, ...]
  patients: np.ndarray | None
  target: Mapping[str, np.ndarray]
  predicted: Mapping[str, np.ndarray]


class Stage:
  """One stage of a run.

  result: its entry in results.json; {} if it has not finished.
  config: its part of config.json.
  history: the lines of its metrics.jsonl.
  blocks: what its evaluators want shown (`report.blocks`).
  task, figures: its module of `medfm.tasks`, and that task's figures and
    words; None if they are not known.
  described: the descriptions of its metrics, by stem.
  whom: what groups the examples ("patients"); splits and intervals keep a
    group together.
  final_split: the split that answers the question: test if there is one.
  origin: where its start weights came from; "" for fresh weights.
  share: of the labels that it learnt from.
  learnt: the data it was trained on, also in another cohort's evaluation.
  predictions: split -> the stage's predictions.
  baselines: split -> baseline -> predictions.
  """

  def __init__(
    self,
    name: str,
    result: Mapping[str, Any],
    config: Mapping[str, Any] = {},
    history: Sequence[Mapping[str, Any]] = (),
    blocks: Sequence[Mapping[str, Any]] = (),
  ):
    self.name, self.result, self.config = name, result, config
    self.history, self.blocks = history, blocks
    self.finished = bool(result)
    task = result.get("task") or ""
    self.task, self.figures = module(task), module(f"{task}.figures")
    self.data = result.get("data") or {}
    self.learnt = result.get("trained_on") or self.data
    self.card = self.data.get("card") or {}
    self.classes = tuple(map(str, self.data.get("classes") or ()))
    self.whom = f"{self.card.get('grouped_by', 'patient')}s"
    self.described = result.get("described") or {}
    self.splits = result.get("splits") or {}
    best = COHORT, "test", "validation"
    chosen = [name for name in best if name in self.splits]
    self.final_split = next(iter([*chosen, *self.splits]), None)
    self.origin = (result.get("init") or {}).get("from") or ""
    self.share = float(result.get("label_fraction") or 1)
    self.last_step = max((line.get("step", 0) for line in history), default=0)
    self.predictions: dict[str, Predictions] = {}
    self.baselines: dict[str, dict[str, Predictions]] = {}

  @property
  def supervised(self) -> bool:
    """Whether it learns from labels; assumed if not known."""
    return self.task is None or bool(self.task.TARGETS)

  def title(self, metric: str) -> str:
    return wording.title(metric, self.described)

  def part(self, split: str | None, name: str) -> dict[str, Any]:
    """A split's `metrics`, `baselines`, `groups` or `thresholds`, by name."""
    return (self.splits.get(split) or {}).get(name) or {}

  def entry(self, split: str, metric: str) -> Mapping[str, Any]:
    """A metric with its interval; {} without such a metric."""
    return self.part(split, "metrics").get(metric) or {}

  def levels(self, split: str) -> dict[str, dict[str, Any]]:
    """The scores of a split's subgroups, by name: `sex: f`."""
    return {
      f"{group}: {level or 'not recorded'}": scores
      for group, by_level in self.part(split, "groups").items()
      for level, scores in by_level.items()
    }

  def main(self, metrics: Mapping[str, Any]) -> list[str]:
    """The names of the metrics that answer the stage's question."""
    names, select = list(metrics), self.result.get("select") or ""
    if self.task is None:
      return [select] if select in names else names[:1]
    return self.task.headline(names, select)


class Run:
  """A workdir, read as far as the run has come.

  home: the workdir itself; for an evaluation, which has its own folder, the
    workdir of the run.
  evaluation: the entry of an evaluation in its results; {} for a run.
  problems: what could not be read, one line each. UserError if there is no run,
  or one of its JSON files is damaged.
  """

  def __init__(self, workdir: Path | str, home: Path | str | None = None):
    self.workdir = workdir = Path(workdir)
    home = Path(home or workdir)
    results = _json(workdir / "results.json")
    self.evaluation = results.get("evaluation") or {}
    self.config = config = _json(home / "config.json")
    if not results and not config:
      raise UserError(
        f"{workdir} holds neither results.json nor config.json; set --workdir "
        "to the folder of a run"
      )
    self.name = results.get("name") or config.get("name") or workdir.name
    self.description = config.get("description") or ""
    self.finished = bool(results.get("finished"))
    self.environment = _json(workdir / "environment.json")
    if results and not is_sound(results):
      raise UserError(
        f"{workdir / 'results.json'} is damaged; restore it or remove it"
      )
    results = as_shown(results)
    self.comparisons = results.get("comparisons") or []
    done, planned = results.get("stages") or {}, config.get("stages")
    planned = planned if isinstance(planned, Mapping) else {}
    wanted = done if self.evaluation else [*done, *planned]
    names = list(dict.fromkeys(wanted)) or ["train"]
    tables, self.problems = _tables(workdir / "predictions.csv")
    if self.evaluation.get("elsewhere"):
      tables = {(name, COHORT): rows for (name, _), rows in tables.items()}
    self.stages: dict[str, Stage] = {}
    for name in names:
      folder = home / name if planned or len(names) > 1 else home
      result, part = done.get(name) or {}, planned.get(name, config)
      trained_here = result and not self.evaluation
      examples = _json(folder / EXAMPLES) if trained_here else {}
      blocks = list(result.get("blocks") or ())
      for split, shown in examples.items():
        blocks += [block | {"split": split} for block in shown]
      history = () if self.evaluation else log.read(folder / "metrics.jsonl")
      self.stages[name] = Stage(name, result, part, history, blocks)
      self.problems += _attach(self.stages[name], folder, tables)


def as_shown(results: Mapping[str, Any]) -> Mapping[str, Any]:
  """The results; the only split of another cohort is called `COHORT`."""
  if not (results.get("evaluation") or {}).get("elsewhere"):
    return results

  def renamed(entry: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip([COHORT], entry["splits"].values(), strict=False))

  stages = {
    name: {
      **stage,
      "splits": renamed(stage),
      "data": {**stage["data"], "splits": renamed(stage["data"])},
    }
    for name, stage in results["stages"].items()
  }
  pairs = [{**p, "split": COHORT} for p in results.get("comparisons") or ()]
  return {**results, "stages": stages, "comparisons": pairs}


def is_sound(results: Any) -> bool:
  """Whether the content of a results.json has the expected structure."""

  def table(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(
      isinstance(value.get(key, {}), dict) for key in keys
    )

  return (
    table(results, "stages")
    and isinstance(results.get("finished", False), bool)
    and isinstance(results.get("comparisons", []), list)
    and all(
      table(stage, "splits", "data", "length", "described")
      and all(map(table, stage.get("splits", {}).values()))
      for stage in results.get("stages", {}).values()
    )
  )


def module(name: str) -> Any | None:
  """A task, or a task's figures, by its dotted name; None without one."""
  if not name.startswith("medfm.tasks."):
    return None
  try:
    return importlib.import_module(name)
  except ModuleNotFoundError as error:
    if error.name and name.startswith(error.name):
      return None
    raise


def target(config: Any, path: str = "") -> str:
  """The function a config entry names, without `medfm.`; "" if none."""
  for key in filter(None, path.split(".")):
    config = config.get(key) if isinstance(config, Mapping) else None
  if not isinstance(config, Mapping):
    return ""
  name = config.get("_call_") or config.get("_bind_") or ""
  return name.removeprefix("medfm.")


def _json(path: Path) -> dict[str, Any]:
  if not path.exists():
    return {}
  content = None
  with contextlib.suppress(ValueError):
    content = jsons.read(path)
  if not isinstance(content, dict):
    raise UserError(f"{path} is damaged; restore it or remove it")
  return content


_Tables = Mapping[tuple[str, str], list[predictions.Row]]


def _tables(path: Path) -> tuple[_Tables, list[str]]:
  """(stage, split) -> rows of predictions.csv; rows cut short are left out."""
  rows = predictions.read(path)
  whole = [row for row in rows if None not in (*row, *row.values())]
  if whole and not {"stage", "split"} <= whole[0].keys():
    return {}, [f"{path.name} has no columns stage and split"]
  tables: dict[tuple[str, str], list[predictions.Row]] = {}
  for row in whole:
    tables.setdefault((row["stage"], row["split"]), []).append(row)
  short = len(rows) - len(whole)
  problem = f"{path.name}: {short} rows are not as long as the header"
  return tables, [f"{problem} and were left out"] if short else []


def _attach(stage: Stage, folder: Path, tables: _Tables) -> Iterator[str]:
  """Adds a stage's predictions and its baselines'; yields what failed."""
  if stage.finished and stage.task is None:
    yield (
      f"stage {stage.name}: this version knows no task "
      f"{stage.result.get('task', '')!r}, so its figures are left out"
    )
  mine = [key for key in tables if key[0].partition(":")[0] == stage.name]
  if not mine or stage.task is None or not stage.supervised:
    return
  try:
    known = workdir.info(folder)
  except UserError as error:
    yield f"predictions of stage {stage.name}: {error}"
    return
  for name, split in mine:
    rows = tables[name, split]
    try:
      truth, predicted = stage.task.table(known, rows)
    except (KeyError, ValueError) as error:
      missing = "no column " if isinstance(error, KeyError) else ""
      yield f"predictions.csv, {name}, {split}: {missing}{error.args[0]}"
      continue
    if not truth:
      continue  # Without the truth there is nothing to draw.
    patients = np.array([row.get("patient") or "" for row in rows])
    named = patients if any(patients) else None
    held = Predictions(known.target.names, named, truth, predicted)
    if baseline := name.partition(":")[2]:
      stage.baselines.setdefault(split, {})[baseline] = held
    else:
      stage.predictions[split] = held
