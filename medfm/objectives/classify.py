"""Classification: one class of several, or several labels at once.

Terms are [B]. `terms["weight"]`, if present, is the share of an example that
was labelled; a step multiplies `batch["weight"]` by it before it averages:
sum(weight * loss) / sum(weight).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import expect_task, known_mean, supervised
from medfm.spec import chosen
from medfm.tasks import multiclass as multiclass_task
from medfm.tasks import multilabel as multilabel_task
from medfm.types import Info, Objective, UserError


def multiclass(
  info: Info,
  *,
  model: Callable,
  inputs: Callable = device_inputs.standard,
  class_weights: str = "none",
  label_smoothing: float = 0.0,
) -> Objective:
  """Softmax cross-entropy on `label` [B] int; -1 is unlabelled, weight 0.

  Terms: `loss`, `accuracy`, `weight`. `predict`: `probs` [B,K], `embedding`.

  class_weights: "none", or "balanced": each example's loss is multiplied by
    N / (K * N_class) of the training split, 1 on average over it.
  label_smoothing: the share of a label spread evenly over all classes.
  """
  expect_task(info, multiclass_task)
  importance = _importance(info, class_weights)
  if not 0 <= label_smoothing < 1:
    raise UserError(f"label_smoothing={label_smoothing} is outside [0, 1)")
  classes = len(info.target.names)

  def terms(logits, batch):
    label = batch["label"]
    known = label >= 0
    target = jax.nn.one_hot(label, classes)
    target = optax.smooth_labels(target, label_smoothing)
    losses = optax.softmax_cross_entropy(logits, target)
    losses = losses * jnp.asarray(importance)[jnp.maximum(label, 0)]
    return {
      "loss": jnp.where(known, losses, 0),
      "accuracy": (logits.argmax(-1) == label).astype(jnp.float32),
      "weight": known.astype(jnp.float32),
    }

  def predicted(logits):
    return {"probs": jax.nn.softmax(logits)}

  return supervised(
    info, multiclass_task, model, inputs, terms, predicted, outputs=classes
  )


def multilabel(
  info: Info, *, model: Callable, inputs: Callable = device_inputs.standard
) -> Objective:
  """Sigmoid cross-entropy on `label` [B,K] in {0, 1}; NaN is missing.

  An example's `loss` is the mean over its known labels and its `weight` the
  share of labels known, so that the weighted mean over examples is the mean
  over known labels, however they are divided into batches.
  Terms: `loss`, `accuracy`, `weight`. `predict`: `probs` [B,K], `embedding`.
  """
  expect_task(info, multilabel_task)

  def terms(logits, batch):
    label = batch["label"]
    known = ~jnp.isnan(label)
    label = jnp.where(known, label, 0)
    losses = optax.sigmoid_binary_cross_entropy(logits, label)
    right = (logits > 0) == (label > 0.5)
    return {
      "loss": known_mean(losses, known),
      "accuracy": known_mean(right.astype(jnp.float32), known),
      "weight": known.mean(-1, dtype=jnp.float32),
    }

  def predicted(logits):
    return {"probs": jax.nn.sigmoid(logits)}

  count = len(info.target.names)
  return supervised(
    info, multilabel_task, model, inputs, terms, predicted, outputs=count
  )


def _importance(info, class_weights):
  """The factor [K] of each class's loss."""
  balanced = {"none": False, "balanced": True}
  counts = np.asarray(info.target.counts, np.float32)
  if not chosen("class_weights", class_weights, balanced):
    return np.ones(len(info.target.names), np.float32)
  if len(counts) != len(info.target.names):
    raise UserError(
      f'class_weights="balanced": {info.name} names no count per class; '
      'use "none"'
    )
  # The loss of a class without training examples is not weighted.
  shares = counts.sum() / (len(counts) * np.maximum(counts, 1))
  return np.where(counts > 0, shares, 1).astype(np.float32)
