"""Classical models of tables and images, one target at a time.

All are fitted on the training split alone, without examples that lack a label.
The tasks choose among the models.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from medfm.data import designs
from medfm.metrics.bootstrap import clusters
from medfm.tasks import tuning
from medfm.tasks.tuning import Problem
from medfm.types import Design, Info, Rival, Split, UserError

STRENGTHS = [{"C": c} for c in (0.01, 0.1, 1.0, 10.0)]
RIDGES = [{"alpha": 10.0**power} for power in range(-3, 5)]
BOOSTS = [
  {"learning_rate": rate, "min_samples_leaf": leaf, "max_features": share}
  for rate, leaf, share in itertools.product((0.03, 0.1), (3, 20), (0.3, 1.0))
]
BOOST = {"learning_rate": 0.1, "min_samples_leaf": 3, "max_features": 0.3}
FOLDS, BOOST_FOLDS = 5, 3
SEARCH_ROWS, BOOST_ROWS = 5000, 2000


class Learnt(NamedTuple):
  """A fitted model.

  predict: x [N,D] -> value [N], or the probability of each of `np.unique(y)`.
  chosen: the settings that cross-validation chose, in words, if it did.
  """

  predict: Callable[[Any], np.ndarray]
  chosen: str = ""


class Fitted(NamedTuple):
  """The predictions of models of T targets.

  values: split -> values [N,T], or probabilities [N,T,K].
  chosen: for each target; see `Learnt`.
  """

  values: dict[str, np.ndarray]
  chosen: list[str]


Fit = Callable[[Problem], Learnt]


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
"""For models that look only at labels."""


def predictions(
  design: Callable | None,
  fit: Fit,
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  classes: int = 0,
) -> Fitted:
  """A model of each target, and its predictions for the other splits.

  design: from `data.designs`, what the model sees; None for labels alone.
  targets: T of [n], NaN if not known; each is a separate problem.
  classes: how many class numbers a target has; 0 if it is a number.
  """
  seen = design(train, info, seed) if design else _NOTHING
  cluster = clusters(train.patients, len(train))
  x = {name: seen.of(split) for name, split in others.items()}
  whole = Problem(seen.of(train), np.array([]), cluster, seen.levels, seed)
  return fitted(fit, whole, targets, x, classes)


def fitted(
  fit: Fit,
  problem: Problem,
  targets: Sequence[np.ndarray],
  others: Mapping[str, Any],
  classes: int,
) -> Fitted:
  """A model of each target [n], on the rows of `problem` where it is known.

  others: split -> x [N,D], for which it predicts.
  """
  models = []
  for target in targets:
    rows = np.flatnonzero(~np.isnan(target))
    known = problem._replace(y=target, classes=bool(classes)).take(rows)
    models.append(of_classes(fit, known, classes) if classes else fit(known))
  values = {
    name: np.stack([model.predict(x) for model in models], 1)
    for name, x in others.items()
  }
  return Fitted(values, [model.chosen for model in models])


def of_columns(
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  *,
  fit: Callable[..., Fitted],
  name: str,
  classes: int = 0,
) -> Rival:
  """Predicts {name: [N,T]}; each column of the labels is a separate problem.

  classes: 2 for columns of 0 and 1, whose probability of 1 is predicted.
  """
  targets = list(np.asarray(train.arrays["label"], np.float64).T)
  names = info.target.names
  require_labels(info, targets, names)
  learnt = fit(targets, train, others, info, seed, classes)
  pick = (..., 1) if classes else ...
  return Rival(
    {split: {name: v[pick]} for split, v in learnt.values.items()},
    {k: words for k, words in zip(names, learnt.chosen, strict=True) if words},
  )


def of_classes(fit: Fit, problem: Problem, classes: int) -> Learnt:
  """A model's probabilities of every class [N,classes], 0 for classes not in
  training; with a single class in training, the frequencies."""
  seen = np.unique(problem.y).astype(int)
  learnt = (frequencies if len(seen) == 1 else fit)(problem)

  def every_class(x: Any) -> np.ndarray:
    probs = np.zeros((x.shape[0], classes))
    probs[:, seen] = learnt.predict(x)
    return probs

  return Learnt(every_class, learnt.chosen)


def require_labels(
  info: Info, targets: Sequence[np.ndarray], names: Sequence[str]
) -> None:
  """Refuses a target without any labelled training example.

  names: of the targets; "" if the message needs no name.
  """
  for target, name in zip(targets, names, strict=True):
    if np.isnan(target).all():
      what = f" for {name!r}" if name else ""
      raise UserError(
        f"{info.name}: no training example has a label{what}; a baseline "
        "needs some, so label more or take the baselines out of `evaluators`"
      )


def frequencies(problem: Problem) -> Learnt:
  counts = np.unique(problem.y, return_counts=True)[1]
  return Learnt(lambda x: np.tile(counts / counts.sum(), (x.shape[0], 1)))


def mean(problem: Problem) -> Learnt:
  return Learnt(lambda x: np.full(x.shape[0], problem.y.mean()))


def logistic(problem: Problem) -> Learnt:
  from sklearn.linear_model import LogisticRegression
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  def model(C: float) -> Any:
    return make_pipeline(
      StandardScaler(), LogisticRegression(C=C, max_iter=1000)
    )

  return tuned(model, problem, STRENGTHS, default={"C": 1.0})


def tuned(
  model: Callable[..., Any],
  problem: Problem,
  grid: Sequence[tuning.Setting],
  *,
  default: tuning.Setting,
  folds: int = FOLDS,
  rows: int = SEARCH_ROWS,
) -> Learnt:
  """A scikit-learn model with the setting that `tuning.chosen` takes."""
  setting, words = tuning.chosen(
    model, problem, grid, folds=folds, rows=rows, default=default
  )
  return Learnt(learnt(model(**setting), problem), words)


def learnt(model: Any, problem: Problem) -> Callable[[Any], np.ndarray]:
  """A fitted scikit-learn model: probabilities if it has them, else values."""
  model.fit(problem.x, problem.y)
  predict = getattr(model, "predict_proba", None) or model.predict
  # scikit-learn refuses to predict for an empty array.
  nothing = predict(problem.x[:1])[:0]
  return lambda x: predict(x) if x.shape[0] else nothing


def boosted(problem: Problem) -> Learnt:
  """Trees; a column never observed in training, which cannot be binned, is
  0 everywhere.

  Trees choose each split among a share of the columns if that is better (it is
  with few rows), and leaves may be small: with scikit-learn's default of 20
  rows per leaf no tree can grow on fewer than 40.
  """
  from sklearn import ensemble
  from threadpoolctl import threadpool_limits

  kind = "Classifier" if problem.classes else "Regressor"
  blank = np.isnan(problem.x).all(0)
  model = partial(
    getattr(ensemble, f"HistGradientBoosting{kind}"),
    categorical_features=list(problem.levels) or None,
    early_stopping=False,
    random_state=problem.seed,
  )
  seen = problem._replace(x=np.where(blank, 0, problem.x))
  n = len(problem.y)
  grid = [each for each in BOOSTS if 4 * each["min_samples_leaf"] <= n]
  # For small trees, threads cost more than they save.
  with threadpool_limits(1 if n <= BOOST_ROWS else None, "openmp"):
    trees = tuned(
      model,
      seen,
      grid or [BOOST],
      default=BOOST,
      folds=BOOST_FOLDS,
      rows=BOOST_ROWS,
    )
  return trees._replace(predict=lambda x: trees.predict(np.where(blank, 0, x)))


def ridge(problem: Problem) -> Learnt:
  from sklearn.linear_model import Ridge
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  def model(alpha: float) -> Any:
    return make_pipeline(StandardScaler(), Ridge(alpha))

  return tuned(model, problem, RIDGES, default={"alpha": 1.0})


def least_squares(problem: Problem) -> Learnt:
  slopes, intercept = solved(problem.x, problem.y)
  return Learnt(lambda x: x @ slopes + intercept)


def solved(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
  """Slopes [D] and intercept of least squares, in the units of x and y.

  Solved in standardised columns for precision; a constant column gets 0.
  """
  middle, scale = x.mean(0), x.std(0)
  scale = np.where(scale == 0, 1, scale)
  z = (x - middle) / scale
  slopes = np.linalg.lstsq(z, y - y.mean(), rcond=None)[0] / scale
  return slopes, y.mean() - middle @ slopes


_LINEAR = partial(predictions, designs.linear)
_BOOSTED = partial(predictions, designs.native, boosted)

CLASSIFIERS = {
  "majority": partial(predictions, None, frequencies),
  "logistic_regression": partial(_LINEAR, logistic),
  "gradient_boosting": _BOOSTED,
  **{
    f"{kind}_logistic_regression": partial(
      predictions, partial(designs.handcrafted, kind=kind), logistic
    )
    for kind in ("hog", "colour_texture")
  },
}
"""majority: training frequencies for everyone. logistic_regression: L2,
standardised columns; C from 0.01, 0.1, 1, 10 by the log-loss of 5 folds of
the training split (whole patients). hog_ and colour_texture_: the same on
hand-crafted features of images. gradient_boosting: scikit-learn's
histogram trees; of learning rate 0.03 and 0.1, 3 and 20 rows per leaf, all or
three tenths of the columns at each split, the best in 3 folds. Of more than
5,000 rows (2,000 for trees), only this many are used to choose."""

REGRESSORS = {
  "mean": partial(predictions, None, mean),
  "least_squares": partial(_LINEAR, least_squares),
  "ridge": partial(_LINEAR, ridge),
  "gradient_boosting": _BOOSTED,
}
"""mean: of the training split. least_squares: closed form. ridge: strength
from 0.001, 0.01, ..., 10,000 by the squared error of 5 folds.
gradient_boosting: as for classes, by the squared error."""
