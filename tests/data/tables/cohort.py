"""A synthetic cohort as a CSV, and a column of its dataset."""

import numpy as np


def text(rows=30, header="pid,age,sex,dose,outcome,note"):
  lines = [header]
  for i in range(rows):
    sex, dose = "fm"[i % 2], "" if i == 4 else i / 2
    lines.append(f"p{i // 2},{20 + i},{sex},{dose},{'yn'[i % 3 == 0]},n{i % 2}")
  return "\n".join(lines) + "\n"


def column(dataset, name):
  return np.concatenate([s.arrays[name] for s in dataset.splits.values()])
