"""Another cohort's structures beside those of training."""

import numpy as np

from medfm.data.volumes.input import Volume
from medfm.tasks import regions
from medfm.types import Info


def told(*names):
  return Info("toy", {"image": Volume()}, regions.Regions(names))


def test_structures_that_a_cohort_does_not_mark_are_not_judged():
  liver = np.zeros((1, 6, 6, 6), np.uint8)
  liver[0, 1:5, 1:5, 1:5] = 1  # With the tumour in it, which is not marked.
  arrays = regions.recoded(
    {"regions": liver}, told("liver"), told("liver", "tumour")
  )
  predicted = liver.copy()
  predicted[0, 2:4, 2:4, 2:4] = 2
  batch = arrays | {
    "id": np.zeros(1),
    "image": np.zeros((1, 6, 6, 6, 1)),
    "spacing_mm": np.ones((1, 3)),
  }
  found = regions.condense(
    told("liver", "tumour"), batch, {"regions": predicted}
  )
  dice = found["dice"][0]
  assert dice[0] == 1 and np.isnan(dice[1])
  assert np.isnan(found["in_truth"][0, 1])
  outcomes = regions.details(
    told("liver", "tumour"), {"regions": found["share"]}, found, {}
  )["outcomes"]
  assert sum(outcomes["liver"].values()) == 1
  assert sum(outcomes["tumour"].values()) == 0


def test_structures_are_renumbered_by_their_names():
  drawn = np.array([[[0, 1, 2]]], np.uint8)
  arrays = regions.recoded(
    {"regions": drawn}, told("tumour", "vessel"), told("liver", "tumour")
  )
  assert arrays["regions"].tolist() == [[[0, 2, regions.UNKNOWN]]]
  assert arrays["unmarked"].tolist() == [[True, False]]
