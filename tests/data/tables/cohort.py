"""A synthetic cohort as a CSV, its dataset, and a column of that."""

import numpy as np

from medfm.types import Folders


def text(rows=30, header="pid,age,sex,dose,outcome,note"):
  lines = [header]
  for i in range(rows):
    sex, dose = "fm"[i % 2], "" if i == 4 else i / 2
    lines.append(f"p{i // 2},{20 + i},{sex},{dose},{'yn'[i % 3 == 0]},n{i % 2}")
  return "\n".join(lines) + "\n"


def dataset(place, read, content, other=None, **settings):
  """What `read` makes of a CSV text, and of another as its test split."""
  (place / "cohort.csv").write_text(content)
  if other is not None:
    (place / "later.csv").write_text(other)
    settings["test_path"] = "later.csv"
  folders = Folders(raw=str(place), cache=str(place / "cache"))
  return read(folders, **{"path": "cohort.csv", **settings})


def column(dataset, name):
  return np.concatenate([s.arrays[name] for s in dataset.splits.values()])
