"""Ordered classes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from medfm.nn import inputs as device_inputs
from medfm.objectives.backbone import expect_task, supervised
from medfm.tasks import ordered as ordered_task
from medfm.types import Info, Objective


def continuation_ratio(
  info: Info, *, model: Callable, inputs: Callable = device_inputs.standard
) -> Objective:
  """Whether each class is passed, given that it was reached (Tutz 1991).

  P(y > k | y >= k) = sigmoid(logits[k]) for the K - 1 first classes, so that
  the probabilities P(y >= k) fall with k whatever the model says (CORN: Shi,
  Cao and Raschka 2021). `label` [B] int; -1 is not known, weight 0. Terms:
  `loss`, `accuracy` (of the likeliest class), `weight`. `predict`: `probs`
  [B,K], `embedding`.
  """
  expect_task(info, ordered_task)
  cuts = len(info.target.names) - 1

  def predicted(logits):
    reached = jnp.cumprod(jax.nn.sigmoid(logits), -1)
    at_least = jnp.pad(reached, [(0, 0), (1, 0)], constant_values=1)
    above = jnp.pad(reached, [(0, 0), (0, 1)])
    return {"probs": at_least - above}

  def terms(logits, batch):
    label = batch["label"]
    place, grade = label[:, None], jnp.arange(cuts)[None]
    losses = jnp.where(grade < place, -jax.nn.log_sigmoid(logits), 0)
    losses += jnp.where(grade == place, -jax.nn.log_sigmoid(-logits), 0)
    likeliest = predicted(logits)["probs"].argmax(-1)
    known = (label >= 0).astype(jnp.float32)
    return {
      "loss": losses.sum(-1) * known,
      "accuracy": (likeliest == label).astype(jnp.float32),
      "weight": known,
    }

  return supervised(
    info, ordered_task, model, inputs, terms, predicted, outputs=cuts
  )
