"""Classical models of tables and images, one target at a time.

All are fitted on the training split alone, missing labels left out. The
tasks choose among them (`rivals.py` beside each).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from medfm.data import designs
from medfm.data.tables.input import Table
from medfm.data.text.input import Tokens
from medfm.metrics.bootstrap import clusters
from medfm.types import Info, Split, UserError

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
SEARCH_ROWS = 5000
RIDGES = tuple(10.0**power for power in range(-3, 5))


class Problem(NamedTuple):
  """One target to fit: x [n,D], y [n], patients [n] as integers.

  levels: the columns of x that are levels of a category.
  """

  x: np.ndarray
  y: np.ndarray
  cluster: np.ndarray
  levels: list[int]
  seed: int


Predict = Callable[[np.ndarray], np.ndarray]
"""x [N,D] -> value [N], or the probability of each of `np.unique(y)`."""


Matrices = tuple[list[int], list[np.ndarray]]
"""The columns that are levels, and [N,D] of train and of each other split."""


class Model(NamedTuple):
  """A classical model.

  matrices: what it sees, of (train, others, info, seed).
  fit: of one problem.
  """

  matrices: Callable[[Split, Mapping[str, Split], Info, int], Matrices]
  fit: Callable[[Problem], Predict]


def has_columns(info: Info) -> bool:
  """Whether a model of columns, such as trees, fits the input."""
  return any(isinstance(each, Table) for each in info.inputs.values())


def has_text(info: Info) -> bool:
  """Whether there are words to count."""
  return any(isinstance(each, Tokens) for each in info.inputs.values())


def default_classifiers(info: Info) -> tuple[str, ...]:
  """Names of the classifiers that stand beside a network by default."""
  if has_text(info):
    return ("majority", "tfidf_logistic_regression")
  trees = ("gradient_boosting",) if has_columns(info) else ()
  return ("majority", "logistic_regression", *trees)


def values(
  model: Model,
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
) -> dict[str, np.ndarray]:
  """split -> predictions [N,T] of each target [n] (NaN is not known)."""
  return _predicted(model.fit, model, targets, train, others, info, seed)


def probabilities(
  model: Model,
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  *,
  classes: int,
) -> dict[str, np.ndarray]:
  """split -> [N,T,classes], for each target [n] of class numbers (NaN is not
  known). A target with a single class in training has its frequency.
  """

  def fit(problem: Problem) -> Predict:
    seen = np.unique(problem.y).astype(int)
    predict = (frequencies if len(seen) == 1 else model.fit)(problem)

    def all_classes(x: np.ndarray) -> np.ndarray:
      probs = np.zeros((len(x), classes))
      probs[:, seen] = predict(x)
      return probs

    return all_classes

  return _predicted(fit, model, targets, train, others, info, seed)


def _predicted(
  fit: Callable[[Problem], Predict],
  model: Model,
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
) -> dict[str, np.ndarray]:
  """split -> [N,T,...]."""
  levels, (learnt, *asked) = model.matrices(train, others, info, seed)
  cluster = clusters(train.patients, len(train))
  predicted: dict[str, list[np.ndarray]] = {name: [] for name in others}
  for target in targets:
    rows = ~np.isnan(target)
    problem = Problem(learnt[rows], target[rows], cluster[rows], levels, seed)
    predict = fit(problem)
    for name, x in zip(others, asked, strict=True):
      predicted[name].append(predict(x))
  return {name: np.stack(columns, 1) for name, columns in predicted.items()}


def require_labels(
  info: Info, targets: Sequence[np.ndarray], names: Sequence[str]
) -> None:
  """Raises UserError where no training example has a label of a target.

  names: of the targets; "" where the message needs none.
  """
  for target, name in zip(targets, names, strict=True):
    if np.isnan(target).all():
      what = f" for {name!r}" if name else ""
      raise UserError(
        f"{info.name}: no training example has a label{what}; a baseline "
        "needs some, so label more or take the baselines out of `evaluators`"
      )


def _nothing(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Matrices:
  """For models that look at labels alone."""
  del info, seed
  splits = (train, *others.values())
  return [], [np.zeros((len(split), 1)) for split in splits]


def _linear(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Matrices:
  design = designs.linear(train, info, seed)
  return [], [design.of(split) for split in (train, *others.values())]


def _native(
  train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Matrices:
  design = designs.native(train, info, seed)
  levels = list(design.levels)
  return levels, [design.of(split) for split in (train, *others.values())]


def frequencies(problem: Problem) -> Predict:
  counts = np.unique(problem.y, return_counts=True)[1]
  return lambda x: np.tile(counts / counts.sum(), (len(x), 1))


def mean(problem: Problem) -> Predict:
  return lambda x: np.full(len(x), problem.y.mean())


def logistic(problem: Problem) -> Predict:
  from sklearn.linear_model import LogisticRegression
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  def model(c: float) -> Any:
    return make_pipeline(
      StandardScaler(), LogisticRegression(C=c, max_iter=1000)
    )

  x, y, c = problem.x, problem.y, 1.0
  if len(y) <= SEARCH_ROWS:
    c = strength(model, x, y, problem.cluster, STRENGTHS, 5, problem.seed, c)
  return _probabilities(model(c), x, y)


def strength(
  model: Callable[[float], Any],
  x: Any,
  y: np.ndarray,
  group: np.ndarray,
  among: Sequence[float],
  folds: int,
  seed: int,
  fallback: float,
) -> float:
  """The C of least log-loss over folds of whole patients (`group`).

  fallback: what it is where a class has too few patients for that.
  """
  from sklearn.metrics import log_loss
  from sklearn.model_selection import StratifiedGroupKFold

  classes = np.unique(y)
  if min(len(np.unique(group[y == k])) for k in classes) < folds:
    return fallback
  losses = np.zeros(len(among))
  cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
  for fitted, held in cut.split(np.zeros(len(y)), y, group):
    if len(np.unique(y[fitted])) < len(classes):
      return fallback
    for i, c in enumerate(among):
      probs = model(c).fit(x[fitted], y[fitted]).predict_proba(x[held])
      losses[i] += log_loss(y[held], probs, labels=classes, normalize=False)
  return among[int(losses.argmin())]


def _probabilities(model: Any, x: np.ndarray, y: np.ndarray) -> Predict:
  model.fit(x, y)
  return lambda x: _of_rows(model.predict_proba, x, (len(np.unique(y)),))


def _of_rows(predict: Predict, x: np.ndarray, shape: tuple) -> np.ndarray:
  """scikit-learn refuses to predict for no rows at all."""
  return predict(x) if len(x) else np.zeros((0, *shape))


def boosted_probabilities(problem: Problem) -> Predict:
  from sklearn.ensemble import HistGradientBoostingClassifier

  return _filled(_probabilities, HistGradientBoostingClassifier, problem)


def boosted_values(problem: Problem) -> Predict:
  from sklearn.ensemble import HistGradientBoostingRegressor

  return _filled(_values, HistGradientBoostingRegressor, problem)


def _filled(fit: Callable, kind: Callable, problem: Problem) -> Predict:
  """Trees on columns of which some are never observed in training."""
  # scikit-learn cannot bin a column without a value.
  blank = np.isnan(problem.x).all(0)
  model = kind(
    categorical_features=problem.levels or None,
    early_stopping=False,
    random_state=problem.seed,
  )
  predict = fit(model, np.where(blank, 0, problem.x), problem.y)
  return lambda x: predict(np.where(blank, 0, x))


def _values(model: Any, x: np.ndarray, y: np.ndarray) -> Predict:
  model.fit(x, y)
  return lambda x: _of_rows(model.predict, x, ())


def ridge(problem: Problem) -> Predict:
  from sklearn.linear_model import RidgeCV
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  model = make_pipeline(StandardScaler(), RidgeCV(RIDGES))
  return _values(model, problem.x, problem.y)


def least_squares(problem: Problem) -> Predict:
  slopes, intercept = solved(problem.x, problem.y)
  return lambda x: x @ slopes + intercept


def solved(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
  """Slopes [D] and intercept of least squares, in the units of x and y.

  Solved in standardised columns for its digits; a constant column gets 0.
  """
  middle, scale = x.mean(0), x.std(0)
  scale = np.where(scale == 0, 1, scale)
  z = (x - middle) / scale
  slopes = np.linalg.lstsq(z, y - y.mean(), rcond=None)[0] / scale
  return slopes, y.mean() - middle @ slopes


CLASSIFIERS = {
  "majority": Model(_nothing, frequencies),
  "logistic_regression": Model(_linear, logistic),
  "gradient_boosting": Model(_native, boosted_probabilities),
}
REGRESSORS = {
  "mean": Model(_nothing, mean),
  "least_squares": Model(_linear, least_squares),
  "ridge": Model(_linear, ridge),
  "gradient_boosting": Model(_native, boosted_values),
}
