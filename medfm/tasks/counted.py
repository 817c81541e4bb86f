"""A linear model of counted words, for texts.

It reads the pieces of words that the model reads, so that no other text has
to be kept.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfm.data.text import input as text_input
from medfm.tasks import classical, documents
from medfm.tasks.classical import Predict, Problem
from medfm.types import Info, Split, UserError

STRENGTHS = (1.0, 10.0, 100.0)
MAX_TERMS = 20_000


def tfidf(
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  classes: int,
) -> dict[str, np.ndarray]:
  """TF-IDF of one and two pieces in a row, and logistic regression.

  Sublinear counts of the 20,000 commonest terms that two training texts hold;
  L2 with C from 1, 10, 100 by the log-loss of 3 folds of whole documents.
  Windows of a text are one text again, and have equal probabilities. Else as
  `classical.predictions`.
  """
  from sklearn.feature_extraction.text import TfidfVectorizer

  if not isinstance(info.only, text_input.Tokens):
    raise UserError(
      f"{info.name}: baseline 'tfidf_logistic_regression' reads text"
    )
  texts, firsts, _ = _texts(train)
  vectorizer = TfidfVectorizer(
    analyzer=_terms,  # pyright: ignore[reportArgumentType]
    sublinear_tf=True,
    min_df=min(2, len(texts)),
    max_features=MAX_TERMS,
  )
  x = vectorizer.fit_transform(texts)
  groups = train.ids if train.patients is None else train.patients
  group = np.unique(np.asarray(groups, str)[firsts], return_inverse=True)[1]
  models = []
  for target in targets:
    y = target[firsts]
    rows = np.flatnonzero(~np.isnan(y))
    problem = Problem(x[rows], y[rows], group[rows], (), seed)
    models.append(classical.of_classes(_logistic, problem, classes))
  predicted = {}
  for name, split in others.items():
    texts, _, place = _texts(split)
    probs = np.zeros((0, len(targets), classes))
    if texts:
      x = vectorizer.transform(texts)
      probs = np.stack([predict(x) for predict in models], 1)
    predicted[name] = probs[place]
  return predicted


def _texts(split: Split) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
  """(tokens of each text, its first row, the text of each row)."""
  firsts, place = documents.firsts(split), documents.of_rows(split)
  pieces: list[list[np.ndarray]] = [[] for _ in firsts]
  for ids, text in zip(text_input.pieces(split), place, strict=True):
    pieces[text].append(ids)
  return [np.concatenate(rows) for rows in pieces], firsts, place


def _terms(tokens: np.ndarray) -> list[tuple[int, ...]]:
  ids = tokens.tolist()
  return [*((token,) for token in ids), *itertools.pairwise(ids)]


def _logistic(problem: Problem) -> Predict:
  from sklearn.linear_model import LogisticRegression

  def model(c: float) -> Any:
    return LogisticRegression(C=c, max_iter=200, tol=1e-3)

  c = classical.strength(
    model, problem, STRENGTHS, folds=3, fallback=STRENGTHS[1]
  )
  return classical.learnt(model(c), problem)


CLASSIFIERS = classical.CLASSIFIERS | {"tfidf_logistic_regression": tfidf}
