"""Synthetic images in a folder or a table, and how they are read."""

import csv
import os

import numpy as np
from PIL import Image

from medfm.data.images import own as own_images
from medfm.types import Folders


def save(path, value=0, dtype=np.uint8, shape=(8, 8)):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.full(shape, value, dtype)).save(path)


def colour(path, shape=(8, 8), colour=(200, 30, 60)):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.full((*shape, 3), colour, np.uint8)).save(path)


def read(root, path=None, **kwargs):
  folders = Folders(raw=None, cache=str(root.parent / "cache"))
  return own_images.own_images(
    folders, **{"path": str(path or root), "size": 8} | kwargs
  )


def table(root, rows, name="table.csv"):
  """A synthetic CSV file beside its images; a missing one is made."""
  for row in rows:
    if row["image"] and not (root / row["image"]).exists():
      save(root / row["image"], len(os.listdir(root)))
  with open(root / name, "w", newline="") as file:
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
  return root / name


def rows(n=20, patients=10, **others):
  return [
    {
      "image": f"{i}.png",
      "label": ("no", "yes")[i // 2 % 2],
      "patient": f"p{i % patients}",
      "sex": "fm"[i % 2],
    }
    | {key: value(i) for key, value in others.items()}
    for i in range(n)
  ]


def together(dataset, key="label"):
  """id -> value over all splits."""
  return {
    name: value
    for split in dataset.splits.values()
    for name, value in zip(split.ids, split.arrays[key], strict=True)
  }
