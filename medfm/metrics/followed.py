"""Sums over pairs in which one is followed longer, in n log n."""

import numpy as np

from medfm.metrics.undefined import Array


def followed(
  weight: Array, group: Array, key: Array, first: Array, second: Array
) -> Array:
  """The sum of w_i w_j over pairs of one group with key_j > key_i.

  i is one of `first`, j of `second`; weight [...,N] gives [...].
  """
  rows = np.flatnonzero(first | second)
  rows = rows[np.lexsort((key[rows], group[rows]))]
  group, key, first = group[rows], key[rows], np.flatnonzero(first[rows])
  place = group * (key.max(initial=0) + 1) + key
  after = np.searchsorted(place, place[first], "right")
  end = np.searchsorted(group, group[first], "right")
  weight = weight[..., rows]
  sums = np.zeros((*weight.shape[:-1], len(rows) + 1))
  np.cumsum(weight * second[rows], axis=-1, out=sums[..., 1:])
  later = sums[..., end] - sums[..., after]
  return np.einsum("...n,...n->...", weight[..., first], later)


def by_row(
  group: Array, key: Array, first: Array, second: Array
) -> tuple[Array, Array]:
  """In how many pairs of `followed` each row is i, and in how many j: [N]."""
  order = np.lexsort((key, group))
  group, key = group[order], key[order]
  place = group * (key.max(initial=0) + 1) + key
  end = np.searchsorted(group, group, "right")
  start = np.searchsorted(group, group, "left")
  after = np.searchsorted(place, place, "right")
  before = np.searchsorted(place, place, "left")
  firsts, seconds = (
    np.append(0, np.cumsum(side[order])) for side in (first, second)
  )
  as_first, as_second = np.zeros((2, len(order)))
  as_first[order] = (seconds[end] - seconds[after]) * first[order]
  as_second[order] = (firsts[before] - firsts[start]) * second[order]
  return as_first, as_second
