"""Linear models of counted words, for texts.

They read the pieces of words that the model reads, so that no other text has
to be kept.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data import designs
from medfm.data.text import input as text_input
from medfm.metrics.bootstrap import clusters
from medfm.tasks import classical, documents
from medfm.tasks.classical import Fit, Fitted, Learnt
from medfm.tasks.tuning import Problem
from medfm.types import Info, Split, UserError

STRENGTHS = [{"C": c} for c in (1.0, 10.0, 100.0)]
RIDGES = [{"alpha": alpha} for alpha in (0.1, 1.0, 10.0)]
FOLDS, SEARCH_ROWS = 3, 10_000
MAX_TERMS = 20_000

Columns = Callable[[Split], Any]
"""A split, one row a text -> what a model sees of it [N,D]."""


def tfidf(
  fit: Fit,
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  classes: int = 0,
) -> Fitted:
  """TF-IDF of one and two pieces in a row, for a linear model.

  Sublinear counts of the 20,000 commonest terms that two training texts hold.
  Other inputs beside a text are standardised columns. Windows of a text are
  one text again, and have equal predictions. Else as `classical.predictions`.
  """
  if text_input.among(info) is None:
    raise UserError(f"{info.name}: a baseline of counted words reads text")
  firsts = documents.firsts(train)
  columns = [
    _terms(train, info, name)
    if isinstance(each, text_input.Tokens)
    else _standardised(train.take(firsts), info, name, seed)
    for name, each in info.inputs.items()
  ]
  # A patient who is not named is nobody else; all windows of a text are one's.
  cluster = clusters(train.patients, len(train))[firsts]
  problem = Problem(_beside(columns, train), np.array([]), cluster, (), seed)
  x = {name: _beside(columns, split) for name, split in others.items()}
  known = [target[firsts] for target in targets]
  values, chosen = classical.fitted(fit, problem, known, x, classes)
  for name, split in others.items():
    values[name] = values[name][documents.of_rows(split)]
  return Fitted(values, chosen)


def _beside(columns: Sequence[Columns], split: Split) -> Any:
  """Sparse columns of a split's texts, one row each."""
  from scipy import sparse

  return sparse.hstack([of(split) for of in columns], format="csr")


def _terms(train: Split, info: Info, name: str) -> Columns:
  """Counted terms of one input."""
  from sklearn.feature_extraction.text import TfidfVectorizer

  texts = _texts(designs.alone(train, info, name))
  vectorizer = TfidfVectorizer(
    analyzer=_pieces,  # pyright: ignore[reportArgumentType]
    sublinear_tf=True,
    min_df=min(2, len(texts)),
    max_features=MAX_TERMS,
  ).fit(texts)

  def of(split: Split) -> Any:
    texts = _texts(designs.alone(split, info, name))
    # Nothing is told apart in no text at all, which scikit-learn refuses.
    return vectorizer.transform(texts or [np.array([])])[: len(texts)]

  return of


def _standardised(train: Split, info: Info, name: str, seed: int) -> Columns:
  """The columns of an input that is no text."""
  from scipy import sparse

  design = designs.of_input(train, info, name, seed)
  x = design.of(train)
  middle, scale = x.mean(0), x.std(0)
  scale = np.where(scale == 0, 1, scale)

  def of(split: Split) -> Any:
    rows = split.take(documents.firsts(split))
    return sparse.csr_matrix((design.of(rows) - middle) / scale)

  return of


def _texts(split: Split) -> list[np.ndarray]:
  """The tokens of each text."""
  pieces: list[list[np.ndarray]] = [[] for _ in documents.firsts(split)]
  place = documents.of_rows(split)
  for ids, text in zip(text_input.pieces(split), place, strict=True):
    pieces[text].append(ids)
  return [np.concatenate(rows) for rows in pieces]


def _pieces(tokens: np.ndarray) -> list[tuple[int, ...]]:
  ids = tokens.tolist()
  return [*((token,) for token in ids), *itertools.pairwise(ids)]


def _logistic(problem: Problem) -> Learnt:
  from sklearn.linear_model import LogisticRegression

  model = partial(LogisticRegression, max_iter=200, tol=1e-3)
  return _tuned(model, problem, STRENGTHS)


def _ridge(problem: Problem) -> Learnt:
  from sklearn.linear_model import Ridge

  return _tuned(Ridge, problem, RIDGES)


def _tuned(
  model: Callable[..., Any], problem: Problem, grid: Sequence[Any]
) -> Learnt:
  """With the setting of least error in 3 folds of whole patients."""
  return classical.tuned(
    model, problem, grid, default=grid[1], folds=FOLDS, rows=SEARCH_ROWS
  )


CLASSIFIERS = classical.CLASSIFIERS | {
  "tfidf_logistic_regression": partial(tfidf, _logistic)
}
"""tfidf_logistic_regression: L2 with C from 1, 10, 100 by the log-loss of 3
folds of whole patients."""

REGRESSORS = classical.REGRESSORS | {"tfidf_ridge": partial(tfidf, _ridge)}
"""tfidf_ridge: strength from 0.1, 1, 10 by the squared error of 3 folds."""
