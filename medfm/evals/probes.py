"""Linear and nearest-neighbour probes of frozen features.

The features are the `embedding` that a model predicts for each split. Probes
are called like a task's rivals, with the training examples, the splits to
predict and a seed, and give split -> {"probs": [N,K]} or {"value": [N,T]}.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from medfm.data.tables import input as table_input
from medfm.evals import baselines, scores
from medfm.evals.context import Context, Findings, keeps
from medfm.types import Arrays, Info, Split, Task, UserError

Predictions = dict[str, dict[str, np.ndarray]]
"""split -> predicted arrays."""

CHUNK = 1024
"""How many queries are compared with all training examples at a time."""


@keeps("embedding")
def probes(
  context: Context, *, names: tuple[str, ...] = ("linear", "nearest")
) -> Findings:
  """How well the frozen embedding predicts the data's target.

  The model need not have been trained on that target.

  names: "linear", "nearest"; see the functions of these names.
  """
  if context.train is None or not names:
    return Findings()
  for name in names:
    if name not in PROBES:
      known = ", ".join(PROBES)
      raise UserError(f"probes has {name!r}: choose from {known}")
  outputs = context.predict(context.train)
  if not context.first:
    return Findings()
  task, info = context.asked, context.info
  train = embedded(task, "train", *task.assembled(info, context.train, outputs))
  others = {
    name: embedded(task, name, split, context.predicted[name])
    for name, split in context.splits.items()
  }
  seed = context.settings.seed
  return Findings(
    {f"probe_{n}": PROBES[n](task, train, others, info, seed) for n in names}
  )


def embedded(task: Task, name: str, split: Split, outputs: Arrays) -> Split:
  """The split's truth, with its embedding [N,E] for features."""
  if "embedding" not in outputs:
    raise UserError(f"probes need an embedding, and the split {name} has none")
  embedding = np.asarray(outputs["embedding"], np.float32)
  if len(embedding) != len(split):
    raise UserError(
      f"a probe has {len(embedding)} embeddings for the {len(split)} examples "
      f"of {name}"
    )
  arrays = scores.target_of(task, split.arrays) | {"embedding": embedding}
  arrays |= table_input.of_numbers(embedding)
  return Split(arrays, split.ids, split.patients, split.groups)


def linear(
  task: Task, train: Split, others: Mapping[str, Split], info: Info, seed: int
) -> Predictions:
  """A linear model on frozen features, fitted on the training split alone.

  Logistic regression for classes and labels, ridge for numbers: those of the
  classical baselines, with their choice of strength (`Task.LINEAR`).
  """
  if not task.LINEAR:
    raise UserError(f"{info.name}: a linear probe is not for this target")
  width = train.arrays["embedding"].shape[1]
  table = table_input.Table(tuple(f"feature{i}" for i in range(width)))
  info = dataclasses.replace(info, inputs={"embedding": table})
  fitted = baselines.rival(task, task.LINEAR, train, others, info, seed)
  return fitted.predicted


def nearest(
  task: Task,
  train: Split,
  others: Mapping[str, Split],
  info: Info,
  seed: int,
  *,
  neighbours: int = 20,
  temperature: float = 0.07,
) -> Predictions:
  """The k nearest training examples by cosine vote, each exp(cosine / t).

  As in Wu et al. 2018 and DINO. Unlabelled examples have no vote. For labels
  and targets the weighted mean of the neighbours' known values is predicted, or
  0.5 or the training mean if no neighbour has one.
  """
  votes = task.votes(info, scores.target_of(task, train.arrays))
  if votes is None:
    raise UserError(
      f"{info.name}: a nearest-neighbour probe is not for this target"
    )
  keys = _unit(train)[votes.rows]
  if not len(keys):
    raise UserError(f"{info.name}: no training example has a label")
  count = min(neighbours, len(keys))

  def voted(queries: np.ndarray) -> np.ndarray:
    """[N,K]: the mean of the neighbours' known labels, by their weight."""
    cosine = queries @ keys.T
    near = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
    close = np.take_along_axis(cosine, near, 1)
    weight = np.exp((close - close.max(1, keepdims=True)) / temperature)
    labels = votes.values[near].astype(np.float64)
    known = ~np.isnan(labels)
    vote = np.where(known, weight[:, :, None], 0)
    total = vote.sum(1)
    pulls = (vote * np.where(known, labels, 0)).sum(1)
    mean = pulls / np.maximum(total, 1e-30)
    return np.where(total > 0, mean, votes.fallback)

  predictions = {}
  for name, split in others.items():
    queries = _unit(split)
    starts = range(0, len(queries), CHUNK)
    parts = [voted(queries[start : start + CHUNK]) for start in starts]
    predictions[name] = {votes.name: np.concatenate(parts).astype(np.float32)}
  return predictions


def _unit(split: Split) -> np.ndarray:
  embedding = split.arrays["embedding"]
  norm = np.linalg.norm(embedding, axis=1, keepdims=True)
  return embedding / np.maximum(norm, 1e-12)


PROBES = {"linear": linear, "nearest": nearest}
