"""Classical models of survival, fitted on the training split alone.

Cox and the forest need the libraries of the extra `survival`. If one is not
installed, the run says so in one line and continues without that rival;
`--mode=evaluate` adds it once the library is installed.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data import designs
from medfm.metrics.bootstrap import clusters
from medfm.tasks import tuning
from medfm.types import Info, Rival, Split, UserError

Predictions = dict[str, dict[str, np.ndarray]]
"""split -> {"risk": [N], "incidence": [N,K*T]}."""

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
FOLDS, FOREST_FOLDS, SEARCH_ROWS = 5, 3, 5000
TREES, LEAVES = 200, (5, 15, 50)
STEPS = 100
"""How many times a forest distinguishes."""


def kaplan_meier(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Rival:
  """The training split's curve for everyone, which covariates must beat."""
  del train, seed
  target: Any = info.target
  flat = np.ravel(target.incidence)
  return Rival(
    {
      name: {
        "risk": np.zeros(len(split)),
        "incidence": np.tile(flat, (len(split), 1)),
      }
      for name, split in others.items()
    }
  )


def cox(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Rival:
  """Proportional hazards by lifelines (Efron's ties, Breslow's baseline).

  Standardised columns with a small ridge; its strength is chosen from 0.001,
  0.01, 0.1, 1 by the partial likelihood of 5 folds of whole patients, over at
  most about 5,000 rows. With several causes, one model each.
  """
  if not _installed("lifelines", "cox"):
    return Rival({})
  import pandas as pd

  x, *asked = _standardised(train, others, info, seed)
  rows, time, event = _follow_up(train)
  cluster = clusters(train.patients, len(train))[rows]
  times, models, chosen = np.unique(time[event > 0]), [], {}
  for cause, name in enumerate(info.target.names, 1):
    frame = pd.DataFrame(x[rows]).assign(time=time, failed=event == cause)
    strength, chosen[name] = _strength(frame, cluster, seed)
    models.append(_cox(frame, strength))

  def hazards(model: Any, x: np.ndarray) -> np.ndarray:
    return model.predict_cumulative_hazard(x, times=times).to_numpy().T

  predicted = _predictions(others, asked, times, models, hazards, info)
  return Rival(predicted, chosen)


def random_survival_forest(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Rival:
  """Ishwaran's forest by scikit-survival: 200 trees, log-rank splits.

  The fewest examples of a leaf are chosen from 5, 15, 50 by the out-of-bag C
  or, if patients have several rows, by that of 3 folds of whole patients. Times
  are rounded up to 100 quantiles of the event times and the target's times,
  which bounds the memory. With several causes, one forest each.
  """
  if not _installed("sksurv", "random_survival_forest"):
    return Rival({})
  target: Any = info.target
  x, *asked = _standardised(train, others, info, seed)
  rows, time, event = _follow_up(train)
  time = _rounded_up(time, event, target.times)
  cluster = clusters(train.patients, len(train))[rows]
  forests, chosen = [], {}
  for cause, name in enumerate(target.names, 1):
    failed = event == cause
    forest, chosen[name] = _forest(x[rows], time, failed, cluster, seed)
    forests.append(forest)
  times = np.unique(np.concatenate([f.unique_times_ for f in forests]))

  def hazards(forest: Any, x: np.ndarray) -> np.ndarray:
    steps = forest.predict_cumulative_hazard_function(x, return_array=True)
    place = np.searchsorted(forest.unique_times_, times, "right")
    return np.pad(steps, ((0, 0), (1, 0)))[:, place]

  predicted = _predictions(others, asked, times, forests, hazards, info)
  return Rival(predicted, chosen)


def incidence(hazards: np.ndarray) -> np.ndarray:
  """Cumulative incidence [N,K,J] of cumulative hazards [N,K,J] of causes."""
  grown = np.diff(hazards, axis=2, prepend=0)
  total = grown.sum(1)
  alive = np.exp(-np.pad(np.cumsum(total, 1), ((0, 0), (1, 0))))
  failing = alive[:, :-1] - alive[:, 1:]
  share = grown / np.maximum(total, 1e-300)[:, None]
  return np.cumsum(failing[:, None] * share, 2)


def _follow_up(train: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """The training rows whose follow-up is known, their times and events."""
  time = np.asarray(train.arrays["time"], np.float64)
  event = np.asarray(train.arrays["event"])
  rows = np.flatnonzero((event >= 0) & ~np.isnan(time))
  if not (event[rows] > 0).any():
    raise UserError(
      "no training example has an event; a baseline needs some, so give more "
      "labels or take the baselines out of `evaluators`"
    )
  return rows, time[rows], event[rows]


def _installed(library: str, rival: str) -> bool:
  try:
    importlib.import_module(library)
  except ImportError:
    print(
      f"baseline {rival} is left out: it needs {library}: "
      "pip install 'medfm[survival]'",
      flush=True,
    )
    return False
  return True


def _standardised(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> list[np.ndarray]:
  """Columns [N,D] of train and of each other split; constant ones left out."""
  design = designs.linear(train, info, seed)
  x = [design.of(split) for split in (train, *others.values())]
  mean, std = x[0].mean(0), x[0].std(0)
  kept = std > 1e-7 * np.maximum(np.abs(mean), 1)
  return [(each[:, kept] - mean[kept]) / std[kept] for each in x]


def _predictions(
  others: Mapping[str, Split],
  asked: list[np.ndarray],
  times: np.ndarray,
  models: Sequence[Any],
  hazards: Callable[[Any, np.ndarray], np.ndarray],
  info: Info,
) -> Predictions:
  """Predictions from cumulative hazards [N,J] at `times`, one model per cause.

  The risk is the expected number of events, summed over event times: the
  forest's mortality, and for Cox a monotone function of the hazard ratio.
  """
  target: Any = info.target
  place = np.searchsorted(times, target.times, "right")
  size = len(models) * len(place)
  by_split = {}
  for name, x in zip(others, asked, strict=True):
    curves = np.zeros((0, len(models), len(times)))
    if len(x):
      curves = np.stack([hazards(model, x) for model in models], 1)
    grown = np.pad(incidence(curves), ((0, 0), (0, 0), (1, 0)))[..., place]
    by_split[name] = {
      "risk": curves.sum((1, 2)),
      "incidence": grown.reshape(len(x), size),
    }
  return by_split


def _cox(frame: Any, strength: float) -> Any:
  """frame: columns 0, 1, ... with time and failed."""
  from lifelines import CoxPHFitter

  return CoxPHFitter(penalizer=strength).fit(frame, "time", "failed")


def _strength(frame: Any, cluster: np.ndarray, seed: int) -> tuple[float, str]:
  """The ridge with the greatest partial likelihood over folds; and in words."""
  failed = frame["failed"].to_numpy()
  parts = tuning.cuts(failed, cluster, seed, FOLDS, SEARCH_ROWS)
  likelihood = np.zeros(len(STRENGTHS))
  for inside, outside in parts:
    fitted, held = (
      frame.iloc[rows].reset_index(drop=True) for rows in (inside, outside)
    )
    for i, strength in enumerate(STRENGTHS):
      model = _cox(fitted, strength)
      score = model.score(held, scoring_method="log_likelihood")
      likelihood[i] += score * len(outside)
  best = STRENGTHS[int(np.argmax(likelihood))]
  return best, tuning.told({"penalizer": best}, len(STRENGTHS), parts)


def _forest(
  x: np.ndarray,
  time: np.ndarray,
  failed: np.ndarray,
  cluster: np.ndarray,
  seed: int,
) -> tuple[Any, str]:
  """A forest, and the size of its leaves in words."""
  from sksurv.ensemble import RandomSurvivalForest

  outcome = np.array(
    list(zip(failed, time, strict=True)), [("failed", "?"), ("time", "<f8")]
  )
  grow = partial(RandomSurvivalForest, random_state=seed)
  leaves = [k for k in LEAVES if k == LEAVES[0] or 2 * k <= len(x)]
  if len(np.unique(cluster)) == len(x):
    forests = [
      grow(TREES, min_samples_leaf=k, oob_score=True).fit(x, outcome)
      for k in leaves
    ]
    best = max(forests, key=lambda forest: forest.oob_score_)
    words = tuning.spoken({"min_samples_leaf": best.min_samples_leaf})
    return best, f"{words} (the best of {len(leaves)} by the out-of-bag C)"
  # A tree leaves out rows, not patients, and may have seen their other rows.
  parts = tuning.cuts(failed, cluster, seed, FOREST_FOLDS, SEARCH_ROWS)
  scores = np.zeros(len(leaves))
  for inside, outside in parts:
    for i, leaf in enumerate(leaves):
      forest = grow(TREES // 4, min_samples_leaf=leaf)
      forest.fit(x[inside], outcome[inside])
      scores[i] += forest.score(x[outside], outcome[outside])
  leaf = leaves[int(np.argmax(scores))]
  words = tuning.told({"min_samples_leaf": leaf}, len(leaves), parts)
  return grow(TREES, min_samples_leaf=leaf).fit(x, outcome), words


def _rounded_up(
  time: np.ndarray, event: np.ndarray, grid: tuple[float, ...]
) -> np.ndarray:
  """Each time rounded up to some quantiles or the grid; unchanged beyond."""
  ends = np.unique(time[event > 0])
  if len(ends) > STEPS:
    levels = np.arange(1, STEPS + 1) / STEPS
    ends = np.quantile(ends, levels, method="inverted_cdf")
  ends = np.unique([*ends, *grid, time.max()])
  return ends[np.searchsorted(ends, time, "left")]


RIVALS = {
  "kaplan_meier": kaplan_meier,
  "cox": cox,
  "random_survival_forest": random_survival_forest,
}
