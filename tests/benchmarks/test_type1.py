"""A method is compared with itself."""

import numpy as np

from benchmarks import type1
from medfm.grid import arms


def test_a_method_rarely_differs_from_itself():
  """It did in 40 % of cases while only the patients were counted."""
  case = type1.Case(seeds=3, patients=1000, spread=0.02)
  both, alone = type1.rejected(case, 150, np.random.default_rng(0))
  assert both <= 0.08
  assert alone > 0.2


def test_a_grid_counts_the_seeds_of_its_arms():
  """Arms of one method whose three seeds reach other scores."""
  generator = np.random.default_rng(0)
  wrong = 0
  for _ in range(200):
    draws = 0.5 + 0.01 * generator.standard_normal(1000)
    arm, other = (
      {
        (str(seed),): arms.Scored(0.5 + moved, draws + moved, 1000)
        for seed, moved in enumerate(0.02 * generator.standard_normal(3))
      }
      for _ in range(2)
    )
    wrong += arms.difference(arm, other)["p"] < 0.05
  assert wrong <= 16
