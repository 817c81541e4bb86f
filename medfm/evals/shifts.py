"""How the examples of a cohort differ from those that a model learnt from.

This needs only a summary of the training split, which a run keeps beside its
weights, so that cohorts can be compared without the training data.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm import tasks
from medfm.data import designs
from medfm.evals.context import Block, Context, Findings
from medfm.metrics import bootstrap, ranking
from medfm.metrics.intervals.bounds import Sample
from medfm.metrics.intervals.entries import entries
from medfm.tasks import documents
from medfm.types import (
  PRESENT,
  Arrays,
  Info,
  Profile,
  Split,
  UserError,
  view,
)

KEPT = "training.json"
"""In a stage's folder: the summary of its training split."""
NOTICEABLE = 0.1
"""Cohorts differ beyond this standardised mean difference (Austin 2009)."""
SHOWN, BRIEF = 100, 5
_CELLS = 1 << 22
_SOURCE_ROWS = 5000
_SOURCE_FOLDS = 5
Summary = dict[str, Any]


def summary(split: Split, info: Info) -> Summary:
  """Each input's numbers and levels, and the target's, JSON-able."""
  return {
    "inputs": {
      name: _summed(profile) for name, profile in inputs(split.arrays, info)
    },
    "target": _summed(target(split, info)),
  }


def answers(split: Split, info: Info) -> dict[str, dict[str, int]]:
  """How often each answer occurs: {"class": {"well": 90, "ill": 10}}."""
  levels = _summed(target(split, info))["levels"]
  return {name: entry["counts"] for name, entry in levels.items()}


def shift(context: Context) -> Findings:
  """Blocks of how each input, and how often each answer, differs.

  If the training examples are available, also how well a linear model tells the
  two cohorts apart.
  """
  if not context.first:
    return Findings()
  trained, info = context.trained, context.info
  if trained is None and context.train is not None:
    trained = summary(context.train, info)
  if trained is None:
    return Findings()
  blocks = {}
  for name, split in context.held_out.items():
    shown: list[Block] = []
    for part, profile in inputs(split.arrays, info):
      if part in trained["inputs"]:
        shown += _blocks(part, trained["inputs"][part], profile)
    truth = target(split, info)
    shown += _blocks("what is predicted", trained["target"], truth)
    if shown:  # Once is enough.
      shown[0]["note"] += f" {_HOW}"
    blocks[name] = [*shown, *_told_apart(context, split)]
  return Findings(blocks=blocks)


def inputs(arrays: Arrays, info: Info) -> Iterator[tuple[str, Profile]]:
  """The profile of each input, of the examples that have it."""
  for name, each in info.inputs.items():
    part = view(arrays, info.inputs, name)
    if (present := part.get(PRESENT)) is not None:
      rows = np.flatnonzero(present)
      part = {k: part[k][rows] for k in each.arrays if k in part}
    yield name, each.profile(part)


def target(split: Split, info: Info) -> Profile:
  """The truth; a text that is read in several windows counts once."""
  task, arrays = tasks.of(info.target), split.arrays
  if not task.TARGETS or not set(task.TARGETS) <= arrays.keys():
    return Profile()
  rows = documents.firsts(split)
  return task.profile(info, {name: arrays[name][rows] for name in task.TARGETS})


def _summed(profile: Profile) -> Summary:
  """numbers: name -> n, mean, std, p1, p99 (None without any), missing.
  levels: name -> level -> count, and `missing`.

  p1, p99: percentiles, since an extreme value would disclose one patient's.
  """
  numbers = {}
  width = max(1, _CELLS // max(1, len(profile.values)))
  for start in range(0, len(profile.names), width):
    names = profile.names[start : start + width]
    values = np.asarray(profile.values[:, start : start + width], np.float64)
    numbers |= dict(zip(names, _moments(values), strict=True))
  levels = {}
  for name, (named, codes) in profile.levels.items():
    codes = np.asarray(codes)
    counts = np.bincount(codes[codes >= 0], minlength=len(named)).tolist()
    levels[name] = {
      "counts": dict(zip(named, counts, strict=True)),
      "missing": int((codes < 0).sum()),
    }
  return {"numbers": numbers, "levels": levels}


def _moments(values: np.ndarray) -> Iterator[dict[str, Any]]:
  known = np.isfinite(values)
  count = known.sum(0)
  filled = np.where(known, values, 0)
  mean = filled.sum(0) / np.maximum(count, 1)
  spread = np.where(known, values - mean, 0)
  std = np.sqrt((spread**2).sum(0) / np.maximum(count - 1, 1))
  p1, p99 = _percentiles(values, known, (0.01, 0.99))
  for k, n in enumerate(count.tolist()):
    of = dict(mean=mean[k], std=std[k], p1=p1[k], p99=p99[k])
    shown = {name: float(value) if n else None for name, value in of.items()}
    yield {"n": n, "missing": len(values) - n, **shown}


def _percentiles(
  values: np.ndarray, known: np.ndarray, shares: Sequence[float]
) -> Iterator[np.ndarray]:
  """[C] percentiles for each share, of known values [N,C]; inf without any.

  As np.nanquantile, but all columns at once.
  """
  ordered = np.sort(np.where(known, values, np.inf), axis=0)
  ordered = np.concatenate([ordered, np.full_like(ordered[:1], np.inf)])
  last = np.maximum(known.sum(0) - 1, 0)
  columns = np.arange(values.shape[1])
  for share in shares:
    place = share * last
    below = place.astype(int)
    low = ordered[below, columns]
    high = ordered[np.minimum(below + 1, last), columns]
    with np.errstate(invalid="ignore"):  # inf - inf
      yield low + (place - below) * (high - low)


def _blocks(part: str, there: Summary, here: Profile) -> Iterator[Block]:
  """A table of the numbers and one of the levels that an input has."""
  cohort = _summed(here)
  pairs = [
    (name, there["numbers"][name], entry, here.values[:, k])
    for k, (name, entry) in enumerate(cohort["numbers"].items())
    if name in there["numbers"]
  ]
  if pairs:
    rows = [_number(*pair) for pair in pairs]
    gaps = [_gaps(e) for pair in pairs for e in pair[1:3]]
    missing = [
      _standardised(*both) for both in zip(gaps[::2], gaps[1::2], strict=True)
    ]
    columns = ("Number", "Training mean", "Cohort mean", _DIFFERENCE)
    columns += ("Outside 1–99\u00a0%", "Missing")
    columns += ("Missing in training", "Training SD", "Cohort SD")
    known = [d if isinstance(d, float) else math.inf for d in missing]
    block = _table(f"Shift of {part}: numbers", columns, rows, known)
    yield block | {"note": f"{block['note']} {_OUTSIDE}"}
  rows = [
    row
    for name, entry in cohort["levels"].items()
    if name in there["levels"]
    for row in _shares(name, there["levels"][name], entry)
  ]
  if rows:
    columns = ("Level", "Training share", "Cohort share", _DIFFERENCE)
    columns += ("Training n", "Cohort n")
    yield _table(f"Shift of {part}: levels", columns, rows)


_DIFFERENCE = "Std. difference"
_HOW = (
  "The standardised difference is (cohort − training) / root mean square of "
  "both SDs; beyond 0.1 cohorts are taken to differ (Austin 2009). With few "
  "examples, chance alone can exceed this."
)
_OUTSIDE = (
  "Outside 1–99\u00a0%: below the 1st or above the 99th percentile of "
  "training; about 2 % in a similar cohort."
)


def _table(
  title: str,
  columns: Sequence[str],
  rows: list[list[Any]],
  missing: Sequence[float] = (),
) -> Block:
  """A table with the rows that differ most first; beyond `SHOWN` only counted.

  missing: the standardised difference in how often each is missing.
  """
  sizes = [abs(r[3]) if isinstance(r[3], float) else math.inf for r in rows]
  if missing:
    sizes = [max(pair) for pair in zip(sizes, map(abs, missing), strict=True)]
  order = sorted(range(len(rows)), key=lambda k: -sizes[k])
  beyond = sum(size > NOTICEABLE for size in sizes)
  note = (
    f"{beyond} of {len(rows)} differ by more than {NOTICEABLE:g}, in value or "
    "in how often they are missing, or could not be compared; those that "
    "differ most come first."
  )
  if len(rows) > SHOWN:
    note += f" {len(rows) - SHOWN} more rows are not shown."
  return {
    "kind": "table",
    "title": title,
    "columns": list(columns),
    "rows": [rows[k] for k in order[:SHOWN]],
    "brief": list(range(min(BRIEF, len(rows)))),
    "note": note,
    "terminal": True,
  }


def _number(
  name: str, there: Mapping, here: Mapping, values: np.ndarray
) -> list[Any]:
  """A row of the table of numbers."""
  outside = None
  if there.get("p1") is not None and here["n"]:
    values = np.asarray(values, np.float64)
    known = values[np.isfinite(values)]
    beyond = (known < there["p1"]) | (known > there["p99"])
    outside = _percent(beyond.mean())
  return [
    name,
    there["mean"],
    here["mean"],
    _standardised(there, here),
    outside,
    _percent(here["missing"] / max(1, here["missing"] + here["n"])),
    _percent(there["missing"] / max(1, there["missing"] + there["n"])),
    there["std"],
    here["std"],
  ]


def _standardised(there: Mapping, here: Mapping) -> float | str:
  """(here - there) / root mean square of both SDs, or words if undefined."""
  if not there["n"] or not here["n"]:
    return "all missing"
  apart = here["mean"] - there["mean"]
  spread = math.sqrt((there["std"] ** 2 + here["std"] ** 2) / 2)
  if spread > 1e-7 * max(abs(here["mean"]), abs(there["mean"])):
    return apart / spread
  return "constant, another" if abs(apart) > spread else 0.0


def _shares(name: str, there: Mapping, here: Mapping) -> Iterator[list[Any]]:
  """The rows of one name's levels, and of what is missing or unknown."""
  sides = [
    {**entry["counts"], "missing or unknown": entry["missing"]}
    for entry in (there, here)
  ]
  totals = [max(1, sum(side.values())) for side in sides]
  for level in dict.fromkeys((*sides[0], *sides[1])):
    counts = [side.get(level, 0) for side in sides]
    if not any(counts):
      continue
    shares = [c / n for c, n in zip(counts, totals, strict=True)]
    entries = [_part(share, n) for share, n in zip(shares, totals, strict=True)]
    difference = _standardised(*entries)
    yield [f"{name}: {level}", *map(_percent, shares), difference, *counts]


def _gaps(entry: Mapping) -> dict[str, Any]:
  """How often a number is missing, as moments."""
  total = max(1, entry["n"] + entry["missing"])
  return _part(entry["missing"] / total, total)


def _part(share: float, n: int) -> dict[str, Any]:
  return {"n": n, "mean": share, "std": math.sqrt(share * (1 - share))}


def _percent(share: float) -> str:
  return f"{100 * share:.1f} %"


def _told_apart(context: Context, split: Split) -> list[Block]:
  """How well a linear model tells the cohort from the training examples."""
  if context.train is None or not len(split):
    return []
  sides = [_spaced(context.train), _spaced(split)]
  try:
    design = designs.linear(context.train, context.info, context.settings.seed)
  except UserError:  # Some inputs have no columns for a linear model.
    return []
  columns = np.concatenate([design.of(side) for side in sides])
  label = np.repeat([0.0, 1.0], [len(side) for side in sides])
  owner = np.concatenate(
    [np.char.add(f"{k} ", _owners(side)) for k, side in enumerate(sides)]
  )
  cluster = bootstrap.clusters(owner, len(owner))
  if min(len(set(cluster[label == side])) for side in (0, 1)) < _SOURCE_FOLDS:
    return []
  score = _cross_validated(columns, label, cluster, context.settings.seed)
  entry = entries(
    {"auroc": partial(ranking.auroc, label, score)},
    Sample(
      cluster, "patients", context.settings.replicates, context.settings.seed
    ),
  )["auroc"]
  return [
    {
      "kind": "table",
      "title": "Are the cohorts told apart?",
      "columns": ["Measure", "AUROC"],
      "rows": [["Training against cohort", entry]],
      "note": "A logistic regression on the columns of all inputs, "
      f"cross-validated by patient over at most {_SOURCE_ROWS:,} examples of "
      "each: near or below 0.5 the cohorts look alike to a linear model, at 1 "
      "it can tell every example apart. The interval does not include how much "
      "another such model would differ.",
    }
  ]


def _owners(split: Split) -> np.ndarray:
  """[N] the patient of each row, or the row itself if none is named."""
  if split.patients is None:
    return np.asarray(split.ids, str)
  return np.where(split.patients == "", split.ids, split.patients).astype(str)


def _spaced(split: Split) -> Split:
  """At most `_SOURCE_ROWS` of its rows, evenly spaced."""
  count = min(len(split), _SOURCE_ROWS)
  return split.take(np.arange(count) * len(split) // count)


def _cross_validated(
  columns: np.ndarray, label: np.ndarray, cluster: np.ndarray, seed: int
) -> np.ndarray:
  """The log odds [N] of label 1, by models fitted without the row's cluster."""
  from sklearn import linear_model, model_selection, pipeline, preprocessing

  model = pipeline.make_pipeline(
    preprocessing.StandardScaler(),
    linear_model.LogisticRegression(C=0.1, max_iter=1000),
  )
  folds = model_selection.StratifiedGroupKFold(
    _SOURCE_FOLDS, shuffle=True, random_state=seed
  )
  return model_selection.cross_val_predict(
    model,
    columns,
    label,
    groups=cluster,
    cv=folds,
    method="decision_function",
  )
