"""SimCLR: its loss, whose rivals count, and what it gives."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.objectives.contrastive import contrasted, simclr
from medfm.types import UserError
from tests import infos
from tests.objectives import pictures

FACTORY = functools.partial(
  simclr, model=pictures.RESNET, changes=pictures.CHANGES, hidden=16, width=8
)


compared = jax.jit(contrasted)


def by_hand(z, rivals, temperature):
  """Equation 1 of Chen et al. 2020 as loops in float64."""
  z = z.astype(np.float64)
  z = z / np.linalg.norm(z, axis=1, keepdims=True)
  count, losses = len(z), []
  for i in range(count):
    j = (i + count // 2) % count
    among = [
      math.exp(z[i] @ z[k] / temperature)
      for k in range(count)
      if k != i and (rivals[k] or k == j)
    ]
    losses.append(-math.log(math.exp(z[i] @ z[j] / temperature) / sum(among)))
  return losses


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("padded", [(), (1, 4), (0, 1, 2, 3, 4)])
def test_the_loss_is_that_of_the_paper_among_rows_that_count(
  temperature, padded
):
  z = np.random.default_rng(0).normal(size=(12, 5)).astype("f")
  weight = np.ones(6, "f")
  weight[list(padded)] = 0
  twice = np.concatenate([weight, weight])
  loss, _ = compared(z, twice, temperature)
  expected = by_hand(z, twice > 0, temperature)
  np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


def test_views_that_are_alike_are_matched():
  z = np.random.default_rng(0).normal(size=(6, 5)).astype("f")
  both = np.concatenate([z, z])
  loss, matched = compared(both, np.ones(12, "f"), 0.01)
  assert (np.asarray(matched) == 1).all()
  assert np.asarray(loss).max() < 0.01
  crossed = compared(np.concatenate([z, z[::-1]]), np.ones(12, "f"), 0.01)[1]
  assert (np.asarray(crossed) == 0).all()
  collapsed = compared(np.ones((12, 5), "f"), np.ones(12, "f"), 0.01)[1]
  assert (np.asarray(collapsed) == 0).all()


def test_a_view_of_zero_has_a_finite_gradient():
  slope = jax.grad(lambda z: contrasted(z, jnp.ones(4), 0.1)[0].sum())
  assert np.isfinite(jax.jit(slope)(np.zeros((4, 3), "f"))).all()


@functools.cache
def made():
  """With a transformer, which is compiled sooner than a residual network."""
  info, batch = pictures.images()
  objective = FACTORY(info, model=pictures.VIT)
  return batch, objective, jax.jit(objective.init)(jax.random.key(0), batch)


def test_it_is_coupled_and_its_loss_depends_on_the_others():
  batch, objective, variables = made()
  assert objective.coupled
  loss = jax.jit(objective.loss)
  key = jax.random.key(1)
  whole, _ = loss(variables, batch, key)
  other = {**batch, "image": batch["image"].copy()}
  other["image"][5] = 255 - other["image"][5]
  changed, _ = loss(variables, other, key)
  assert whole["loss"].shape == whole["matched"].shape == (8,)
  assert (whole["loss"] != changed["loss"]).all()


def test_the_embedding_is_of_the_picture_as_it_is():
  batch, objective, variables = made()
  predict = jax.jit(objective.predict)
  whole = predict(variables, batch)
  some = predict(variables, {k: array[2:5] for k, array in batch.items()})
  np.testing.assert_allclose(
    some["embedding"], whole["embedding"][2:5], atol=1e-4
  )


def test_settings_that_make_no_sense_are_refused():
  info, _ = pictures.images()
  with pytest.raises(UserError, match="temperature=0"):
    FACTORY(info, temperature=0)
  with pytest.raises(UserError, match="needs changes"):
    FACTORY(info, changes=())
  table = infos.info(
    "toy", numeric=("a",), numeric_mean=(0.0,), numeric_std=(1.0,)
  )
  with pytest.raises(UserError, match="is for images and volumes"):
    FACTORY(table)
