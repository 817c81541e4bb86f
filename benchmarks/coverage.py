"""How often a 95 % interval holds the true value, by simulation.

python -m benchmarks.coverage
python -m benchmarks.coverage --only=auroc,brier --sizes=60,150 --before

Samples are drawn from populations whose true metric is known: n examples in
clusters (patients) of 1, 5, 20 or 1 to 20, with a correlation within
clusters of the normal variable behind each answer; a share of positives, which
belong to clusters or to single examples. Each sample goes through the code
that evaluates a run. Coverage is counted where an interval is shown; how often
one is shown, and the mean width, stand beside it. A cell below .93 is measured
again, with --again repeats of another seed. --before measures the
percentile bootstrap, with 200 resamples. Writes coverage.json and coverage.md.
"""

import argparse
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special, stats

from medfm.metrics import (
  bootstrap,
  calibration,
  classification,
  ranking,
  regions,
  regression,
  sizes,
  survival,
)
from medfm.metrics.bootstrap import Metric
from medfm.metrics.intervals import jackknife
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.metrics.undefined import Undefined

BAR = 0.93
RARE = 0.2
"""Intervals that are shown less often are of samples unlike the others."""

BEFORE = 200
"""Resamples of the bootstrap that is measured for comparison."""


class Cell(NamedTuple):
  """One population.

  n: examples. size: of clusters; 0 is any from 1 to 20. icc: the correlation
  within clusters. prevalence: the share of positives, or of events. value:
  the true metric, or that of both models; not of those `UNGRADED`. whole:
  whether a cluster's examples have one label.
  """

  n: int
  size: int
  icc: float
  prevalence: float
  value: float
  whole: bool = False


class Drawn(NamedTuple):
  """A sample: the metric on it, the true value, clusters [N]."""

  metric: Metric
  truth: float
  cluster: np.ndarray


class Row(NamedTuple):
  """What was counted in one cell: coverage is None where nothing is shown."""

  metric: str
  cell: Cell
  clusters: float
  repeats: int
  shown: float
  coverage: float | None
  width: float | None
  reason: str = ""


def clusters(cell: Cell, generator: np.random.Generator) -> np.ndarray:
  """The cluster of each example: [N]."""
  sizes = np.full(cell.n, cell.size or 1)
  if not cell.size:
    sizes = generator.integers(1, 21, cell.n)
  return np.repeat(np.arange(cell.n), sizes)[: cell.n]


def labels(cell: Cell, cluster: np.ndarray, generator) -> np.ndarray:
  """[N] bool."""
  if cell.whole:
    return (generator.random(cell.n) < cell.prevalence)[cluster]
  return generator.random(cell.n) < cell.prevalence


def noise(cell: Cell, cluster: np.ndarray, generator) -> np.ndarray:
  """Standard normal [N] with the correlation `icc` within clusters."""
  shared, alone = generator.normal(size=(2, cell.n))
  return cell.icc**0.5 * shared[cluster] + (1 - cell.icc) ** 0.5 * alone


def _happens(share: float, error: np.ndarray) -> np.ndarray:
  return error < special.ndtri(share)


def _accuracy(cell: Cell, generator) -> Drawn:
  cluster = clusters(cell, generator)
  label = labels(cell, cluster, generator)
  right = _happens(cell.value, noise(cell, cluster, generator))
  metric = partial(classification.accuracy, label * 1.0, (label == right) * 1)
  return Drawn(metric, cell.value, cluster)


def _calls(cell: Cell, generator, metric: Callable, truth: str) -> Drawn:
  """Calls whose sensitivity is the value, and so is `truth`."""
  cluster = clusters(cell, generator)
  label = labels(cell, cluster, generator)
  error = noise(cell, cluster, generator)
  false = 1 - cell.value  # 1 - specificity.
  if truth == "precision":
    odds = cell.prevalence / (1 - cell.prevalence)
    false = min(odds * (1 - cell.value), 1.0)
  called = np.where(label, _happens(cell.value, error), _happens(false, error))
  return Drawn(partial(metric, label * 1.0, called * 1), cell.value, cluster)


def _scores(cell: Cell, generator) -> tuple[np.ndarray, ...]:
  """Clusters, labels and binormal scores, and how far apart the two lie."""
  cluster = clusters(cell, generator)
  label = labels(cell, cluster, generator)
  apart = float(np.sqrt(2) * special.ndtri(cell.value))
  score = apart * label + noise(cell, cluster, generator)
  return cluster, label, score, np.float64(apart)


def _auroc(cell: Cell, generator) -> Drawn:
  cluster, label, score, _ = _scores(cell, generator)
  return Drawn(partial(ranking.auroc, label * 1.0, score), cell.value, cluster)


def _risk(score, apart: float, prevalence: float):
  """The probability of a positive that a binormal score tells."""
  odds = np.log(prevalence / (1 - prevalence))
  return 1 / (1 + np.exp(-(apart * score - apart**2 / 2 + odds)))


@lru_cache
def _true_brier(prevalence: float, value: float) -> float:
  """E p (1 - p) of the calibrated risk, over a fine grid of scores."""
  apart = np.sqrt(2) * special.ndtri(value)
  grid = np.linspace(-10, 16, 200_001)
  density = (1 - prevalence) * stats.norm.pdf(grid)
  density += prevalence * stats.norm.pdf(grid - apart)
  risk = _risk(grid, apart, prevalence)
  return float((density * risk * (1 - risk)).sum() * (grid[1] - grid[0]))


def _brier(cell: Cell, generator) -> Drawn:
  cluster, label, score, apart = _scores(cell, generator)
  risk = _risk(score, float(apart), cell.prevalence)
  truth = _true_brier(cell.prevalence, cell.value)
  return Drawn(partial(calibration.brier, label * 1.0, risk), truth, cluster)


def _rmse(cell: Cell, generator) -> Drawn:
  cluster = clusters(cell, generator)
  error = noise(cell, cluster, generator)
  metric = partial(regression.rmse, np.zeros(cell.n), error)
  return Drawn(metric, 1.0, cluster)


def _dice(cell: Cell, generator) -> Drawn:
  """Of cases from a beta distribution of mean .9 and deviation .08."""
  cluster = clusters(cell, generator)
  order = special.ndtr(noise(cell, cluster, generator))
  parts = np.array([0.9, 0.1]) * (0.9 * 0.1 / 0.08**2 - 1)
  values = special.betaincinv(*parts, order)
  return Drawn(partial(regions.dice, values), 0.9, cluster)


def _distance(cell: Cell, generator, metric: Callable, truth: float) -> Drawn:
  """Of surface distances, log-normal with a deviation of 0.6."""
  cluster = clusters(cell, generator)
  values = np.exp(0.6 * noise(cell, cluster, generator))
  return Drawn(partial(metric, values), truth, cluster)


def _limit(cell: Cell, generator) -> Drawn:
  """The upper limit of agreement of normal differences."""
  cluster = clusters(cell, generator)
  error = noise(cell, cluster, generator) / 2
  metric = partial(sizes.upper_limit, np.zeros(cell.n), error)
  return Drawn(metric, 0.98, cluster)


def _followed(slope: float, end: float, x: np.ndarray, luck: np.ndarray):
  """Times and events: hazard exp(slope x), luck standard normal, follow-up
  to `end`."""
  time = -special.log_ndtr(luck) * np.exp(-slope * x)
  return np.minimum(time, end), (time <= end).astype(int)


@lru_cache
def _survival(prevalence: float, value: float) -> tuple[float, float, float]:
  """(slope, end, C) of a population with about this C; C of 200,000."""
  x, luck = np.random.default_rng(0).normal(size=(2, 200_000))

  def end_of(slope: float) -> float:
    return float(np.quantile(_followed(slope, np.inf, x, luck)[0], prevalence))

  def concordance(slope: float) -> float:
    part = slice(None, None, 20)
    followed = _followed(slope, end_of(slope), x[part], luck[part])
    return float(survival.concordance(*followed, x[part]))

  slope = optimize.brentq(lambda s: concordance(s) - value, 0.1, 60, xtol=0.05)
  end = end_of(float(slope))
  truth = survival.concordance(*_followed(float(slope), end, x, luck), x)
  return float(slope), end, float(truth)


def _concordance(cell: Cell, generator) -> Drawn:
  cluster = clusters(cell, generator)
  slope, end, truth = _survival(cell.prevalence, cell.value)
  x, luck = (noise(cell, cluster, generator) for _ in range(2))
  followed = _followed(slope, end, x, luck)
  return Drawn(partial(survival.concordance, *followed, x), truth, cluster)


def _calibration_error(cell: Cell, generator) -> Drawn:
  """Of a calibrated model, whose true error is 0."""
  cluster = clusters(cell, generator)
  risk = special.expit(1.5 * noise(cell, cluster, generator))
  label = generator.random(cell.n) < risk
  error = partial(calibration.calibration_error, label * 1.0, risk)
  return Drawn(error, 0.0, cluster)


@jackknife.of_differences
def _apart(label, first, second, weight=None):
  return classification.accuracy(
    label, first, weight
  ) - classification.accuracy(label, second, weight)


def _difference(cell: Cell, generator) -> Drawn:
  """Of the accuracies of two models that are as good, and err alike."""
  cluster = clusters(cell, generator)
  label = labels(cell, cluster, generator)
  shared, *alone = (noise(cell, cluster, generator) for _ in range(3))
  calls = [
    (label == _happens(cell.value, (shared + each) / 2**0.5)) * 1
    for each in alone
  ]
  return Drawn(partial(_apart, label * 1.0, *calls), 0.0, cluster)


METRICS: dict[str, Callable[..., Drawn]] = {
  "auroc": _auroc,
  "accuracy": _accuracy,
  "sensitivity": partial(_calls, metric=classification.recall, truth=""),
  "specificity": partial(_calls, metric=classification.specificity, truth=""),
  "precision": partial(
    _calls, metric=classification.precision, truth="precision"
  ),
  "f1": partial(_calls, metric=classification.f1, truth="precision"),
  "brier": _brier,
  "rmse": _rmse,
  "c_index": _concordance,
  "calibration_error": _calibration_error,
  "dice": _dice,
  "hd95": partial(_distance, metric=regions.hd95, truth=np.exp(0.18)),
  "median_hd95": partial(_distance, metric=regions.median_hd95, truth=1.0),
  "limit": _limit,
  "difference": _difference,
}
SIZES = (60, 150, 400, 2000)
UNGRADED = (
  "rmse",
  "calibration_error",
  "dice",
  "hd95",
  "median_hd95",
  "limit",
)
"""Of one population for each size."""

QUICK = (
  Cell(60, 1, 0.0, 0.3, 0.99),
  Cell(150, 5, 0.3, 0.3, 0.95, True),
)


def cells(metric: str, sizes: Sequence[int] = SIZES) -> Iterator[Cell]:
  """The grid of one metric."""
  for n in sizes:
    for size, icc in ((1, 0.0), (5, 0.1), (5, 0.3), (20, 0.3), (0, 0.1)):
      if metric in UNGRADED:
        yield Cell(n, size, icc, 0.5, 0.0)
        continue
      for prevalence in (0.1, 0.3, 0.5):
        for value in (0.7, 0.9, 0.99):
          yield Cell(n, size, icc, prevalence, value, size == 5)


def measured(
  metric: str, cell: Cell, *, repeats: int, seed: int = 0, before: bool = False
) -> Row:
  """Coverage, how often an interval is shown, and its mean width."""
  widths, held, count, reasons = [], 0, 0, []
  for repeat in range(repeats):
    key = (seed, repeat, *(ord(letter) for letter in metric))
    drawn = METRICS[metric](cell, np.random.default_rng(key))
    count += int(drawn.cluster.max()) + 1
    entry = _entry(drawn, before)
    if entry["low"] is None:
      reasons.append(entry["reason"])
      continue
    widths.append(entry["high"] - entry["low"])
    held += entry["low"] <= drawn.truth <= entry["high"]
  shown = len(widths)
  return Row(
    metric,
    cell,
    count / repeats,
    repeats,
    shown / repeats,
    held / shown if shown else None,
    float(np.mean(widths)) if shown else None,
    max(set(reasons), key=reasons.count) if reasons else "",
  )


def _entry(drawn: Drawn, before: bool) -> dict[str, Any]:
  metrics = {"metric": drawn.metric}
  if before:
    return _percentiles(drawn)
  return entries(metrics, Sample(drawn.cluster, "patients"))["metric"]


def _percentiles(drawn: Drawn) -> dict[str, Any]:
  """The percentile bootstrap over clusters; undefined resamples are left out,
  up to a tenth of them."""
  weight = _weights(drawn.cluster.tobytes())
  none = {"low": None, "high": None}
  try:
    float(drawn.metric(None))
    values = np.asarray(drawn.metric(weight))
  except Undefined as error:
    return none | {"reason": str(error)}
  if np.isnan(values).mean() > bootstrap.MAX_UNDEFINED:
    return none | {"reason": "undefined in many resamples"}
  low, high = np.nanquantile(values, [0.025, 0.975])
  return {"low": float(low), "high": float(high)}


@lru_cache(1)
def _weights(cluster: bytes) -> np.ndarray:
  """Resamples [R,N], drawn once for samples of the same clusters."""
  return bootstrap.weights(np.frombuffer(cluster, int), BEFORE, 0)


def _repeats(cell: Cell, repeats: int) -> int:
  """Fewer of large samples, whose intervals differ little."""
  return repeats if cell.n < 2000 else max(repeats // 4, 1)


def summary(rows: Sequence[Row]) -> str:
  """A table by metric and n: the least and the mean coverage, and widths."""
  lines = [
    "| metric | n | cells | coverage, least | mean | below .93 | shown "
    "| mean width |",
    "|---|---|---|---|---|---|---|---|",
  ]
  keys = dict.fromkeys((row.metric, row.cell.n) for row in rows)
  for metric, n in keys:
    group = [r for r in rows if (r.metric, r.cell.n) == (metric, n)]
    kept = [r for r in group if r.coverage is not None and r.shown >= RARE]
    if not kept:
      lines.append(f"| {metric} | {n} | {len(group)} | | | | 0 | |")
      continue
    coverages = [r.coverage or 0.0 for r in kept]
    lines.append(
      f"| {metric} | {n} | {len(kept)} of {len(group)} | {min(coverages):.3f} "
      f"| {np.mean(coverages):.3f} | {sum(c < BAR for c in coverages)} | "
      f"{np.mean([r.shown for r in group]):.2f} | "
      f"{np.mean([r.width or 0.0 for r in kept]):.3f} |"
    )
  return "\n".join(lines) + "\n"


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--only", default=",".join(METRICS))
  parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
  parser.add_argument("--repeats", type=int, default=1000)
  parser.add_argument("--again", type=int, default=1500)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--before", action="store_true")
  parser.add_argument("--quick", action="store_true")
  parser.add_argument(
    "--out", type=pathlib.Path, default=pathlib.Path("runs/coverage")
  )
  asked = parser.parse_args()
  rows = []
  sizes = [int(size) for size in asked.sizes.split(",")]
  for metric in asked.only.split(","):
    for cell in QUICK if asked.quick else cells(metric, sizes):
      repeats = _repeats(cell, asked.repeats)
      settings = {"seed": asked.seed, "before": asked.before}
      row = measured(metric, cell, repeats=repeats, **settings)
      if not asked.before and (row.coverage or 1.0) < BAR and row.shown >= RARE:
        settings["seed"] += 7
        row = measured(metric, cell, repeats=asked.again, **settings)
      rows.append(row)
    write(rows, asked.out, "before" if asked.before else "coverage")
  print(summary(rows))


def write(rows: Sequence[Row], folder: pathlib.Path, name: str) -> None:
  """All rows as JSON, and their summary."""
  folder.mkdir(parents=True, exist_ok=True)
  table = [row._asdict() | {"cell": row.cell._asdict()} for row in rows]
  (folder / f"{name}.json").write_text(json.dumps(table, indent=1))
  (folder / f"{name}.md").write_text(summary(rows))


if __name__ == "__main__":
  main()
