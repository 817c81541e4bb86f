"""DINO: student, teacher and centre."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medfm.augment import geometry
from medfm.models.resnet import ResNet
from medfm.objectives.self_distillation import dino
from medfm.types import UserError
from tests.objectives import pictures

LOCAL = (
  functools.partial(geometry.resized_crop, share=(0.2, 0.4), size=(4, 4)),
)
FACTORY = functools.partial(
  dino,
  model=pictures.VIT,
  changes=pictures.CHANGES,
  local_changes=LOCAL,
  local_views=2,
  prototypes=12,
  hidden=16,
  width=8,
  momentum=0.9,
)
KEY = jax.random.key(7)


@functools.cache
def made(**settings):
  info, batch = pictures.images()
  objective = FACTORY(info, **settings)
  variables = jax.jit(objective.init)(jax.random.key(0), batch)
  return batch, objective, variables


def test_a_fresh_teacher_is_the_student():
  _, _, variables = made()
  jax.tree.map(
    np.testing.assert_array_equal, variables["teacher"], variables["params"]
  )
  assert set(variables) == {"params", "teacher", "centre"}


def test_the_teacher_follows_the_student_and_the_centre_the_answers():
  batch, objective, variables = made()
  moved = jax.tree.map(lambda leaf: leaf + 1, variables["params"])
  variables = {**variables, "params": moved}
  _, updates = objective.loss(variables, batch, KEY)
  jax.tree.map(
    lambda new, old: np.testing.assert_allclose(new, old + 0.1, atol=1e-5),
    updates["teacher"],
    variables["teacher"],
  )
  centre = np.asarray(updates["centre"]["mean"])
  assert centre.shape == (1, 12) and np.abs(centre).max() > 0


def test_the_centre_is_a_mean_over_rows_that_count():
  batch, objective, variables = made()
  weight = np.array([1, 1, 0, 1, 1, 1, 0, 1], "float32")
  _, padded = objective.loss(variables, {**batch, "weight": weight}, KEY)
  other = {**batch, "weight": weight, "image": batch["image"].copy()}
  other["image"][[2, 6]] = 0
  _, same = objective.loss(variables, other, KEY)
  np.testing.assert_allclose(
    padded["centre"]["mean"], same["centre"]["mean"], atol=1e-6
  )


def test_no_gradient_reaches_the_teacher():
  batch, objective, variables = made()

  def loss(teacher):
    terms, _ = objective.loss({**variables, "teacher": teacher}, batch, KEY)
    return terms["loss"].sum()

  slopes = jax.grad(loss)(variables["teacher"])
  assert all(not np.any(leaf) for leaf in jax.tree.leaves(slopes))


def test_the_loss_is_at_least_the_spread_of_the_answers():
  batch, objective, variables = made()
  terms, _ = objective.loss(variables, batch, KEY)
  assert (terms["loss"] >= terms["spread"] - 1e-5).all()
  assert (terms["spread"] > 0).all() and (terms["spread"] <= np.log(12)).all()


@pytest.mark.parametrize("local", [0, 3])
def test_pairs_of_one_view_with_itself_are_left_out(local, monkeypatch):
  """Two large views and n small ones give 2 * (1 + n) pairs."""
  asked = []
  stack = jnp.stack
  monkeypatch.setattr(
    "medfm.objectives.self_distillation.jnp.stack",
    lambda arrays: asked.append(len(arrays)) or stack(arrays),
  )
  batch, objective, variables = made(local_views=local)
  objective.loss(variables, batch, KEY)
  assert asked[0] == 2 * (1 + local)


def test_without_small_views_the_large_ones_are_enough():
  batch, objective, variables = made(local_changes=())
  terms, _ = objective.loss(variables, batch, KEY)
  assert np.isfinite(terms["loss"]).all()


def test_batch_normalisation_is_refused():
  info, batch = pictures.images()
  objective = FACTORY(info, model=functools.partial(ResNet, depth=10, width=4))
  with pytest.raises(UserError, match=r"model\.norm='group'"):
    objective.init(KEY, batch)


def test_changes_are_needed():
  with pytest.raises(UserError, match="needs changes"):
    FACTORY(pictures.images()[0], changes=())
