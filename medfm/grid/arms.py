"""Arms: the runs that differ in their seed alone, and how arms compare.

For a single arm two things are shown separately: the spread over seeds (a
standard deviation of runs), and the uncertainty from the number of test
patients (an interval). A difference between arms counts both (`metrics.seeds`);
if each has one run, it compares two trained models. An arm's tuned settings are
those with the best mean validation score; the test split chooses nothing.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from medfm import predictions, workdir
from medfm.grid import cells
from medfm.grid.records import Record
from medfm.metrics import bootstrap, seeds
from medfm.metrics.undefined import Undefined
from medfm.report import wording

_DRAWS = (1000, 10_000)
_PER_COMPARISON = 400
"""Draws of patients: 1,000, and 400 more for each comparison, so that the
smallest possible p stays far below 0.05 after adjustment; 10,000 at most."""
_WORK = 1_000_000
"""How many weights of examples are drawn at a time."""


@dataclasses.dataclass(frozen=True)
class Arm:
  """The runs of one setting and stage on one test split.

  setting: its keys that vary, without seeds.
  metric: what the runs are judged by; ideal: which of its values are better.
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

  def spread(self, split: str, metric: str = "") -> dict[str, Any]:
    """mean and sd over runs; low and high: the runs' intervals, averaged.

    metric: by default the one that the arm is judged by.
    """
    metric = metric or self.metric
    return spread([run.stage.entry(split, metric) for run in self.runs])

  def baselines(self) -> dict[str, dict[str, Any]]:
    """The test scores of each classical model beside the runs, by name."""
    beside = [run.baselines() for run in self.runs]
    names = dict.fromkeys(name for entries in beside for name in entries)
    return {k: spread([each.get(k, {}) for each in beside]) for k in names}


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
  """A setting as a table shows it: the last word of its key, and its value."""
  if key == "config":
    return value.partition(":")[2] or Path(value).stem
  word = key.rpartition(".")[2]
  return value if word == "name" else f"{word} {value}"


def grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list]:
  """Key -> items with that key; groups in the order of their first item."""
  groups: dict[Any, list] = {}
  for item in items:
    groups.setdefault(key(item), []).append(item)
  return groups


def arms(records: Sequence[Record]) -> list[Arm]:
  """The arms of all records that have a score on a test split.

  Shared stages are not arms; nor is pre-training if there is a labelled task to
  judge by.
  """
  answers = [each for each in records if not each.cell.startswith("shared-")]
  if any(each.stage.finished and each.stage.supervised for each in answers):
    answers = [each for each in answers if each.stage.supervised]
  keys = cells.varied([record.setting for record in answers])
  keys = [key for key in keys if not is_seed(key)]
  asked: dict[tuple, set[str]] = {}
  groups: dict[tuple, list[Record]] = {}
  for record in answers:
    known = record.setting
    setting = tuple((key, known[key]) for key in keys if key in known)
    asked.setdefault(setting, set()).add(record.cell)
    stage, judge = record.stage, (record.metric, record.ideal)
    if stage.entry("test", record.metric).get("value") is not None:
      # Arms are rivals if they have the same test examples and truth; they may
      # read different inputs.
      test = stage.splits["test"]
      asked_of = test.get("asked", test.get("sha256"))
      place = (setting, stage.name, asked_of, *judge)
      groups.setdefault(place, []).append(record)
  return [
    Arm(dict(setting), stage, runs[0].data, *judged, len(asked[setting]), runs)
    for (setting, stage, *judged), runs in groups.items()
  ]


def rivals(every: Sequence[Arm]) -> list[list[Arm]]:
  """Arms that answer one question: on the same test split, by one metric."""
  return list(grouped(every, lambda arm: (arm.test, arm.metric)).values())


def best(candidates: Sequence[Arm]) -> Arm | None:
  """The rival with the best mean validation score; the first of equals."""
  merits = [
    (wording.merit(mean, arm.ideal), arm)
    for arm in candidates
    if (mean := arm.spread("validation")["mean"]) is not None
  ]
  return max(merits, key=lambda pair: pair[0])[1] if merits else None


def tuned(every: Sequence[Arm], keys: Sequence[str]) -> list[Arm]:
  """The best by validation among arms that differ in tuned keys alone."""
  groups = grouped(
    every, lambda arm: (_rest(arm, keys), arm.stage, arm.test, arm.metric)
  )
  return [arm for arm in map(best, groups.values()) if arm is not None]


def pairs(
  chosen: Sequence[Arm],
  reference: Mapping[str, str],
  stages: Sequence[Sequence[str]],
  tuned_keys: Sequence[str],
) -> list[tuple[Arm, Arm]]:
  """Which arms are compared: the first of a pair minus the second.

  For pairs of stages, arms of those stages under the same setting except for
  tuned keys; else every arm with the reference among its rivals, by default
  the best by validation.
  """
  if stages:
    by_stage = {(_rest(arm, tuned_keys), arm.stage): arm for arm in chosen}
    couples = [
      (by_stage.get((rest, a)), by_stage.get((rest, b)))
      for rest in dict.fromkeys(rest for rest, _ in by_stage)
      for a, b in stages
    ]
    return [(a, b) for a, b in couples if a and b and a.metric == b.metric]
  compared = []
  for group in rivals(chosen):
    named = [
      arm
      for arm in group
      if reference.items() <= {**arm.setting, "stage": arm.stage}.items()
    ]
    against = named[0] if reference and named else best(group)
    if against is not None:
      compared += [(arm, against) for arm in group if arm is not against]
  return compared


def comparisons(
  root: Path, compared: Sequence[tuple[Arm, Arm]]
) -> list[dict[str, Any]]:
  """The paired difference of each pair on its test split, with p values.

  The difference is the mean over the seeds that both have. With several seeds,
  interval and p count the patients and the seeds (`metrics.seeds`). With one
  seed, two trained models are compared by a bootstrap of test patients, the
  same draws for both; p counts the draws beyond zero, in both tails, and
  `at_most` is True if there were none. `p_holm` is adjusted for the number of
  comparisons (Holm 1979).
  """
  count = min(_DRAWS[0] + _PER_COMPARISON * len(compared), _DRAWS[1])
  draws = {
    id(arm): _draws(root, arm, count) for pair in compared for arm in pair
  }
  rows = [
    {"a": a.name, "b": b.name, "data": a.data, "metric": a.metric}
    | difference(draws[id(a)], draws[id(b)])
    for a, b in compared
  ]
  adjusted = holm([row["p"] for row in rows])
  return [{**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
  """p values adjusted for their number; None is skipped and not counted."""
  order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
  adjusted: list[float | None] = [None] * len(p_values)
  largest = 0.0
  for rank, (p, i) in enumerate(order):
    largest = max(largest, min(1.0, (len(order) - rank) * p))
    adjusted[i] = largest
  return adjusted


def _rest(arm: Arm, keys: Sequence[str]) -> tuple[tuple[str, str], ...]:
  return tuple((k, v) for k, v in arm.setting.items() if k not in keys)


class Scored(NamedTuple):
  """A score, the scores of bootstrap draws, and the number of patients."""

  value: float
  draws: np.ndarray
  patients: int


def difference(
  a: Mapping[Any, Scored], b: Mapping[Any, Scored]
) -> dict[str, Any]:
  """The difference of two arms; each by seed."""
  paired = [seed for seed in a if seed in b]
  unknown = dict.fromkeys(("value", "low", "high", "sd", "p"))
  result: dict[str, Any] = {**unknown, "n": len(paired), "at_most": False}
  if not paired:
    return result
  values = np.array([a[seed].value - b[seed].value for seed in paired])
  result["value"] = float(np.mean(values))
  if len(paired) > 1:
    result["sd"] = float(np.std(values, ddof=1))
  drawn = np.stack([a[seed].draws - b[seed].draws for seed in paired])
  drawn = drawn[:, np.isfinite(drawn).all(0)]
  if drawn.shape[1] < _DRAWS[0] // 2:
    return result
  if len(paired) > 1:
    patients = min(a[seed].patients for seed in paired)
    return result | seeds.difference(values, drawn, patients)
  low, high = map(float, np.quantile(drawn, [0.025, 0.975]))
  tail = int(min((drawn <= 0).sum(), (drawn >= 0).sum()))
  p = min(1.0, 2 * (1 + tail) / (1 + drawn.size))
  return result | {"low": low, "high": high, "p": p, "at_most": not tail}


def _draws(root: Path, arm: Arm, count: int) -> dict[tuple, Scored]:
  """Seeds of a run -> its test score, and those of bootstrap draws."""
  by_seed = {}
  for run in arm.runs:
    numbers = tuple(v for k, v in run.setting.items() if is_seed(k))
    with contextlib.suppress(Undefined):
      by_seed[numbers] = _scores(*_scorer(root, run, arm.metric), count)
  return by_seed


def _scores(
  score: bootstrap.Metric,
  patients: np.ndarray | None,
  examples: int,
  count: int,
) -> Scored:
  """A score, and that of bootstrap draws of the test patients."""
  value = float(score(None))
  cluster = bootstrap.clusters(patients, examples)
  drawn = np.full(count, np.nan)
  size = max(1, _WORK // max(1, examples))
  for first in range(0, len(drawn), size):
    block = drawn[first : first + size]
    with contextlib.suppress(Undefined):
      block[:] = score(bootstrap.weights(cluster, len(block), 0, first))
  return Scored(value, drawn, len(np.unique(cluster)))


def _scorer(
  root: Path, run: Record, metric: str
) -> tuple[bootstrap.Metric, np.ndarray | None, int]:
  """A metric of a run's test predictions, their patients, and their number."""
  task, stage = run.stage.task, run.stage.name or "train"
  rows = predictions.read(root / run.cell / "predictions.csv")
  if task is None or not rows:
    raise Undefined("no predictions are left")
  info = workdir.info(root / run.cell / run.stage.name)
  held = predictions.held(rows, stage, "test", task, info)
  if held is None or not held[0].arrays:
    raise Undefined("there are no predictions beside a known truth")
  units, predicted = held
  kept, target, predicted = task.known(info, units.arrays, predicted)
  decisions = run.stage.part("test", "thresholds")
  scored = task.panel(
    info, target, predicted, decisions=decisions, specificity=0.9
  )
  patients = None if units.patients is None else units.patients[kept]
  return _metric(scored, metric), patients, int(np.sum(kept))


def _metric(of: Any, name: str) -> bootstrap.Metric:
  """A metric of a panel; a mean over the columns that are defined."""
  if name not in of.means:
    return of.metrics[name]
  parts = []
  for column in of.means[name].columns.values():
    with contextlib.suppress(Undefined):
      of.metrics[column](None)
      parts.append(of.metrics[column])
  return lambda weight: np.mean([part(weight) for part in parts], axis=0)
