"""Settings of classical models, chosen by cross-validation within training.

Folds keep patients whole; classes are scored by log-loss, numbers by squared
error. The same data, seed and settings give the same choice.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

FEWEST = 3
"""The fewest patients of each class, or with numbers, for a choice."""


class Problem(NamedTuple):
  """One target to fit: x [n,D], y [n], patients [n] as integers.

  levels: the columns of x that are levels of a category.
  classes: whether y are class numbers.
  """

  x: Any
  y: np.ndarray
  cluster: np.ndarray
  levels: tuple[int, ...]
  seed: int
  classes: bool = True

  def take(self, rows: np.ndarray) -> "Problem":
    return self._replace(
      x=self.x[rows], y=self.y[rows], cluster=self.cluster[rows]
    )


Setting = Mapping[str, Any]
"""Numbers or words by name."""

Cuts = list[tuple[np.ndarray, np.ndarray]]
"""(rows to fit, rows to score) of each fold."""


def chosen(
  model: Callable[..., Any],
  problem: Problem,
  grid: Sequence[Setting],
  *,
  folds: int,
  rows: int,
  default: Setting,
) -> tuple[Setting, str]:
  """The setting of least error on the held-out parts of folds; and in words.

  model: a setting's numbers by name -> an estimator of scikit-learn.
  folds: their number, but at most the patients of the rarest class.
  rows: of a larger problem, only patients with about this many rows are used.
  default: the setting if a class has fewer than three patients.
  """
  strata = problem.y if problem.classes else np.zeros(len(problem.y))
  parts = cuts(strata, problem.cluster, problem.seed, folds, rows)
  if not parts:
    return default, told(default, len(grid), parts, problem.classes)
  errors = np.zeros(len(grid))
  for rows_in, rows_out in parts:
    fitted, held = problem.take(rows_in), problem.take(rows_out)
    for i, setting in enumerate(grid):
      errors[i] += _error(model(**setting).fit(fitted.x, fitted.y), held)
  best = grid[int(errors.argmin())]
  return best, told(best, len(grid), parts, problem.classes)


def cuts(
  strata: np.ndarray, cluster: np.ndarray, seed: int, folds: int, rows: int
) -> Cuts:
  """Folds of whole patients; none if a class has too few of them.

  strata: [n] classes that are kept in proportion; cluster: [n] patients.
  folds: their number, but at most the patients of the rarest class.
  rows: of more rows, only those of some patients are in any fold, with the same
    share of each class.
  """
  from sklearn.model_selection import StratifiedGroupKFold

  used = _bounded(strata, cluster, seed, rows)
  strata, cluster = strata[used], cluster[used]
  classes = np.unique(strata)
  rarest = min(len(np.unique(cluster[strata == k])) for k in classes)
  folds = min(folds, rarest)
  if folds < FEWEST:
    return []
  cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
  with warnings.catch_warnings():
    # Each class has patients enough: see above.
    warnings.simplefilter("ignore", UserWarning)
    parts = list(cut.split(np.zeros(len(strata)), strata, cluster))
  if any(len(np.unique(strata[fitted])) < len(classes) for fitted, _ in parts):
    return []
  return [(used[fitted], used[held]) for fitted, held in parts]


def told(
  setting: Setting, tried: int, parts: Cuts, classes: bool = True
) -> str:
  """A setting in words, and how it was chosen: the best of `tried`."""
  if not parts:
    few = "a class has" if classes else "there are"
    why = f"{few} fewer than {FEWEST} patients to choose by"
    return f"{spoken(setting)} (the default: {why})"
  used = sum(map(len, parts[0]))
  how = f"the best of {tried} in {len(parts)} folds of patients, {used:,} rows"
  return f"{spoken(setting)} ({how})"


def spoken(setting: Setting) -> str:
  """`learning rate 0.1, min samples leaf 5`."""
  return ", ".join(
    f"{name.replace('_', ' ')} "
    + (value if isinstance(value, str) else f"{value:g}")
    for name, value in setting.items()
  )


def _error(model: Any, held: Problem) -> float:
  """The summed error; log-loss of probabilities cut at 1e-15."""
  if not held.classes:
    return float(np.square(held.y - model.predict(held.x)).sum())
  place = np.searchsorted(model.classes_, held.y)
  probs = model.predict_proba(held.x)[np.arange(len(place)), place]
  return float(-np.log(np.maximum(probs, 1e-15)).sum())


def _bounded(
  strata: np.ndarray, cluster: np.ndarray, seed: int, rows: int
) -> np.ndarray:
  """About `rows` row numbers, with the same share of patients of each class."""
  n = len(strata)
  if n <= rows:
    return np.arange(n)
  place = np.random.RandomState(seed).permutation(cluster.max() + 1)[cluster]
  kept = np.zeros(n, bool)
  for k in np.unique(strata):
    of_class = np.unique(place[strata == k])
    count = max(FEWEST, int(len(of_class) * rows / n))
    kept |= (strata == k) & np.isin(place, of_class[:count])
  return np.flatnonzero(kept)
