"""What stands beside a language model: counted words, and a dictionary.

Both read the pieces of words that the model reads, so that no other text has
to be kept.
"""

import itertools

import numpy as np

from medfm.types import Info, Split, UserError

Prediction = dict[str, np.ndarray]

STRENGTHS = (1.0, 10.0, 100.0)
FOLDS = 3
MAX_TERMS = 20_000


def tfidf_logistic_regression(
  train: Split, others: dict[str, Split], info: Info, seed: int
) -> dict[str, Prediction]:
  """TF-IDF of one and two pieces in a row, and logistic regression.

  Sublinear counts of the 20,000 commonest terms that two training texts hold;
  L2 with C from 1, 10, 100 by the log-loss of 3 folds of whole documents.
  Windows of a text are one text again. Gives `probs` per row, equal for all
  windows of a text.

  Raises: UserError where there are no tokens to count.
  """
  from sklearn.feature_extraction.text import TfidfVectorizer

  if "tokens" not in train.arrays:
    raise UserError(
      f"{info.name}: baseline 'tfidf_logistic_regression' reads text"
    )
  documents, firsts, _ = _documents(train)
  label = np.asarray(train.arrays["label"], float)[firsts]
  vectorizer = TfidfVectorizer(
    analyzer=_terms,
    sublinear_tf=True,
    min_df=min(2, len(documents)),
    max_features=MAX_TERMS,
  )
  x = vectorizer.fit_transform(documents)
  groups = train.ids if train.patients is None else train.patients
  group = np.unique(np.asarray(groups, str)[firsts], return_inverse=True)[1]
  models = [
    _fitted(x, column, group, seed)
    for column in ([label] if label.ndim == 1 else label.T)
  ]
  found = {}
  for name, split in others.items():
    documents, _, place = _documents(split)
    probs = np.zeros((0, len(info.classes)))
    if documents:
      probs = _probs(models, vectorizer.transform(documents), info)
    found[name] = {"probs": probs[place]}
  return found


def dictionary(
  train: Split, others: dict[str, Split], info: Info, seed: int
) -> dict[str, Prediction]:
  """Each word has the tag it has most often in training, O where unseen.

  An I- that would continue nothing becomes B-. Gives `tags` [N,L].
  """
  votes: dict[tuple[int, ...], np.ndarray] = {}
  label = np.asarray(train.arrays["label"])
  for row, start, word in _words(train):
    tag = label[row, start]
    if tag >= 0:
      counts = votes.setdefault(word, np.zeros(len(info.classes), int))
      counts[tag] += 1
  best = {word: int(counts.argmax()) for word, counts in votes.items()}
  return {
    name: {"tags": _looked_up(split, best, info)}
    for name, split in others.items()
  }


def _looked_up(split: Split, best: dict, info: Info) -> np.ndarray:
  outside = info.classes.index("O")
  tags = np.full(split.arrays["tokens"].shape, outside, np.int32)
  before, last = outside, -1
  for row, start, word in _words(split):
    if row != last:
      before, last = outside, row
    tag = best.get(word, outside)
    name = info.classes[tag]
    kind = name[2:]
    if name.startswith("I-") and info.classes[before][2:] != kind:
      tag = _index(info, f"B-{kind}", tag)
    tags[row, start] = before = tag
  return tags


def _index(info: Info, name: str, other: int) -> int:
  return info.classes.index(name) if name in info.classes else other


def _words(split: Split):
  """(row, place of its first piece, its pieces) of each word."""
  numbers = np.asarray(split.arrays["word"])
  tokens = np.asarray(split.arrays["tokens"])
  for row in range(len(split)):
    places = np.flatnonzero(numbers[row] >= 0)
    own = numbers[row, places]
    edges = np.flatnonzero(np.diff(own, prepend=-1))
    for start, stop in zip(edges, [*edges[1:], len(own)], strict=True):
      yield row, places[start], tuple(tokens[row, places[start:stop]].tolist())


def _documents(
  split: Split,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
  """(tokens of each text, its first row, the text of each row)."""
  n = len(split)
  document = np.asarray(split.arrays.get("document", np.arange(n)))
  _, firsts, place = np.unique(document, return_index=True, return_inverse=True)
  texts: list[list[np.ndarray]] = [[] for _ in firsts]
  tokens = np.asarray(split.arrays["tokens"])
  real = np.asarray(split.arrays["segment"]) > 0
  for row, text in enumerate(place):
    texts[text].append(tokens[row][real[row]])
  return [np.concatenate(rows) for rows in texts], firsts, place


def _terms(tokens: np.ndarray) -> list[tuple[int, ...]]:
  own = tokens.tolist()
  return [*((token,) for token in own), *itertools.pairwise(own)]


def _fitted(x, column: np.ndarray, group: np.ndarray, seed: int):
  """(classes, model) of the labelled rows; model None for a single class."""
  from sklearn.linear_model import LogisticRegression

  rows = np.flatnonzero(~np.isnan(column) & (column >= 0))
  y = column[rows].astype(int)
  seen = np.unique(y)
  if len(seen) < 2:
    return seen, None
  x = x[rows]

  def model(strength):
    return LogisticRegression(C=strength, max_iter=200, tol=1e-3)

  strength = _strength(x, y, group[rows], seed, model)
  return seen, model(strength).fit(x, y)


def _strength(x, y, group, seed: int, model) -> float:
  from sklearn.metrics import log_loss
  from sklearn.model_selection import StratifiedGroupKFold

  patients = [len(np.unique(group[y == k])) for k in np.unique(y)]
  if min(patients) < FOLDS:
    return STRENGTHS[1]
  losses = np.zeros(len(STRENGTHS))
  folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
  for fitted, held in folds.split(np.zeros(len(y)), y, group):
    if len(np.unique(y[fitted])) < len(np.unique(y)):
      return STRENGTHS[1]
    for i, strength in enumerate(STRENGTHS):
      probs = model(strength).fit(x[fitted], y[fitted]).predict_proba(x[held])
      losses[i] += log_loss(
        y[held], probs, labels=np.unique(y), normalize=False
      )
  return STRENGTHS[int(losses.argmin())]


def _probs(models, x, info: Info) -> np.ndarray:
  """[texts, K]; of a label with one class in training, its frequency."""
  columns = []
  for seen, model in models:
    width = len(info.classes) if info.task == "multiclass" else 2
    probs = np.zeros((x.shape[0], width))
    if model is None:
      probs[:, seen] = 1
    else:
      probs[:, seen] = model.predict_proba(x)
    columns.append(probs if info.task == "multiclass" else probs[:, 1:])
  return np.concatenate(columns, 1)
