"""Summaries of stub grids."""

import pathlib

from medfm import workdir
from medfm.grid import summary


def summed(root, every, **description) -> pathlib.Path:
  """The summary of a grid of these cells."""
  listed = [
    {
      "name": one.name,
      "setting": dict(one.setting),
      "needs": list(one.needs),
      "unavailable": one.unavailable,
    }
    for one in every
  ]
  content = {
    "name": "toy",
    "hypothesis": "A toy.",
    "metric": "auroc",
    "tuned": [],
    "reference": {},
    "figure": {},
  }
  workdir.write(root / "grid.json", content | description | {"cells": listed})
  return summary.write(root)
