"""Linear models of counted words, for texts.

They read the pieces of words that the model reads, so the text itself need not
be kept.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medfm.data import designs
from medfm.data.text import input as text_input
from medfm.metrics.bootstrap import clusters
from medfm.tasks import classical, documents, tuning
from medfm.tasks.classical import Fitted, Learnt
from medfm.tasks.tuning import Problem
from medfm.types import Info, Split, UserError

STRENGTHS = [{"C": c} for c in (1.0, 10.0, 100.0)]
RIDGES = [{"alpha": alpha} for alpha in (0.1, 1.0, 10.0)]
FOLDS, SEARCH_ROWS = 3, 10_000
MAX_TERMS = 20_000
PIECES, CHARACTERS = "pieces", "characters"

Columns = Callable[[Split], Any]
"""A split with one row per text -> what a model sees of it [N,D]."""


def tfidf(
  fit: Callable[..., Learnt],
  targets: Sequence[np.ndarray],
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  classes: int = 0,
) -> Fitted:
  """TF-IDF for a linear model: of one and two pieces in a row, and for texts
  of one word (SMILES, sequences) also of two to five characters.

  Sublinear counts of the 20,000 commonest terms that occur in at least two
  training texts. Other inputs beside a text are standardised columns. Windows
  of a text are joined again and have equal predictions. Otherwise as
  `classical.predictions`.

  fit: (problem, kind=[D] str, what each column counts) -> what was learnt.
  """
  if text_input.among(info) is None:
    raise UserError(
      f"{info.name}: a baseline of counted words needs text; take it out of "
      "`evaluators`"
    )
  firsts = documents.firsts(train)
  columns: list[tuple[str, Columns]] = []
  for name, each in info.inputs.items():
    if isinstance(each, text_input.Tokens):
      columns.append((PIECES, _terms(train, info, name)))
      if each.spelling:
        spelt = _terms(train, info, name, each.spelling)
        columns.append((CHARACTERS, spelt))
    else:
      shown = _standardised(train.take(firsts), info, name, seed)
      columns.append(("", shown))
  kinds, parts = zip(*columns, strict=True)
  widths = [of(train.take(firsts[:1])).shape[1] for of in parts]
  kind = np.repeat(np.array(kinds), widths)
  # Each unnamed patient is separate; all windows of a text share a patient.
  cluster = clusters(train.patients, len(train))[firsts]
  problem = Problem(_beside(parts, train), np.array([]), cluster, (), seed)
  x = {name: _beside(parts, split) for name, split in others.items()}
  known = [target[firsts] for target in targets]
  values, chosen = classical.fitted(
    partial(fit, kind=kind), problem, known, x, classes
  )
  for name, split in others.items():
    values[name] = values[name][documents.of_rows(split)]
  return Fitted(values, chosen)


def _beside(columns: Sequence[Columns], split: Split) -> Any:
  """Sparse columns of a split's texts, one row each."""
  from scipy import sparse

  return sparse.hstack([of(split) for of in columns], format="csr")


def _terms(
  train: Split, info: Info, name: str, spelling: Sequence[str] = ()
) -> Columns:
  """Counted terms of one input; of characters if its spelling is given.

  Upper and lower case differ, as they do in SMILES.
  """
  from sklearn.feature_extraction.text import TfidfVectorizer

  texts = _texts(designs.alone(train, info, name))
  analyzer = partial(_characters, spelling=spelling) if spelling else _pieces
  vectorizer = TfidfVectorizer(
    analyzer=analyzer,  # pyright: ignore[reportArgumentType]
    sublinear_tf=True,
    min_df=min(2, len(texts)),
    max_features=MAX_TERMS,
  ).fit(texts)

  def of(split: Split) -> Any:
    texts = _texts(designs.alone(split, info, name))
    # scikit-learn refuses to count when there is no text at all.
    return vectorizer.transform(texts or [np.array([])])[: len(texts)]

  return of


def _standardised(train: Split, info: Info, name: str, seed: int) -> Columns:
  """The columns of an input that is not text."""
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


def _characters(tokens: np.ndarray, spelling: Sequence[str]) -> list[str]:
  """The stretches of 2 to 5 characters of a text."""
  text = "".join(spelling[int(token)] for token in tokens)
  return [
    text[start : start + size]
    for size in range(2, 6)
    for start in range(len(text) - size + 1)
  ]


def _logistic(problem: Problem, kind: np.ndarray) -> Learnt:
  from sklearn.linear_model import LogisticRegression

  model = partial(LogisticRegression, max_iter=200, tol=1e-3)
  return _tuned(model, problem, kind, STRENGTHS)


def _ridge(problem: Problem, kind: np.ndarray) -> Learnt:
  from sklearn.linear_model import Ridge

  return _tuned(Ridge, problem, kind, RIDGES)


def _tuned(
  model: Callable[..., Any],
  problem: Problem,
  kind: np.ndarray,
  grid: Sequence[tuning.Setting],
) -> Learnt:
  """A model with the setting of least error in 3 folds of whole patients.

  kind: [D] of each column: PIECES, CHARACTERS, or "" if it is always used.
  """
  if CHARACTERS in kind:
    grid = [
      {"terms": terms, **setting}
      for terms in (PIECES, CHARACTERS)
      for setting in grid
    ]
    model = partial(_of_terms, model, kind)
  return classical.tuned(
    model, problem, grid, default=grid[1], folds=FOLDS, rows=SEARCH_ROWS
  )


def _of_terms(
  model: Callable[..., Any], kind: np.ndarray, *, terms: str, **setting: Any
) -> Any:
  """A model that sees one kind of terms."""
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import FunctionTransformer

  places = np.flatnonzero((kind == terms) | (kind == ""))
  chosen = FunctionTransformer(lambda x: x[:, places])
  return make_pipeline(chosen, model(**setting))


CLASSIFIERS = classical.CLASSIFIERS | {
  "tfidf_logistic_regression": partial(tfidf, _logistic)
}
"""tfidf_logistic_regression: L2 with C from 1, 10, 100 by the log-loss of 3
folds of whole patients, which for texts of one word also decides whether to
count pieces or characters."""

REGRESSORS = classical.REGRESSORS | {"tfidf_ridge": partial(tfidf, _ridge)}
"""tfidf_ridge: strength from 0.1, 1, 10 by the squared error of 3 folds."""
