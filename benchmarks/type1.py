"""How often does a method differ from itself? Type I error across seeds.

Both sides of a comparison are the same method: each trained model's true
accuracy is drawn from one distribution over seeds, and both are tested on the
same patients. A test that counts what it should calls 5 % of these
differences real at p < 0.05, or fewer; one that counts the patients alone
calls many more, since each seed gives another model.

Patients differ in how hard they are, which all models share (`hard`), and
each method may have its own way with them (`way`), which all of its seeds
share; the rest is each model's own. In units of the variance of a score.

Run:  python -m benchmarks.type1
      python -m benchmarks.type1 --runs=200
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import special

from medfm.metrics import bootstrap, seeds

SEEDS = (2, 3, 5, 10)
PATIENTS = (100, 500, 2000)
SPREADS = (0.0, 0.01, 0.02, 0.03)
ACCURACY = 0.7
DRAWS = 400
LEVEL = 0.05
_AT_A_TIME = 4_000_000


class Case(NamedTuple):
  """seeds a method has, patients, and SD of the true accuracy over seeds."""

  seeds: int
  patients: int
  spread: float
  hard: float = 0.5
  way: float = 0.0


def rejected(case: Case, runs: int, generator: np.random.Generator):
  """The share of p < 0.05: by seeds and patients, and by patients alone."""
  weight = bootstrap.weights(np.arange(case.patients), DRAWS, 0)
  both, alone = [], []
  for apart in _differences(case, runs, generator):
    draws = apart @ weight.T / case.patients
    for values, drawn in zip(apart.mean(-1), draws, strict=True):
      both.append(seeds.p_value(values, drawn, case.patients) < LEVEL)
      mean = drawn.mean(0)
      tail = min((mean <= 0).sum(), (mean >= 0).sum())
      alone.append(2 * (1 + tail) / (1 + DRAWS) < LEVEL)
  return np.mean(both), np.mean(alone)


def _differences(
  case: Case, runs: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
  """[some runs, seeds, patients]: right answers of a model minus another's."""
  k, n, spread, hard, way = case
  size = max(1, _AT_A_TIME // (2 * k * n))
  for start in range(0, runs, size):
    shape = (min(size, runs - start), 2, k, n)

    def drawn(*axes: int, share: float, shape=shape):
      cut = [m if axis in axes else 1 for axis, m in enumerate(shape)]
      return np.sqrt(share) * generator.standard_normal(cut)

    score = drawn(0, 1, 2, 3, share=1 - hard - way)
    score += drawn(0, 3, share=hard) + drawn(0, 1, 3, share=way)
    true = ACCURACY + spread * generator.standard_normal(shape[:3])
    right = score < special.ndtri(np.clip(true, 0.01, 0.99))[..., None]
    yield right[:, 0].astype(float) - right[:, 1]


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
  parser.add_argument("--runs", type=int, default=4000)
  runs = parser.parse_args().runs
  generator = np.random.default_rng(0)
  spreads = [f"SD {spread:g}" for spread in SPREADS]
  print(f"p < {LEVEL} in {runs:,} comparisons of a method with itself;")
  print("in brackets where the patients alone are counted\n")
  print("| methods | seeds | patients |", " | ".join(spreads), "|")
  print("|---" * (3 + len(SPREADS)) + "|")
  for words, way in (("alike", 0.0), ("each its way", 0.3)):
    for k in SEEDS:
      for n in PATIENTS:
        cells = []
        for spread in SPREADS:
          case = Case(k, n, spread, way=way)
          both, alone = rejected(case, runs, generator)
          cells.append(f"{both:.3f} ({alone:.3f})")
        print(
          "|", " | ".join([words, str(k), f"{n:,}", *cells]), "|", flush=True
        )


if __name__ == "__main__":
  main()
