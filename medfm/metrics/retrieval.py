"""Retrieval: where the first right answer comes among all candidates.

A query is a picture that looks for its text, or a text for its picture. Several
candidates may be right, such as texts that are equal.
"""

import functools

import numpy as np
from scipy import special

from medfm.metrics.described import described
from medfm.metrics.intervals import proportions
from medfm.metrics.intervals.bounds import bounded
from medfm.metrics.undefined import Array, Value, Weight, share

CHUNK = 1024
"""How many queries are compared with all candidates at a time."""


def ranks(
  queries: Array,
  candidates: Array,
  query_group: Array,
  candidate_group: Array,
) -> Array:
  """[N] int, the rank from 1 of each query's first right candidate.

  Candidates are ordered by their product with the query. One that ties with
  the best right one and is wrong comes before it, so that equal scores for
  all, and scores that are not finite, are the worst answer and not the best.

  queries [N,E], candidates [M,E]: vectors. query_group [N], candidate_group
    [M]: a candidate is right if it has the query's group. A query without any
    right candidate has rank M + 1.
  """
  placed = []
  for start in range(0, len(queries), CHUNK):
    rows = slice(start, start + CHUNK)
    scores = np.asarray(queries[rows], float) @ np.asarray(candidates, float).T
    right = np.asarray(query_group)[rows, None] == candidate_group
    best = np.where(right, scores, -np.inf).max(1, keepdims=True)
    placed.append(1 + (~right & ~(scores < best)).sum(1))
  return np.concatenate([np.zeros(0, int), *placed])


def _hits(rank: Array, *, k: int) -> tuple[Array, Array]:
  return (np.asarray(rank) <= k).astype(float), np.ones(len(rank))


@bounded(proportions.interval, _hits)
@described(
  "Recall",
  "share of the queries with a right answer among the first k; read it beside "
  "the chance level, which grows with repeated answers and small galleries",
  "more",
)
def recall_at(rank: Array, weight: Weight = None, *, k: int) -> Value:
  """Share of the ranks [N] that are at most k. weight: [N] or [R,N]."""
  hits, ones = _hits(rank, k=k)
  counted = ones if weight is None else np.asarray(weight, float)
  return share(counted @ hits, counted.sum(-1), "there is no query")


@described(
  "Median rank",
  "half of the queries have a right answer among that many candidates",
  "less",
)
def median_rank(rank: Array, weight: Weight = None) -> Value:
  """The lower median of the ranks [N]; weight: [N] or [R,N]."""
  order = np.argsort(rank, kind="stable")
  placed = np.asarray(rank, float)[order]
  counted = (
    np.ones(len(placed)) if weight is None else np.asarray(weight, float)
  )
  running = np.cumsum(counted[..., order], -1)
  total = running[..., -1:] if len(placed) else np.zeros((1,))
  share(total[..., 0], total[..., 0], "there is no query")
  first = (running >= total / 2).argmax(-1)
  value = placed[first]
  return float(value) if np.ndim(value) == 0 else value


def chance_recall(right: Array, gallery: int, *, k: int) -> float:
  """The recall at k of a random order of the gallery.

  right: [N] how many right candidates each query has.
  """
  return float((1 - _all_wrong(np.asarray(right), gallery, k)).mean())


def chance_median_rank(right: Array, gallery: int) -> float:
  """The median rank of a random order of the gallery."""
  reached = functools.partial(chance_recall, right, gallery)
  low, high = 1, gallery
  while low < high:
    middle = (low + high) // 2
    low, high = (
      (low, middle) if reached(k=middle) >= 0.5 else (middle + 1, high)
    )
  return float(low)


def _all_wrong(right: Array, gallery: int, k: int) -> Array:
  """[N] P(none of the right ones is among k drawn): C(M-m,k) / C(M,k)."""
  wrong = gallery - right
  drawn = min(k, gallery)
  fact = special.gammaln
  logs = (
    fact(wrong + 1.0)
    - fact(np.maximum(wrong - drawn, 0) + 1.0)
    + fact(gallery - drawn + 1.0)
    - fact(gallery + 1.0)
  )
  return np.where(wrong >= drawn, np.exp(logs), 0.0)
