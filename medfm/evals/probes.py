"""What frozen features know: linear and nearest-neighbour probes.

Numbers only: the features are the `embedding` that a model of any kind
predicts for each split.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from medfm.data.tables.input import Table
from medfm.evals import baselines
from medfm.types import Info, Split, UserError

CHUNK = 1024
"""Queries compared with all training examples at once."""


def predictions(
  name: str,
  train: Split,
  embeddings: Mapping[str, np.ndarray],
  others: Mapping[str, Split],
  info: Info,
  *,
  seed: int = 0,
) -> dict[str, baselines.Prediction]:
  """What the probe of this name says; see `linear` and `nearest`."""
  if name == "linear":
    return linear(train, embeddings, others, info, seed=seed)
  if name == "nearest":
    return nearest(train, embeddings, others, info)
  raise UserError(f"probes has {name!r}: choose from linear, nearest")


def linear(
  train: Split,
  embeddings: Mapping[str, np.ndarray],
  others: Mapping[str, Split],
  info: Info,
  *,
  seed: int = 0,
) -> dict[str, baselines.Prediction]:
  """A linear model on frozen features, fitted on the training split alone.

  Logistic regression for classes and labels, ridge for targets: those of the
  classical baselines, with their choice of strength.

  Args:
    train: the training examples, for labels and patients.
    embeddings: split -> [N,E]; that of the training split is "train".
    others: the splits to predict.

  Returns:
    split -> {"probs": [N,K]} or {"value": [N,T]}.
  """
  if info.task in ("multiclass", "multilabel"):
    name = "logistic_regression"
  elif info.task == "regression":
    name = "ridge"
  else:
    raise UserError(f"a linear probe is not for the task {info.task!r}")
  width = _checked(train, embeddings, others).shape[1]
  columns = tuple(f"feature{i}" for i in range(width))
  features = dataclasses.replace(info, inputs={"embedding": Table(columns)})
  return baselines.predictions(
    name,
    _held(train, embeddings["train"]),
    {k: _held(split, embeddings[k]) for k, split in others.items()},
    features,
    seed,
  )


def nearest(
  train: Split,
  embeddings: Mapping[str, np.ndarray],
  others: Mapping[str, Split],
  info: Info,
  *,
  neighbours: int = 20,
  temperature: float = 0.07,
) -> dict[str, baselines.Prediction]:
  """The k nearest training examples by cosine vote, each exp(cosine / t).

  As in Wu et al. 2018 and DINO. Unlabelled examples have no vote; for labels
  and targets the weighted mean of the known ones is predicted, and 0.5 or the
  training mean where no neighbour knows.

  Args and returns are those of `linear`.
  """
  if info.task not in ("multiclass", "multilabel", "regression"):
    raise UserError(f"a nearest-neighbour probe is not for {info.task!r}")
  if neighbours < 1 or temperature <= 0:
    raise UserError(
      "a nearest-neighbour probe needs neighbours and heat above 0"
    )
  keys = _unit(_checked(train, embeddings, others))
  label = np.asarray(train.arrays["label"])
  if info.task == "multiclass":
    known = label >= 0
    keys, label = keys[known], np.eye(len(info.classes))[label[known]]
  if not len(keys):
    raise UserError(f"{info.name}: no training example has a label")
  name = "value" if info.task == "regression" else "probs"
  fallback = np.asarray(info.target_mean) if name == "value" else 0.5
  return {
    split: {
      name: _voted(
        keys, label, _unit(embeddings[split]), neighbours, temperature, fallback
      ).astype(np.float32)
    }
    for split in others
  }


def _voted(keys, label, queries, neighbours, temperature, fallback):
  """[N,K]: the mean of the neighbours' known labels, by their weight."""
  count = min(neighbours, len(keys))
  parts = []
  for start in range(0, len(queries), CHUNK):
    cosine = queries[start : start + CHUNK] @ keys.T
    near = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
    close = np.take_along_axis(cosine, near, 1)
    weight = np.exp((close - close.max(1, keepdims=True)) / temperature)
    found = label[near].astype(np.float64)
    known = ~np.isnan(found)
    vote = np.where(known, weight[:, :, None], 0)
    total = vote.sum(1)
    mean = (vote * np.where(known, found, 0)).sum(1) / np.maximum(total, 1e-30)
    parts.append(np.where(total > 0, mean, fallback))
  return np.concatenate(parts)


def _unit(features: np.ndarray) -> np.ndarray:
  features = np.asarray(features, np.float32)
  norm = np.linalg.norm(features, axis=1, keepdims=True)
  return features / np.maximum(norm, 1e-12)


def _held(split: Split, features: np.ndarray) -> Split:
  arrays = {
    "features": np.asarray(features, np.float32),
    "label": split.arrays["label"],
  }
  return Split(arrays, split.ids, split.patients, split.groups)


def _checked(train, embeddings, others) -> np.ndarray:
  """The training features, once every split is found to have its own."""
  for name, split in {"train": train, **others}.items():
    if name not in embeddings:
      raise UserError(f"a probe lacks the embedding of the split {name}")
    if len(embeddings[name]) != len(split):
      raise UserError(
        f"a probe has {len(embeddings[name])} embeddings for the "
        f"{len(split)} examples of {name}"
      )
  return np.asarray(embeddings["train"])
