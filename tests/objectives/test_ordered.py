"""Ordered classes: the likelihood, and probabilities that fall."""

import functools

import jax
import numpy as np
import pytest
from flax import linen as nn

from medfm.objectives.classify import multiclass
from medfm.objectives.ordered import continuation_ratio
from medfm.types import UserError
from tests.objectives import toy


class Given(nn.Module):
  """Logits as they are in the batch."""

  outputs: int
  levels: tuple[int, ...] = ()

  @nn.compact
  def __call__(self, batch, *, train=False):
    shift = self.param("shift", nn.initializers.zeros, (1, self.outputs))
    logits = batch["features"][:, : self.outputs] + shift
    return {"logits": logits, "embedding": logits}


@functools.cache
def found():
  info, batch = toy.ordered()
  generator = np.random.default_rng(3)
  batch["features"] = generator.normal(0, 2, (8, 3)).astype(np.float32)
  objective = continuation_ratio(info, model=Given, inputs=lambda b, i: b)
  variables = objective.init(jax.random.key(0), batch)
  terms, _ = objective.loss(variables, batch, jax.random.key(0))
  return batch, terms, objective.predict(variables, batch)


def test_the_loss_is_the_log_likelihood_of_the_class():
  batch, terms, predicted = found()
  probs, label = np.asarray(predicted["probs"]), batch["label"]
  known = label >= 0
  wanted = -np.log(probs[np.arange(8), label])[known]
  np.testing.assert_allclose(terms["loss"][known], wanted, rtol=1e-5)
  assert terms["loss"][7] == 0 == terms["weight"][7]
  assert "embedding" in predicted


def test_probabilities_are_products_of_passing_and_staying():
  batch, _, predicted = found()
  first, second = (1 / (1 + np.exp(-batch["features"][:, :2]))).T
  wanted = np.stack([1 - first, first * (1 - second), first * second], 1)
  np.testing.assert_allclose(predicted["probs"], wanted, atol=1e-6)


def test_data_of_another_task_are_refused_by_the_name_that_fits():
  info, _ = toy.multiclass()
  with pytest.raises(UserError, match=r"medfm\.objectives\.classify\.multicla"):
    continuation_ratio(info, model=Given)
  info, _ = toy.ordered()
  with pytest.raises(UserError, match=r"ordered\.continuation_ratio"):
    multiclass(info, model=Given)
