"""Classical models of tables and images, one target at a time.

All are fitted on the training split alone, missing labels left out. The
tasks choose among them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from medfm.data import designs
from medfm.metrics.bootstrap import clusters
from medfm.types import Design, Info, Split, UserError

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
SEARCH_ROWS = 5000
RIDGES = tuple(10.0**power for power in range(-3, 5))


class Problem(NamedTuple):
  """One target to fit: x [n,D], y [n], patients [n] as integers.

  levels: the columns of x that are levels of a category.
  """

  x: Any
  y: np.ndarray
  cluster: np.ndarray
  levels: tuple[int, ...]
  seed: int


Predict = Callable[[Any], np.ndarray]
"""x [N,D] -> value [N], or the probability of each of `np.unique(y)`."""


def suited(info: Info) -> set[str]:
  """The kinds of classical model that suit one of the inputs."""
  return {kind for each in info.inputs.values() for kind in each.suits}


def default_classifiers(info: Info) -> tuple[str, ...]:
  """The classifiers that stand beside a network by default."""
  kinds = suited(info)
  if "words" in kinds:
    return ("majority", "tfidf_logistic_regression")
  trees = ("gradient_boosting",) if "trees" in kinds else ()
  return ("majority", "logistic_regression", *trees)


_NOTHING = Design((), lambda split: np.zeros((len(split), 1)))
"""For models that look at labels alone."""


def predictions(
  design: Callable | None,
  fit: Callable[[Problem], Predict],
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  classes: int = 0,
) -> dict[str, np.ndarray]:
  """split -> values [N,T], or probabilities [N,T,classes].

  design: of `data.designs`, what the model sees; None for labels alone.
  targets: T of [n], NaN where not known; each is a problem of its own.
  classes: how many class numbers a target has; 0 where it is a number.
  """
  seen = design(train, info, seed) if design else _NOTHING
  x, cluster = seen.of(train), clusters(train.patients, len(train))
  models = []
  for target in targets:
    rows = ~np.isnan(target)
    problem = Problem(x[rows], target[rows], cluster[rows], seen.levels, seed)
    models.append(
      of_classes(fit, problem, classes) if classes else fit(problem)
    )
  predicted = {}
  for name, split in others.items():
    x = seen.of(split)
    predicted[name] = np.stack([predict(x) for predict in models], 1)
  return predicted


def of_columns(
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  *,
  fit: Callable[..., dict[str, np.ndarray]],
  name: str,
  classes: int = 0,
) -> dict[str, dict[str, np.ndarray]]:
  """split -> {name: [N,T]}, each column of the labels a problem of its own.

  classes: 2 for columns of 0 and 1, of which it is the probability of 1.
  """
  targets = list(np.asarray(train.arrays["label"], np.float64).T)
  require_labels(info, targets, info.target.names)
  by_split = fit(targets, train, others, info, seed, classes)
  pick = (..., 1) if classes else ...
  return {split: {name: values[pick]} for split, values in by_split.items()}


def of_classes(fit: Callable, problem: Problem, classes: int) -> Predict:
  """A model's probabilities of every class [N,classes], 0 of those not seen;
  a single class in training has its frequency."""
  seen = np.unique(problem.y).astype(int)
  predict = (frequencies if len(seen) == 1 else fit)(problem)

  def every_class(x: Any) -> np.ndarray:
    probs = np.zeros((x.shape[0], classes))
    probs[:, seen] = predict(x)
    return probs

  return every_class


def require_labels(
  info: Info, targets: Sequence[np.ndarray], names: Sequence[str]
) -> None:
  """Refuses a target of which no training example has a label.

  names: of the targets; "" where the message needs none.
  """
  for target, name in zip(targets, names, strict=True):
    if np.isnan(target).all():
      what = f" for {name!r}" if name else ""
      raise UserError(
        f"{info.name}: no training example has a label{what}; a baseline "
        "needs some, so label more or take the baselines out of `evaluators`"
      )


def frequencies(problem: Problem) -> Predict:
  counts = np.unique(problem.y, return_counts=True)[1]
  return lambda x: np.tile(counts / counts.sum(), (x.shape[0], 1))


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

  c = 1.0
  if len(problem.y) <= SEARCH_ROWS:
    c = strength(model, problem, STRENGTHS, folds=5, fallback=c)
  return learnt(model(c), problem)


def strength(
  model: Callable[[float], Any],
  problem: Problem,
  among: Sequence[float],
  *,
  folds: int,
  fallback: float,
) -> float:
  """The C of least log-loss over folds of whole patients.

  fallback: what it is where a class has too few patients for that.
  """
  from sklearn.metrics import log_loss
  from sklearn.model_selection import StratifiedGroupKFold

  x, y, cluster = problem.x, problem.y, problem.cluster
  classes = np.unique(y)
  if min(len(np.unique(cluster[y == k])) for k in classes) < folds:
    return fallback
  losses = np.zeros(len(among))
  cut = StratifiedGroupKFold(folds, shuffle=True, random_state=problem.seed)
  for fitted, held in cut.split(np.zeros(len(y)), y, cluster):
    if len(np.unique(y[fitted])) < len(classes):
      return fallback
    for i, c in enumerate(among):
      probs = model(c).fit(x[fitted], y[fitted]).predict_proba(x[held])
      losses[i] += log_loss(y[held], probs, labels=classes, normalize=False)
  return among[int(losses.argmin())]


def learnt(model: Any, problem: Problem) -> Predict:
  """A scikit-learn model, fitted: probabilities if it has them, else values."""
  model.fit(problem.x, problem.y)
  predict = getattr(model, "predict_proba", None) or model.predict
  # scikit-learn refuses to predict for no rows at all.
  nothing = predict(problem.x[:1])[:0]
  return lambda x: predict(x) if x.shape[0] else nothing


def _boosted(problem: Problem, *, kind: str) -> Predict:
  """Trees; a column never observed in training, which cannot be binned, is
  0 everywhere."""
  from sklearn import ensemble

  blank = np.isnan(problem.x).all(0)
  model = getattr(ensemble, f"HistGradientBoosting{kind}")(
    categorical_features=list(problem.levels) or None,
    early_stopping=False,
    random_state=problem.seed,
  )
  predict = learnt(model, problem._replace(x=np.where(blank, 0, problem.x)))
  return lambda x: predict(np.where(blank, 0, x))


def ridge(problem: Problem) -> Predict:
  from sklearn.linear_model import RidgeCV
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  return learnt(make_pipeline(StandardScaler(), RidgeCV(RIDGES)), problem)


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
  "majority": partial(predictions, None, frequencies),
  "logistic_regression": partial(predictions, designs.linear, logistic),
  "gradient_boosting": partial(
    predictions, designs.native, partial(_boosted, kind="Classifier")
  ),
}
"""majority: training frequencies for everyone. logistic_regression: L2,
standardised columns; C from 0.01, 0.1, 1, 10 by the log-loss of 5 folds of
the training split (whole patients) up to 5,000 rows, 1 beyond, where it
hardly matters. gradient_boosting: scikit-learn's histogram trees, its
defaults."""

REGRESSORS = {
  "mean": partial(predictions, None, mean),
  "least_squares": partial(predictions, designs.linear, least_squares),
  "ridge": partial(predictions, designs.linear, ridge),
  "gradient_boosting": partial(
    predictions, designs.native, partial(_boosted, kind="Regressor")
  ),
}
"""mean: of the training split. least_squares, ridge: closed form; ridge with
the strength of the best leave-one-out error on the training split.
gradient_boosting: scikit-learn's histogram trees, its defaults."""
