"""Made-up labels and predictions of each task, and their scores."""

import numpy as np

from medfm import tasks
from medfm.evals import paired
from medfm.evals import scores as scored
from tests import infos

BINARY = infos.info("toy", "multiclass", ("benign", "malignant"))
THREE = infos.info("toy", "multiclass", ("a", "b", "c"))
LABELS = infos.info("toy", "multilabel", ("x", "y"))
ONE_TARGET = infos.info("toy", "regression", ("age",), units=("years",))
TARGETS = infos.info(
  "toy", "regression", ("age", "height"), units=("years", "cm")
)


def of_two(count=80, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 2, count)
  prob = 1 / (1 + np.exp(-(label - 0.5 + generator.normal(size=count))))
  probs = np.stack([1 - prob, prob], axis=1)
  return label, {"probs": probs.astype(np.float32)}


def of_three(count=90, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 3, count)
  raw = generator.random((count, 3)) + 0.5 * np.eye(3)[label]
  return label, {"probs": raw / raw.sum(1, keepdims=True)}


def of_labels(count=60, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.integers(0, 2, (count, 2)).astype(np.float32)
  probs = np.clip(0.3 * label + 0.7 * generator.random((count, 2)), 0, 1)
  return label, {"probs": probs}


def of_numbers(info, count=40, seed=0):
  generator = np.random.default_rng(seed)
  label = generator.normal(50, 9, (count, len(info.target.names)))
  return label, {"value": label + generator.normal(0, 3, label.shape)}


def scores(info, label, prediction, **settings):
  task = tasks.of(info.target)
  return scored.scores(task, info, {"label": label}, prediction, **settings)


def thresholds(info, label, prediction, specificity=0.9):
  task = tasks.of(info.target)
  return task.decide(
    info, {"label": label}, prediction, specificity=specificity
  )


def difference(info, label, a, b, **settings):
  task = tasks.of(info.target)
  return paired.difference(task, info, {"label": label}, a, b, **settings)


def few(info, label, prediction, **kwargs):
  return scores(info, label, prediction, replicates=20, **kwargs)


def of(info):
  for case, made in ((LABELS, of_labels), (BINARY, of_two), (THREE, of_three)):
    if info is case:
      return made()
  return of_numbers(info)
