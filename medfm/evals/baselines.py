"""Classical models on the same splits, to stand beside a network.

All are fitted on the training split alone, missing labels left out.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from medfm.data import designs
from medfm.evals import text_baselines
from medfm.metrics.bootstrap import clusters
from medfm.types import Info, Split, UserError

Prediction = dict[str, np.ndarray]
"""{"probs": [N,K]} or {"value": [N,T]}."""

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
SEARCH_ROWS = 5000
RIDGES = tuple(10.0**power for power in range(-3, 5))


def defaults(info: Info) -> tuple[str, ...]:
  """The baselines that stand beside a network on this task."""
  tabular = bool(info.numeric or info.categorical)
  trees = ("gradient_boosting",) if tabular else ()
  if info.task == "tokens":
    return ("dictionary",)
  if info.vocabulary and info.task in ("multiclass", "multilabel"):
    return ("majority", "tfidf_logistic_regression")
  if info.task in ("multiclass", "multilabel"):
    return ("majority", "logistic_regression", *trees)
  if info.task == "regression":
    return ("mean", "least_squares" if tabular else "ridge", *trees)
  return ()


def predictions(
  name: str, train: Split, others: dict[str, Split], info: Info, seed: int
) -> dict[str, Prediction]:
  """What a baseline fitted on `train` says of each of the other splits.

  majority (multiclass, multilabel), mean (regression): training frequencies
    or means for everyone.
  logistic_regression (multiclass, multilabel): L2, standardised columns; C
    from 0.01, 0.1, 1, 10 by the log-loss of 5 folds of the training split
    (whole patients) up to 5,000 rows, 1 beyond, where it hardly matters.
  gradient_boosting: scikit-learn's histogram trees, its defaults.
  tfidf_logistic_regression (text), dictionary (labelled words): see
    `text_baselines`.
  least_squares, ridge (regression): closed form; ridge with the strength of
    the best leave-one-out error on the training split.

  A label with a single class in training is predicted at its frequency.

  Raises:
    UserError: the name is unknown or not for this task, no training example
      has a label, or a multiclass training split has a single class.
  """
  fits = _FITS.get(info.task, {})
  readers = _TEXT.get(info.task, {})
  if name in readers:
    return readers[name](train, others, info, seed)
  if name not in fits:
    raise UserError(
      f"{info.name}: baseline {name!r} is not for task {info.task!r}: choose"
      f" from {', '.join([*fits, *readers]) or 'none: set baselines to ()'}"
    )
  levels, matrices = _matrices(name, train, others, info, seed)
  targets = _targets(train, info)
  cluster = clusters(train.patients, len(train))
  columns = []
  for target in targets:
    rows = ~np.isnan(target)
    task = _Task(matrices[0][rows], target[rows], cluster[rows], levels, seed)
    columns.append(_column(fits[name], task, matrices[1:], info))
  predicted = [
    np.concatenate(parts, axis=1) for parts in zip(*columns, strict=True)
  ]
  key = "value" if info.task == "regression" else "probs"
  return {
    split: {key: values}
    for split, values in zip(others, predicted, strict=True)
  }


def coefficients(train: Split, info: Info) -> dict[str, float]:
  """Least squares in raw units, by feature name, and "intercept".

  Missing values and categories as in `designs.linear`. With several targets
  the keys are `feature[target]`. Where columns depend on one another, the
  solution of least norm in standardised columns.
  """
  design = designs.linear(train, info, seed=0)
  x, table = design.of(train), {}
  for target, name in zip(_targets(train, info), info.classes, strict=True):
    rows = ~np.isnan(target)
    slopes, intercept = _solved(x[rows], target[rows])
    suffix = f"[{name}]" if len(info.classes) > 1 else ""
    for feature, slope in zip(design.names, slopes, strict=True):
      table[f"{feature}{suffix}"] = float(slope)
    table[f"intercept{suffix}"] = float(intercept)
  return table


class _Task(NamedTuple):
  """One target to fit: x [n,D], y [n], patients [n] as integers."""

  x: np.ndarray
  y: np.ndarray
  cluster: np.ndarray
  levels: list[int]
  seed: int


_Predict = Callable[[np.ndarray], np.ndarray]
"""x [N,D] -> value [N], or the probability of each of `np.unique(y)`."""


def _matrices(name, train, others, info, seed):
  """Columns that are levels; the matrices of train and the other splits."""
  splits, levels = [train, *others.values()], []
  if name in ("majority", "mean"):
    return levels, [np.zeros((len(split), 1)) for split in splits]
  if name == "gradient_boosting":
    design = designs.native(train, info, seed)
    levels = list(design.levels)
  else:
    design = designs.linear(train, info, seed)
  return levels, [design.of(split) for split in splits]


def _targets(train: Split, info: Info) -> list[np.ndarray]:
  """The columns to fit, NaN where missing."""
  label = np.asarray(train.arrays["label"], np.float64)
  if info.task == "multiclass":
    columns = [np.where(label < 0, np.nan, label)]
  else:
    columns = list(label.T)
  for column, name in zip(columns, info.classes, strict=False):
    seen = np.unique(column[~np.isnan(column)])
    if not len(seen):
      what = "" if info.task == "multiclass" else f" for {name!r}"
      raise UserError(
        f"{info.name}: no training example has a label{what}; a baseline"
        " needs some, so label more or set baselines to ()"
      )
    if info.task == "multiclass" and len(seen) == 1:
      raise UserError(
        f"{info.name}: every training label is"
        f" {info.classes[int(seen[0])]!r}; a baseline needs two classes, so"
        " change the split or set baselines to ()"
      )
  return columns


def _column(fit, task: _Task, matrices, info: Info) -> list[np.ndarray]:
  """Predictions [N,...] of one target on each matrix."""
  if info.task == "regression":
    predict = fit(task)
    return [predict(x)[:, None] for x in matrices]
  seen = np.unique(task.y).astype(int)
  predict = (_majority if len(seen) == 1 else fit)(task)
  full = []
  for x in matrices:
    if info.task == "multiclass":
      probs = np.zeros((len(x), len(info.classes)))
      probs[:, seen] = predict(x)
    else:
      probs = np.zeros((len(x), 2))
      probs[:, seen] = predict(x)
      probs = probs[:, 1:]
    full.append(probs)
  return full


def _majority(task: _Task) -> _Predict:
  counts = np.unique(task.y, return_counts=True)[1]
  return lambda x: np.tile(counts / counts.sum(), (len(x), 1))


def _mean(task: _Task) -> _Predict:
  return lambda x: np.full(len(x), task.y.mean())


def _logistic_regression(task: _Task) -> _Predict:
  from sklearn.linear_model import LogisticRegression
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  def model(strength: float):
    return make_pipeline(
      StandardScaler(), LogisticRegression(C=strength, max_iter=1000)
    )

  strength = 1.0
  if len(task.y) <= SEARCH_ROWS:
    strength = _strength(task, model)
  return _probabilities(model(strength), task.x, task.y)


def _strength(task: _Task, model: Callable) -> float:
  """The C of least log-loss over folds of whole patients, or 1."""
  from sklearn.metrics import log_loss
  from sklearn.model_selection import StratifiedGroupKFold

  classes, code = np.unique(task.y, return_inverse=True)
  groups = [
    len(np.unique(task.cluster[code == k])) for k in range(len(classes))
  ]
  if min(groups) < 5:
    return 1.0
  folds = StratifiedGroupKFold(5, shuffle=True, random_state=task.seed)
  losses = np.zeros(len(STRENGTHS))
  for fitted, held in folds.split(task.x, code, task.cluster):
    if len(np.unique(code[fitted])) < len(classes):
      return 1.0
    for i, strength in enumerate(STRENGTHS):
      predict = _probabilities(model(strength), task.x[fitted], code[fitted])
      losses[i] += log_loss(
        code[held],
        predict(task.x[held]),
        labels=np.arange(len(classes)),
        normalize=False,
      )
  return STRENGTHS[int(np.argmin(losses))]


def _probabilities(model, x: np.ndarray, y: np.ndarray) -> _Predict:
  model.fit(x, y)
  return lambda x: _of_rows(model.predict_proba, x, (len(np.unique(y)),))


def _of_rows(predict: _Predict, x: np.ndarray, shape: tuple) -> np.ndarray:
  """scikit-learn refuses to predict for no rows at all."""
  return predict(x) if len(x) else np.zeros((0, *shape))


def _boosting(task: _Task) -> _Predict:
  from sklearn.ensemble import HistGradientBoostingClassifier

  return _filled(_probabilities, HistGradientBoostingClassifier, task)


def _boosting_regressor(task: _Task) -> _Predict:
  from sklearn.ensemble import HistGradientBoostingRegressor

  return _filled(_values, HistGradientBoostingRegressor, task)


def _filled(fit: Callable, kind: Callable, task: _Task) -> _Predict:
  """Trees on columns of which some are never observed in training."""
  # scikit-learn cannot bin a column without a value.
  blank = np.isnan(task.x).all(0)
  model = kind(
    categorical_features=task.levels or None,
    early_stopping=False,
    random_state=task.seed,
  )
  predict = fit(model, np.where(blank, 0, task.x), task.y)
  return lambda x: predict(np.where(blank, 0, x))


def _values(model, x: np.ndarray, y: np.ndarray) -> _Predict:
  model.fit(x, y)
  return lambda x: _of_rows(model.predict, x, ())


def _ridge(task: _Task) -> _Predict:
  from sklearn.linear_model import RidgeCV
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  model = make_pipeline(StandardScaler(), RidgeCV(RIDGES))
  return _values(model, task.x, task.y)


def _least_squares(task: _Task) -> _Predict:
  slopes, intercept = _solved(task.x, task.y)
  return lambda x: x @ slopes + intercept


def _solved(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
  """Slopes [D] and intercept of least squares, in the units of x and y.

  Solved in standardised columns for its digits; a constant column gets 0.
  """
  middle, scale = x.mean(0), x.std(0)
  scale = np.where(scale == 0, 1, scale)
  z = (x - middle) / scale
  slopes = np.linalg.lstsq(z, y - y.mean(), rcond=None)[0] / scale
  return slopes, y.mean() - middle @ slopes


_FITS = {
  "multiclass": {
    "majority": _majority,
    "logistic_regression": _logistic_regression,
    "gradient_boosting": _boosting,
  },
  "multilabel": {
    "majority": _majority,
    "logistic_regression": _logistic_regression,
    "gradient_boosting": _boosting,
  },
  "regression": {
    "mean": _mean,
    "least_squares": _least_squares,
    "ridge": _ridge,
    "gradient_boosting": _boosting_regressor,
  },
}

_TFIDF = {"tfidf_logistic_regression": text_baselines.tfidf_logistic_regression}
_TEXT = {
  "multiclass": _TFIDF,
  "multilabel": _TFIDF,
  "tokens": {"dictionary": text_baselines.dictionary},
}
