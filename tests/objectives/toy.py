"""Toy data sets of every task, eight rows each."""

import numpy as np

from medfm.types import Info

ROWS = 8


def table():
  """Raw features with holes, categories with holes, weight and id."""
  generator = np.random.default_rng(0)
  features = generator.standard_normal((ROWS, 3)) * [1, 5, 0.1] + [0, 20, 1]
  features[0, 0] = features[3, 2] = np.nan
  categories = generator.integers(0, 3, (ROWS, 2))
  categories[1, 0] = -1
  return {
    "features": features.astype("float32"),
    "categories": categories.astype("int32"),
    "weight": np.ones(ROWS, "float32"),
    "id": np.arange(ROWS, dtype="int32"),
  }


def info(task, **more):
  settings = {
    "numeric": ("a", "b", "c"),
    "numeric_mean": (0.0, 20.0, 1.0),
    "numeric_std": (1.0, 5.0, 0.1),
    "categorical": {"d": ("x", "y", "z"), "e": ("x", "y", "z")},
  }
  return Info("toy", task, **settings, **more)


def multiclass():
  label = np.array([0, 1, 2, 0, 1, 2, 0, -1], "int32")
  return (
    info("multiclass", classes=("p", "q", "r"), counts=(6, 3, 1)),
    {**table(), "label": label},
  )


def multilabel():
  label = np.array([[0, 1], [1, 1], [1, 0], [0, 0]] * 2, "float32")
  label[1, 0] = label[5, 0] = label[5, 1] = np.nan
  return info("multilabel", classes=("p", "q")), {**table(), "label": label}


def regression():
  generator = np.random.default_rng(1)
  label = generator.standard_normal((ROWS, 2)) * [10, 0.5] + [100, -3]
  label[2, 1] = np.nan
  return (
    info(
      "regression",
      classes=("s", "t"),
      target_mean=(100.0, -3.0),
      target_std=(10.0, 0.5),
      units=("mmHg", "log"),
    ),
    {**table(), "label": label.astype("float32")},
  )


def unlabelled():
  return info("none"), table()
