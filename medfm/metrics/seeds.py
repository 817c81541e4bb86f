"""The difference between two methods, each trained with several seeds.

A method is more than one trained model, since another seed gives another model.
The mean difference varies for two separate reasons:

- the test patients are a sample, and another sample might have been tested;
- the seeds are a sample too; this includes how a seed treats single patients.

With k seeds the difference is D +- sqrt(A) T1 + sqrt(S2 / k) T2. A is the
variance over patients that all seeds share, S2 the variance of the k paired
differences; T1 has Student's distribution with (patients - 1) degrees of
freedom, T2 with (k - 1). This is Behrens and Fisher's distribution; its test is
exact if A is 0 and otherwise conservative (`benchmarks.type1`).
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np

LEVEL = 0.95


def difference(
  values: np.ndarray, draws: np.ndarray, patients: int
) -> dict[str, Any]:
  """The mean difference over seeds, with a 95 % interval and a p value.

  values: [k] the paired difference of each seed, two or more.
  draws: [k,R] the differences in bootstrap draws of the test patients; each
    draw is the same for all seeds.
  patients: how many test patients there are.

  Gives `value`, `low`, `high`, `sd` (over seeds) and `p` (two-sided).
  """
  tail, scale = _deviation(values, draws, patients)
  value, half = float(np.mean(values)), _solved(tail, 1 - LEVEL, scale)
  return {
    "value": value,
    "low": value - half,
    "high": value + half,
    "sd": float(np.std(values, ddof=1)),
    "p": min(1.0, 2 * tail(abs(value))),
  }


def p_value(values: np.ndarray, draws: np.ndarray, patients: int) -> float:
  """Only the p value of `difference`."""
  tail, _ = _deviation(values, draws, patients)
  return min(1.0, 2 * tail(abs(float(np.mean(values)))))


def of_table(
  value: float,
  interval: tuple[float, float],
  spreads: tuple[float, float],
  count: int,
) -> dict[str, float]:
  """`difference` from the numbers of a table, if the runs are not available.

  interval: 95 %, of the patients alone. spreads: each method's standard
    deviation over its `count` seeds. Both variances tend to be too large: the
    interval also includes how single seeds treat patients, and methods that
    share seeds may differ by less than their spreads suggest.
  """
  patients = ((interval[1] - interval[0]) / 3.92) ** 2
  seeds = (spreads[0] ** 2 + spreads[1] ** 2) / count
  tail = _tail(patients, 10**6, seeds, count - 1)
  half = _solved(tail, 1 - LEVEL, np.sqrt(patients + seeds))
  return {
    "value": value,
    "low": value - half,
    "high": value + half,
    "p": min(1.0, 2 * tail(abs(value))),
  }


def _deviation(
  values: np.ndarray, draws: np.ndarray, patients: int
) -> tuple[Callable[[float], float], float]:
  """x -> the probability of a deviation above x; and its standard deviation."""
  k, seeds = len(values), float(np.var(values, ddof=1))
  shared = _shared(np.asarray(draws, float))
  tail = _tail(shared, patients - 1, seeds / k, k - 1)
  return tail, np.sqrt(shared + seeds / k)


def _shared(draws: np.ndarray) -> float:
  """The variance over patients that all seeds have in common.

  The bootstrap's variance of the mean is shared + own / k, that of a single
  seed shared + own.
  """
  k = len(draws)
  of_mean, of_each = draws.mean(0).var(), draws.var(1).mean()
  return max(0.0, float(k * of_mean - of_each) / (k - 1))


def _tail(
  shared: float, patients: int, seeds: float, others: int
) -> Callable[[float], float]:
  """x -> the probability of a deviation above x.

  shared, seeds: the two variances; patients, others: their degrees of
  freedom.
  """
  narrow, wide = sorted(((shared, patients), (seeds, others)))
  a, b = np.sqrt(narrow[0]), np.sqrt(wide[0])
  if not b:
    return lambda x: float(x <= 0)
  places, share = _nodes(max(1, narrow[1]))
  return lambda x: float(share @ _above((x - a * places) / b, max(1, wide[1])))


@functools.cache
def _nodes(freedom: int) -> tuple[np.ndarray, np.ndarray]:
  """Values of Student's t and their probabilities, which add up to 1.

  The trapezoid rule over the logits of probabilities, which converges fast.
  """
  from scipy import special

  logit = np.linspace(-34, 34, 273)
  chance = special.expit(logit)
  size = special.stdtrit(freedom, special.expit(-np.abs(logit)))
  share = chance * (1 - chance) * (logit[1] - logit[0])
  return -np.sign(logit) * size, share


def _above(x: Any, freedom: int) -> Any:
  """The probability that Student's t is above x."""
  from scipy import special

  return special.stdtr(freedom, -x)


def _solved(
  tail: Callable[[float], float], level: float, scale: float
) -> float:
  """The x beyond which, on both sides, lies `level` of the probability."""
  from scipy import optimize

  if not scale:
    return 0.0
  most = scale
  while 2 * tail(most) > level:
    most *= 4
  return cast(float, optimize.brentq(lambda x: 2 * tail(x) - level, 0, most))
