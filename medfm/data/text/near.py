"""Near copies of texts: a few words changed, or a part of another text."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from medfm.data import pairing
from medfm.data.pairing import Pairs
from medfm.data.text import short
from medfm.types import Arrays

RULE = (
  "texts of which the shorter has at least 12 runs of three tokens, and four "
  "in five of these are in the longer one too; or texts of 5 to 13 tokens that "
  "differ in one of them, unless more than 1 in 100 training texts have such a "
  "twin among themselves (then that is chance)"
)
_RUN, _FEWEST, _SHARED = 3, 12, 0.8
_SHORT, _BY_CHANCE = (5, 13), 0.01  # Tokens; the share of texts.
_SKETCH = 16  # Runs of each text that find candidates,
_COMMON = 200  # unless more texts than this have them.
_PAIRS = 1 << 18
_MOST = 1 << 26  # Runs of all texts; of more, only a part is compared.

Runs = tuple[np.ndarray, np.ndarray]
"""The distinct runs of all texts end to end (uint64, sorted within each text),
and where each text ends."""


def search(splits: Mapping[str, Arrays]) -> Callable[[str, str], Pairs]:
  """(a, b) -> rows i of split a, j of split b such that one holds the other.

  Only runs that few texts have are looked up, the smallest hashes of each
  text first (MinHash, Broder 1997; bottom-k sketches), so that the cost grows
  with the number of texts and not with its square.
  """
  places = sum(np.size(held["tokens"]) for held in splits.values())
  thinned = np.uint64(-(-places // _MOST) or 1)
  runs = {k: _runs(_words(held), thinned) for k, held in splits.items()}
  left = {k: short.left(_words(held), *_SHORT) for k, held in splits.items()}
  few = _differ_by_choice(next(iter(left.values())))

  def alike(a: str, b: str) -> Pairs:
    pairs = [np.stack(_found(runs[a], runs[b]))]
    if few:
      pairs.append(np.stack(short.pairs(left[a], left[b])))
    i, j = np.unique(np.concatenate(pairs, axis=1), axis=1)
    return i, j

  return alike


def _differ_by_choice(train: short.Left) -> bool:
  """Whether short texts that differ in one token are rare in training."""
  _, j = short.pairs(train, train)
  share = len(np.unique(j)) / max(1, np.count_nonzero(train.whole))
  if share > _BY_CHANCE:
    logging.info(
      "near copies of texts: short ones with one token changed are not looked "
      "for, since %.0f %% of those in training differ so from another",
      100 * share,
    )
  return share <= _BY_CHANCE


def _words(arrays: Arrays) -> Iterator[np.ndarray]:
  """The tokens of each row, uint64, without the first and the last."""
  tokens = np.asarray(arrays["tokens"])
  segment = np.asarray(arrays["segment"]) > 0
  for row, real in zip(tokens, segment, strict=True):
    yield row[real].astype(np.uint64)[1:-1]


def _runs(texts: Iterable[np.ndarray], thinned: np.uint64) -> Runs:
  """The hashes of the runs of tokens of each text.

  thinned: one in so many runs is kept; a run is kept in all texts or in none.
  """
  values, counts = [np.zeros(0, np.uint64)], []
  for words in texts:
    hashed = np.zeros(max(0, len(words) - _RUN + 1), np.uint64)
    for place in range(_RUN):
      part = words[place : place + len(hashed)]
      hashed = pairing.scattered(hashed + part + np.uint64(place + 1))
    distinct = np.unique(hashed[hashed % thinned == 0])
    values.append(distinct)
    counts.append(len(distinct))
  return np.concatenate(values), np.cumsum(np.array(counts, np.int64))


def _found(a: Runs, b: Runs) -> Pairs:
  counts = [np.diff(ends, prepend=0) for _, ends in (a, b)]
  # A part of a longer text is found by its own runs, whichever side it is on.
  pairs = [
    _candidates(b, a, counts[1])[::-1],
    _candidates(a, b, counts[0]),
  ]
  both = np.unique(np.concatenate(pairs, axis=1), axis=1)
  shorter = np.minimum(counts[0][both[0]], counts[1][both[1]])
  both, shorter = both[:, shorter >= _FEWEST], shorter[shorter >= _FEWEST]
  kept = [np.zeros((2, 0), int)]
  for start in range(0, both.shape[1], _PAIRS):
    part = both[:, start : start + _PAIRS]
    shared = np.array(
      [_shared(_of(a, i), _of(b, j)) for i, j in part.T.tolist()], int
    )
    near = shared >= _SHARED * shorter[start : start + _PAIRS]
    kept.append(part[:, near])
  i, j = np.concatenate(kept, 1)
  return i, j


def _of(runs: Runs, row: int) -> np.ndarray:
  values, ends = runs
  return values[ends[row - 1] if row else 0 : ends[row]]


def _shared(a: np.ndarray, b: np.ndarray) -> int:
  """How many values two sorted arrays have in common."""
  if len(a) > len(b):
    a, b = b, a
  place = np.minimum(np.searchsorted(b, a), len(b) - 1)
  return int((b[place] == a).sum())


def _candidates(asked: Runs, held: Runs, counts: np.ndarray) -> np.ndarray:
  """[2,n]: rows of `asked` and those of `held` that share a few of its runs.

  At least two of the sixteen smallest hashes must be shared: a text of which
  four fifths are in another fails this with a probability of 1e-9.
  """
  values, ends = asked
  first = np.repeat(ends - counts, counts)
  chosen = np.arange(len(values)) - first < _SKETCH
  row = np.repeat(np.arange(len(ends)), counts)[chosen]
  sketch = values[chosen]
  every, _ = held
  sizes = np.diff(held[1], prepend=0)
  owner = np.repeat(np.arange(len(sizes)), sizes)
  places, asking = pairing.equal(every, sketch, _COMMON)
  pairs = np.stack([row[asking], owner[places]])
  if not pairs.size:
    return pairs
  pairs, seen = np.unique(pairs, axis=1, return_counts=True)
  return pairs[:, seen >= 2]
