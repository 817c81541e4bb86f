"""Arms: the runs that differ in their seed alone, and how arms compare.

What varies is kept apart: the spread over seeds (a standard deviation of
runs), and the uncertainty from having tested on so many patients (a bootstrap
interval). An arm's tuned settings are those of best mean validation score;
the test split chooses nothing.
"""

import contextlib
import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medfm import predictions
from medfm.grid.records import Record
from medfm.metrics import bootstrap
from medfm.metrics.undefined import Undefined
from medfm.report import reading, wording

_DRAWS = (1000, 10_000)
_WORK = 20_000_000


@dataclasses.dataclass(frozen=True)
class Arm:
  """The runs of one setting and stage on one test split.

  setting: its keys that vary, without seeds.
  metric: what the runs are judged by; ideal: what is better of it.
  asked: how many runs there should be; runs: those with a result.
  """

  setting: Mapping[str, str]
  stage: str
  data: str
  test: str
  metric: str
  ideal: str | float
  asked: int
  runs: Sequence[Record]

  @property
  def name(self) -> str:
    words = [shown(key, value) for key, value in self.setting.items()]
    return ", ".join([*words, *filter(None, [self.stage])]) or "all runs"

  def mean(self, split: str) -> float | None:
    return self.spread(split)["mean"]

  def spread(self, split: str, metric: str = "") -> dict[str, Any]:
    """mean and sd over runs; low and high: the runs' intervals, averaged.

    Of the metric that the arm is judged by, unless another is named.
    """
    metric = metric or self.metric
    return spread([run.entry(split, metric) for run in self.runs])

  def baselines(self) -> dict[str, dict[str, Any]]:
    """Of each classical model beside the runs, the same on the test split."""
    rivals: dict[str, list] = {}
    for run in self.runs:
      for name, entry in run.baselines("test", self.metric).items():
        rivals.setdefault(name, []).append(entry)
    return {name: spread(entries) for name, entries in rivals.items()}


def spread(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """mean and sd of metrics of several runs; their low and high averaged."""
  columns = {
    key: [entry[key] for entry in entries if entry.get(key) is not None]
    for key in ("value", "low", "high")
  }
  values = columns.pop("value")
  return {
    "mean": float(np.mean(values)) if values else None,
    "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    "n": len(values),
    **{k: float(np.mean(v)) if v else None for k, v in columns.items()},
  }


def is_seed(key: str) -> bool:
  return key.rpartition(".")[2] == "seed"


def shown(key: str, value: str) -> str:
  """A setting as a table shows it: its value, with a word on what it is."""
  if key == "config":
    return value.partition(":")[2] or Path(value).stem
  word = key.rpartition(".")[2]
  return value if word == "name" else f"{word} {value}"


def arms(found: Sequence[Record]) -> list[Arm]:
  """The arms of all records that have a score on a test split.

  Pre-training is none where there is a labelled task to judge it by.
  """
  answers = [record for record in found if not record.shared]
  if any(record.done and record.supervised for record in answers):
    answers = [record for record in answers if record.supervised]
  settings = [record.setting for record in answers]
  keys = list(dict.fromkeys(key for setting in settings for key in setting))
  varied = [
    key
    for key in keys
    if not is_seed(key) and len({s.get(key) for s in settings}) > 1
  ]
  groups: dict[tuple, list[Record]] = {}
  asked: dict[tuple, set[str]] = {}
  for record in answers:
    setting = tuple(
      (key, record.setting[key]) for key in varied if key in record.setting
    )
    asked.setdefault(setting, set()).add(record.cell)
    if record.value("test", record.metric) is not None:
      judge = (record.metric, record.ideal)
      key = (setting, record.stage, record.test, *judge)
      groups.setdefault(key, []).append(record)
  return [
    Arm(dict(setting), stage, runs[0].data, *judged, len(asked[setting]), runs)
    for (setting, stage, *judged), runs in groups.items()
  ]


def rivals(every: Sequence[Arm]) -> list[list[Arm]]:
  """Arms that answer one question: of one test split, judged by one metric."""
  groups: dict[tuple[str, str], list[Arm]] = {}
  for arm in every:
    groups.setdefault((arm.test, arm.metric), []).append(arm)
  return list(groups.values())


def best(candidates: Sequence[Arm]) -> Arm | None:
  """Of rivals, the arm of best mean validation score; the first of equals."""
  scored = [
    (wording.merit(score, arm.ideal), -i, arm)
    for i, arm in enumerate(candidates)
    if (score := arm.mean("validation")) is not None
  ]
  return max(scored, key=lambda entry: entry[:2])[2] if scored else None


def tuned(every: Sequence[Arm], keys: Sequence[str]) -> list[Arm]:
  """Of arms that differ in tuned keys alone, the best by validation."""
  groups: dict[tuple, list[Arm]] = {}
  for arm in every:
    same = (_rest(arm, keys), arm.stage, arm.test, arm.metric)
    groups.setdefault(same, []).append(arm)
  chosen = [best(group) for group in groups.values()]
  return [arm for arm in chosen if arm is not None]


def pairs(
  chosen: Sequence[Arm],
  reference: Mapping[str, str],
  stages: Sequence[Sequence[str]],
  tuned_keys: Sequence[str],
) -> list[tuple[Arm, Arm]]:
  """Which arms are compared: the first of a pair minus the second.

  For pairs of stages, arms of those stages under the same setting but for
  tuned keys; else every arm with the reference among its rivals, which is the
  best by validation where none is named.
  """
  if stages:
    by_stage = {(_rest(arm, tuned_keys), arm.stage): arm for arm in chosen}
    return [
      (by_stage[rest, a], by_stage[rest, b])
      for rest in dict.fromkeys(rest for rest, _ in by_stage)
      for a, b in stages
      if (rest, a) in by_stage
      and (rest, b) in by_stage
      and by_stage[rest, a].metric == by_stage[rest, b].metric
    ]
  compared = []
  for group in rivals(chosen):
    named = next((arm for arm in group if _is(arm, reference)), None)
    if against := named or best(group):
      compared += [(arm, against) for arm in group if arm is not against]
  return compared


def comparisons(
  root: Path, compared: Sequence[tuple[Arm, Arm]]
) -> list[dict[str, Any]]:
  """The paired difference of each pair on its test split, with p values.

  The difference is the mean over seeds that both have; interval and p come
  from a bootstrap of test patients, the same draws for both arms and all
  seeds. p counts the draws on the other side of zero, in both tails; `p_holm`
  is adjusted for the number of comparisons (Holm 1979).
  """
  draws = {id(arm): _draws(root, arm) for pair in compared for arm in pair}
  rows = [
    {"a": a.name, "b": b.name, "data": a.data, "metric": a.metric}
    | _difference(draws[id(a)], draws[id(b)])
    for a, b in compared
  ]
  adjusted = holm([row["p"] for row in rows])
  return [{**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
  """p values adjusted for their number; None stays and does not count."""
  order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
  adjusted: list[float | None] = [None] * len(p_values)
  largest = 0.0
  for rank, (p, i) in enumerate(order):
    largest = max(largest, min(1.0, (len(order) - rank) * p))
    adjusted[i] = largest
  return adjusted


def _rest(arm: Arm, keys: Sequence[str]) -> tuple[tuple[str, str], ...]:
  return tuple((k, v) for k, v in arm.setting.items() if k not in keys)


def _is(arm: Arm, reference: Mapping[str, str]) -> bool:
  own = {**arm.setting, "stage": arm.stage}
  return bool(reference) and all(
    own.get(key) == value for key, value in reference.items()
  )


def _difference(a: dict, b: dict) -> dict[str, Any]:
  """Of two arms' scores by seed; each (value, draws [R])."""
  seeds = [seed for seed in a if seed in b]
  result: dict[str, Any] = dict.fromkeys(("value", "low", "high", "sd"))
  result |= {"n": len(seeds), "p": None}
  if not seeds:
    return result
  values = np.array([a[seed][0] - b[seed][0] for seed in seeds])
  drawn = np.mean([a[seed][1] - b[seed][1] for seed in seeds], axis=0)
  drawn = drawn[np.isfinite(drawn)]
  result["value"] = float(values.mean())
  if len(seeds) > 1:
    result["sd"] = float(values.std(ddof=1))
  if len(drawn) < _DRAWS[0] // 2:
    return result
  low, high = np.quantile(drawn, [0.025, 0.975])
  tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
  p = min(1.0, 2 * (1 + tail) / (1 + len(drawn)))
  return result | {"low": float(low), "high": float(high), "p": float(p)}


def _draws(root: Path, arm: Arm) -> dict:
  """Seeds of a run -> its test score and that of every bootstrap draw."""
  by_seed = {}
  for run in arm.runs:
    seeds = tuple(v for k, v in run.setting.items() if is_seed(k))
    with contextlib.suppress(Undefined):
      by_seed[seeds] = _scores(root, run, arm.metric)
  return by_seed


def _scores(root: Path, run: Record, metric: str) -> tuple[float, np.ndarray]:
  """The score of a run and of bootstrap draws of its test patients.

  Raises:
    Undefined: it has none, or its predictions are lost.
  """
  score, patients, count = _scorer(root, run, metric)
  cluster = bootstrap.clusters(patients, count)
  value = float(score(None))
  draws = int(np.clip(_WORK // max(1, count), *_DRAWS))
  size = max(1, _WORK // 20 // max(1, count))
  drawn = []
  for first in range(0, draws, size):
    weight = bootstrap.weights(cluster, min(size, draws - first), 0, first)
    try:
      drawn.append(np.broadcast_to(score(weight), len(weight)))
    except Undefined:
      drawn.append(np.full(len(weight), np.nan))
  return value, np.concatenate(drawn)


def _scorer(
  root: Path, run: Record, metric: str
) -> tuple[bootstrap.Metric, np.ndarray | None, int]:
  """A metric of a run's test predictions, their patients, how many they are.

  Raises:
    Undefined: its task is not known, or its predictions are lost.
  """
  task = reading.Stage("", run.result).task
  rows = [
    row
    for row in predictions.read(root / run.cell / "predictions.csv")
    if (row["stage"], row["split"]) == (run.stage or "train", "test")
  ]
  if task is None or not rows:
    raise Undefined("no predictions are left")
  info = reading.info(root / run.folder)
  held = reading.table(task, info, rows)
  if not held.target:
    raise Undefined("the truth is not known")
  kept, target, predicted = task.known(info, held.target, held.predicted)
  decisions = run.result["splits"]["test"].get("thresholds") or {}
  scored = task.panel(
    info, target, predicted, decisions=decisions, specificity=0.9
  )
  patients = None if held.patients is None else held.patients[kept]
  return _metric(scored, metric), patients, int(np.sum(kept))


def _metric(of: Any, name: str) -> bootstrap.Metric:
  """A metric of a panel; a mean over the columns that are defined."""
  if name not in of.means:
    return of.metrics[name]
  parts = []
  for column in of.means[name].columns.values():
    try:
      of.metrics[column](None)
    except Undefined:
      continue
    parts.append(of.metrics[column])
  return lambda weight: np.mean([part(weight) for part in parts], axis=0)


def stem(stage: str) -> str:
  """A stage's name without the number at its end: finetune_5 -> finetune."""
  return re.sub(r"[_-]?\d+$", "", stage)


def number(value: str | None) -> float | None:
  """A setting as a number; None where it is none."""
  try:
    return float(value)
  except (TypeError, ValueError):
    return None
