"""Classical models of survival, fitted on the training split alone.

Cox and the forest need the libraries of the extra `survival`. Where one is not
installed the run says so in one line and goes on without that rival;
`--mode=evaluate` adds it once the library is there.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data import designs
from medfm.metrics.bootstrap import clusters
from medfm.types import Info, Split, UserError

Predictions = dict[str, dict[str, np.ndarray]]
"""split -> {"risk": [N], "incidence": [N,K*T]}."""

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
FOLDS, SEARCH_ROWS = 5, 5000
TREES, LEAVES = 200, (5, 15, 50)
STEPS = 100
"""Times that a forest tells apart."""


def kaplan_meier(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Predictions:
  """The curve of the training split for everyone: what covariates must beat."""
  del train, seed
  target: Any = info.target
  flat = np.ravel(target.incidence)
  return {
    name: {
      "risk": np.zeros(len(split)),
      "incidence": np.tile(flat, (len(split), 1)),
    }
    for name, split in others.items()
  }


def cox(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Predictions:
  """Proportional hazards by lifelines (Efron's ties, Breslow's baseline).

  Standardised columns with a small ridge, its strength from 0.001, 0.01, 0.1,
  1 by the partial likelihood of 5 folds of whole patients up to 5,000 rows,
  0.001 beyond, which changes little. Of several causes one model each.
  """
  if not _installed("lifelines", "cox"):
    return {}
  import pandas as pd

  x, *asked = _standardised(train, others, info, seed)
  rows, time, event = _follow_up(train)
  cluster = clusters(train.patients, len(train))[rows]
  times, models = np.unique(time[event > 0]), []
  for cause in range(1, len(info.target.names) + 1):
    frame = pd.DataFrame(x[rows]).assign(time=time, failed=event == cause)
    models.append(_cox(frame, _strength(frame, cluster, seed)))

  def hazards(model: Any, x: np.ndarray) -> np.ndarray:
    return model.predict_cumulative_hazard(x, times=times).to_numpy().T

  return _predictions(others, asked, times, models, hazards, info)


def random_survival_forest(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Predictions:
  """Ishwaran's forest by scikit-survival: 200 trees, log-rank splits.

  The fewest examples of a leaf from 5, 15, 50 by the out-of-bag C. Times are
  rounded up to 100 quantiles of the event times and the target's times, which
  bounds its memory. Of several causes one forest each.
  """
  if not _installed("sksurv", "random_survival_forest"):
    return {}
  target: Any = info.target
  x, *asked = _standardised(train, others, info, seed)
  rows, time, event = _follow_up(train)
  time = _rounded_up(time, event, target.times)
  forests = [
    _forest(x[rows], time, event == cause, seed)
    for cause in range(1, len(target.names) + 1)
  ]
  times = np.unique(np.concatenate([f.unique_times_ for f in forests]))

  def hazards(forest: Any, x: np.ndarray) -> np.ndarray:
    steps = forest.predict_cumulative_hazard_function(x, return_array=True)
    place = np.searchsorted(forest.unique_times_, times, "right")
    return np.pad(steps, ((0, 0), (1, 0)))[:, place]

  return _predictions(others, asked, times, forests, hazards, info)


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
  """Of the cumulative hazards [N,J] at `times` by a model for each cause.

  The risk is the expected number of events, summed over event times: the
  forest's mortality, and of Cox a monotone function of the hazard ratio.
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


def _strength(frame: Any, cluster: np.ndarray, seed: int) -> float:
  """The ridge of the greatest partial likelihood over folds of patients."""
  from sklearn.model_selection import StratifiedGroupKFold

  failed = frame["failed"].to_numpy()
  patients = min(len(np.unique(cluster[failed == k])) for k in (0, 1))
  if len(frame) > SEARCH_ROWS or patients < FOLDS:
    return STRENGTHS[0]
  likelihood = np.zeros(len(STRENGTHS))
  folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
  for inside, outside in folds.split(failed, failed, cluster):
    if not failed[inside].any() or not failed[outside].any():
      return STRENGTHS[0]
    fitted, held = (
      frame.iloc[rows].reset_index(drop=True) for rows in (inside, outside)
    )
    for i, strength in enumerate(STRENGTHS):
      model = _cox(fitted, strength)
      score = model.score(held, scoring_method="log_likelihood")
      likelihood[i] += score * len(outside)
  return STRENGTHS[int(np.argmax(likelihood))]


def _forest(
  x: np.ndarray, time: np.ndarray, failed: np.ndarray, seed: int
) -> Any:
  from sksurv.ensemble import RandomSurvivalForest

  outcome = np.array(
    list(zip(failed, time, strict=True)), [("failed", "?"), ("time", "<f8")]
  )
  forests = [
    RandomSurvivalForest(
      TREES, min_samples_leaf=leaf, oob_score=True, random_state=seed
    ).fit(x, outcome)
    for leaf in LEAVES
    if leaf == LEAVES[0] or 2 * leaf <= len(x)
  ]
  return max(forests, key=lambda forest: forest.oob_score_)


def _rounded_up(
  time: np.ndarray, event: np.ndarray, grid: tuple[float, ...]
) -> np.ndarray:
  """Each time as the next of some quantiles and of the grid, or itself."""
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
