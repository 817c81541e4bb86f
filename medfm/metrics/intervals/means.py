"""Intervals of means of metrics, over classes, labels or targets."""

from collections.abc import Sequence

import numpy as np

from medfm.metrics.intervals.bounds import Bounds

METHOD = "mover"


def mover(values: Sequence[float], parts: Sequence[Bounds]) -> Bounds:
  """The interval of a mean from those of its parts.

  The method of variance estimates recovery (Zou & Donner 2008, Statistics in
  Medicine): distances from the values to the ends are added like errors, with
  the correlation of the parts' influences. For parts that show no variance, the
  correlation is taken from the clusters that they share.
  """
  pulls = np.stack([part.influence for part in parts])
  lengths = np.sqrt((pulls**2).sum(1))
  with np.errstate(invalid="ignore", divide="ignore"):
    related = np.nan_to_num(pulls @ pulls.T / np.outer(lengths, lengths))
  flat = np.array([(part.influence >= 0).all() for part in parts])
  shared = (
    abs(pulls) @ abs(pulls).T / np.maximum(np.outer(lengths, lengths), 1e-300)
  )
  related = np.where(flat | flat[:, None], shared, related)
  np.fill_diagonal(related, 1.0)
  value, count = float(np.mean(values)), len(parts)
  down = np.array(values) - [part.low for part in parts]
  up = np.array([part.high for part in parts]) - values
  reach = [
    float(np.sqrt(max(each @ related @ each, 0.0))) / count
    for each in (down, up)
  ]
  beside = {
    name: float(np.mean([part.beside[name] for part in parts]))
    for name in parts[0].beside
  }
  ends = value - reach[0], value + reach[1]
  return Bounds(*ends, METHOD, pulls.mean(0), beside)
