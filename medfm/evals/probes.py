"""What frozen features know: linear and nearest-neighbour probes.

Numbers only: the features are the `embedding` that a model of any kind
predicts for each split.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from medfm.data.tables import input as table_input
from medfm.evals import baselines
from medfm.evals.context import Context, Findings, keeps
from medfm.types import Info, Split, Task, UserError

CHUNK = 1024
"""Queries compared with all training examples at once."""


@keeps("embedding")
def probes(
  context: Context, *, names: tuple[str, ...] = ("linear", "nearest")
) -> Findings:
  """How well the frozen embedding predicts the data's target, which the model
  need not have been trained on.

  names: "linear", "nearest"; see the functions of these names.
  """
  if context.train is None or not names:
    return Findings()
  outputs = context.predict(context.train)
  if not context.first:
    return Findings()
  task, info = context.asked, context.info
  train, outputs = task.assembled(info, context.train, outputs)
  features = {"train": outputs} | dict(context.predicted)
  embeddings = {
    name: arrays["embedding"]
    for name, arrays in features.items()
    if "embedding" in arrays
  }
  rivals = {}
  for name in names:
    if name not in PROBES:
      known = ", ".join(PROBES)
      raise UserError(f"probes has {name!r}: choose from {known}")
    rivals[f"probe_{name}"] = PROBES[name](
      task, train, embeddings, context.splits, info, context.settings.seed
    )
  return Findings(rivals)


def linear(
  task: Task,
  train: Split,
  embeddings: Mapping[str, np.ndarray],
  others: Mapping[str, Split],
  info: Info,
  seed: int = 0,
) -> baselines.Predictions:
  """A linear model on frozen features, fitted on the training split alone.

  Logistic regression for classes and labels, ridge for numbers: those of the
  classical baselines, with their choice of strength (`Task.LINEAR`).

  Args:
    task: of the target.
    train: the training examples, for labels and patients.
    embeddings: split -> [N,E]; that of the training split is "train".
    others: the splits to predict.

  Returns:
    split -> {"probs": [N,K]} or {"value": [N,T]}.
  """
  if not task.LINEAR:
    raise UserError(f"{info.name}: a linear probe is not for this target")
  width = _checked(train, embeddings, others).shape[1]
  columns = tuple(f"feature{i}" for i in range(width))
  features = dataclasses.replace(
    info, inputs={"embedding": table_input.Table(columns)}
  )
  return baselines.predictions(
    task,
    task.LINEAR,
    _held(task, train, embeddings["train"]),
    {k: _held(task, split, embeddings[k]) for k, split in others.items()},
    features,
    seed,
  )


def nearest(
  task: Task,
  train: Split,
  embeddings: Mapping[str, np.ndarray],
  others: Mapping[str, Split],
  info: Info,
  seed: int = 0,
  *,
  neighbours: int = 20,
  temperature: float = 0.07,
) -> baselines.Predictions:
  """The k nearest training examples by cosine vote, each exp(cosine / t).

  As in Wu et al. 2018 and DINO. Unlabelled examples have no vote; for labels
  and targets the weighted mean of the known ones is predicted, and 0.5 or the
  training mean where no neighbour knows. Nothing is drawn, so `seed` changes
  nothing.

  Args and returns are those of `linear`.
  """
  del seed
  if neighbours < 1 or temperature <= 0:
    raise UserError(
      "a nearest-neighbour probe needs neighbours and temperature above 0"
    )
  votes = task.votes(info, {k: train.arrays[k] for k in task.TARGETS})
  if votes is None:
    raise UserError(
      f"{info.name}: a nearest-neighbour probe is not for this target"
    )
  keys = _unit(_checked(train, embeddings, others))[votes.rows]
  if not len(keys):
    raise UserError(f"{info.name}: no training example has a label")
  return {
    split: {
      votes.name: _voted(
        keys,
        votes.values,
        _unit(embeddings[split]),
        neighbours,
        temperature,
        votes.fallback,
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
    near_labels = label[near].astype(np.float64)
    known = ~np.isnan(near_labels)
    vote = np.where(known, weight[:, :, None], 0)
    total = vote.sum(1)
    mean = (vote * np.where(known, near_labels, 0)).sum(1) / np.maximum(
      total, 1e-30
    )
    parts.append(np.where(total > 0, mean, fallback))
  return np.concatenate(parts)


def _unit(features: np.ndarray) -> np.ndarray:
  features = np.asarray(features, np.float32)
  norm = np.linalg.norm(features, axis=1, keepdims=True)
  return features / np.maximum(norm, 1e-12)


def _held(task: Task, split: Split, features: np.ndarray) -> Split:
  """The split's truth, with its embedding for features."""
  arrays = {name: split.arrays[name] for name in task.TARGETS}
  arrays |= table_input.of_numbers(features)
  return Split(arrays, split.ids, split.patients, split.groups)


def _checked(train, embeddings, others) -> np.ndarray:
  """The training features; checks that every split has its own."""
  for name, split in {"train": train, **others}.items():
    if name not in embeddings:
      raise UserError(f"a probe lacks the embedding of the split {name}")
    if len(embeddings[name]) != len(split):
      raise UserError(
        f"a probe has {len(embeddings[name])} embeddings for the "
        f"{len(split)} examples of {name}"
      )
  return np.asarray(embeddings["train"])


PROBES = {"linear": linear, "nearest": nearest}
