"""Regression: units, missing targets."""

import jax
import numpy as np
import pytest

from medfm.models.linear import Linear
from medfm.objectives.regress import regression
from medfm.types import UserError
from tests.objectives import toy


def _at_zero():
  """A linear model that says "the mean" of everything."""
  info, batch = toy.regression()
  objective = regression(info, model=Linear)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  terms, _ = jax.jit(objective.loss)(variables, batch, jax.random.key(0))
  return info, batch, terms, jax.jit(objective.predict)(variables, batch)


def test_predictions_are_in_raw_units():
  info, _, _, predicted = _at_zero()
  expected = np.tile(info.target.mean, (8, 1))
  np.testing.assert_allclose(predicted["value"], expected)


def test_the_loss_is_the_squared_error_in_standard_deviations():
  info, batch, terms, _ = _at_zero()
  scaled = (batch["label"] - info.target.mean) / info.target.std
  np.testing.assert_allclose(terms["loss"], np.nanmean(scaled**2, 1), rtol=1e-4)


def test_a_missing_target_halves_the_weight():
  _, _, terms, _ = _at_zero()
  np.testing.assert_allclose(terms["weight"][1:3], [1, 0.5])


def test_the_wrong_task_is_refused():
  with pytest.raises(UserError, match=r"classify\.multiclass"):
    regression(toy.multiclass()[0], model=Linear)
